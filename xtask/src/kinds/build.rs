//! Turns Go declarations into rows of the table, for all types that the roots use.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::golang::{Declaration, Member, Shape, Sources, value_of};
use super::table::{Field, More, Table, TypeRow};

/// Types that marshal themselves, and their form on the wire.
const SPECIAL: [(&str, &str); 17] = [
    ("meta.v1.Time", "time"),
    ("meta.v1.MicroTime", "microtime"),
    ("meta.v1.Duration", "string"),
    ("meta.v1.FieldsV1", "raw"),
    ("resource.Quantity", "quantity"),
    ("intstr.IntOrString", "intorstring"),
    ("runtime.RawExtension", "raw"),
    ("types.UID", "string"),
    ("types.NodeName", "string"),
    ("apiextensions.v1.JSON", "any"),
    ("apiextensions.v1.JSONSchemaPropsOrBool", "or:apiextensions.v1.JSONSchemaProps"),
    ("apiextensions.v1.JSONSchemaPropsOrArray", "or:apiextensions.v1.JSONSchemaProps"),
    ("apiextensions.v1.JSONSchemaPropsOrStringArray", "any"),
    ("int", "int64"),
    ("uint8", "int32"),
    ("byte", "byte"),
    ("interface{}", "any"),
];

const SCALARS: [&str; 5] = ["string", "bool", "int32", "int64", "float64"];

/// The table of all types that the roots use.
pub(super) fn table(
    sources: &Sources,
    roots: &[String],
    packages: &[(&str, &str, &str)],
) -> Result<Table> {
    let packages =
        packages.iter().map(|(_, name, full)| ((*name).to_owned(), (*full).to_owned())).collect();
    let mut builder = Builder { sources, types: BTreeMap::new(), enums: BTreeMap::new() };
    for root in roots {
        builder.visit(root).with_context(|| format!("type {root}"))?;
    }
    Ok(Table { packages, enums: builder.enums, types: builder.types })
}

struct Builder<'a> {
    sources: &'a Sources,
    types: BTreeMap<String, TypeRow>,
    enums: BTreeMap<String, Vec<String>>,
}

impl<'a> Builder<'a> {
    /// Adds a struct and all that it uses.
    fn visit(&mut self, name: &str) -> Result<()> {
        if self.types.contains_key(name) {
            return Ok(());
        }
        let declaration = self.declaration(name)?;
        let Shape::Struct(members) = &declaration.shape else { bail!("{name} is no struct") };
        let atomic = declaration.markers.iter().any(|m| m == "structType=atomic");
        // A type may use itself, so it is inserted before its fields are read.
        self.types.insert(name.to_owned(), TypeRow::default());
        let mut fields = Vec::new();
        self.fields(members, &[], &mut fields).with_context(|| name.to_owned())?;
        self.types.insert(name.to_owned(), TypeRow { atomic, fields });
        Ok(())
    }

    fn fields(&mut self, members: &[Member], outer: &[u32], out: &mut Vec<Field>) -> Result<()> {
        for member in members {
            let numbers: Vec<u32> = outer.iter().copied().chain(member.number).collect();
            if member.json.is_empty() || member.inline {
                let name = member.go_type.trim_start_matches('*').to_owned();
                let Shape::Struct(inner) = &self.declaration(&name)?.shape else {
                    bail!("{name} is inlined")
                };
                // A struct embedded without a protobuf number (`TypeMeta`) is not part of the message.
                let first = out.len();
                self.fields(inner, &numbers, out)?;
                if member.number.is_none() {
                    out[first..].iter_mut().for_each(|field| field.2.clear());
                }
                continue;
            }
            let expression = self.expression(member.go_type.trim_start_matches('*'))?;
            out.push(Field(member.json.clone(), expression, numbers, more(member)?));
        }
        Ok(())
    }

    /// A Go type as the table spells it.
    fn expression(&mut self, go_type: &str) -> Result<String> {
        if let Some((_, special)) = SPECIAL.iter().find(|(name, _)| *name == go_type) {
            return Ok((*special).to_owned());
        }
        if SCALARS.contains(&go_type) {
            return Ok(go_type.to_owned());
        }
        for prefix in ["[]", "map:"] {
            if let Some(inner) = go_type.strip_prefix(prefix) {
                let inner = self.expression(inner.trim_start_matches('*'))?;
                return Ok(if inner == "byte" {
                    "bytes".to_owned()
                } else {
                    format!("{prefix}{inner}")
                });
            }
        }
        let declaration = self.declaration(go_type)?;
        match &declaration.shape {
            Shape::Struct(_) => {
                self.visit(go_type)?;
                Ok(go_type.to_owned())
            }
            Shape::Named(inner)
                if inner == "string" && declaration.markers.iter().any(|m| m == "enum") =>
            {
                let mut values = self.sources.constants.get(go_type).cloned().unwrap_or_default();
                values.sort();
                values.dedup();
                if values.is_empty() {
                    return Ok("string".to_owned());
                }
                self.enums.insert(go_type.to_owned(), values);
                Ok(go_type.to_owned())
            }
            Shape::Named(inner) => self.expression(&inner.clone()),
        }
    }

    fn declaration(&self, name: &str) -> Result<&'a Declaration> {
        self.sources
            .declarations
            .get(name)
            .with_context(|| format!("no type {name} in the sources"))
    }
}

fn more(member: &Member) -> Result<More> {
    let optional = member.has("optional") || member.omit_empty;
    let default = match member.marker("default") {
        // A reference to a constant stands for a default that code fills in as well.
        Some(text) if text.starts_with("ref(") => None,
        Some(text) => {
            Some(serde_json::from_str::<Value>(text).with_context(|| format!("default {text}"))?)
        }
        None => None,
    };
    let of = |tag: &str, marker: &str| {
        member.tags.get(tag).cloned().or_else(|| member.marker(marker).map(str::to_owned))
    };
    Ok(More {
        required: member.has("required") || !optional,
        pointer: member.go_type.starts_with('*'),
        default,
        list: member.marker("listType").map(str::to_owned),
        keys: member
            .markers
            .iter()
            .filter_map(|m| value_of(m, "listMapKey"))
            .map(str::to_owned)
            .collect(),
        atomic: member.has("mapType=atomic") || member.has("structType=atomic"),
        patch: of("patchStrategy", "patchStrategy"),
        key: of("patchMergeKey", "patchMergeKey"),
    })
}
