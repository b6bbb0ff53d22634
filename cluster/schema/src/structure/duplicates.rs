//! Duplicate keys of a JSON text, which parsing into a tree would drop.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The paths of keys that an object of the text holds more than once, in the order of their repetition.
///
/// A text that is no JSON has none: its decoding fails elsewhere. The caller formats them: `duplicate field "data.a"`.
#[must_use]
pub fn duplicates(raw: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(raw);
    let seed = Walk { path: String::new(), found: &mut found };
    // A syntax error ends the walk; duplicates found before it are returned.
    let _outcome = seed.deserialize(&mut reader);
    found
}

struct Walk<'a> {
    path: String,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        loop {
            let seed = Walk { path: format!("{}[{index}]", self.path), found: &mut *self.found };
            if items.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let path =
                if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            if !seen.insert(key) && !self.found.contains(&path) {
                self.found.push(path.clone());
            }
            entries.next_value_seed(Walk { path, found: &mut *self.found })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::duplicates;

    #[test]
    fn a_repeated_key_is_named_by_its_path() {
        let cases: [(&str, &[&str]); 6] = [
            (r#"{"a":1,"b":2}"#, &[]),
            (r#"{"data":{"a":"1","a":"2"}}"#, &["data.a"]),
            (r#"{"a":1,"a":2,"a":3}"#, &["a"]),
            (r#"{"l":[{"x":1},{"x":1,"x":2}]}"#, &["l[1].x"]),
            (r#"{"a":{"b":1},"a":{"b":1,"b":2}}"#, &["a", "a.b"]),
            ("{", &[]),
        ];
        for (text, want) in cases {
            assert_eq!(duplicates(text.as_bytes()), want, "{text}");
        }
    }
}
