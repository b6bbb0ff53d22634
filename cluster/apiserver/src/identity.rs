//! The identity of a client.

/// The user of a request: given with an in-process client, or found by the request's credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfo {
    pub username: String,
    pub groups: Vec<String>,
}

impl UserInfo {
    /// The one administrator, whom the kubeconfig names.
    #[must_use]
    pub fn administrator() -> Self {
        Self {
            username: "rouse-admin".to_owned(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
        }
    }

    /// Whether this is a node's agent.
    #[must_use]
    pub fn is_node(&self) -> bool {
        self.groups.iter().any(|group| group == "system:nodes")
    }

    /// A component of the system by its service account:
    /// `system:serviceaccount:knative-serving:controller`, or `system:node:NAME`.
    #[must_use]
    pub fn component(name: &str) -> Self {
        let mut groups = vec!["system:authenticated".to_owned()];
        if name.starts_with("system:serviceaccount:") {
            groups.push("system:serviceaccounts".to_owned());
        } else if name.starts_with("system:node:") {
            groups.push("system:nodes".to_owned());
        }
        Self { username: name.to_owned(), groups }
    }
}
