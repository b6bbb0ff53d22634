//! The field that keeps a document from being decoded.
//!
//! serde's errors name no path below a flattened struct, and a Revision's spec flattens the pod's fields.
//! So the field is searched for: the smallest one without which the error changes or disappears.

use serde_json::Value;

/// Documents are a few levels deep; fields nested deeper are not searched.
const DEPTH_MAX: usize = 16;
/// Decode attempts per error. Once they are used up, the path ends at a parent of the field.
const TRIES_MAX: usize = 1_000;

/// The path of the field at fault, as `spec.containers[0].name`; empty if it is the whole document.
pub(super) fn path<E: ToString>(
    document: &Value,
    error: &str,
    decode: impl Fn(&Value) -> Result<(), E>,
) -> String {
    let mut document = document.clone();
    let mut tries = TRIES_MAX;
    let mut pointer = String::new();
    let mut path = String::new();
    for _ in 0..DEPTH_MAX {
        let fails_without = |document: &mut Value, step: &Step| {
            let Some(taken) = step.take(document, &pointer) else { return true };
            let result = decode(document).map_err(|e| e.to_string());
            step.give_back(document, &pointer, taken);
            result == Err(error.to_owned())
        };
        let steps = document.pointer(&pointer).map(steps).unwrap_or_default();
        let found = steps.into_iter().find(|step| {
            tries = tries.saturating_sub(1);
            tries > 0 && !fails_without(&mut document, step)
        });
        let Some(step) = found else { break };
        step.extend(&mut pointer, &mut path);
    }
    path
}

/// From a value to one inside it.
enum Step {
    Field(String),
    Item(usize),
}

fn steps(value: &Value) -> Vec<Step> {
    match value {
        Value::Object(fields) => fields.keys().cloned().map(Step::Field).collect(),
        Value::Array(items) => (0..items.len()).map(Step::Item).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

impl Step {
    fn take(&self, document: &mut Value, at: &str) -> Option<Value> {
        match (self, document.pointer_mut(at)?) {
            (Self::Field(name), Value::Object(fields)) => fields.remove(name),
            (Self::Item(index), Value::Array(items)) => Some(items.remove(*index)),
            _ => None,
        }
    }

    fn give_back(&self, document: &mut Value, at: &str, value: Value) {
        match (self, document.pointer_mut(at)) {
            (Self::Field(name), Some(Value::Object(fields))) => {
                fields.insert(name.clone(), value);
            }
            (Self::Item(index), Some(Value::Array(items))) => items.insert(*index, value),
            _ => {}
        }
    }

    fn extend(&self, pointer: &mut String, path: &mut String) {
        match self {
            Self::Field(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
            Self::Item(index) => {
                path.push_str(&format!("[{index}]"));
                pointer.push_str(&format!("/{index}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rouse_api::Service;
    use serde::Deserialize as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_field_at_fault_is_named_however_deep_it_stands() {
        let decode = |value: &Value| Service::deserialize(value).map(drop);
        let good = || {
            json!({ "apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": { "name": "hello" },
                "spec": { "traffic": [{ "percent": 100 }], "template": {
                    "metadata": { "annotations": { "a/b": "1" } },
                    "spec": { "containers": [{ "image": "a" }, { "image": "b", "env": [{ "name": "A" }, { "name": "B" }] }] } } } })
        };
        assert!(decode(&good()).is_ok());
        for (pointer, value, path) in [
            (
                "/spec/template/spec/containers/1/env/1/value",
                json!(465),
                "spec.template.spec.containers[1].env[1].value",
            ),
            (
                "/spec/template/spec/containers/0/ports",
                json!({}),
                "spec.template.spec.containers[0].ports",
            ),
            ("/spec/template/spec/timeoutSeconds", json!("x"), "spec.template.spec.timeoutSeconds"),
            ("/spec/template/spec/containers", json!("x"), "spec.template.spec.containers"),
            (
                "/spec/template/metadata/annotations/a~1b",
                json!(1),
                "spec.template.metadata.annotations.a/b",
            ),
            ("/spec/traffic/0/percent", json!([]), "spec.traffic[0].percent"),
            ("/spec", json!("x"), "spec"),
        ] {
            let mut bad = good();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            bad.pointer_mut(parent).unwrap()[name.replace("~1", "/")] = value;
            let error = decode(&bad).unwrap_err().to_string();
            assert_eq!(super::path(&bad, &error, decode), path, "{error}");
        }
    }
}
