//! Lines of logs without what nobody reads: long digests, and the path at which an image is unpacked.

/// Letters of a digest that are kept.
const SHORT: usize = 12;
const HEX: usize = 64;

/// The line with paths relative to the user's folder, and with short digests.
pub(crate) fn readable(line: &str) -> String {
    shortened(&relative(line))
}

/// `/…/images/rootfs/<64 digits>/app/main.py` → `main.py`, and `/app/main.py` → `main.py`.
fn relative(line: &str) -> String {
    let mut rest = line;
    let mut text = String::new();
    while let Some(at) = rest.find("/rootfs/") {
        let digest = &rest[at + "/rootfs/".len()..];
        let is_digest =
            digest.len() > HEX && digest.bytes().take(HEX).all(|b| b.is_ascii_hexdigit());
        if !is_digest {
            let (before, after) = rest.split_at(at + "/rootfs/".len());
            text.push_str(before);
            rest = after;
            continue;
        }
        let before = &rest[..at];
        // The path begins after the last character that no path has.
        let start = before.rfind(|c: char| " \"'(=:,<>[]".contains(c)).map_or(0, |at| at + 1);
        text.push_str(&before[..start]);
        let inside = &digest[HEX..];
        rest = inside.strip_prefix("/app/").unwrap_or(inside);
    }
    text.push_str(rest);
    for quote in ["\"", "'", "(", " "] {
        text = text.replace(&format!("{quote}/app/"), quote);
    }
    text
}

/// Runs of 64 hexadecimal digits, cut.
pub(crate) fn shortened(line: &str) -> String {
    let mut text = String::new();
    let mut run = String::new();
    for c in line.chars().map(Some).chain([None]) {
        match c.filter(char::is_ascii_hexdigit) {
            Some(digit) => run.push(digit),
            None => {
                let kept = if run.len() == HEX { &run[..SHORT] } else { &run };
                text.push_str(kept);
                run.clear();
                text.extend(c);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_users_folder_and_digests_short() {
        let hex = "0123456789abcdef".repeat(4);
        for (line, said) in [
            (
                format!("  File \"/data/images/rootfs/{hex}/app/lib/a.py\", line 3"),
                "  File \"lib/a.py\", line 3",
            ),
            (format!("open /d/images/rootfs/{hex}/python/x: no"), "open /python/x: no"),
            ("File \"/app/main.py\", line 1".to_owned(), "File \"main.py\", line 1"),
            (format!("image sha256:{hex} is gone"), "image sha256:0123456789ab is gone"),
            ("/rootfs/none of that".to_owned(), "/rootfs/none of that"),
            (format!("{hex}0"), &format!("{hex}0")),
        ] {
            assert_eq!(readable(&line), said);
        }
    }
}
