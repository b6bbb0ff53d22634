//! A node together with the built-in type that it refers to.

use super::node::{Node, Type};
use super::types;

impl Node {
    /// The node that holds the properties: this one, or the built-in type it refers to.
    #[must_use]
    pub fn resolve(&self) -> &Self {
        match &self.reference {
            Some(name) => types::get(name).unwrap_or(self),
            None => self,
        }
    }

    /// The schema of a field: a declared property, else that of a map's values.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        let node = self.resolve();
        node.properties.get(name).or(node.additional.as_deref())
    }

    /// Whether fields that are not declared are kept.
    #[must_use]
    pub fn is_open(&self) -> bool {
        let node = self.resolve();
        node.preserve_unknown
            || node.additional.is_some()
            || node.properties.is_empty() && matches!(node.kind, Type::Any | Type::IntOrString)
    }
}
