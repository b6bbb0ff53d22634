//! The subresources of each resource: their names, kinds and verbs, for discovery and for routing.

use crate::kinds::Resource;
use crate::registry::Part;

/// What a request for a resource, or for a subresource, is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The part of the object that is read or changed.
    Part(Part),
    /// The object's node, which answers.
    Node,
    /// A token of the account, which is made.
    Token,
}

/// One subresource of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subresource {
    pub(super) name: &'static str,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) verbs: &'static [&'static str],
    pub(super) about: About,
}

/// The subresources of a resource, by name.
pub(super) fn of(resource: &Resource) -> Vec<Subresource> {
    const CHANGED: &[&str] = &["get", "patch", "update"];
    let own = |name, verbs, about| Subresource {
        name,
        group: resource.group.clone(),
        version: resource.version.clone(),
        kind: resource.kind.clone(),
        verbs,
        about,
    };
    let mut found = Vec::new();
    if resource.is("", "Pod") {
        found.push(Subresource {
            kind: "Binding".to_owned(),
            ..own("binding", &["create"], About::Part(Part::Binding))
        });
        found.push(own("log", &["get"], About::Node));
    }
    if resource.is("", "ServiceAccount") {
        found.push(Subresource {
            group: "authentication.k8s.io".to_owned(),
            version: "v1".to_owned(),
            kind: "TokenRequest".to_owned(),
            ..own("token", &["create"], About::Token)
        });
    }
    if resource.is("", "Node") {
        let kind = "NodeProxyOptions".to_owned();
        found.push(Subresource { kind, ..own("proxy", &["get"], About::Node) });
    }
    if resource.is("", "Namespace") {
        found.push(own("finalize", &["update"], About::Part(Part::Finalize)));
    }
    if resource.scale.is_some() {
        found.push(Subresource {
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            ..own("scale", CHANGED, About::Part(Part::Scale))
        });
    }
    if resource.status {
        found.push(own("status", CHANGED, About::Part(Part::Status)));
    }
    found
}
