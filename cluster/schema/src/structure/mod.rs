//! The structure of kinds: schemas, and the decoding, pruning, defaulting and validation by them.
//!
//! Strict decoding (`unknown_fields`, `duplicates`, `type_error`), pruning, defaulting and validation with Kubernetes'
//! words all walk the same nodes.

mod decode;
mod default_values;
mod defaults;
mod duplicates;
mod emit;
mod fields;
mod formats;
mod invalid;
mod node;
mod parse;
mod protobuf;
mod resolve;
mod structural;
#[cfg(test)]
mod tests;
pub mod types;
mod validate;
mod values;

use serde_json::Value;

pub(crate) use default_values::problems as default_problems;
pub use duplicates::duplicates;
pub use invalid::{Invalid, Reason, aggregate};
pub use node::{Limits, List, Node, Pattern, Strategy, Type};
pub use parse::Error as ParseError;
pub use protobuf::{Envelope, Error as ProtobufError};
pub(crate) use structural::problems as structural_problems;
pub(crate) use structural::rules as schema_rules;
pub(crate) use values::amount as quantity;

/// The schema of one kind.
#[derive(Clone, Debug)]
pub struct Schema {
    root: Node,
    /// The document as a CRD's author wrote it.
    source: Option<Value>,
}

impl Schema {
    /// A schema over a node; built-in kinds refer to their type.
    #[must_use]
    pub fn new(root: Node) -> Self {
        Self { root, source: None }
    }

    /// The schema of a built-in type that is no resource: `autoscaling.v1.Scale`, `meta.v1.DeleteOptions`.
    #[must_use]
    pub fn of_type(name: &str) -> Self {
        Self::new(Node { kind: Type::Object, reference: Some(name.to_owned()), ..Node::default() })
    }

    /// The schema of a CRD's `openAPIV3Schema`.
    pub fn from_openapi(document: &Value) -> Result<Self, ParseError> {
        Ok(Self { root: parse::node(document)?, source: Some(document.clone()) })
    }

    /// The root node.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The OpenAPI v3 form: of a CRD what its author wrote, of a built-in kind its type's properties.
    #[must_use]
    pub fn to_openapi(&self) -> Value {
        self.source.clone().unwrap_or_else(|| emit::node(self.root.resolve()))
    }

    /// The paths of fields that the schema does not know, in the object's order.
    ///
    /// The caller formats them: `unknown field "spec.replicaz"`.
    #[must_use]
    pub fn unknown_fields(&self, object: &Value) -> Vec<String> {
        fields::unknown(&self.root, object)
    }

    /// Removes the fields that the schema does not know.
    pub fn prune(&self, object: &mut Value) {
        fields::prune(&self.root, object);
    }

    /// Rewrites an object as a typed Go client would encode it: no nulls, quantities as text. For built-in kinds.
    pub fn normalise(&self, object: &mut Value) {
        fields::normalise(&self.root, object);
    }

    /// Fills in the schema's defaults where a field is absent.
    pub fn default(&self, object: &mut Value) {
        defaults::apply(&self.root, object);
    }

    /// The problems of an object by the schema, worded as for a custom resource.
    #[must_use]
    pub fn validate(&self, object: &Value) -> Vec<Invalid> {
        validate::check(&self.root, object)
    }

    /// Why a typed decoder would refuse the object, in its words; for built-in kinds, whose API server decodes before it
    /// validates. The caller wraps it: `Pod in version "v1" cannot be handled as a Pod: …`.
    #[must_use]
    pub fn type_error(&self, object: &Value) -> Option<String> {
        decode::type_error(&self.root, object)
    }
}

/// A built-in type as OpenAPI, its fields written out.
pub(crate) fn emit_type(node: &Node) -> Value {
    emit::node(node)
}
