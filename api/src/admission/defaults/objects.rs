//! Defaults of each kind.

use serde_json::{Value, json};

use super::request::Request;
use super::revision as revisions;
use crate::admission::json::{Look, object_mut, same};
use crate::terms::keys;

/// A Service.
pub fn service(object: &mut Value, request: Request<'_>) {
    template(object, request);
    let spec = object_mut(object, "spec");
    if spec.list("traffic").is_empty() {
        spec["traffic"] = json!([{ "latestRevision": true, "percent": 100 }]);
    }
    traffic(spec);
    user_info(object, request);
}

/// A Configuration.
pub fn configuration(object: &mut Value, request: Request<'_>) {
    template(object, request);
    if !is_owned(object) {
        user_info(object, request);
    }
}

/// A Route.
pub fn route(object: &mut Value, request: Request<'_>) {
    traffic(object_mut(object, "spec"));
    if !is_owned(object) {
        user_info(object, request);
    }
}

/// A Revision. Its spec never changes, so there is nothing to default later.
pub fn revision(object: &mut Value, request: Request<'_>) {
    if request.old.is_none() {
        let parent = object.get("metadata").cloned().unwrap_or_default();
        revisions::spec(object_mut(object, "spec"), &parent, request);
    }
}

/// A DomainMapping.
pub fn domain_mapping(object: &mut Value, request: Request<'_>) {
    let namespace = object.get("metadata").map(|m| m.text("namespace").to_owned());
    let reference = object_mut(object_mut(object, "spec"), "ref");
    if let Some(namespace) =
        namespace.filter(|n| !n.is_empty() && reference.text("namespace").is_empty())
    {
        reference["namespace"] = json!(namespace);
    }
    user_info(object, request);
}

/// The template of a Service or Configuration.
fn template(object: &mut Value, request: Request<'_>) {
    let name = |object: &Value| {
        let name = object.pointer("/spec/template/metadata/name").and_then(Value::as_str);
        name.filter(|n| !n.is_empty()).map(str::to_owned)
    };
    let brought = name(object);
    let parent = object.get("metadata").cloned().unwrap_or_default();
    let template = object_mut(object_mut(object, "spec"), "template");
    let kept = request.old.filter(|old| brought.is_some() && name(old) == brought);
    let Some(old) = kept else {
        revisions::spec(object_mut(template, "spec"), &parent, request);
        return;
    };
    // A default that changed meanwhile must not look like a change of the named Revision, so Knative
    // sets none here. But a client-side apply of the present object sends whole lists without their
    // defaults; if only defaults are missing, nothing was changed.
    let mut whole = template.clone();
    revisions::spec(object_mut(&mut whole, "spec"), &parent, Request { old: None, ..request });
    if same(old.pointer("/spec/template"), Some(&whole)) {
        *template = whole;
    }
}

fn traffic(spec: &mut Value) {
    let Some(targets) = spec.get_mut("traffic").and_then(Value::as_array_mut) else { return };
    for target in targets.iter_mut().filter(|t| t.is_object()) {
        if !target.has("latestRevision") {
            target["latestRevision"] = json!(target.text("revisionName").is_empty());
        }
        if !target.has("percent") {
            target["percent"] = json!(0);
        }
    }
}

fn is_owned(object: &Value) -> bool {
    object.get("metadata").is_some_and(|m| !m.list("ownerReferences").is_empty())
}

/// Sets the annotations for the creator of the object and the last modifier of its spec. A manifest without these
/// annotations, such as one that replaces an object, keeps them.
fn user_info(object: &mut Value, request: Request<'_>) {
    if let Some(old) = request.old {
        for key in [keys::CREATOR, keys::LAST_MODIFIER] {
            let noted =
                |object: &Value| object.get("metadata")?.get("annotations")?.get(key).cloned();
            if let (Some(was), None) = (noted(old), noted(object)) {
                object_mut(object_mut(object, "metadata"), "annotations")[key] = was;
            }
        }
        if same(old.get("spec"), object.get("spec")) {
            return;
        }
    }
    let annotations = object_mut(object_mut(object, "metadata"), "annotations");
    if request.old.is_none() {
        annotations[keys::CREATOR] = json!(request.user);
    }
    annotations[keys::LAST_MODIFIER] = json!(request.user);
}

#[cfg(test)]
mod tests;
