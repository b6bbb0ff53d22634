//! Sets of fields, and their encoding `FieldsV1`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::element::{Element, Malformed};

/// A set of fields. A field may be in it without those below it, and they without it.
///
/// No node is empty: what is not in the set has no node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(BTreeMap<Element, Node>);

/// A field, and those below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    /// The field itself is in the set.
    pub(super) member: bool,
    pub(super) below: Set,
}

/// The entry of a field of which nothing is in the set.
static NOTHING: Node = Node { member: false, below: Set(BTreeMap::new()) };

impl Node {
    pub(super) fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl Set {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a field, if `member`, and those below it.
    pub(super) fn put(&mut self, element: Element, member: bool, below: Self) {
        if !member && below.is_empty() {
            return;
        }
        let node = self.0.entry(element).or_default();
        node.member |= member;
        if node.below.is_empty() {
            node.below = below;
        } else {
            node.below.add(&below);
        }
    }

    /// Adds the fields of another set.
    pub(super) fn add(&mut self, other: &Self) {
        for (element, theirs) in &other.0 {
            let node = self.0.entry(element.clone()).or_default();
            node.member |= theirs.member;
            node.below.add(&theirs.below);
        }
    }

    /// A set of paths of object fields: `["metadata", "name"]`.
    pub(super) fn of(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let mut steps = path.iter().rev();
            let Some(last) = steps.next() else { continue };
            let mut inner = Self::default();
            inner.put(Element::field(last), true, Self::default());
            for step in steps {
                let mut outer = Self::default();
                outer.put(Element::field(step), false, inner);
                inner = outer;
            }
            set.add(&inner);
        }
        set
    }

    pub(super) fn get(&self, element: &Element) -> &Node {
        self.0.get(element).unwrap_or(&NOTHING)
    }

    /// Each node changed; what becomes empty is left out.
    pub(super) fn map(&self, change: impl Fn(&Element, &Node) -> Node) -> Self {
        let changed = self.0.iter().map(|(element, node)| (element.clone(), change(element, node)));
        Self(changed.filter(|(_, node)| !node.is_empty()).collect())
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut out = self.clone();
        out.add(other);
        out
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        self.map(|element, node| {
            let theirs = other.get(element);
            Node {
                member: node.member && theirs.member,
                below: node.below.intersection(&theirs.below),
            }
        })
    }

    /// Without the fields of `other`; those below them stay.
    pub(super) fn difference(&self, other: &Self) -> Self {
        self.map(|element, node| {
            let theirs = other.get(element);
            Node {
                member: node.member && !theirs.member,
                below: node.below.difference(&theirs.below),
            }
        })
    }

    /// The paths of its members, as conflicts name them: those of one level before those below.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut out = Vec::new();
        self.add_paths("", &mut out);
        out
    }

    fn add_paths(&self, prefix: &str, out: &mut Vec<String>) {
        let members = self.0.iter().filter(|(_, node)| node.member);
        out.extend(members.map(|(element, _)| format!("{prefix}{element}")));
        for (element, node) in &self.0 {
            if !node.below.is_empty() {
                node.below.add_paths(&format!("{prefix}{element}"), out);
            }
        }
    }

    /// `FieldsV1`.
    pub(super) fn encode(&self) -> Value {
        let mut out = Map::new();
        for (element, node) in &self.0 {
            let mut below = match node.below.encode() {
                Value::Object(below) => below,
                _ => Map::new(),
            };
            if node.member && !below.is_empty() {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            out.insert(element.encode(), Value::Object(below));
        }
        Value::Object(out)
    }

    pub(super) fn decode(fields: &Value) -> Result<Self, Malformed> {
        let mut out = Self::default();
        let Some(fields) = fields.as_object() else { return Ok(out) };
        for (text, value) in fields {
            if text == "." {
                continue;
            }
            let Some(element) = Element::decode(text)? else { continue };
            let below = Self::decode(value)?;
            let member = below.is_empty() || value.get(".").is_some();
            out.put(element, member, below);
        }
        Ok(out)
    }
}
