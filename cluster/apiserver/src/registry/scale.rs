//! The scale subresource: three numbers and a selector of another object, as an `autoscaling/v1` Scale.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Options, Part, Patch, Registry, Written};
use crate::kinds::Resource;
use crate::schema::Invalid;
use crate::status::Failure;
use crate::store::Object;

impl Registry {
    /// The Scale of an object.
    pub fn scale_of(&self, resource: &Resource, object: &Object) -> Result<Value, Failure> {
        let Some(paths) = &resource.scale else { return Err(Failure::unknown_resource()) };
        let value = object.value();
        let meta = &value["metadata"];
        let selector = paths.label_selector.as_deref().and_then(|path| at(&value, path));
        let mut scale = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"], "creationTimestamp": meta["creationTimestamp"]
            },
            "spec": { "replicas": at(&value, &paths.spec_replicas).and_then(Value::as_i64).unwrap_or(0) },
            "status": { "replicas": at(&value, &paths.status_replicas).and_then(Value::as_i64).unwrap_or(0) }
        });
        if let Some(text) = selector.map(selector_text).filter(|t| !t.is_empty()) {
            scale["status"]["selector"] = text.into();
        }
        Ok(scale)
    }

    pub(super) fn update_scale(
        &self,
        resource: &Arc<Resource>,
        namespace: &str,
        name: &str,
        scale: &Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let Some(paths) = &resource.scale else { return Err(Failure::unknown_resource()) };
        let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        if replicas < 0 {
            let bad = Invalid::value(
                "spec.replicas",
                &replicas.into(),
                "must be greater than or equal to 0",
            );
            return Err(Failure::invalid(resource, name, &[bad]));
        }
        let mut change = json!(replicas);
        for step in paths.spec_replicas.trim_start_matches('.').split('.').rev() {
            change = json!({ step: change });
        }
        if let Some(version) =
            scale["metadata"]["resourceVersion"].as_str().filter(|v| !v.is_empty())
        {
            change["metadata"]["resourceVersion"] = version.into();
        }
        self.patch(resource, namespace, name, Part::Main, &Patch::Merge(change), options)
    }
}

fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.trim_start_matches('.').split('.').try_fold(value, |v, step| v.get(step))
}

/// `a=b,c in (d,e)`.
fn selector_text(selector: &Value) -> String {
    if let Some(text) = selector.as_str() {
        return text.to_owned();
    }
    let labels = selector["matchLabels"].as_object();
    let mut parts: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values = super::meta::texts(&expression["values"]).join(",");
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}
