//! Shares, tags and targets of traffic.

use serde_json::{Value, json};

use crate::admission::validation::testing::refused;
use crate::admission::validation::{Request, route};
use crate::config::ApiConfig;

#[test]
fn traffic_is_checked() {
    let traffic =
        |targets: Value| refused(|o| o["spec"]["traffic"] = targets).replace("spec.traffic", "t");
    for (targets, want) in [
        (json!([{ "percent": 60 }, { "revisionName": "hello-00001", "percent": 40 }]), ""),
        (json!([{ "percent": 60 }]), "Traffic targets sum to 60, want 100: t"),
        (
            json!([{ "percent": 101 }, { "percent": -1 }]),
            "expected 0 <= -1 <= 100: t[1].percent\nexpected 0 <= 101 <= 100: t[0].percent",
        ),
        (
            json!([{ "percent": 100, "tag": "a" }, { "tag": "a" }]),
            "Multiple definitions for \"a\": t[0].tag, t[1].tag",
        ),
        (
            json!([{ "percent": 100, "configurationName": "c" }]),
            "must not set the field(s): t[0].configurationName",
        ),
        (
            json!([{ "percent": 100, "revisionName": "r", "latestRevision": true }]),
            "may not set revisionName \"r\" when latestRevision is true: t[0].latestRevision",
        ),
        (
            json!([{ "percent": 100, "latestRevision": false }]),
            "may not set revisionName \"\" when latestRevision is false: t[0].latestRevision",
        ),
        (json!([{ "percent": 100, "url": "http://x" }]), "must not set the field(s): t[0].url"),
    ] {
        assert_eq!(traffic(targets), want);
    }
    let config = ApiConfig::default();
    let held = Request { config: &config, old: None };
    for (target, want) in [
        (
            json!({ "percent": 100 }),
            "expected exactly one, got neither: spec.traffic[0].configurationName, spec.traffic[0].revisionName",
        ),
        (
            json!({ "percent": 100, "configurationName": "c", "revisionName": "r" }),
            "expected exactly one, got both: spec.traffic[0].configurationName, spec.traffic[0].revisionName",
        ),
        (json!({ "percent": 100, "configurationName": "c" }), ""),
    ] {
        let object = json!({ "metadata": { "name": "r" }, "spec": { "traffic": [target] } });
        assert_eq!(route(&object, held).to_string(), want);
    }
}
