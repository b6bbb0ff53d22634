//! Go type declarations, read line by line: as much of the language as API types use.

use std::collections::{BTreeMap, HashMap};

use super::packages::PACKAGES;

/// The declarations of all packages, by qualified name (`core.v1.PodSpec`).
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) declarations: BTreeMap<String, Declaration>,
    /// The values of constants, by the qualified name of their type.
    pub(super) constants: BTreeMap<String, Vec<String>>,
}

/// A type.
#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) markers: Vec<String>,
    pub(super) shape: Shape,
}

#[derive(Debug)]
pub(super) enum Shape {
    Struct(Vec<Member>),
    /// Another type under a name of its own: its qualified expression.
    Named(String),
}

/// A field of a struct.
#[derive(Debug)]
pub(super) struct Member {
    /// Empty for an embedded struct.
    pub(super) json: String,
    pub(super) omit_empty: bool,
    pub(super) inline: bool,
    pub(super) number: Option<u32>,
    /// The qualified Go type: `*[]core.v1.Container`.
    pub(super) go_type: String,
    pub(super) markers: Vec<String>,
    pub(super) tags: HashMap<String, String>,
}

impl Member {
    /// The value of a marker: `atomic` of `+listType=atomic`.
    pub(super) fn marker(&self, name: &str) -> Option<&str> {
        self.markers.iter().find_map(|m| value_of(m, name))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.markers.iter().any(|m| m == name)
    }
}

pub(super) fn value_of<'a>(marker: &'a str, name: &str) -> Option<&'a str> {
    marker.strip_prefix(name)?.strip_prefix('=')
}

impl Sources {
    /// Reads one file of a package.
    pub(super) fn add(&mut self, package: &str, text: &str) {
        let imports = imports(text);
        let mut markers = Vec::new();
        let mut block: Option<(String, Vec<String>, Vec<Member>)> = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if let Some(comment) = trimmed.strip_prefix("//") {
                if let Some(marker) = comment.trim().strip_prefix('+') {
                    markers.push(marker.trim().to_owned());
                }
                continue;
            }
            if let Some((name, of_type, mut members)) = block.take() {
                if line == "}" {
                    self.declare(package, &name, of_type, Shape::Struct(members));
                    markers.clear();
                    continue;
                }
                if !trimmed.is_empty() {
                    let found = std::mem::take(&mut markers);
                    members.extend(member(trimmed, package, &imports, found));
                }
                block = Some((name, of_type, members));
                continue;
            }
            if let Some(name) = opens_struct(trimmed) {
                block = Some((name, std::mem::take(&mut markers), Vec::new()));
            } else if let Some((name, expression)) = names_type(trimmed) {
                let shape = match expression {
                    "struct{}" => Shape::Struct(Vec::new()),
                    other => Shape::Named(qualify(other, package, &imports)),
                };
                self.declare(package, &name, std::mem::take(&mut markers), shape);
            } else if let Some((of_type, value)) = constant(trimmed) {
                self.constants.entry(format!("{package}.{of_type}")).or_default().push(value);
                markers.clear();
            } else if !trimmed.is_empty() {
                markers.clear();
            }
        }
    }

    fn declare(&mut self, package: &str, name: &str, markers: Vec<String>, shape: Shape) {
        self.declarations.insert(format!("{package}.{name}"), Declaration { markers, shape });
    }
}

fn opens_struct(line: &str) -> Option<String> {
    let name = line.strip_prefix("type ")?.strip_suffix(" struct {")?;
    Some(name.to_owned())
}

fn names_type(line: &str) -> Option<(String, &str)> {
    let (name, expression) = line.strip_prefix("type ")?.split_once(' ')?;
    let expression = expression.trim_start_matches("= ").trim();
    (!expression.ends_with('{')).then(|| (name.to_owned(), expression))
}

/// `Name Type = "value"`.
fn constant(line: &str) -> Option<(String, String)> {
    let (left, right) = line.split_once(" = ")?;
    let words: Vec<&str> = left.trim_start_matches("const ").split_whitespace().collect();
    let [_, of_type] = words.as_slice() else { return None };
    let value = right.trim().strip_prefix('"')?.split('"').next()?;
    Some(((*of_type).to_owned(), value.to_owned()))
}

/// Short names of the imported packages whose types the table knows.
fn imports(text: &str) -> HashMap<String, String> {
    let known = |path: &str| {
        PACKAGES.iter().find(|(p, _, _)| *p == path).map(|(_, name, _)| (*name).to_owned())
    };
    let mut found = HashMap::new();
    for line in text.lines() {
        let Some((alias, path)) = line.trim().trim_start_matches("import ").split_once('"') else {
            continue;
        };
        let path = path.trim_end_matches('"');
        if let Some(name) = known(path) {
            let alias = match alias.trim() {
                "" => path.rsplit('/').next().unwrap_or_default(),
                alias => alias,
            };
            found.insert(alias.to_owned(), name);
        }
    }
    found
}

fn member(
    line: &str,
    package: &str,
    imports: &HashMap<String, String>,
    markers: Vec<String>,
) -> Option<Member> {
    let (declaration, rest) = line.split_once('`')?;
    let tags = tags(rest.split('`').next()?);
    let words: Vec<&str> = declaration.split_whitespace().collect();
    let expression = match words.as_slice() {
        [embedded] => embedded,
        [_, expression] => expression,
        _ => return None,
    };
    let json = tags.get("json")?;
    let (name, options) = json.split_once(',').unwrap_or((json, ""));
    if name == "-" {
        return None;
    }
    let number =
        tags.get("protobuf").and_then(|t| t.split(',').nth(1)).and_then(|n| n.parse().ok());
    Some(Member {
        json: name.to_owned(),
        omit_empty: options.contains("omitempty"),
        inline: options.contains("inline"),
        number,
        go_type: qualify(expression, package, imports),
        markers,
        tags,
    })
}

/// `json:"a,omitempty" protobuf:"bytes,1,opt"` as a map.
fn tags(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once(":\"") {
        let Some((value, after)) = after.split_once('"') else { break };
        found.insert(name.trim().to_owned(), value.to_owned());
        rest = after;
    }
    found
}

/// A type expression with its package spelt out.
fn qualify(expression: &str, package: &str, imports: &HashMap<String, String>) -> String {
    for prefix in ["*", "[]"] {
        if let Some(inner) = expression.strip_prefix(prefix) {
            return format!("{prefix}{}", qualify(inner, package, imports));
        }
    }
    if let Some((_, value)) = expression.strip_prefix("map[").and_then(|rest| rest.split_once(']'))
    {
        return format!("map:{}", qualify(value, package, imports));
    }
    match expression.split_once('.') {
        Some((alias, name)) => match imports.get(alias) {
            Some(full) => format!("{full}.{name}"),
            None => expression.to_owned(),
        },
        None if expression.starts_with(char::is_uppercase) => format!("{package}.{expression}"),
        None => expression.to_owned(),
    }
}
