//! Types whose JSON form differs from their protobuf message.

use base64::Engine;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::Value;

use super::error::Error;
use super::wire::{Reader, Wire, form};

/// A negative `int32` is encoded in 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "the upper half only repeats the sign")]
pub(super) fn int32(number: u64) -> i32 {
    number.cast_signed() as i32
}

pub(super) fn double(wire: &Wire<'_>, name: &str) -> Result<Value, Error> {
    let number = match wire {
        Wire::Fixed64(bits) => f64::from_bits(*bits),
        Wire::Fixed32(bits) => f64::from(f32::from_bits(*bits)),
        Wire::Varint(_) | Wire::Bytes(_) => return Err(form(name)),
    };
    let number = serde_json::Number::from_f64(number).ok_or_else(|| form(name))?;
    Ok(Value::Number(number))
}

pub(super) fn base64(bytes: &[u8]) -> Value {
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

/// Field 1 is seconds, 2 nanoseconds. An empty message is no time.
pub(super) fn time(message: &[u8], name: &str, micro: bool) -> Result<Option<Value>, Error> {
    if message.is_empty() {
        return Ok(None);
    }
    let (mut seconds, mut nanos, mut fields) = (0, 0, Reader::new(message));
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => seconds = wire.varint(name)?.cast_signed(),
            2 => nanos = int32(wire.varint(name)?),
            _ => {}
        }
    }
    let precision = if micro { Some(6) } else { Some(0) };
    let nanos = if micro { nanos } else { 0 };
    let time = Timestamp::new(seconds, nanos).map_err(|_| form(name))?;
    let text = DateTimePrinter::new().precision(precision).timestamp_to_string(&time);
    Ok(Some(text.into()))
}

/// Field 1 is the text.
pub(super) fn quantity(message: &[u8], name: &str) -> Result<Value, Error> {
    let (mut text, mut fields) = (String::new(), Reader::new(message));
    while let Some((number, wire)) = fields.next()? {
        if number == 1 {
            text = wire.text(name)?;
        }
    }
    Ok(if text.is_empty() { "0".into() } else { text.into() })
}

/// Field 1 is the type (0 number, 1 text), 2 the number, 3 the text.
pub(super) fn int_or_string(message: &[u8], name: &str) -> Result<Value, Error> {
    let (mut is_text, mut whole, mut text) = (false, 0, String::new());
    let mut fields = Reader::new(message);
    while let Some((number, wire)) = fields.next()? {
        match number {
            1 => is_text = wire.varint(name)? == 1,
            2 => whole = int32(wire.varint(name)?),
            3 => text = wire.text(name)?,
            _ => {}
        }
    }
    Ok(if is_text { text.into() } else { whole.into() })
}

/// Field 1 is the raw JSON.
pub(super) fn raw(message: &[u8], name: &str) -> Result<Option<Value>, Error> {
    let (mut json, mut fields) = (None, Reader::new(message));
    while let Some((number, wire)) = fields.next()? {
        let bytes = if number == 1 { wire.bytes(name)? } else { &[] };
        if !bytes.is_empty() {
            let value = serde_json::from_slice(bytes);
            json = Some(value.map_err(|_| Error::Json(name.to_owned()))?);
        }
    }
    Ok(json)
}
