//! Names: how children are named, and which names Kubernetes accepts, in Kubernetes' words.
//!
//! Upstream: `vendor/knative.dev/pkg/kmeta/names.go`, apimachinery's `util/validation`.

use std::fmt::Write as _;

use md5::{Digest, Md5};

/// The longest DNS label.
const LABEL_MAX: usize = 63;
/// The longest DNS subdomain.
const SUBDOMAIN_MAX: usize = 253;
/// What an MD5 sum in hex leaves of a label.
const HEAD: usize = LABEL_MAX - 32;

/// `parent` + `suffix`, or, where that is longer than a label may be, a name of at most 63
/// characters made unique by a hash. Byte for byte the names that Knative gives.
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

/// The Revision of a Configuration's generation, unless the template brings a name of its own.
#[must_use]
pub fn revision_name(configuration: &str, generation: i64) -> String {
    child_name(configuration, &format!("-{generation:05}"))
}

/// The Deployment that runs a Revision.
#[must_use]
pub fn deployment_name(revision: &str) -> String {
    child_name(revision, "-deployment")
}

/// At most `bytes` of the start of `text`. Names are ASCII; should one not be, it is cut before
/// the character that does not fit.
fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

const LABEL_1123: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
    characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
    '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_1123: &str = "a lowercase RFC 1123 subdomain must consist of lower case \
    alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character \
    (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or \
    '-', start with an alphabetic character, and end with an alphanumeric character (e.g. \
    'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and \
    must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
    '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const QUALIFIED_FORM: &str = "a valid label key must consist of alphanumeric characters, '-', '_' \
    or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  \
    or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with \
    an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";

/// Problems of a DNS-1123 label; none if it is one.
#[must_use]
pub fn dns_1123_label(value: &str) -> Vec<String> {
    let mut problems = too_long(value, LABEL_MAX);
    if !is_1123_label(value) {
        let text = if is_1123_subdomain(value) { "must not contain dots" } else { LABEL_1123 };
        problems.push(text.to_owned());
    }
    problems
}

/// Problems of a DNS-1123 subdomain; none if it is one.
#[must_use]
pub fn dns_1123_subdomain(value: &str) -> Vec<String> {
    let mut problems = too_long(value, SUBDOMAIN_MAX);
    if !is_1123_subdomain(value) {
        problems.push(SUBDOMAIN_1123.to_owned());
    }
    problems
}

/// Problems of a DNS-1035 label; none if it is one.
#[must_use]
pub fn dns_1035_label(value: &str) -> Vec<String> {
    let mut problems = too_long(value, LABEL_MAX);
    if !is_1123_label(value) || !value.starts_with(|c: char| c.is_ascii_lowercase()) {
        problems.push(LABEL_1035.to_owned());
    }
    problems
}

/// Problems of a `generateName` whose results are to be DNS-1035 labels. A dash at its end is
/// fine, since random characters follow.
#[must_use]
pub fn dns_1035_label_prefix(value: &str) -> Vec<String> {
    match value.strip_suffix('-') {
        // As upstream, which masks the dash and the character before it.
        Some(rest) if !rest.is_empty() => {
            dns_1035_label(&format!("{}a", head(rest, rest.len() - 1)))
        }
        Some(_) | None => dns_1035_label(value),
    }
}

/// Problems of a qualified name, the form of a label's key.
#[must_use]
pub fn qualified_name(value: &str) -> Vec<String> {
    let (prefix, name) = match value.split_once('/') {
        None => (None, value),
        Some((_, rest)) if rest.contains('/') => return vec![QUALIFIED_FORM.to_owned()],
        Some((prefix, name)) => (Some(prefix), name),
    };
    let mut problems = Vec::new();
    match prefix {
        None => {}
        Some("") => problems.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            problems.extend(dns_1123_subdomain(prefix).iter().map(|p| format!("prefix part {p}")));
        }
    }
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        problems.push(format!("name part must be no more than {LABEL_MAX} bytes"));
    }
    if !is_qualified_part(name) {
        problems.push(QUALIFIED.to_owned());
    }
    problems
}

/// Problems as Go prints a list of strings: `[a b]`.
#[must_use]
pub fn as_list(problems: &[String]) -> String {
    format!("[{}]", problems.join(" "))
}

fn too_long(value: &str, max: usize) -> Vec<String> {
    if value.len() > max {
        vec![format!("must be no more than {max} characters")]
    } else {
        Vec::new()
    }
}

fn is_1123_label(value: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    value.starts_with(edge) && value.ends_with(edge) && value.chars().all(|c| edge(c) || c == '-')
}

fn is_1123_subdomain(value: &str) -> bool {
    value.split('.').all(is_1123_label)
}

fn is_qualified_part(value: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    value.starts_with(edge)
        && value.ends_with(edge)
        && value.chars().all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_fits_is_parent_and_suffix() {
        assert_eq!(child_name("hello", "-deployment"), "hello-deployment");
        assert_eq!(revision_name("hello", 7), "hello-00007");
        let exactly = "a".repeat(52);
        assert_eq!(child_name(&exactly, "-deployment"), format!("{exactly}-deployment"));
    }

    #[test]
    fn long_names_are_cut_and_hashed_as_knative_does() {
        let long = "f".repeat(63);
        for (parent, suffix, want) in [
            // The hash is that of the parent, the suffix stays whole.
            (
                long.as_str(),
                "-deployment",
                format!("{}105d7597f637e83cc711605ac3ea4957-deployment", "f".repeat(20)),
            ),
            // The suffix alone is too long: the hash is that of both.
            (
                "asdf",
                &"a".repeat(63),
                format!("asdfec010407f5d988a90f89ae5c4d5248ee{}", "a".repeat(27)),
            ),
            // What is cut never ends in a dash.
            ("asdf", &"-".repeat(63), "asdfb61bbd76b7deef10b57b5b0835e7eda9".to_owned()),
        ] {
            let got = child_name(parent, suffix);
            assert_eq!(got, want);
            assert!(got.len() <= 63, "{got}");
        }
    }

    #[test]
    fn names_are_refused_in_kubernetes_words() {
        assert!(dns_1035_label("hello-1").is_empty());
        assert_eq!(dns_1035_label("1hello"), [LABEL_1035]);
        assert_eq!(dns_1035_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
        assert!(dns_1123_label("1hello").is_empty());
        assert_eq!(dns_1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(dns_1123_subdomain("foo@bar.baz"), [SUBDOMAIN_1123]);
        assert!(dns_1035_label_prefix("hello-").is_empty());
        assert_eq!(dns_1035_label_prefix("-"), [LABEL_1035]);
        assert!(qualified_name("example.com/My_name").is_empty());
        assert_eq!(qualified_name("a/b/c"), [QUALIFIED_FORM]);
        assert_eq!(qualified_name("/x"), ["prefix part must be non-empty"]);
    }
}
