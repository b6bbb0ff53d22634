//! Traffic in words, the same wherever it is printed. Pure.

use rouse_api::TrafficTarget;

/// `90% hello-00002 (@latest), 10% hello-00001 (tag old)`: each revision once, with its share and its
/// tags, the largest share first.
pub(crate) fn traffic_text(traffic: &[TrafficTarget]) -> String {
    let mut revisions: Vec<Served<'_>> = Vec::new();
    for target in traffic {
        let name = target.revision_name.as_deref().unwrap_or("@latest");
        let at = revisions.iter().position(|served| served.name == name).unwrap_or_else(|| {
            revisions.push(Served { name, percent: 0, latest: false, tags: Vec::new() });
            revisions.len() - 1
        });
        let (served, percent) = (&mut revisions[at], target.percent.unwrap_or(0));
        served.percent = served.percent.saturating_add(percent);
        // A share or a tag of its own that moves with the latest revision.
        served.latest |= target.latest_revision == Some(true) && percent > 0;
        served.tags.extend(target.tag.as_deref());
    }
    revisions.sort_by_key(|served| std::cmp::Reverse(served.percent));
    revisions.iter().map(Served::text).collect::<Vec<_>>().join(", ")
}

struct Served<'a> {
    name: &'a str,
    percent: i64,
    latest: bool,
    tags: Vec<&'a str>,
}

impl Served<'_> {
    fn text(&self) -> String {
        let mut notes = Vec::new();
        if self.latest && self.name != "@latest" {
            notes.push("@latest".to_owned());
        }
        match self.tags.as_slice() {
            [] => {}
            [tag] => notes.push(format!("tag {tag}")),
            tags => notes.push(format!("tags {}", tags.join(" and "))),
        }
        let notes =
            if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
        format!("{}% {}{notes}", self.percent, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_stands_once_with_its_share_and_its_tags() {
        let target = |revision: &str, percent, latest, tag: &str| TrafficTarget {
            revision_name: Some(revision.to_owned()),
            percent: Some(percent),
            latest_revision: Some(latest),
            tag: Some(tag.to_owned()).filter(|tag| !tag.is_empty()),
            ..TrafficTarget::default()
        };
        for (traffic, text) in [
            (vec![target("a", 100, true, "")], "100% a (@latest)"),
            (vec![target("a", 100, false, ""), target("a", 0, false, "x")], "100% a (tag x)"),
            (
                vec![target("a", 0, false, "x"), target("b", 100, true, "")],
                "100% b (@latest), 0% a (tag x)",
            ),
            (
                vec![
                    target("a", 30, false, "x"),
                    target("a", 30, false, "y"),
                    target("b", 40, true, "z"),
                ],
                "60% a (tags x and y), 40% b (@latest, tag z)",
            ),
            (
                vec![TrafficTarget { percent: Some(100), ..TrafficTarget::default() }],
                "100% @latest",
            ),
        ] {
            assert_eq!(traffic_text(&traffic), text);
        }
    }
}
