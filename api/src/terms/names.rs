//! Names of the objects that belong to a Configuration or a Revision.
//!
//! Upstream: `pkg/reconciler/{configuration,revision}/resources/names`.

use rouse_k8s::names::child_name;

/// The name of a generation's Revision, unless the template names it.
#[must_use]
pub fn revision_name(configuration: &str, generation: i64) -> String {
    child_name(configuration, &format!("-{generation:05}"))
}

/// The name of the Deployment that runs a Revision.
#[must_use]
pub fn deployment_name(revision: &str) -> String {
    child_name(revision, "-deployment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_knative_gives() {
        assert_eq!(revision_name("hello", 7), "hello-00007");
        assert_eq!(revision_name("hello", 123_456), "hello-123456");
        assert_eq!(deployment_name("hello-00007"), "hello-00007-deployment");
    }
}
