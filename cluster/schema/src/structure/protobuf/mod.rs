//! Decodes protobuf bodies of built-in kinds into JSON.
//!
//! Field numbers come from the table of types. A body is `k8s\0` and an envelope with the kind's
//! name and its message. Unknown fields are skipped, as other servers do.

mod error;
mod special;
mod wire;

use serde_json::{Map, Value};

pub use self::error::Error;
use self::wire::{Reader, Wire};
use super::node::{Node, Type};

/// The first bytes of every body.
const MAGIC: &[u8] = b"k8s\0";
/// The maximum nesting of messages.
const DEPTH: usize = 64;

/// A body without its envelope.
#[derive(Debug, PartialEq)]
pub struct Envelope<'a> {
    pub api_version: String,
    pub kind: String,
    message: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// `runtime.Unknown`: type 1 (version 1, kind 2), message 2, encoding 3, content type 4.
    pub fn open(body: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Reader::new(body.strip_prefix(MAGIC).ok_or(Error::Magic)?);
        let mut out = Self { api_version: String::new(), kind: String::new(), message: &[] };
        while let Some((number, wire)) = fields.next()? {
            match (number, wire) {
                (1, Wire::Bytes(bytes)) => {
                    let mut type_meta = Reader::new(bytes);
                    while let Some((number, wire)) = type_meta.next()? {
                        match number {
                            1 => out.api_version = wire.text("apiVersion")?,
                            2 => out.kind = wire.text("kind")?,
                            _ => {}
                        }
                    }
                }
                (2, Wire::Bytes(bytes)) => out.message = bytes,
                (3, wire) => {
                    let encoding = wire.text("contentEncoding")?;
                    if !encoding.is_empty() {
                        return Err(Error::Encoding(encoding));
                    }
                }
                _ => {}
            }
        }
        Ok(out)
    }

    /// Decodes the object by the node of its kind.
    pub fn object(&self, root: &Node) -> Result<Value, Error> {
        let mut object = Map::new();
        for (name, text) in [("apiVersion", &self.api_version), ("kind", &self.kind)] {
            if !text.is_empty() {
                object.insert(name.to_owned(), text.clone().into());
            }
        }
        fill(root.resolve(), &[], self.message, DEPTH, &mut object)?;
        Ok(Value::Object(object))
    }
}

/// Adds the fields of a message; `outer` is the path of field numbers at which it is inlined.
fn fill(
    node: &Node,
    outer: &[u32],
    message: &[u8],
    depth: usize,
    out: &mut Map<String, Value>,
) -> Result<(), Error> {
    let depth = depth.checked_sub(1).ok_or(Error::Deep)?;
    let mut fields = Reader::new(message);
    while let Some((number, wire)) = fields.next()? {
        let rest = |numbers: &[u32]| -> Option<usize> {
            let (first, rest) = numbers.strip_prefix(outer)?.split_first()?;
            (*first == number).then_some(rest.len())
        };
        let own = node.properties.iter().find(|(_, field)| rest(&field.numbers) == Some(0));
        if let Some((name, field)) = own {
            put(node, name, field, &wire, depth, out)?;
        } else if node.properties.values().any(|field| rest(&field.numbers).is_some()) {
            let inner: Vec<u32> = outer.iter().copied().chain([number]).collect();
            fill(node, &inner, wire.bytes("")?, depth, out)?;
        }
    }
    Ok(())
}

/// Adds one occurrence of a field.
fn put(
    owner: &Node,
    name: &str,
    field: &Node,
    wire: &Wire<'_>,
    depth: usize,
    out: &mut Map<String, Value>,
) -> Result<(), Error> {
    if let Some(items) = &field.items {
        let list = out.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        let Some(list) = list.as_array_mut() else { return Ok(()) };
        return append(items, name, wire, depth, list);
    }
    if let (Type::Object, Some(values)) = (field.kind, &field.additional) {
        let map = out.entry(name).or_insert_with(|| Value::Object(Map::new()));
        let Some(map) = map.as_object_mut() else { return Ok(()) };
        let (key, value) = entry(values, name, wire, depth)?;
        map.insert(key, value);
        return Ok(());
    }
    if is_message(field) {
        // Repeated occurrences of a message are merged.
        let part = out.entry(name).or_insert_with(|| Value::Object(Map::new()));
        let Some(part) = part.as_object_mut() else { return Ok(()) };
        return fill(field.resolve(), &[], wire.bytes(name)?, depth, part);
    }
    let Some(value) = single(field, name, wire, depth)? else { return Ok(()) };
    // Kubernetes' protobuf holds the zero of every field that is no pointer; its JSON omits them.
    let said = field.pointer || field.default.is_some() || owner.required.iter().any(|r| r == name);
    if said || !is_zero(&value) {
        out.insert(name.to_owned(), value);
    } else {
        out.remove(name);
    }
    Ok(())
}

fn append(
    items: &Node,
    name: &str,
    wire: &Wire<'_>,
    depth: usize,
    list: &mut Vec<Value>,
) -> Result<(), Error> {
    match (items.kind, wire) {
        // Numbers may be packed into one field.
        (Type::Integer, Wire::Bytes(bytes)) => {
            let mut numbers = Reader::new(bytes);
            while !numbers.is_empty() {
                list.extend(single(items, name, &Wire::Varint(numbers.varint()?), depth)?);
            }
        }
        _ => list.push(one(items, name, wire, depth)?),
    }
    Ok(())
}

/// One entry of a map: key 1, value 2.
fn entry(
    values: &Node,
    name: &str,
    wire: &Wire<'_>,
    depth: usize,
) -> Result<(String, Value), Error> {
    let mut fields = Reader::new(wire.bytes(name)?);
    let (mut key, mut value) = (String::new(), None);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => key = wire.text(name)?,
            2 => value = Some(one(values, name, &wire, depth)?),
            _ => {}
        }
    }
    let value = match value {
        Some(value) => value,
        None => one(values, name, &Wire::Bytes(&[]), depth)?,
    };
    Ok((key, value))
}

/// An item of a list or a value of a map.
fn one(node: &Node, name: &str, wire: &Wire<'_>, depth: usize) -> Result<Value, Error> {
    if is_message(node) {
        let mut object = Map::new();
        fill(node.resolve(), &[], wire.bytes(name)?, depth, &mut object)?;
        return Ok(Value::Object(object));
    }
    // A list in a map is a message with the list as its first field.
    if let Some(items) = &node.items {
        let (mut fields, mut list) = (Reader::new(wire.bytes(name)?), Vec::new());
        while let Some((number, wire)) = fields.next()? {
            if number == 1 {
                append(items, name, &wire, depth, &mut list)?;
            }
        }
        return Ok(Value::Array(list));
    }
    Ok(single(node, name, wire, depth)?.unwrap_or(Value::Null))
}

fn is_message(node: &Node) -> bool {
    node.kind == Type::Object && node.reference.is_some()
}

/// A value that is neither list, map nor message; `None` if it is empty.
fn single(node: &Node, name: &str, wire: &Wire<'_>, depth: usize) -> Result<Option<Value>, Error> {
    Ok(Some(match (node.kind, node.format.as_deref()) {
        (Type::Boolean, _) => Value::Bool(wire.varint(name)? != 0),
        (Type::Integer, Some("int32")) => special::int32(wire.varint(name)?).into(),
        (Type::Integer, _) => wire.varint(name)?.cast_signed().into(),
        (Type::Number, _) => special::double(wire, name)?,
        (Type::String, Some("byte")) => special::base64(wire.bytes(name)?),
        (Type::String, Some("date-time")) => {
            return special::time(wire.bytes(name)?, name, node.go_type.ends_with("MicroTime"));
        }
        (Type::String, _) => wire.text(name)?.into(),
        (Type::Quantity, _) => special::quantity(wire.bytes(name)?, name)?,
        (Type::IntOrString, _) => special::int_or_string(wire.bytes(name)?, name)?,
        (Type::Any, _) if node.reference.is_some() => {
            return schema_or_other(node, name, wire.bytes(name)?, depth);
        }
        (Type::Any | Type::Object | Type::Array, _) => {
            return special::raw(wire.bytes(name)?, name);
        }
    }))
}

/// In a CRD's schema: `items` has a schema (field 1) or a list of them (2), others have a boolean
/// (1) or a schema (2).
fn schema_or_other(
    node: &Node,
    name: &str,
    message: &[u8],
    depth: usize,
) -> Result<Option<Value>, Error> {
    let schema = |bytes: &[u8]| -> Result<Value, Error> {
        let mut object = Map::new();
        fill(node.resolve(), &[], bytes, depth, &mut object)?;
        Ok(Value::Object(object))
    };
    let (mut found, mut list, mut fields) = (None, Vec::new(), Reader::new(message));
    while let Some((number, wire)) = fields.next()? {
        match (name, number) {
            ("items", 1) => found = Some(schema(wire.bytes(name)?)?),
            ("items", 2) => list.push(schema(wire.bytes(name)?)?),
            (_, 1) => found = found.or(Some(Value::Bool(wire.varint(name)? != 0))),
            (_, 2) => found = Some(schema(wire.bytes(name)?)?),
            _ => {}
        }
    }
    Ok(if list.is_empty() { found } else { Some(Value::Array(list)) })
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests;
