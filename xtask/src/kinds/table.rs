//! The committed form of the table: one type a line, sorted, so that a new version is a readable diff.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Facts about types, by their short names (`core.v1.PodSpec`).
#[derive(Debug, Deserialize)]
pub struct Table {
    /// A package's name in OpenAPI documents, by its short name.
    pub packages: BTreeMap<String, String>,
    pub enums: BTreeMap<String, Vec<String>>,
    pub types: BTreeMap<String, TypeRow>,
}

/// One type.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct TypeRow {
    /// A merge treats the whole object as one value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub atomic: bool,
    pub fields: Vec<Field>,
}

/// A field: JSON name, type, protobuf numbers, and further facts, if any.
#[derive(Debug, Deserialize, Serialize)]
pub struct Field(
    pub String,
    pub String,
    pub Vec<u32>,
    #[serde(default, skip_serializing_if = "More::is_empty")] pub More,
);

/// Facts that not every field has.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct More {
    #[serde(skip_serializing_if = "is_false")]
    pub required: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub pointer: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// `atomic`, `set` or `map`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub atomic: bool,
    /// The strategies of a strategic merge patch, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl More {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Table {
    /// Reads the committed form.
    pub fn from_text(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    /// The committed form.
    pub fn to_text(&self) -> Result<String> {
        let mut text = String::from("{\n");
        text += &format!("\"packages\": {},\n", serde_json::to_string(&self.packages)?);
        text += "\"enums\": {\n";
        text += &lines(&self.enums)?;
        text += "},\n\"types\": {\n";
        text += &lines(&self.types)?;
        text += "}\n}\n";
        Ok(text)
    }
}

fn lines<T: Serialize>(rows: &BTreeMap<String, T>) -> Result<String> {
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, row)| Ok(format!("{name:?}: {}", serde_json::to_string(row)?)))
        .collect::<Result<_>>()?;
    Ok(lines.join(",\n") + "\n")
}
