//! Generated names: of child objects, and from `generateName`.
//!
//! Upstream: `knative.dev/pkg/kmeta.ChildName`, `k8s.io/apiserver/pkg/storage/names`,
//! `k8s.io/apimachinery/pkg/util/rand`.

use std::fmt::Write as _;

use md5::{Digest, Md5};

use crate::form::LABEL_MAX;

/// Characters of a DNS label that are left beside an MD5 sum in hexadecimal.
const HEAD: usize = LABEL_MAX - 32;

/// Characters of generated names: no vowels and no look-alikes, so that they spell nothing.
const ALPHANUMERIC: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Random characters at the end of a generated name.
const RANDOM: usize = 5;

/// `parent` + `suffix`, or, where that is longer than a label may be, a name of at most 63 characters
/// that an MD5 sum makes unique. Upstream: `kmeta.ChildName`, byte for byte.
#[must_use]
pub fn child_name(parent: &str, suffix: &str) -> String {
    if parent.len() + suffix.len() <= LABEL_MAX {
        return format!("{parent}{suffix}");
    }
    if suffix.len() < HEAD {
        // The suffix stays legible; the hash stands for the whole parent.
        return format!("{}{}{suffix}", head(parent, HEAD - suffix.len()), md5_hex(parent));
    }
    let mut name = format!("{}{}", head(parent, HEAD), md5_hex(&format!("{parent}{suffix}")));
    name.push_str(head(suffix, LABEL_MAX - name.len()));
    while name.ends_with(|c: char| !c.is_ascii_alphanumeric()) {
        name.pop();
    }
    name
}

/// `prefix`, shortened to leave room, and a random suffix. Upstream: `SimpleNameGenerator`.
#[must_use]
pub fn generated_name(prefix: &str, random: [u8; RANDOM]) -> String {
    format!("{}{}", head(prefix, LABEL_MAX - RANDOM), random_suffix(random))
}

/// Five characters that make a name unique. Upstream: `rand.String(5)`.
#[must_use]
pub fn random_suffix(random: [u8; RANDOM]) -> String {
    random.into_iter().map(safe).collect()
}

/// The text with every byte replaced by one that spells nothing. Upstream: `rand.SafeEncodeString`.
#[must_use]
pub fn safe_encode(text: &str) -> String {
    text.bytes().map(safe).collect()
}

fn safe(byte: u8) -> char {
    char::from(ALPHANUMERIC[usize::from(byte) % ALPHANUMERIC.len()])
}

/// At most `bytes` of the start of `text`, cut between characters.
fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_fits_is_parent_and_suffix() {
        assert_eq!(child_name("hello", "-deployment"), "hello-deployment");
        let exactly = "a".repeat(52);
        assert_eq!(child_name(&exactly, "-deployment"), format!("{exactly}-deployment"));
    }

    #[test]
    fn long_names_are_cut_and_hashed_as_upstream_does() {
        let long = "f".repeat(63);
        for (parent, suffix, want) in [
            // The hash is that of the parent, the suffix stays whole.
            (
                long.as_str(),
                "-deployment",
                format!("{}105d7597f637e83cc711605ac3ea4957-deployment", "f".repeat(20)),
            ),
            // One character of the parent is left beside the longest suffix that stays whole.
            (
                &"p".repeat(40),
                &"s".repeat(30),
                format!("p92d2a910411dfdc344478c1a890a7a4f{}", "s".repeat(30)),
            ),
            (
                &"p".repeat(40),
                &"s".repeat(31),
                format!("{}4dec4047846210fb3f85bc241e72a1a5", "p".repeat(31)),
            ),
            // The suffix alone is too long: the hash is that of both.
            (
                "asdf",
                &"a".repeat(63),
                format!("asdfec010407f5d988a90f89ae5c4d5248ee{}", "a".repeat(27)),
            ),
            // A name never ends in a dash.
            ("asdf", &"-".repeat(63), "asdfb61bbd76b7deef10b57b5b0835e7eda9".to_owned()),
        ] {
            let got = child_name(parent, suffix);
            assert_eq!(got, want);
            assert!(got.len() <= 63, "{got}");
        }
        assert_eq!(child_name(&"\u{e9}".repeat(40), "-x").len(), 62, "cut between characters");
    }

    #[test]
    fn a_generated_name_fits_in_a_label_and_spells_nothing() {
        assert_eq!(generated_name("web-", [0, 1, 26, 27, 255]), "web-bc9bq");
        let long = generated_name(&"x".repeat(80), [0; 5]);
        assert_eq!(long, format!("{}bbbbb", "x".repeat(58)));
        assert_eq!(safe_encode("0123456789"), "456789bcdf");
    }
}
