//! JSON patch (RFC 6902), bounded as Kubernetes bounds it.
//!
//! A small patch may make a large document: each `copy` may double it. So the bytes of all copies,
//! the depth of the result and the work are checked before an operation is applied.
//!
//! Upstream: `staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go` (`maxJSONPatchOperations`),
//! `JSONPatchMaxCopyBytes` in `pkg/server/config.go`.

use std::io;

use json_patch::PatchOperation;
use serde_json::Value;

use super::error::Error;
use super::work::Work;

/// The maximum number of operations of one patch.
const MAX_OPERATIONS: usize = 10_000;
/// The maximum number of bytes that all copies of one patch may add, as JSON.
const MAX_COPIED: usize = 3 << 20;
/// The deepest value that a patch may make; serde_json parses no deeper than 128.
const MAX_DEPTH: usize = 120;

pub(super) fn apply(document: &Value, patch: &Value) -> Result<Value, Error> {
    let count = patch.as_array().map_or(0, Vec::len);
    if count > MAX_OPERATIONS {
        return Err(Error::TooManyOperations { limit: MAX_OPERATIONS, got: count });
    }
    let operations: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| Error::Malformed { what: error.to_string() })?;
    let mut result = document.clone();
    let mut bounds = Bounds { work: Work::new(), copied: 0 };
    for (index, operation) in operations.iter().enumerate() {
        bounds.check(&result, operation)?;
        json_patch::patch_unsafe(&mut result, std::slice::from_ref(operation)).map_err(
            |mut source| {
                source.operation = index;
                Error::Inapplicable { source }
            },
        )?;
    }
    Ok(result)
}

/// The bounds of a patch, and their use so far.
struct Bounds {
    work: Work,
    copied: usize,
}

impl Bounds {
    /// Whether an operation on this document stays within the bounds, not whether it applies.
    fn check(&mut self, document: &Value, operation: &PatchOperation) -> Result<(), Error> {
        match operation {
            PatchOperation::Add(add) => {
                self.nested(&add.value, add.path.as_str())?;
                self.shifted(document, add.path.as_str())
            }
            PatchOperation::Replace(replace) => self.nested(&replace.value, replace.path.as_str()),
            PatchOperation::Remove(remove) => self.shifted(document, remove.path.as_str()),
            PatchOperation::Move(moved) => {
                if let Some(value) = document.pointer(moved.from.as_str()) {
                    self.nested(value, moved.path.as_str())?;
                }
                self.shifted(document, moved.from.as_str())?;
                self.shifted(document, moved.path.as_str())
            }
            PatchOperation::Copy(copy) => {
                if let Some(value) = document.pointer(copy.from.as_str()) {
                    self.copied(value)?;
                    self.nested(value, copy.path.as_str())?;
                }
                self.shifted(document, copy.path.as_str())
            }
            // No more of the document is compared than the patch holds.
            PatchOperation::Test(_) => Ok(()),
        }
    }

    fn copied(&mut self, value: &Value) -> Result<(), Error> {
        let left = MAX_COPIED.saturating_sub(self.copied);
        let mut size = Size { bytes: 0, limit: left };
        // The write fails at the limit, with the bytes counted until then.
        let fits = serde_json::to_writer(&mut size, value).is_ok();
        self.copied = self.copied.saturating_add(size.bytes);
        if fits {
            return Ok(());
        }
        Err(Error::TooMuchCopied { limit: MAX_COPIED, size: self.copied })
    }

    /// Whether a value at this path stays within the depth limit.
    fn nested(&self, value: &Value, path: &str) -> Result<(), Error> {
        let above = path.bytes().filter(|byte| *byte == b'/').count();
        let left = MAX_DEPTH.checked_sub(above).ok_or(Error::TooDeep { limit: MAX_DEPTH })?;
        self.within(value, left)
    }

    fn within(&self, value: &Value, left: usize) -> Result<(), Error> {
        self.work.spend(1)?;
        let below = |left: usize| left.checked_sub(1).ok_or(Error::TooDeep { limit: MAX_DEPTH });
        match value {
            Value::Array(items) => {
                let left = below(left)?;
                items.iter().try_for_each(|item| self.within(item, left))
            }
            Value::Object(map) => {
                let left = below(left)?;
                map.values().try_for_each(|item| self.within(item, left))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// Counts the list items that an insertion or removal shifts.
    fn shifted(&self, document: &Value, path: &str) -> Result<(), Error> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let items = document.pointer(parent).and_then(Value::as_array);
        self.work.spend(items.map_or(1, Vec::len))
    }
}

/// Counts bytes up to a limit.
struct Size {
    bytes: usize,
    limit: usize,
}

impl io::Write for Size {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.bytes = self.bytes.saturating_add(written.len());
        if self.bytes > self.limit {
            return Err(io::Error::other("too large"));
        }
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
