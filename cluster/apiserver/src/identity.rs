//! The identity of a client.

/// What the usernames of service accounts begin with.
pub(crate) const ACCOUNT: &str = "system:serviceaccount:";

/// The user of a request: given with an in-process client, or found by the request's credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfo {
    pub username: String,
    pub groups: Vec<String>,
    pub rights: Rights,
}

/// What a user may do. There are no rules by role yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    All,
    /// What Kubernetes lets every service account do.
    Basic,
}

impl UserInfo {
    /// The one administrator, whom the kubeconfig names.
    #[must_use]
    pub fn administrator() -> Self {
        Self {
            username: "rouse-admin".to_owned(),
            groups: vec!["system:masters".to_owned(), "system:authenticated".to_owned()],
            rights: Rights::All,
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
        if name.starts_with(ACCOUNT) {
            groups.push("system:serviceaccounts".to_owned());
        } else if name.starts_with("system:node:") {
            groups.push("system:nodes".to_owned());
        }
        Self { username: name.to_owned(), groups, rights: Rights::All }
    }

    /// A service account, by its token.
    #[must_use]
    pub fn account(namespace: &str, name: &str) -> Self {
        Self {
            username: format!("{ACCOUNT}{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
            rights: Rights::Basic,
        }
    }
}
