//! The scale subresource: the replicas and the selector of an object, as an `autoscaling/v1` Scale.

use std::sync::{Arc, LazyLock};

use rouse_schema::kinds::{Kinds, Resource, validate};
use serde_json::{Value, json};

use super::actor::Options;
use super::change::{Part, Patch, Target, Written};
use super::update::patched;
use super::{Registry, decode, meta};
use crate::status::Failure;
use crate::store::Object;

/// The kind `Scale`, which is served as a subresource alone.
static SCALE: LazyLock<Resource> = LazyLock::new(Kinds::scale);

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

    pub(super) fn replace_scale(
        &self,
        target: Target<'_>,
        mut scale: Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let mut warnings = Vec::new();
        meta::check_kind(&SCALE, &mut scale)?;
        decode::decode(&SCALE, &mut scale, options, &mut warnings)?;
        let meta = meta::of(&SCALE, &mut scale)?;
        if meta.get("name").is_some_and(|name| name != "") {
            meta::check_name(meta, target.name)?;
        }
        self.set_replicas(target, &scale, options).map(|written| Written { warnings, ..written })
    }

    pub(super) fn patch_scale(
        &self,
        resource: &Arc<Resource>,
        current: &Object,
        change: &Patch,
        options: &Options,
    ) -> Result<Written, Failure> {
        let mut scale = patched(&SCALE, &self.scale_of(resource, current)?, change)?;
        let mut warnings = Vec::new();
        decode::decode_patched(&SCALE, &mut scale, options, &mut warnings)?;
        let (namespace, name) = (current.key.namespace.as_str(), current.key.name.as_str());
        let target = Target { resource, namespace, name };
        self.set_replicas(target, &scale, options).map(|written| Written { warnings, ..written })
    }

    /// Writes a decoded Scale's replicas into its object.
    fn set_replicas(
        &self,
        target: Target<'_>,
        scale: &Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let Some(paths) = &target.resource.scale else { return Err(Failure::unknown_resource()) };
        let problems = validate::scale(scale);
        if !problems.is_empty() {
            return Err(Failure::invalid(target.resource, target.name, &problems));
        }
        let mut change = json!(scale["spec"]["replicas"].as_i64().unwrap_or(0));
        for step in paths.spec_replicas.trim_start_matches('.').split('.').rev() {
            change = json!({ step: change });
        }
        for field in ["resourceVersion", "uid"] {
            if let Some(given) = scale["metadata"][field].as_str().filter(|v| !v.is_empty()) {
                change["metadata"][field] = given.into();
            }
        }
        // The body's duplicates are reported already.
        let options = Options { duplicates: Vec::new(), ..options.clone() };
        self.patch_object(target, Part::Main, &Patch::Merge(change), &options)
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
        let values = meta::texts(&expression["values"]).join(",");
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({values})"),
            Some("NotIn") => format!("{key} notin ({values})"),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}
