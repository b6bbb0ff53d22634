//! The forms that names, label keys and values take, and what is said of those that have none.

use std::sync::LazyLock;

use regex::Regex;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const CONFIG_KEY: &str = "[-._a-zA-Z0-9]+";

fn matches(form: &'static str, text: &str) -> bool {
    static FORMS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
        [LABEL, SUBDOMAIN, LABEL_1035, QUALIFIED, LABEL_VALUE, CONFIG_KEY]
            .into_iter()
            .map(|form| {
                (
                    form,
                    Regex::new(&format!("^(?:{form})$"))
                        .expect("the forms are regular expressions"),
                )
            })
            .collect()
    });
    FORMS.iter().any(|(known, regex)| *known == form && regex.is_match(text))
}

fn refused(text: &str, form: &str, examples: &[&str]) -> String {
    let quoted: Vec<String> = examples.iter().map(|e| format!("'{e}'")).collect();
    format!("{text} (e.g. {}, regex used for validation is '{form}')", quoted.join(",  or "))
}

fn longer(text: &str, limit: usize) -> Option<String> {
    (text.len() > limit).then(|| format!("must be no more than {limit} characters"))
}

/// A DNS-1123 label.
pub(super) fn label(text: &str) -> Vec<String> {
    let form = (!matches(LABEL, text)).then(|| {
        refused(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
             end with an alphanumeric character",
            LABEL,
            &["my-name", "123-abc"],
        )
    });
    longer(text, 63).into_iter().chain(form).collect()
}

/// A DNS-1123 subdomain.
pub(crate) fn subdomain(text: &str) -> Vec<String> {
    let form = (!matches(SUBDOMAIN, text)).then(|| {
        refused(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character",
            SUBDOMAIN,
            &["example.com"],
        )
    });
    longer(text, 253).into_iter().chain(form).collect()
}

/// A DNS-1035 label, as Services have.
pub(super) fn label_1035(text: &str) -> Vec<String> {
    let form = (!matches(LABEL_1035, text)).then(|| {
        refused(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character",
            LABEL_1035,
            &["my-name", "abc-123"],
        )
    });
    longer(text, 63).into_iter().chain(form).collect()
}

/// A qualified name: the key of a label, `prefix/name`.
pub(super) fn qualified(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut parts = text.split('/');
    let (first, second, more) =
        (parts.next().unwrap_or_default(), parts.next(), parts.next().is_some());
    let wrong = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
                 character";
    let examples = ["MyName", "my.name", "123-abc"];
    if more {
        return vec![
            refused(&format!("a qualified name {wrong}"), QUALIFIED, &examples)
                + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
        ];
    }
    let name = match second {
        None => first,
        Some(name) => {
            if first.is_empty() {
                found.push("prefix part must be non-empty".to_owned());
            } else {
                found.extend(
                    subdomain(first).into_iter().map(|problem| format!("prefix part {problem}")),
                );
            }
            name
        }
    };
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    } else if let Some(long) = longer(name, 63) {
        found.push(format!("name part {long}"));
    }
    if !matches(QUALIFIED, name) {
        found.push(refused(&format!("name part {wrong}"), QUALIFIED, &examples));
    }
    found
}

/// The value of a label.
pub(super) fn label_value(text: &str) -> Vec<String> {
    let form = (!matches(LABEL_VALUE, text)).then(|| {
        refused(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character",
            LABEL_VALUE,
            &["MyValue", "my_value", "12345"],
        )
    });
    longer(text, 63).into_iter().chain(form).collect()
}

/// A key of a ConfigMap or Secret.
pub(super) fn config_key(text: &str) -> Vec<String> {
    let form = (!matches(CONFIG_KEY, text)).then(|| {
        refused(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            CONFIG_KEY,
            &["key.name", "KEY_NAME", "key-name"],
        )
    });
    let dots = match text {
        "." => Some("must not be '.'"),
        ".." => Some("must not be '..'"),
        other => other.starts_with("..").then_some("must not start with '..'"),
    };
    longer(text, 253).into_iter().chain(form).chain(dots.map(str::to_owned)).collect()
}

/// The name of a container's port.
pub(super) fn port_name(text: &str) -> Vec<String> {
    let mut found: Vec<String> = longer(text, 15).into_iter().collect();
    let mut say = |wrong: bool, what: &str| {
        if wrong {
            found.push(what.to_owned());
        }
    };
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    say(
        !text.chars().all(lower),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    say(!text.chars().any(|c| c.is_ascii_lowercase()), "must contain at least one letter (a-z)");
    say(text.contains("--"), "must not contain consecutive hyphens");
    say(text.starts_with('-') || text.ends_with('-'), "must not begin or end with a hyphen");
    found
}

/// The name of an environment variable: anything printable but `=`.
pub(super) fn variable(text: &str) -> Vec<String> {
    let printable = text.chars().all(|c| (' '..='~').contains(&c) && c != '=');
    let what = "a valid environment variable name must consist only of printable ASCII characters other than '='";
    (!printable).then(|| what.to_owned()).into_iter().collect()
}
