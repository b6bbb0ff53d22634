//! Label and field selectors: parsed once per request, matched per object.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::{Resource, versions};

/// Why a selector cannot be read, as Kubernetes words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// The parts of an object that selectors look at.
#[derive(Clone, Copy, Debug)]
pub struct Selected<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    pub labels: &'a BTreeMap<String, String>,
    /// The values of the resource's selectable fields.
    pub fields: &'a BTreeMap<String, String>,
}

/// The maximum number of requirements of one selector: each object is matched against all of them.
const MAX_REQUIREMENTS: usize = 1_000;

/// One requirement of a label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Exists(String),
    Missing(String),
}

/// One requirement of a field selector.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldRequirement {
    field: String,
    value: String,
    equal: bool,
}

/// The selectors of a list or watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`; empty texts select everything.
    pub fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, Error> {
        let parsed =
            Self { labels: parse_labels(labels)?, fields: parse_fields(resource, fields)? };
        let count = parsed.labels.len() + parsed.fields.len();
        if count > MAX_REQUIREMENTS {
            return Err(Error(format!(
                "a selector has at most {MAX_REQUIREMENTS} requirements, and this one has {count}"
            )));
        }
        Ok(parsed)
    }

    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    #[must_use]
    pub fn matches(&self, object: Selected<'_>) -> bool {
        self.labels.iter().all(|r| r.matches(object.labels))
            && self.fields.iter().all(|f| f.matches(object))
    }
}

impl Requirement {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Missing(key) => !labels.contains_key(key),
        }
    }
}

impl FieldRequirement {
    fn matches(&self, object: Selected<'_>) -> bool {
        let value = match self.field.as_str() {
            "metadata.name" => object.name,
            "metadata.namespace" => object.namespace,
            field => object.fields.get(field).map_or("", String::as_str),
        };
        (value == self.value) == self.equal
    }
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>, Error> {
    split_outside_brackets(text)
        .into_iter()
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .map(requirement)
        .collect()
}

/// Commas inside `in (a,b)` do not separate requirements.
fn split_outside_brackets(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_u32, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(text: &str) -> Result<Requirement, Error> {
    let key = |k: &str| {
        let k = k.trim();
        let fine =
            !k.is_empty() && k.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if fine { Ok(k.to_owned()) } else { Err(bad_requirement(k)) }
    };
    if let Some(rest) = text.strip_prefix('!') {
        return Ok(Requirement::Missing(key(rest)?));
    }
    for (operator, make) in [
        (" notin ", Requirement::NotIn as fn(String, BTreeSet<String>) -> Requirement),
        (" in ", Requirement::In as fn(String, BTreeSet<String>) -> Requirement),
    ] {
        let spaced = text.replacen('(', " (", 1);
        if let Some((k, values)) = spaced.split_once(operator) {
            let inside = values.trim().strip_prefix('(').and_then(|v| v.strip_suffix(')'));
            let values = inside.ok_or_else(|| bad_requirement(text))?;
            return Ok(make(key(k)?, values.split(',').map(|v| v.trim().to_owned()).collect()));
        }
    }
    let one = |v: &str| BTreeSet::from([v.trim().to_owned()]);
    if let Some((k, v)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(key(k)?, one(v)));
    }
    if let Some((k, v)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In(key(k)?, one(v)));
    }
    Ok(Requirement::Exists(key(text)?))
}

fn bad_requirement(text: &str) -> Error {
    let found = text.chars().next().map_or_else(|| "''".to_owned(), |c| format!("'{c}'"));
    Error(format!("unable to parse requirement: found {found}, expected: identifier"))
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<FieldRequirement>, Error> {
    text.split(',')
        .filter(|t| !t.trim().is_empty())
        .map(|t| field_requirement(resource, t.trim()))
        .collect()
}

fn field_requirement(resource: &Resource, text: &str) -> Result<FieldRequirement, Error> {
    let split = text
        .split_once("!=")
        .map(|(f, v)| (f, v, false))
        .or_else(|| text.split_once("==").map(|(f, v)| (f, v, true)))
        .or_else(|| text.split_once('=').map(|(f, v)| (f, v, true)));
    let Some((field, value, equal)) = split else {
        return Err(Error(format!("invalid selector: {text:?}; can't understand {text:?}")));
    };
    let known = |f: &str| {
        f == "metadata.name"
            || (resource.namespaced && f == "metadata.namespace")
            || resource.selectable_fields.iter().any(|s| s == f)
    };
    if !known(field) {
        return Err(Error(format!(
            "\"{field}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        )));
    }
    // Objects are matched in their stored form.
    let field = versions::stored_field(resource, field);
    Ok(FieldRequirement { field, value: value.to_owned(), equal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kinds;

    fn matches(labels: &str, fields: &str) -> Result<bool, Error> {
        let pods = Kinds::new().by_kind("", "v1", "Pod").unwrap();
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let (of, named) =
            (map(&[("app", "web"), ("tier", "front")]), map(&[("spec.nodeName", "n1")]));
        let pod = Selected { name: "p", namespace: "d", labels: &of, fields: &named };
        Selector::parse(&pods, labels, fields).map(|s| s.matches(pod))
    }

    #[test]
    fn labels_match_as_kubernetes_reads_them() {
        for (selector, expected) in [
            ("app=web", true),
            ("app==web,tier=front", true),
            ("app!=web", false),
            ("other!=x", true),
            ("app in (web, api),tier", true),
            ("app notin (web)", false),
            ("!missing", true),
            ("!app", false),
            ("tier in (back)", false),
        ] {
            assert_eq!(matches(selector, ""), Ok(expected), "{selector}");
        }
        assert!(
            matches("!!", "").unwrap_err().0.contains("unable to parse requirement: found '!'")
        );
    }

    #[test]
    fn a_selector_has_a_thousand_requirements_and_no_more() {
        let many = |count| vec!["app=web"; count].join(",");
        assert_eq!(matches(&many(MAX_REQUIREMENTS), ""), Ok(true));
        let error = matches(&many(MAX_REQUIREMENTS), "metadata.name=p").unwrap_err();
        assert!(error.0.contains("at most 1000 requirements"), "{error}");
    }

    #[test]
    fn only_a_selector_without_requirements_is_everything() {
        let pods = Kinds::new().by_kind("", "v1", "Pod").unwrap();
        let everything = |labels: &str, fields: &str| {
            Selector::parse(&pods, labels, fields).unwrap().is_everything()
        };
        assert!(everything("", "") && everything(" , ", " "));
        assert!(!everything("app", "") && !everything("", "metadata.name=p"));
    }

    #[test]
    fn fields_are_those_of_the_resource() {
        assert_eq!(matches("", "metadata.name=p,spec.nodeName=n1"), Ok(true));
        assert_eq!(matches("", "spec.nodeName!=n1"), Ok(false));
        assert!(matches("", "spec.foo=1").unwrap_err().0.contains("not a known field selector"));
    }
}
