//! Decoding of an object by its kind: unknown fields, types, pruning, defaults.

use rouse_schema::kinds::{Resource, defaults};
use serde_json::Value;

use super::actor::{Options, Validation};
use super::meta;
use crate::status::Failure;

/// Checks fields and types, prunes and sets defaults.
pub(super) fn decode(
    resource: &Resource,
    object: &mut Value,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let problems = field_problems(resource, object, options);
    match options.validation {
        Validation::Strict if !problems.is_empty() => {
            return Err(Failure::strict(resource, &problems));
        }
        Validation::Warn => warnings.extend(problems),
        Validation::Strict | Validation::Ignore => {}
    }
    normalize(resource, object)
}

/// The same for an object that a patch made, whose field problems are worded as the patch's.
pub(super) fn decode_patched(
    resource: &Resource,
    object: &mut Value,
    options: &Options,
    warnings: &mut Vec<String>,
) -> Result<(), Failure> {
    let problems = field_problems(resource, object, options);
    match options.validation {
        Validation::Strict if !problems.is_empty() => {
            return Err(Failure::strict_patch(&problems));
        }
        Validation::Warn => *warnings = problems,
        Validation::Strict | Validation::Ignore => {}
    }
    meta::check_kind(resource, object)?;
    normalize(resource, object)
}

/// `unknown field "x"` and `duplicate field "y"`, in the order of the real server.
fn field_problems(resource: &Resource, object: &Value, options: &Options) -> Vec<String> {
    if options.validation == Validation::Ignore {
        return Vec::new();
    }
    let doubled = doubled(options);
    let mut unknown = resource.schema.unknown_fields(object);
    // The real server decodes the metadata first.
    unknown.sort_by_key(|path| !path.starts_with("metadata"));
    doubled
        .into_iter()
        .chain(unknown.into_iter().map(|p| format!("unknown field \"{p}\"")))
        .collect()
}

/// A line for each key that the body holds twice.
pub(super) fn doubled(options: &Options) -> Vec<String> {
    options.duplicates.iter().map(|path| format!("duplicate field \"{path}\"")).collect()
}

/// Types as a typed decoder checks them, then pruning and defaults.
pub(super) fn normalize(resource: &Resource, object: &mut Value) -> Result<(), Failure> {
    if !resource.custom
        && let Some(error) = resource.schema.type_error(object)
    {
        return Err(Failure::decoding(resource, &error));
    }
    meta::drop_empty(object);
    resource.schema.prune(object);
    resource.schema.default(object);
    if !resource.custom {
        defaults::apply(resource, object);
        drop_nulls(object);
    }
    Ok(())
}

/// Go types have no nulls; custom resources keep those that their schema allows.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
