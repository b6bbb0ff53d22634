//! Rows of the state file: an object's JSON with a checksum over its key and its bytes.
//!
//! The database checks its pages only after a crash. A bit that flips inside a value would be read as
//! another value; with the checksum it is found at start, and the object is named.

use redb::TableDefinition;
use rouse_k8s::hash::fnv1a_64;

use super::object::Key;
use super::ring::Change;

/// `resource\0namespace\0name` to the object's sealed JSON.
pub(super) const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
/// Version to `change`, the object's key and its sealed JSON.
pub(super) const EVENTS: TableDefinition<'_, u64, (u8, &str, &[u8])> =
    TableDefinition::new("events");
/// Facts about the file: `format`, `version`, `lost`.
pub(super) const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
/// Raised when an older binary could not read the file. 1 had no checksums.
pub(super) const FORMAT: u64 = 2;
pub(super) const WITHOUT_CHECKSUMS: u64 = 1;

/// Bytes of a checksum, which follows the JSON.
const CHECKSUM: usize = 8;

/// FNV-1a gives another sum if any single byte differs.
fn checksum(key: &str, json: &[u8]) -> [u8; CHECKSUM] {
    (fnv1a_64(json) ^ fnv1a_64(key.as_bytes()).rotate_left(32)).to_le_bytes()
}

/// The row of an object.
pub(super) fn seal(key: &str, json: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(json.len() + CHECKSUM);
    row.extend_from_slice(json);
    row.extend_from_slice(&checksum(key, json));
    row
}

/// The JSON of a row; `None` if the checksum does not match.
pub(super) fn unseal<'a>(key: &str, row: &'a [u8]) -> Option<&'a [u8]> {
    let (json, sum) = row.split_at_checked(row.len().checked_sub(CHECKSUM)?)?;
    (checksum(key, json) == sum).then_some(json)
}

pub(super) fn key_text(key: &Key) -> String {
    format!("{}\0{}\0{}", key.resource, key.namespace, key.name)
}

/// Resource, namespace and name of a key.
pub(super) fn key_parts(text: &str) -> Option<(&str, &str, &str)> {
    let mut parts = text.splitn(3, '\0');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

/// A key as people read it: `configmaps default/settings`.
pub(super) fn shown(text: &str) -> String {
    match key_parts(text) {
        Some((resource, "", name)) => format!("{resource} {name}"),
        Some((resource, namespace, name)) => format!("{resource} {namespace}/{name}"),
        None => text.escape_debug().to_string(),
    }
}

pub(super) fn number_of(change: Change) -> u8 {
    match change {
        Change::Added => 0,
        Change::Modified => 1,
        Change::Deleted => 2,
    }
}

pub(super) fn change_of(number: u8) -> Change {
    match number {
        0 => Change::Added,
        2 => Change::Deleted,
        _ => Change::Modified,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_read_as_it_was_written() {
        for change in [Change::Added, Change::Modified, Change::Deleted] {
            assert_eq!(change_of(number_of(change)), change);
        }
    }

    #[test]
    fn no_byte_of_a_row_changes_unseen() {
        let (key, json) = ("configmaps\0d\0a", br#"{"data":{"n":"1"}}"#);
        let row = seal(key, json);
        assert_eq!(unseal(key, &row), Some(json.as_slice()));
        let sum = b"\x77\xdc\x95\xc7\xca\xce\x4d\x01";
        assert_eq!(row.strip_prefix(json), Some(sum.as_slice()), "files of before are read");
        for at in 0..row.len() {
            for bit in 0..8 {
                let mut flipped = row.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(unseal(key, &flipped), None, "byte {at} bit {bit}");
            }
            assert_eq!(unseal(key, &row[..at]), None);
        }
        assert_eq!(unseal("configmaps\0d\0b", &row), None);
    }
}
