//! The name of a writer in managed fields: `fieldManager`, or else the beginning of its user agent.

use http::HeaderMap;
use http::header::USER_AGENT;

use super::request::Query;
use crate::identity::UserInfo;
use crate::registry::Manager;
use crate::status::Failure;
use crate::structure::Invalid;

/// Most bytes of a manager's name.
const LONGEST: usize = 128;

/// The manager of a request. `kind` is that of its options, for errors.
pub(super) fn of(
    kind: &str,
    query: &Query,
    headers: &HeaderMap,
    user: &UserInfo,
    inside: bool,
) -> Result<Manager, Failure> {
    let given = query.get("fieldManager");
    if given.len() > LONGEST {
        let problem = Invalid::too_long("fieldManager", LONGEST as u64);
        return Err(Failure::invalid_options(kind, &problem));
    }
    if given.chars().any(char::is_control) {
        let why = "should only contain printable characters";
        let problem = Invalid::value("fieldManager", &given.into(), why);
        return Err(Failure::invalid_options(kind, &problem));
    }
    let named = |name: String| Manager { name, tracks_new: true, by_scale: false };
    if !given.is_empty() {
        return Ok(named(given.to_owned()));
    }
    let agent = headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    match agent {
        None if inside => Ok(Manager::component(user)),
        None => Ok(named("unknown".to_owned())),
        Some(agent) => Ok(named(prefix(&agent))),
    }
}

/// The part of a user agent before the first slash.
fn prefix(agent: &str) -> String {
    let mut name = String::new();
    let first = agent.split('/').next().unwrap_or_default();
    for letter in first.chars().filter(|letter| !letter.is_control()) {
        if name.len() + letter.len_utf8() > LONGEST {
            break;
        }
        name.push(letter);
    }
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// An apply names its manager; nothing else is forced.
pub(super) fn check_patch(query: &Query, applies: bool) -> Result<(), Failure> {
    let problem = if applies && query.get("fieldManager").is_empty() {
        Invalid::required("fieldManager", "is required for apply patch")
    } else if !applies && query.has("force") {
        Invalid::forbidden("force", "may not be specified for non-apply patch")
    } else {
        return Ok(());
    };
    Err(Failure::invalid_options("PatchOptions", &problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_named_by_itself_or_by_its_user_agent() {
        let user = UserInfo::component("system:serviceaccount:knative-serving:controller");
        let node = UserInfo::component("system:node:here");
        let named = |query: &str, agent: Option<&str>, user: &UserInfo, inside: bool| {
            let agent = agent.map(|agent| (USER_AGENT, agent.parse().unwrap()));
            let headers = HeaderMap::from_iter(agent);
            let manager = of("PatchOptions", &Query::parse(query), &headers, user, inside).unwrap();
            (manager.name, manager.tracks_new)
        };
        let kubectl = Some("kubectl/v1.32.4 (linux/amd64)");
        for (query, agent, user, inside, name, tracks) in [
            ("fieldManager=helm", kubectl, &user, false, "helm", true),
            ("", kubectl, &user, false, "kubectl", true),
            ("", None, &user, false, "unknown", true),
            ("", Some("/1"), &user, false, "unknown", true),
            ("", None, &user, true, "controller", false),
            ("", None, &node, true, "kubelet", false),
            ("fieldManager=me", None, &user, true, "me", true),
        ] {
            assert_eq!(named(query, agent, user, inside), (name.to_owned(), tracks), "{query}");
        }
        let long = Query::parse(&format!("fieldManager={}", "x".repeat(129)));
        assert!(of("PatchOptions", &long, &HeaderMap::new(), &user, false).is_err());
        let odd = Query::parse("fieldManager=a%0Ab");
        assert!(of("PatchOptions", &odd, &HeaderMap::new(), &user, false).is_err());
    }
}
