//! The forms of names that Pods and ConfigMaps hold besides those of objects, which are in `rouse_k8s::form`.

use rouse_k8s::form::SUBDOMAIN_MAX;

fn longer(text: &str, limit: usize) -> Option<String> {
    (text.len() > limit).then(|| format!("must be no more than {limit} characters"))
}

/// A key of a ConfigMap or Secret.
pub(super) fn config_key(text: &str) -> Vec<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let form = (text.is_empty() || !text.chars().all(allowed)).then(|| {
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
         'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
            .to_owned()
    });
    let dots = match text {
        "." => Some("must not be '.'"),
        ".." => Some("must not be '..'"),
        other => other.starts_with("..").then_some("must not start with '..'"),
    };
    longer(text, SUBDOMAIN_MAX).into_iter().chain(form).chain(dots.map(str::to_owned)).collect()
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
