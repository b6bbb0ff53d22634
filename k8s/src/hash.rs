//! Hashes that are part of names: stable between runs and machines, not cryptographic.
//!
//! No dependency has the 32-bit form, so both are implemented here.

use serde_json::Value;

/// FNV-1a in 64 bits. Upstream: `hash/fnv.New64a`.
#[must_use]
pub fn fnv1a_64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// FNV-1a in 32 bits. Upstream: `hash/fnv.New32a`.
#[must_use]
pub fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The value of the label `pod-template-hash`: the same for templates that are equal, however their
/// fields are ordered. `collisions` is the Deployment's `collisionCount`; it changes the hash.
///
/// Upstream: `pkg/controller.ComputeHash`. The characters are the same, the bytes that are hashed are
/// not: upstream hashes Go's representation of the object.
#[must_use]
pub fn pod_template_hash(template: &Value, collisions: i64) -> String {
    let mut text = canonical(template);
    if collisions > 0 {
        text.push_str(&collisions.to_string());
    }
    crate::names::safe_encode(&fnv1a_32(text.as_bytes()).to_string())
}

/// The value as text with every map's keys in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let fields: Vec<String> =
                fields.iter().map(|(name, field)| format!("{name}:{}", canonical(field))).collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(canonical).collect();
            format!("[{}]", list.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_published_vectors_come_out() {
        for (text, short, long) in [
            ("", 0x811c_9dc5, 0xcbf2_9ce4_8422_2325),
            ("a", 0xe40c_292c, 0xaf63_dc4c_8601_ec8c),
            ("foobar", 0xbf9c_f968, 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv1a_32(text.as_bytes()), short, "{text}");
            assert_eq!(fnv1a_64(text.as_bytes()), long, "{text}");
        }
    }

    #[test]
    fn a_template_has_one_hash_and_each_collision_another() {
        let template = json!({ "spec": { "containers": [{ "name": "c", "image": "i:1" }] } });
        let reordered = json!({ "spec": { "containers": [{ "image": "i:1", "name": "c" }] } });
        assert_eq!(pod_template_hash(&template, 0), pod_template_hash(&reordered, 0));
        let changed = json!({ "spec": { "containers": [{ "name": "c", "image": "i:2" }] } });
        let hashes = [
            pod_template_hash(&template, 0),
            pod_template_hash(&template, 1),
            pod_template_hash(&template, 2),
            pod_template_hash(&changed, 0),
        ];
        for (at, hash) in hashes.iter().enumerate() {
            assert!(crate::form::label_value(hash).is_empty(), "{hash}");
            assert!(!hashes[..at].contains(hash), "{hashes:?}");
        }
        // Names of ReplicaSets on disk contain it.
        assert_eq!(hashes[0], "8666b477ff");
    }
}
