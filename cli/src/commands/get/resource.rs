//! Kinds by each of their names, as the cluster's discovery tells them.

use kube::Client;
use kube::core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery};

use crate::outcome::{Failure, Result, refused};

/// What a service is here; `svc` names those of Kubernetes.
const SERVICES: &str = "services.serving.knative.dev";

/// A resource, as the API server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) group: String,
    version: String,
    pub(super) plural: String,
    singular: String,
    pub(super) namespaced: bool,
}

impl Resource {
    pub(super) fn path(&self, namespace: &str, all_namespaces: bool) -> String {
        let Self { group, version, plural, .. } = self;
        let root = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        if self.namespaced && !all_namespaces {
            format!("{root}/namespaces/{namespace}/{plural}")
        } else {
            format!("{root}/{plural}")
        }
    }

    /// `service.serving.knative.dev/NAME`
    pub(super) fn shown(&self, name: &str) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        format!("{}{group}/{name}", self.singular)
    }
}

#[cfg(test)]
impl Resource {
    /// A namespaced one of Kubernetes itself.
    pub(super) fn of_core(plural: &str, singular: &str) -> Self {
        Self {
            group: String::new(),
            version: "v1".to_owned(),
            plural: plural.to_owned(),
            singular: singular.to_owned(),
            namespaced: true,
        }
    }
}

/// The resource that a user's word names.
pub(super) async fn resolve(client: &Client, word: &str) -> Result<Resource> {
    let cannot = |error: kube::Error| refused(&error, "list the kinds of the cluster");
    let core = client.list_core_api_versions_aggregated().await.map_err(cannot)?;
    let groups = client.list_api_groups_aggregated().await.map_err(cannot)?;
    let all: Vec<APIGroupDiscovery> = core.items.into_iter().chain(groups.items).collect();
    let lower = word.to_ascii_lowercase();
    let wanted = if matches!(lower.as_str(), "service" | "services") { SERVICES } else { &lower };
    find(&all, wanted).ok_or_else(|| {
        Failure::usage(format!("this cluster has no kind {word:?}")).next(
            "rouse get crds, for kinds of your own; or services, revisions, pods, deployments",
        )
    })
}

fn find(groups: &[APIGroupDiscovery], wanted: &str) -> Option<Resource> {
    let (name, group) = wanted.split_once('.').map_or((wanted, None), |(n, g)| (n, Some(g)));
    groups.iter().find_map(|one| {
        let own = one.metadata.as_ref().and_then(|m| m.name.clone()).unwrap_or_default();
        if group.is_some_and(|group| group != own) {
            return None;
        }
        // The preferred version comes first.
        one.versions.iter().find_map(|version| {
            let found = version.resources.iter().find(|resource| is_named(resource, name))?;
            Some(Resource {
                group: own.clone(),
                version: version.version.clone()?,
                plural: found.resource.clone()?,
                singular: found.singular_resource.clone().filter(|s| !s.is_empty()).or_else(
                    || Some(found.response_kind.as_ref()?.kind.as_ref()?.to_ascii_lowercase()),
                )?,
                namespaced: found.scope.as_deref() == Some("Namespaced"),
            })
        })
    })
}

fn is_named(resource: &APIResourceDiscovery, name: &str) -> bool {
    let kind = resource.response_kind.as_ref().and_then(|kind| kind.kind.as_deref());
    resource.resource.as_deref() == Some(name)
        || resource.singular_resource.as_deref() == Some(name)
        || resource.short_names.iter().any(|short| short == name)
        || kind.is_some_and(|kind| kind.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn groups() -> Vec<APIGroupDiscovery> {
        serde_json::from_value(json!([
            { "metadata": { "name": "" }, "versions": [{ "version": "v1", "resources": [
                { "resource": "services", "singularResource": "service", "shortNames": ["svc"],
                  "scope": "Namespaced", "responseKind": { "kind": "Service" } },
                { "resource": "nodes", "singularResource": "node", "scope": "Cluster", "responseKind": { "kind": "Node" } }
            ] }] },
            { "metadata": { "name": "serving.knative.dev" }, "versions": [{ "version": "v1", "resources": [
                { "resource": "services", "singularResource": "service", "shortNames": ["ksvc", "kservice"],
                  "scope": "Namespaced", "responseKind": { "kind": "Service" } }
            ] }] }
        ]))
        .unwrap()
    }

    #[test]
    fn kinds_are_found_by_each_of_their_names() {
        let path = |word: &str| find(&groups(), word).map(|found| found.path("shop", false));
        let knative = Some("/apis/serving.knative.dev/v1/namespaces/shop/services".to_owned());
        for word in ["ksvc", SERVICES, "service.serving.knative.dev"] {
            assert_eq!(path(word), knative, "{word}");
        }
        assert_eq!(path("svc").as_deref(), Some("/api/v1/namespaces/shop/services"));
        assert_eq!(path("node").as_deref(), Some("/api/v1/nodes"));
        assert_eq!(path("nothing"), None);
        assert_eq!(find(&groups(), "ksvc").unwrap().shown("a"), "service.serving.knative.dev/a");
    }
}
