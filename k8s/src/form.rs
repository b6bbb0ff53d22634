//! The forms that names and label keys must have, and the errors for those that do not.
//!
//! Upstream: `k8s.io/apimachinery/pkg/util/validation` and `pkg/api/validate/content`, in their words.
//! Each function gives the problems of a value, none if it is well-formed.

/// The longest DNS label.
pub const LABEL_MAX: usize = 63;
/// The longest DNS subdomain.
pub const SUBDOMAIN_MAX: usize = 253;

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
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// A DNS-1123 label: namespaces, containers, volumes.
#[must_use]
pub fn dns_1123_label(value: &str) -> Vec<String> {
    let mut problems = too_long(value, LABEL_MAX);
    if !is_1123_label(value) {
        let text = if is_1123_subdomain(value) { "must not contain dots" } else { LABEL_1123 };
        problems.push(text.to_owned());
    }
    problems
}

/// A DNS-1123 subdomain: most objects.
#[must_use]
pub fn dns_1123_subdomain(value: &str) -> Vec<String> {
    let mut problems = too_long(value, SUBDOMAIN_MAX);
    if !is_1123_subdomain(value) {
        problems.push(SUBDOMAIN_1123.to_owned());
    }
    problems
}

/// A domain name with a dot, which may end with one: the problems of `field` in one text, none if it is well-formed.
#[must_use]
pub fn fully_qualified_domain(field: &str, name: &str) -> Option<String> {
    if name.is_empty() {
        return Some(format!("{field}: Required value"));
    }
    let invalid = |value: &str, problems: &[String]| {
        format!("{field}: Invalid value: {value:?}: {}", problems.join(","))
    };
    let domain = name.strip_suffix('.').unwrap_or(name);
    let problems = dns_1123_subdomain(domain);
    if !problems.is_empty() {
        return Some(invalid(domain, &problems));
    }
    if !domain.contains('.') {
        let why = "should be a domain with at least two segments separated by dots";
        return Some(invalid(domain, &[why.to_owned()]));
    }
    let labels = domain.split('.').map(|label| (label, dns_1123_label(label)));
    let found: Vec<String> = labels
        .filter(|(_, problems)| !problems.is_empty())
        .map(|(label, problems)| invalid(label, &problems))
        .collect();
    match found.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// A DNS-1035 label: Services.
#[must_use]
pub fn dns_1035_label(value: &str) -> Vec<String> {
    let mut problems = too_long(value, LABEL_MAX);
    if !is_1123_label(value) || !value.starts_with(|c: char| c.is_ascii_lowercase()) {
        problems.push(LABEL_1035.to_owned());
    }
    problems
}

/// A `generateName` whose results are to be DNS-1035 labels: a dash at its end is fine, since random
/// characters follow.
#[must_use]
pub fn dns_1035_label_prefix(value: &str) -> Vec<String> {
    match value.strip_suffix('-') {
        // As upstream, which masks the dash and the character before it.
        Some(rest) if !rest.is_empty() => {
            let mut masked = rest.to_owned();
            masked.pop();
            masked.push('a');
            dns_1035_label(&masked)
        }
        Some(_) | None => dns_1035_label(value),
    }
}

/// The key of a label or an annotation: `name` or `prefix/name`. Upstream: `IsQualifiedName`.
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
    if !is_qualified(name) {
        problems.push(QUALIFIED.to_owned());
    }
    problems
}

/// The value of a label. Upstream: `IsValidLabelValue`.
#[must_use]
pub fn label_value(value: &str) -> Vec<String> {
    let mut problems = too_long(value, LABEL_MAX);
    if !value.is_empty() && !is_qualified(value) {
        problems.push(LABEL_VALUE.to_owned());
    }
    problems
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

fn is_qualified(value: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    value.starts_with(edge)
        && value.ends_with(edge)
        && value.chars().all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    #[test]
    fn a_1123_label_has_lower_case_letters_digits_and_dashes_inside() {
        for good in ["a", "1hello", "a-b", "0", &"a".repeat(63)] {
            assert_eq!(dns_1123_label(good), NONE, "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a b", "\u{e9}"] {
            assert_eq!(dns_1123_label(bad), [LABEL_1123], "{bad}");
        }
        assert_eq!(dns_1123_label("a.b"), ["must not contain dots"]);
        assert_eq!(dns_1123_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
    }

    #[test]
    fn a_subdomain_is_labels_with_dots_between() {
        for good in ["a", "example.com", "1.2.3", "a.".repeat(126).trim_end_matches('.')] {
            assert_eq!(dns_1123_subdomain(good), NONE, "{good}");
        }
        for bad in ["", ".", "a..b", "a.", "foo@bar.baz", "A.b"] {
            assert_eq!(dns_1123_subdomain(bad), [SUBDOMAIN_1123], "{bad}");
        }
        assert_eq!(dns_1123_subdomain(&"a".repeat(254)), ["must be no more than 253 characters"]);
    }

    #[test]
    fn a_1035_label_begins_with_a_letter() {
        assert_eq!(dns_1035_label("hello-1"), NONE);
        assert_eq!(dns_1035_label("1hello"), [LABEL_1035]);
        assert_eq!(dns_1035_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
        for prefix in ["hello-", "h-", "hello"] {
            assert_eq!(dns_1035_label_prefix(prefix), NONE, "{prefix}");
        }
        for prefix in ["-", "1-a-", "hel\u{e9}lo-"] {
            assert_eq!(dns_1035_label_prefix(prefix), [LABEL_1035], "{prefix}");
        }
    }

    #[test]
    fn a_qualified_name_may_have_a_prefix() {
        for good in ["My_name", "example.com/My_name", "a.b-c/d.e", "1", &"a".repeat(63)] {
            assert_eq!(qualified_name(good), NONE, "{good}");
        }
        assert_eq!(qualified_name("a/b/c"), [QUALIFIED_FORM]);
        assert_eq!(qualified_name("/x"), ["prefix part must be non-empty"]);
        assert_eq!(qualified_name("x/"), ["name part must be non-empty", QUALIFIED]);
        assert_eq!(qualified_name("_a"), [QUALIFIED]);
        assert_eq!(qualified_name("A/b"), [format!("prefix part {SUBDOMAIN_1123}")]);
        assert_eq!(qualified_name(&"a".repeat(64)), ["name part must be no more than 63 bytes"]);
    }

    #[test]
    fn a_label_value_may_be_empty() {
        for good in ["", "a", "My_value.1", &"a".repeat(63)] {
            assert_eq!(label_value(good), NONE, "{good}");
        }
        for bad in ["-", "a/b", "_a", "a ", "a-"] {
            assert_eq!(label_value(bad), [LABEL_VALUE], "{bad}");
        }
        assert_eq!(label_value(&"a".repeat(64)), ["must be no more than 63 characters"]);
    }
}
