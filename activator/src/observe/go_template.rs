//! The template of the request log: the part of Go's `text/template` that one line a request needs.
//!
//! Fields of `.Request`, `.Response` and `.Revision`, `.TraceID`, a header by `.Request.Header.Get`,
//! and the function `js`, also as a pipeline. Anything else is refused by name when the template is
//! set, so that rendering a line cannot fail.

use std::fmt::Write as _;

use http::HeaderName;

/// A value that a template may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Method,
    RequestUri,
    Path,
    Host,
    Proto,
    ContentLength,
    RemoteAddr,
    UserAgent,
    Referer,
    Header(HeaderName),
    Code,
    Size,
    Latency,
    Name,
    Namespace,
    Service,
    Configuration,
    PodName,
    PodIp,
    TraceId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field {
        field: Field,
        /// How often `js` is applied.
        escapes: usize,
    },
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

/// Why a template is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("an action that begins with {{{{ does not end")]
    Unclosed,
    #[error("an action is empty")]
    Empty,
    #[error("{0:?} is not known here: see .Request, .Response, .Revision and .TraceID")]
    UnknownField(String),
    #[error("{0:?} is not supported: fields, js and .Request.Header.Get are")]
    Unsupported(String),
    #[error("{0:?} is not the name of a header")]
    NotAHeader(String),
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (action, after) = split_action(after)?;
            // `{{- ` and ` -}}` trim the space beside them.
            let trims = |action: &str| action.starts_with(char::is_whitespace);
            let (before, action) = match action.strip_prefix('-').filter(|rest| trims(rest)) {
                Some(action) => (before.trim_end(), action),
                None => (before, action),
            };
            let closing =
                action.strip_suffix('-').filter(|rest| rest.ends_with(char::is_whitespace));
            rest = if closing.is_some() { after.trim_start() } else { after };
            push_text(&mut parts, before);
            let action = closing.unwrap_or(action).trim();
            let comment = action.strip_prefix("/*").is_some_and(|rest| rest.ends_with("*/"));
            if !comment {
                parts.push(action_part(action)?);
            }
        }
        push_text(&mut parts, rest);
        Ok(Self(parts))
    }

    /// The headers that it names.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().filter_map(|part| match part {
            Part::Field { field: Field::Header(name), .. } => Some(name),
            Part::Field { .. } | Part::Text(_) => None,
        })
    }

    /// Renders one line; `value` writes a field's value.
    pub(crate) fn render(&self, mut value: impl FnMut(&Field, &mut String)) -> String {
        let mut line = String::with_capacity(512);
        for part in &self.0 {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Field { field, escapes: 0 } => value(field, &mut line),
                Part::Field { field, escapes } => {
                    let mut text = String::new();
                    value(field, &mut text);
                    let escaped = (0..*escapes).fold(text, |text, _| js(&text));
                    line.push_str(&escaped);
                }
            }
        }
        if !line.ends_with('\n') {
            line.push('\n');
        }
        line
    }
}

/// The action up to its `}}`, which may not be within quotes, and what follows it.
fn split_action(text: &str) -> Result<(&str, &str), TemplateError> {
    let mut quote = None;
    let mut escaped = false;
    for (index, letter) in text.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if letter == '\\' => escaped = true,
            Some(open) if letter == open => quote = None,
            Some(_) => {}
            None if matches!(letter, '"' | '`') => quote = Some(letter),
            None if text[index..].starts_with("}}") => {
                return Ok((&text[..index], &text[index + 2..]));
            }
            None => {}
        }
    }
    Err(TemplateError::Unclosed)
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// `.Request.Method`, `js .Request.Referer`, `.Request.Referer | js`.
fn action_part(action: &str) -> Result<Part, TemplateError> {
    let mut commands = action.split('|').map(str::trim);
    let first = commands.next().filter(|first| !first.is_empty()).ok_or(TemplateError::Empty)?;
    let (operand, mut escapes) = match first.strip_prefix("js").filter(|rest| rest.starts_with(' '))
    {
        Some(operand) => (operand.trim(), 1),
        None => (first, 0),
    };
    let field = field(operand)?;
    for command in commands {
        match command {
            "js" => escapes += 1,
            "" => return Err(TemplateError::Empty),
            other => return Err(TemplateError::Unsupported(word(other))),
        }
    }
    Ok(Part::Field { field, escapes })
}

fn field(operand: &str) -> Result<Field, TemplateError> {
    let known = match operand {
        ".Request.Method" => Field::Method,
        ".Request.RequestURI" => Field::RequestUri,
        ".Request.URL.Path" => Field::Path,
        ".Request.Host" => Field::Host,
        ".Request.Proto" => Field::Proto,
        ".Request.ContentLength" => Field::ContentLength,
        ".Request.RemoteAddr" => Field::RemoteAddr,
        ".Request.UserAgent" => Field::UserAgent,
        ".Request.Referer" => Field::Referer,
        ".Response.Code" => Field::Code,
        ".Response.Size" => Field::Size,
        ".Response.Latency" => Field::Latency,
        ".Revision.Name" => Field::Name,
        ".Revision.Namespace" => Field::Namespace,
        ".Revision.Service" => Field::Service,
        ".Revision.Configuration" => Field::Configuration,
        ".Revision.PodName" => Field::PodName,
        ".Revision.PodIP" => Field::PodIp,
        ".TraceID" => Field::TraceId,
        other => return header(other),
    };
    Ok(known)
}

fn header(operand: &str) -> Result<Field, TemplateError> {
    let Some(argument) = operand.strip_prefix(".Request.Header.Get ") else {
        let word = word(operand);
        return Err(if word.starts_with('.') && word == operand {
            TemplateError::UnknownField(word)
        } else {
            TemplateError::Unsupported(word)
        });
    };
    let argument = argument.trim();
    let quoted = ['"', '`'].into_iter().find_map(|q| argument.strip_prefix(q)?.strip_suffix(q));
    let name = quoted.and_then(|name| name.parse().ok());
    name.map(Field::Header).ok_or_else(|| TemplateError::NotAHeader(argument.to_owned()))
}

/// The first word, for the text of an error.
fn word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or(text).to_owned()
}

/// Go's `template.JSEscapeString`.
pub(crate) fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str(r"\\"),
            '\'' => out.push_str(r"\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => push_unicode(&mut out, letter),
            _ if letter.is_control() && letter != '\x7f' => push_unicode(&mut out, letter),
            _ => out.push(letter),
        }
    }
    out
}

fn push_unicode(out: &mut String, letter: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{:04X}", u32::from(letter));
}

/// A number as Go's `%v` writes a `float64`: the shortest digits, with an exponent if it is less
/// than -4 or at least 6.
pub(crate) fn float(number: f64) -> String {
    let shortest = format!("{number:e}");
    let Some((digits, exponent)) = shortest.split_once('e') else { return shortest };
    match exponent.parse::<i32>() {
        // The exponent's sign and at least two digits.
        Ok(power) if !(-4..6).contains(&power) => format!("{digits}e{power:+03}"),
        Ok(_) | Err(_) => format!("{number}"),
    }
}

#[cfg(test)]
mod tests;
