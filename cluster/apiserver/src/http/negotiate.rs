//! Content negotiation: objects and lists whole, as tables, or as their metadata.

use bytes::Bytes;
use http::{HeaderMap, header::ACCEPT};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::{Resource, versions};
use crate::status::Failure;
use crate::store::Object;
use crate::table;

/// The form of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    Table,
    /// `PartialObjectMetadata` and its list.
    Metadata,
}

/// The first form in `Accept` that is served.
pub(super) fn form(headers: &HeaderMap) -> Result<Form, Failure> {
    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("*/*");
    accept.split(',').find_map(one).ok_or_else(Failure::not_acceptable)
}

fn one(range: &str) -> Option<Form> {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next()?;
    if !matches!(media, "application/json" | "*/*" | "application/*" | "") {
        return None;
    }
    let mut form = Form::Whole;
    for part in parts {
        match part.split_once('=')? {
            ("as", "Table") => form = Form::Table,
            ("as", "PartialObjectMetadata" | "PartialObjectMetadataList") => form = Form::Metadata,
            ("as", _) => return None,
            ("g", group) if group != "meta.k8s.io" => return None,
            ("v", version) if version != "v1" && version != "v1beta1" => return None,
            _ => {}
        }
    }
    Some(form)
}

/// The object in a table's row (`includeObject`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Include {
    Metadata,
    Object,
    None,
}

impl Include {
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "Object" => Self::Object,
            "None" => Self::None,
            _ => Self::Metadata,
        }
    }
}

/// The object's bytes, in the version asked for.
pub(super) fn whole(resource: &Resource, object: &Object) -> Bytes {
    if resource.is_storage() {
        return object.json.clone();
    }
    let value = versions::from_stored(resource, object.value());
    serde_json::to_vec(&value).expect("a JSON value is JSON").into()
}

pub(super) fn metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

fn row(resource: &Resource, object: &Object, include: Include, now: Timestamp) -> Value {
    let value = versions::from_stored(resource, object.value());
    let cells = table::row(resource, &value, now);
    let object = match include {
        Include::Metadata => metadata(&value),
        Include::Object => value,
        Include::None => Value::Null,
    };
    json!({ "cells": cells, "object": object })
}

/// A table of these objects; `columns` are sent with the first one only.
pub(super) fn table(
    resource: &Resource,
    objects: &[&Object],
    list_meta: &Value,
    columns: bool,
    include: Include,
    now: Timestamp,
) -> Value {
    let rows: Vec<Value> =
        objects.iter().map(|object| row(resource, object, include, now)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_meta,
        "columnDefinitions": if columns { table::columns(resource) } else { Value::Null }, "rows": rows
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_is_served_wins() {
        const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
        const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
        const METADATA_LIST: &str = "application/json; as=PartialObjectMetadataList; v=v1beta1";
        const JSON: &str = "application/json";
        const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
        let rows: &[(&[&str], Option<Form>)] = &[
            (&[], Some(Form::Whole)),
            (&["*/*"], Some(Form::Whole)),
            (&["application/*"], Some(Form::Whole)),
            (&[TABLE, JSON], Some(Form::Table)),
            (&[JSON, TABLE], Some(Form::Whole)),
            (&[METADATA, TABLE], Some(Form::Metadata)),
            (&[METADATA_LIST, JSON], Some(Form::Metadata)),
            (&[PROTOBUF, TABLE], Some(Form::Table)),
            (&["text/html", JSON], Some(Form::Whole)),
            (&["application/json;as=Table;v=v2;g=meta.k8s.io", JSON], Some(Form::Whole)),
            (&["application/json;as=Table;v=v1;g=other.io", METADATA], Some(Form::Metadata)),
            (&["application/json;as=Chair;v=v1;g=meta.k8s.io", TABLE], Some(Form::Table)),
            (&["text/html"], None),
            (&[PROTOBUF, "application/json;as=Chair"], None),
        ];
        for (ranges, expected) in rows {
            let mut headers = HeaderMap::new();
            if !ranges.is_empty() {
                headers.insert(ACCEPT, ranges.join(",").parse().unwrap());
            }
            match (form(&headers), expected) {
                (answer, Some(form)) => assert_eq!(answer, Ok(*form), "{ranges:?}"),
                (answer, None) => assert_eq!(answer.unwrap_err().code, 406, "{ranges:?}"),
            }
        }
    }
}
