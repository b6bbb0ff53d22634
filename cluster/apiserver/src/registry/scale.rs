//! The scale subresource: the replicas and the selector of an object, as an `autoscaling/v1` Scale.

use std::sync::{Arc, LazyLock};

use rouse_schema::kinds::{Kinds, Resource, ScalePaths, validate};
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
        let replicas = json!(scale["spec"]["replicas"].as_i64().unwrap_or(0));
        let change = in_object(paths, scale, replicas);
        self.patch_object(target, Part::Main, &Patch::Merge(change), &by_scale(options))
    }

    /// Applies a Scale: its manager owns the object's replicas.
    pub(super) fn apply_scale(
        &self,
        target: Target<'_>,
        config: &Value,
        options: &Options,
    ) -> Result<Written, Failure> {
        let Target { resource, namespace, name } = target;
        let Some(paths) = &resource.scale else { return Err(Failure::unknown_resource()) };
        self.get(resource, namespace, name)?;
        let (mut scale, mut warnings) = (config.clone(), Vec::new());
        meta::check_kind(&SCALE, &mut scale)?;
        decode::decode(&SCALE, &mut scale, options, &mut warnings)?;
        let problems = validate::scale(&scale);
        if !problems.is_empty() {
            return Err(Failure::invalid(resource, name, &problems));
        }
        let mut change = match config["spec"]["replicas"].as_i64() {
            Some(replicas) => in_object(paths, &scale, json!(replicas)),
            None => json!({}),
        };
        change["apiVersion"] = resource.api_version().into();
        change["kind"] = resource.kind.clone().into();
        change["metadata"]["name"] = name.into();
        let written = self.apply_object(target, Part::Main, &change, &by_scale(options))?;
        Ok(Written { warnings, ..written })
    }
}

/// A change of an object that sets its replicas, with the preconditions of a Scale.
fn in_object(paths: &ScalePaths, scale: &Value, replicas: Value) -> Value {
    let mut change = replicas;
    for step in paths.spec_replicas.trim_start_matches('.').split('.').rev() {
        change = json!({ step: change });
    }
    for field in ["resourceVersion", "uid"] {
        if let Some(given) = scale["metadata"][field].as_str().filter(|v| !v.is_empty()) {
            change["metadata"][field] = given.into();
        }
    }
    change
}

/// The options of the write of the object. The Scale's duplicates are reported already.
fn by_scale(options: &Options) -> Options {
    let mut options = Options { duplicates: Vec::new(), ..options.clone() };
    options.manager.by_scale = true;
    options
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
