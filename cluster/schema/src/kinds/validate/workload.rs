//! Deployments and ReplicaSets.

use serde_json::Value;

use super::problems::{Field, Problems};
use super::{metadata, pod};

pub(super) fn deployment(deployment: &Field<'_>, old: Option<&Field<'_>>, found: &mut Problems) {
    let spec = deployment.at("spec");
    shared(&spec, old, "deployment", found);
    strategy(&spec.at("strategy"), found);
    found.not_negative(&spec.at("minReadySeconds"));
    found.not_negative(&spec.at("revisionHistoryLimit"));
    let deadline = spec.at("progressDeadlineSeconds");
    found.not_negative(&deadline);
    let least = spec.at("minReadySeconds").number().unwrap_or(0);
    if deadline.number().is_some_and(|n| n >= 0 && n <= least) {
        found.invalid(&deadline, "must be greater than minReadySeconds");
    }
}

pub(super) fn replica_set(set: &Field<'_>, old: Option<&Field<'_>>, found: &mut Problems) {
    let spec = set.at("spec");
    shared(&spec, old, "replicaset", found);
    found.not_negative(&spec.at("minReadySeconds"));
}

/// Replicas, selector and template, and that they fit each other.
fn shared(spec: &Field<'_>, old: Option<&Field<'_>>, kind: &str, found: &mut Problems) {
    found.not_negative(&spec.at("replicas"));
    let (selector, template) = (spec.at("selector"), spec.at("template"));
    if selector.is_set() {
        metadata::selector(&selector, found);
        if selector.at("matchLabels").len() + selector.at("matchExpressions").len() == 0 {
            found.invalid(&selector, &format!("empty selector is invalid for {kind}"));
        } else if !matches(selector.value, &template.value["metadata"]["labels"]) {
            let labels = template.at("metadata").at("labels");
            let none = Value::Object(serde_json::Map::new());
            let shown = if labels.is_set() {
                labels
            } else {
                Field::new(&none, "spec.template.metadata.labels")
            };
            found.invalid(&shown, "`selector` does not match template `labels`");
        }
    } else {
        found.required(&selector, "");
    }
    pod::template(&template, found);
    if let Some(old) = old {
        found.immutable(&selector, &old.at("spec").at("selector"));
    }
}

fn strategy(strategy: &Field<'_>, found: &mut Problems) {
    let kind = strategy.at("type");
    found.one_of(&kind, &["Recreate", "RollingUpdate"]);
    let rolling = strategy.at("rollingUpdate");
    if kind.text() == "Recreate" && rolling.is_set() {
        found.forbidden(&rolling, "may not be specified when strategy `type` is 'Recreate'");
    }
    let (surge, unavailable) = (rolling.at("maxSurge"), rolling.at("maxUnavailable"));
    for field in [&surge, &unavailable] {
        found.not_negative(field);
        let percent = field.text().strip_suffix('%').is_some_and(|n| n.parse::<u32>().is_ok());
        if field.value.is_string() && !percent {
            let what = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                        regex used for validation is '[0-9]+%')";
            found.invalid(field, what);
        }
    }
    let none = |field: &Field<'_>| field.value == 0 || field.text() == "0%";
    if none(&surge) && none(&unavailable) {
        found.invalid(&unavailable, "may not be 0 when `maxSurge` is 0");
    }
}

/// Whether a label selector selects labels.
pub(super) fn matches(selector: &Value, labels: &Value) -> bool {
    let exact = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(k, v)| labels.get(k) == Some(v));
    let expressions =
        selector["matchExpressions"].as_array().into_iter().flatten().all(|requirement| {
            let label = labels.get(requirement["key"].as_str().unwrap_or_default());
            let listed = label
                .is_some_and(|l| requirement["values"].as_array().is_some_and(|v| v.contains(l)));
            match requirement["operator"].as_str() {
                Some("In") => listed,
                Some("NotIn") => !listed,
                Some("Exists") => label.is_some(),
                Some("DoesNotExist") => label.is_none(),
                Some(_) | None => false,
            }
        });
    exact && expressions
}
