//! Adoption: an object without a controller gets the owner that selects it by label.
//!
//! An object that was orphaned on purpose (`kubectl delete --cascade=orphan`) is taken over by the next
//! Deployment or ReplicaSet that selects it. Upstream: `controller_ref_manager.go`.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use rouse_apiserver::status::Failure;
use rouse_apiserver::store::Object;
use serde_json::{Value, json};

use super::objects::Objects;

/// Adopts the objects of `resource` in the owner's namespace that `selector` selects.
pub(super) fn adopt(
    objects: &Objects,
    owner: &Object,
    resource: &str,
    selector: &LabelSelector,
) -> Result<(), Failure> {
    if owner.deletion_timestamp.is_some() {
        return Ok(());
    }
    for object in objects.store.list(resource, Some(&owner.key.namespace)).objects {
        let free = object.controller().is_none() && object.deletion_timestamp.is_none();
        if !free || !selects(selector, &object.labels) || has_ended(&object) {
            continue;
        }
        let value = owner.value();
        let reference = json!({
            "apiVersion": value["apiVersion"], "kind": value["kind"], "name": owner.key.name,
            "uid": owner.uid, "controller": true, "blockOwnerDeletion": true,
        });
        objects.change(&object.key, |object| {
            let owners = &mut object["metadata"]["ownerReferences"];
            let list = owners.as_array().cloned().unwrap_or_default();
            if list.iter().all(|owner| owner["controller"] != true) {
                *owners = list.into_iter().chain([reference.clone()]).collect::<Value>();
            }
        })?;
    }
    Ok(())
}

fn has_ended(object: &Object) -> bool {
    let phase = object.fields.get("status.phase").map(String::as_str);
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether labels fit a selector. An empty selector selects nothing here: it would take everything.
fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let pairs = selector.match_labels.as_ref();
    let rules = selector.match_expressions.as_deref().unwrap_or_default();
    let empty = pairs.is_none_or(BTreeMap::is_empty) && rules.is_empty();
    !empty
        && pairs.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && rules.iter().all(|rule| fits(rule, labels))
}

fn fits(rule: &LabelSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&rule.key);
    let listed = value.is_some_and(|value| rule.values.iter().flatten().any(|v| v == value));
    match rule.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_follow_labels_and_expressions() {
        let labels = BTreeMap::from([("app".to_owned(), "web".to_owned())]);
        let rows = [
            (json!({}), false),
            (json!({ "matchLabels": { "app": "web" } }), true),
            (json!({ "matchLabels": { "app": "web", "tier": "front" } }), false),
            (rule("app", "In", json!(["web", "api"])), true),
            (rule("app", "NotIn", json!(["web"])), false),
            (rule("tier", "NotIn", json!(["front"])), true),
            (rule("app", "Exists", json!(null)), true),
            (rule("app", "DoesNotExist", json!(null)), false),
        ];
        for (selector, expected) in rows {
            let parsed: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(selects(&parsed, &labels), expected, "{selector}");
        }
    }

    fn rule(key: &str, operator: &str, values: Value) -> Value {
        json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] })
    }
}
