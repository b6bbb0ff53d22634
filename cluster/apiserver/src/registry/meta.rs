//! The metadata that the server decides: names, identity, times, generations, finalizers.

use jiff::Timestamp;
use rouse_k8s::names;
use rouse_k8s::time::rfc3339;
use serde_json::{Map, Value, json};

use crate::kinds::Resource;
use crate::status::Failure;
use crate::store::Object;
use crate::structure::Invalid;

/// Random characters after `prefix`, which is shortened to leave room for them.
pub(super) fn generate_name(prefix: &str) -> String {
    let random = uuid::Uuid::new_v4().into_bytes();
    names::generated_name(prefix, [random[0], random[1], random[2], random[3], random[4]])
}

/// RFC 3339 in whole seconds, as `metav1.Time`.
pub(super) fn time(now: Timestamp) -> String {
    rfc3339(now)
}

/// The object's metadata, created if absent; a failure if it is no JSON object.
pub(super) fn of<'a>(
    resource: &Resource,
    object: &'a mut Value,
) -> Result<&'a mut Map<String, Value>, Failure> {
    let meta = &mut object["metadata"];
    if meta.is_null() {
        *meta = json!({});
    }
    meta.as_object_mut().ok_or_else(|| {
        Failure::decoding(
            resource,
            &format!(
                "json: cannot unmarshal into Go struct field {}.metadata of type v1.ObjectMeta",
                resource.kind
            ),
        )
    })
}

/// Drops empty fields of the metadata, which has a Go type for every kind.
pub(super) fn drop_empty(object: &mut Value) {
    let empty = |v: &Value| match v {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if let Some(meta) = object["metadata"].as_object_mut() {
        // An empty list of managed fields asks to forget them.
        meta.retain(|name, value| !empty(value) || name == "managedFields" && value.is_array());
    }
}

/// `apiVersion` and `kind` must be the path's where they are given, and are set where they are not.
pub(super) fn check_kind(resource: &Resource, object: &mut Value) -> Result<(), Failure> {
    if !object.is_object() {
        return Err(Failure::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): it is not a JSON object",
            resource.kind
        )));
    }
    let api_version = resource.api_version();
    let given_kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let given_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    // The real server names its package there.
    let package = resource.group.split('.').next().unwrap_or_default();
    let short = if package.is_empty() { "core" } else { package };
    if !given_kind.is_empty() && given_kind != resource.kind {
        return Err(Failure::bad_request(if resource.custom {
            format!(
                "{given_kind} in version \"{}\" cannot be handled as a {}: kind must be {}",
                resource.version, resource.kind, resource.kind
            )
        } else {
            format!(
                "{given_kind} in version \"{}\" cannot be handled as a {kind}: converting ({}.{given_kind}) to ({short}.{kind}): unknown conversion",
                resource.version,
                resource.version,
                kind = resource.kind
            )
        }));
    }
    if !given_version.is_empty() && given_version != api_version {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({given_version}) does not match the expected API version ({api_version})"
        )));
    }
    object["kind"] = resource.kind.clone().into();
    object["apiVersion"] = api_version.into();
    Ok(())
}

/// The name of the body must be the path's.
pub(super) fn check_name(meta: &Map<String, Value>, name: &str) -> Result<(), Failure> {
    let given = meta.get("name").and_then(Value::as_str).unwrap_or_default();
    if given == name {
        return Ok(());
    }
    Err(Failure::bad_request(if given.is_empty() {
        format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    } else {
        format!("the name of the object ({given}) does not match the name on the URL ({name})")
    }))
}

/// A version that a change names must be the current one.
pub(super) fn check_version(
    resource: &Resource,
    change: &Value,
    current: &Object,
) -> Result<(), Failure> {
    let asked = change["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if asked.is_empty() || asked == current.resource_version.to_string() {
        return Ok(());
    }
    Err(Failure::changed(resource, &current.key.name))
}

/// The namespace that a patch leaves in an object must be the path's.
pub(super) fn check_patched_namespace(
    meta: &Map<String, Value>,
    namespace: &str,
) -> Result<(), Failure> {
    let given = meta.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if given.is_empty() || namespace.is_empty() || given == namespace {
        return Ok(());
    }
    Err(Failure::bad_request(format!(
        "the namespace of the object ({given}) does not match the namespace on the request ({namespace})"
    )))
}

/// The namespace of the body must be the path's.
pub(super) fn check_namespace(
    resource: &Resource,
    meta: &mut Map<String, Value>,
    namespace: &str,
) -> Result<(), Failure> {
    let given = meta.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if !resource.namespaced {
        meta.remove("namespace");
        return Ok(());
    }
    if !given.is_empty() && given != namespace {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    meta.insert("namespace".to_owned(), namespace.into());
    Ok(())
}

/// Restores the fields that only the server sets from the current object.
pub(super) fn keep_identity(new: &mut Map<String, Value>, old: &Value) {
    for field in [
        "uid",
        "name",
        "namespace",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "generateName",
    ] {
        match old["metadata"].get(field) {
            Some(value) => new.insert(field.to_owned(), value.clone()),
            None => new.remove(field),
        };
    }
    new.remove("selfLink");
}

/// While an object is being deleted, no finalizer may be added.
pub(super) fn check_finalizers(new: &Value, old: &Value) -> Vec<Invalid> {
    if old["metadata"]["deletionTimestamp"].is_null() {
        return Vec::new();
    }
    let before = texts(&old["metadata"]["finalizers"]);
    let added: Vec<String> =
        texts(&new["metadata"]["finalizers"]).into_iter().filter(|f| !before.contains(f)).collect();
    if added.is_empty() {
        return Vec::new();
    }
    let list = added.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ");
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}"
    );
    vec![Invalid::forbidden("metadata.finalizers", &why)]
}

pub(super) fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether anything but metadata and status differs.
pub(super) fn spec_differs(new: &Value, old: &Value) -> bool {
    let counts =
        |name: &&String| !matches!(name.as_str(), "metadata" | "status" | "apiVersion" | "kind");
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return new != old };
    new.keys().filter(counts).count() != old.keys().filter(counts).count()
        || new.keys().filter(counts).any(|name| new.get(name) != old.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_fits_in_a_label() {
        let name = generate_name(&"x".repeat(80));
        assert_eq!(name.len(), 63);
        assert_ne!(generate_name("a-"), generate_name("a-"));
    }
}
