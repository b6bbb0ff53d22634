//! Readers shared by commands: a service, its revisions, its pods, its conditions.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PostParams};
use rouse_api::condition::{self, READY};
use rouse_api::{Condition, ConditionStatus, Revision, Service, keys};
use rouse_k8s::object;

use crate::outcome::{Failure, Result, refused};
use crate::target::Target;

/// How the owner of changed fields is called.
pub(crate) const FIELD_MANAGER: &str = "rouse";

/// Writes by this command.
pub(crate) fn writes() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// The service, or a failure that says how to find the right name.
pub(crate) async fn service(target: &Target, name: &str) -> Result<Service> {
    let api: Api<Service> = Api::namespaced(target.client.clone(), &target.namespace);
    match api.get_opt(name).await {
        Ok(Some(service)) => Ok(service),
        Ok(None) => Err(missing(target, name)),
        Err(error) => Err(unavailable(&error, &format!("read service {name:?}"))),
    }
}

pub(crate) fn missing(target: &Target, name: &str) -> Failure {
    Failure::new(format!("there is no service {name:?} in namespace {:?}", target.namespace))
        .next("rouse list -A")
}

/// The failure of a request; 404 means a missing namespace, or a cluster without Knative Serving.
pub(crate) fn unavailable(error: &kube::Error, doing: &str) -> Failure {
    match error {
        kube::Error::Api(status)
            if status.code == 404 && status.message.starts_with("namespaces ") =>
        {
            Failure::new(format!("could not {doing}: {}", status.message)).next(
                "check -n; rouse deploy with --create-namespace makes one, as does kubectl create",
            )
        }
        kube::Error::Api(status) if status.code == 404 => {
            Failure::new(format!("could not {doing}: this cluster does not know Knative Services"))
                .next("rouse up, for a cluster that does; or name another with --kubeconfig")
        }
        other => refused(other, doing),
    }
}

/// Most attempts to change a service after conflicts: controllers write to it as well, its status
/// above all.
pub(crate) const CONFLICTS_MAX: u32 = 10;

/// The failure after [`CONFLICTS_MAX`] conflicts.
pub(crate) fn contended(name: &str) -> Failure {
    Failure::new(format!("service {name:?} is being changed by somebody else"))
        .next("run the command again")
}

/// The revisions of a service, newest first.
pub(crate) async fn revisions(target: &Target, service: &str) -> Result<Vec<Revision>> {
    let api: Api<Revision> = Api::namespaced(target.client.clone(), &target.namespace);
    let of_service = ListParams::default().labels(&format!("{}={service}", keys::SERVICE));
    let list = api.list(&of_service).await.map_err(|e| unavailable(&e, "list revisions"))?;
    let mut revisions = list.items;
    revisions
        .sort_by_key(|r| std::cmp::Reverse((generation(r), r.metadata.creation_timestamp.clone())));
    Ok(revisions)
}

pub(crate) fn generation(revision: &Revision) -> i64 {
    let label = object::label(&revision.metadata, keys::CONFIGURATION_GENERATION);
    label.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The pods of a service, or of one of its revisions, newest first.
pub(crate) async fn pods(target: &Target, label: &str, value: &str) -> Result<Vec<Pod>> {
    let api: Api<Pod> = Api::namespaced(target.client.clone(), &target.namespace);
    let list = api
        .list(&ListParams::default().labels(&format!("{label}={value}")))
        .await
        .map_err(|e| refused(&e, "list pods"))?;
    let mut pods = list.items;
    pods.sort_by_key(|pod| std::cmp::Reverse(pod.metadata.creation_timestamp.clone()));
    Ok(pods)
}

/// True, False or Unknown, and why when it is not True.
pub(crate) fn ready_text(conditions: &[Condition]) -> (String, String) {
    let Some(ready) = condition::find(conditions, READY) else {
        return ("Unknown".to_owned(), String::new());
    };
    let why = if ready.is_true() { String::new() } else { ready.reason.clone() };
    (status_text(ready.status).to_owned(), why)
}

pub(crate) fn status_text(status: ConditionStatus) -> &'static str {
    match status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    }
}

/// Name of an object from the API server.
pub(crate) fn name_of<K: kube::Resource>(object: &K) -> &str {
    object::name(object.meta())
}

/// Time since the object was made, as text.
pub(crate) fn age_of<K: kube::Resource>(object: &K) -> String {
    let Some(created) = &object.meta().creation_timestamp else { return String::new() };
    crate::printer::age(jiff::Timestamp::now().as_second() - created.0.as_second())
}

/// The form that needs no name resolution: an address, and the Host header.
/// `http://hello.default.localhost:7080` -> (`http://127.0.0.1:7080`, `hello.default.localhost:7080`).
pub(crate) fn loopback_form(url: &str) -> Option<(String, String)> {
    let authority = url.strip_prefix("http://")?.split('/').next()?;
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    host.ends_with(".localhost").then(|| (format!("http://127.0.0.1:{port}"), authority.to_owned()))
}

/// The same by https: `http://hello.default.localhost:7080` -> `https://hello.default.localhost:7443`.
pub(crate) fn secure_form(url: &str, port: u16) -> Option<String> {
    let (authority, path) = match url.strip_prefix("http://")?.split_once('/') {
        Some((authority, path)) => (authority, format!("/{path}")),
        None => (url.strip_prefix("http://")?, String::new()),
    };
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    // The gateway for cluster-local services speaks no TLS.
    if host.ends_with(".svc.cluster.local") {
        return None;
    }
    Some(format!("https://{host}:{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_localhost_names_have_a_loopback_form() {
        assert_eq!(
            loopback_form("http://a.b.localhost:7080/x"),
            Some(("http://127.0.0.1:7080".to_owned(), "a.b.localhost:7080".to_owned()))
        );
        assert_eq!(loopback_form("http://a.b.example.com"), None);
    }

    #[test]
    fn a_url_by_https_has_the_port_of_https() {
        let secure = |url| secure_form(url, 7443);
        let expected = Some("https://a.b.localhost:7443".to_owned());
        assert_eq!(secure("http://a.b.localhost:7080"), expected);
        assert_eq!(secure("http://a.b.localhost"), expected);
        assert_eq!(secure("http://a/x"), Some("https://a:7443/x".to_owned()));
        assert_eq!(secure("https://a"), None);
        assert_eq!(secure("http://a.b.svc.cluster.local"), None);
    }
}
