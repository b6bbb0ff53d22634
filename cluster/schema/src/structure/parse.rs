//! A CRD's `openAPIV3Schema`, read into nodes.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

use super::node::{Limits, List, Node, Pattern, Type};

/// Why a schema cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path}: Invalid value: {pattern:?}: must be a valid regular expression: {source}")]
    Pattern {
        path: String,
        pattern: String,
        #[source]
        source: Box<regex::Error>,
    },
}

/// Reads a schema document.
pub(super) fn node(document: &Value) -> Result<Node, Error> {
    Reader::default().read(document, "")
}

/// A parser with the patterns compiled so far: many fields share one, and each is large.
#[derive(Default)]
struct Reader {
    patterns: HashMap<String, Regex>,
}

impl Reader {
    fn read(&mut self, document: &Value, path: &str) -> Result<Node, Error> {
        let flag = |name: &str| document[name].as_bool().unwrap_or(false);
        let mut out = Node {
            kind: kind(document),
            format: document["format"].as_str().map(str::to_owned),
            nullable: flag("nullable"),
            default: document.get("default").cloned(),
            required: strings(&document["required"]),
            list: list(document),
            atomic: document["x-kubernetes-map-type"] == "atomic",
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            ..Node::default()
        };
        if let Some(properties) = document["properties"].as_object() {
            for (name, property) in properties {
                out.properties.insert(
                    name.clone(),
                    self.read(property, &format!("{path}.properties[{name}]"))?,
                );
            }
        }
        out.additional = match &document["additionalProperties"] {
            Value::Object(_) => Some(Box::new(self.read(
                &document["additionalProperties"],
                &format!("{path}.additionalProperties"),
            )?)),
            // Without a type a node is anything.
            Value::Bool(true) => Some(Box::default()),
            _ => None,
        };
        if document["items"].is_object() {
            out.items = Some(Box::new(self.read(&document["items"], &format!("{path}.items"))?));
        }
        out.limits = self.limits(document, path)?.map(Box::new);
        Ok(out)
    }

    fn limits(&mut self, document: &Value, path: &str) -> Result<Option<Limits>, Error> {
        const WORDS: [&str; 16] = [
            "enum",
            "pattern",
            "minimum",
            "maximum",
            "multipleOf",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "uniqueItems",
            "allOf",
            "anyOf",
            "oneOf",
            "not",
        ];
        if !WORDS.iter().any(|word| document.get(word).is_some()) {
            return Ok(None);
        }
        let bound = |name: &str, exclusive: &str| {
            document[name].as_f64().map(|v| (v, document[exclusive].as_bool().unwrap_or(false)))
        };
        Ok(Some(Limits {
            allowed: document["enum"].as_array().cloned().unwrap_or_default(),
            pattern: document["pattern"]
                .as_str()
                .map(|text| self.pattern(text, path))
                .transpose()?,
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            multiple_of: document["multipleOf"].as_f64(),
            min_length: document["minLength"].as_u64(),
            max_length: document["maxLength"].as_u64(),
            min_items: document["minItems"].as_u64(),
            max_items: document["maxItems"].as_u64(),
            min_properties: document["minProperties"].as_u64(),
            max_properties: document["maxProperties"].as_u64(),
            unique_items: document["uniqueItems"].as_bool().unwrap_or(false),
            all_of: self.branches(document, "allOf", path)?,
            any_of: self.branches(document, "anyOf", path)?,
            one_of: self.branches(document, "oneOf", path)?,
            not: match document.get("not") {
                Some(schema) => Some(Box::new(self.read(schema, &format!("{path}.not"))?)),
                None => None,
            },
        }))
    }

    fn branches(&mut self, document: &Value, name: &str, path: &str) -> Result<Vec<Node>, Error> {
        let schemas = document[name].as_array().map(Vec::as_slice).unwrap_or_default();
        schemas
            .iter()
            .enumerate()
            .map(|(i, s)| self.read(s, &format!("{path}.{name}[{i}]")))
            .collect()
    }

    fn pattern(&mut self, text: &str, path: &str) -> Result<Pattern, Error> {
        if let Some(regex) = self.patterns.get(text) {
            return Ok(Pattern { text: text.to_owned(), regex: regex.clone() });
        }
        match Regex::new(text) {
            Ok(regex) => {
                self.patterns.insert(text.to_owned(), regex.clone());
                Ok(Pattern { text: text.to_owned(), regex })
            }
            Err(source) => Err(Error::Pattern {
                path: format!("{path}.pattern"),
                pattern: text.to_owned(),
                source: Box::new(source),
            }),
        }
    }
}

fn kind(document: &Value) -> Type {
    if document["x-kubernetes-int-or-string"] == true {
        return Type::IntOrString;
    }
    match document["type"].as_str() {
        Some("object") => Type::Object,
        Some("array") => Type::Array,
        Some("string") => Type::String,
        Some("integer") => Type::Integer,
        Some("number") => Type::Number,
        Some("boolean") => Type::Boolean,
        _ => Type::Any,
    }
}

fn list(document: &Value) -> Option<List> {
    match document["x-kubernetes-list-type"].as_str()? {
        "map" => Some(List::Map(strings(&document["x-kubernetes-list-map-keys"]))),
        "set" => Some(List::Set),
        _ => Some(List::Atomic),
    }
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
