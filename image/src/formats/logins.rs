//! Logins for registries that come with a request, as Kubernetes' Secrets hold them.

use serde_json::{Value, json};

/// Logins by registry, in the order in which they are tried.
#[derive(Clone, Default)]
pub struct Logins(Vec<Value>);

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Logins({})", self.0.len())
    }
}

impl Logins {
    /// Adds the logins of a file of Docker's: `.dockerconfigjson` is its `config.json`, `.dockercfg` an
    /// older form of it. Others hold none.
    ///
    /// # Errors
    /// If the content is not of that form.
    pub fn add(&mut self, name: &str, content: &[u8]) -> Result<(), serde_json::Error> {
        match name {
            ".dockerconfigjson" => self.0.push(serde_json::from_slice(content)?),
            ".dockercfg" => {
                let auths: Value = serde_json::from_slice(content)?;
                self.0.push(json!({ "auths": auths }));
            }
            _ => {}
        }
        Ok(())
    }

    /// The logins of files, in order, and the labels of those that are not of the form.
    pub fn of<L>(files: impl IntoIterator<Item = (L, String, Vec<u8>)>) -> (Self, Vec<L>) {
        let (mut logins, mut unreadable) = (Self::default(), Vec::new());
        for (label, name, content) in files {
            if logins.add(&name, &content).is_err() {
                unreadable.push(label);
            }
        }
        (logins, unreadable)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each in the form of `config.json`.
    pub(crate) fn configs(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }
}
