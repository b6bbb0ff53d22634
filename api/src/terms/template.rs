//! The part of Go's templates that Knative's settings are written in.
//!
//! Text, `{{.Field}}`, `{{.Map.key}}` and `{{index .Map "key"}}`; a key that is absent is the empty
//! string. Everything else is refused by name.

use std::collections::BTreeMap;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
    Entry { map: String, key: String },
}

/// The values that a template may use.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    pub fields: &'a [(&'a str, &'a str)],
    pub maps: &'a [(&'a str, &'a BTreeMap<String, String>)],
}

/// A template that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("template {template:?}: \"{{{{\" is not closed")]
    Unclosed { template: String },
    #[error(
        "template {template:?}: {{{{{action}}}}} is not handled; write {{{{.Field}}}} or {{{{index .Annotations \"key\"}}}}"
    )]
    Unsupported { template: String, action: String },
    #[error("template {template:?}: there is no field {field:?} here")]
    UnknownField { template: String, field: String },
}

impl Template {
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, after)) = rest.split_once("{{") {
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            let Some((action, after)) = after.split_once("}}") else {
                return Err(TemplateError::Unclosed { template: source.to_owned() });
            };
            let part = action_part(action.trim()).ok_or_else(|| TemplateError::Unsupported {
                template: source.to_owned(),
                action: action.to_owned(),
            })?;
            parts.push(part);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { source: source.to_owned(), parts })
    }

    /// Renders the template.
    pub fn execute(&self, values: Values<'_>) -> Result<String, TemplateError> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(name) => out.push_str(self.look_up(name, values.fields)?),
                Part::Entry { map, key } => {
                    let map = self.look_up(map, values.maps)?;
                    out.push_str(map.get(key).map_or("", String::as_str));
                }
            }
        }
        Ok(out)
    }

    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    fn look_up<T: Copy>(&self, name: &str, among: &[(&str, T)]) -> Result<T, TemplateError> {
        among.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
            TemplateError::UnknownField { template: self.source.clone(), field: name.to_owned() }
        })
    }
}

fn action_part(action: &str) -> Option<Part> {
    if let Some(arguments) = action.strip_prefix("index ") {
        let (map, key) = arguments.trim().split_once(char::is_whitespace)?;
        let key = key.trim().strip_prefix('"')?.strip_suffix('"')?;
        let map = map.strip_prefix('.').filter(|m| is_name(m))?;
        return (!key.contains(['"', '\\']))
            .then(|| Part::Entry { map: map.to_owned(), key: key.to_owned() });
    }
    let path = action.strip_prefix('.')?;
    match path.split_once('.') {
        None => is_name(path).then(|| Part::Field(path.to_owned())),
        Some((map, key)) => (is_name(map) && is_name(key))
            .then(|| Part::Entry { map: map.to_owned(), key: key.to_owned() }),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(source: &str) -> Result<String, TemplateError> {
        let annotations = BTreeMap::from([("sub".to_owned(), "eu".to_owned())]);
        Template::parse(source)?.execute(Values {
            fields: &[("Name", "hello"), ("Namespace", "prod"), ("Domain", "example.com")],
            maps: &[("Annotations", &annotations)],
        })
    }

    #[test]
    fn templates_are_rendered() {
        for (source, want) in [
            ("{{.Name}}.{{.Namespace}}.{{.Domain}}", "hello.prod.example.com"),
            ("{{ .Name }}-x", "hello-x"),
            ("{{.Name}}.{{index .Annotations \"sub\"}}.{{.Domain}}", "hello.eu.example.com"),
            ("{{.Name}}{{.Annotations.sub}}", "helloeu"),
            ("a{{index .Annotations \"none\"}}b", "ab"),
            ("user-container", "user-container"),
        ] {
            assert_eq!(run(source).as_deref(), Ok(want));
        }
    }

    #[test]
    fn unsupported_actions_are_refused_by_name() {
        for source in ["{{if .Name}}x{{end}}", "{{.Name | lower}}", "{{- .Name}}", "{{}}"] {
            let error = run(source).unwrap_err();
            assert!(matches!(error, TemplateError::Unsupported { .. }), "{source}: {error}");
        }
        assert_eq!(
            run("{{.Nome}}").unwrap_err().to_string(),
            "template \"{{.Nome}}\": there is no field \"Nome\" here"
        );
        assert_eq!(
            run("{{.Name").unwrap_err().to_string(),
            "template \"{{.Name\": \"{{\" is not closed"
        );
        assert_eq!(
            run("{{else}}").unwrap_err().to_string(),
            "template \"{{else}}\": {{else}} is not handled; write {{.Field}} or {{index .Annotations \"key\"}}"
        );
    }
}
