//! Targets that are resolved, and those that cannot be.

use std::sync::Arc;

use crate::route::testing::{
    LATEST, after, conditions, configuration, hosts, one_ready, plan, revision, route, seen, status,
};
use crate::testing::told;

#[test]
fn the_worst_target_that_cannot_be_routed_to_is_reported() {
    let failed = "{observedGeneration: 2, conditions: [{type: Ready, status: 'False'}]}";
    let gone = "{observedGeneration: 2, latestReadyRevisionName: greet-7}";
    let named = |names: &[&str]| {
        let targets: Vec<_> =
            names.iter().map(|name| format!("{{revisionName: {name}}}")).collect();
        format!("[{}]", targets.join(", "))
    };
    let missing = "False RevisionMissing Revision \"greet-9\" referenced in traffic not found.";
    let broken = "False RevisionMissing Revision \"greet-3\" failed to become ready.";
    let pending = "Unknown RevisionMissing Revision \"greet-2\" is not yet ready.";
    for (traffic, configured, expected) in [
        (
            LATEST.to_owned(),
            "{}",
            "Unknown RevisionMissing Configuration \"greet\" is waiting for a Revision to become ready.",
        ),
        (
            LATEST.to_owned(),
            failed,
            "False RevisionMissing Configuration \"greet\" does not have any ready Revision.",
        ),
        (
            LATEST.to_owned(),
            gone,
            "Unknown RevisionMissing Revision \"greet-7\" referenced in traffic not found.",
        ),
        (
            LATEST.replace("greet", "other"),
            "{}",
            "False ConfigurationMissing Configuration \"other\" referenced in traffic not found.",
        ),
        (
            "[{percent: 100}]".to_owned(),
            "{}",
            "False UnknownTrafficTarget A traffic target names neither a Configuration nor a Revision.",
        ),
        (named(&["greet-2"]), "{}", pending),
        (
            named(&["greet-1"]),
            "{}",
            "Unknown RevisionMissing Revision \"greet-1\" is not yet ready.",
        ),
        (named(&["greet-2", "greet-1"]), "{}", pending),
        (named(&["greet-2", "greet-9"]), "{}", missing),
        (named(&["greet-9", "greet-2"]), "{}", missing),
        (named(&["greet-9", "greet-3"]), "{}", missing),
        (named(&["greet-3", "greet-9"]), "{}", broken),
    ] {
        let mut fresh = revision("greet-1", "active", "Unknown");
        Arc::make_mut(&mut fresh).status = None;
        let revisions = vec![
            fresh,
            revision("greet-2", "active", "Unknown"),
            revision("greet-3", "active", "False"),
        ];
        let status = status(&route(&traffic), &seen(configuration(configured), revisions));
        assert_eq!(conditions(&status), [expected, "Unknown"], "{traffic}");
        assert_eq!(told(&status.conditions, "Ready"), expected, "{traffic}");
        assert_eq!(hosts(&status), "");
    }
}

#[test]
fn a_routed_revision_whose_pod_fails_stays_routed() {
    let pinned = "[{revisionName: greet-1, percent: 100}]";
    let mut seen = one_ready();
    let written = after(&route(pinned), &mut seen);
    seen.revisions.insert("greet-1".to_owned(), revision("greet-1", "active", "False"));
    let next = plan(&written, &seen).status.unwrap();
    assert_eq!(next.routing, written.status.unwrap().routing);
    assert!(next.conditions.iter().any(|c| c.type_ == "AllTrafficAssigned" && c.is_true()));
}
