//! The only writer of objects in reconcilers: carries out a `Plan`, in order.
//!
//! Writes, then the status, then the notices. The planned status is written only if every write
//! before it succeeded. Every write is guarded by what it was decided on: a create fails if the
//! name was taken meanwhile, the others if the object changed.

use std::time::Duration;

use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::core::ApiResource;
use kube::{Client, Resource, ResourceExt};
use rouse_k8s::Backoff;
use serde::Serialize;
use serde_json::{Value, json};

use crate::events::{self, Events, Notice};
use crate::plan::{Action, Plan, Write};

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The object changed after the decision. The next reconcile sees the new state.
    #[error("{what}: the object changed since it was read")]
    Stale { what: String },
    /// The server refused the write, and will refuse it again.
    #[error("{message}")]
    Refused { what: String, kind: String, code: u16, reason: String, message: String },
    /// The server did not answer, or cannot serve the write now.
    #[error("cannot {what}")]
    Unavailable {
        what: String,
        #[source]
        source: Box<kube::Error>,
    },
}

/// The pauses between attempts that fail.
const RETRY: Backoff = Backoff::doubling(Duration::from_millis(5), Duration::from_secs(30));
/// The longest pause after a conflict.
const RETRY_STALE_MAX: Duration = Duration::from_millis(100);

impl ApplyError {
    /// Whether the user has to change something before it can succeed.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Stale { .. } | Self::Unavailable { .. } => false,
        }
    }

    /// A stable word for logs and metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Stale { .. } => "stale",
            Self::Refused { .. } => "refused",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// How long to wait before attempt number `failures + 1`.
    #[must_use]
    pub fn retry_after(&self, failures: u32) -> Duration {
        match self {
            // The watch brings the new state in about a millisecond and wakes us anyway.
            Self::Stale { .. } => RETRY.after(failures).min(RETRY_STALE_MAX),
            Self::Refused { .. } | Self::Unavailable { .. } => RETRY.after(failures),
        }
    }

    fn from_kube(what: String, kind: &str, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if status.code == 409 => Self::Stale { what },
            kube::Error::Api(status) if (400..500).contains(&status.code) && status.code != 429 => {
                Self::Refused {
                    what,
                    kind: kind.to_owned(),
                    code: status.code,
                    reason: status.reason.clone(),
                    message: status.message.clone(),
                }
            }
            other => Self::Unavailable { what, source: Box::new(other) },
        }
    }
}

/// Carries out plans and publishes their Events.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    events: Events,
}

impl Applier {
    #[must_use]
    pub fn new(client: Client, events: Events) -> Self {
        Self { client, events }
    }

    /// Carries out `plan`, which was decided on `object`.
    pub async fn apply<K, S>(&self, object: &K, plan: Plan<S>) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = ()> + Serialize,
        S: Serialize,
    {
        let Plan { writes, status, notices, wake: _ } = plan;
        for write in writes {
            self.write(write).await?;
        }
        if let Some(status) = status {
            self.status(object, &status).await?;
        }
        for notice in notices {
            self.notify(object, notice);
        }
        Ok(())
    }

    /// Publishes an Event about `object`, in the background.
    pub fn notify<K: Resource<DynamicType = ()>>(&self, object: &K, notice: Notice) {
        self.events.publish(events::reference(object), notice);
    }

    /// Writes the whole status of `object`, refused if `object` is out of date. Not sent if it is
    /// the status that `object` has.
    pub async fn status<K, S>(&self, object: &K, status: &S) -> Result<(), ApplyError>
    where
        K: Resource<DynamicType = ()> + Serialize,
        S: Serialize,
    {
        let resource = ApiResource::erase::<K>(&());
        let what = format!("update status of {} {}", resource.kind, object.name_any());
        let mut body = json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": object.meta(),
        });
        let whole = serde_json::to_value(object).unwrap_or_default();
        if let Some(spec) = whole.get("spec") {
            body["spec"] = spec.clone();
        }
        body["status"] = serde_json::to_value(status)
            .map_err(|e| unavailable(&what, kube::Error::SerdeError(e)))?;
        if whole.get("status") == body.get("status") {
            return Ok(());
        }
        let body = dynamic(&what, body)?;
        let api = self.api(&resource, object.namespace().as_deref());
        let result = api.replace_status(&object.name_any(), &PostParams::default(), &body).await;
        missing_is_stale(what, &resource.kind, result)
    }

    async fn write(&self, write: Write) -> Result<(), ApplyError> {
        let what = write.to_string();
        let api = self.api(&write.resource, write.namespace.as_deref());
        let (name, kind) = (write.name.as_str(), write.resource.kind.as_str());
        match write.action {
            Action::Create(body) => {
                let body = dynamic(&what, body)?;
                let created = api.create(&PostParams::default(), &body).await;
                created.map(drop).map_err(|e| ApplyError::from_kube(what, kind, e))
            }
            Action::Replace(body) => {
                let body = dynamic(&what, body)?;
                missing_is_stale(what, kind, api.replace(name, &PostParams::default(), &body).await)
            }
            Action::Patch(patch) => {
                let patch = Patch::Merge(patch);
                missing_is_stale(what, kind, api.patch(name, &PatchParams::default(), &patch).await)
            }
            Action::Delete { uid } => {
                let params = DeleteParams {
                    preconditions: Some(Preconditions { uid, resource_version: None }),
                    ..DeleteParams::background()
                };
                match api.delete(name, &params).await {
                    Ok(_) => Ok(()),
                    Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                    Err(error) => Err(ApplyError::from_kube(what, kind, error)),
                }
            }
        }
    }

    fn api(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }
}

/// A missing object means that the decision is stale.
fn missing_is_stale<T>(
    what: String,
    kind: &str,
    result: Result<T, kube::Error>,
) -> Result<(), ApplyError> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(ApplyError::Stale { what }),
        Err(error) => Err(ApplyError::from_kube(what, kind, error)),
    }
}

fn dynamic(what: &str, body: Value) -> Result<DynamicObject, ApplyError> {
    serde_json::from_value(body).map_err(|e| unavailable(what, kube::Error::SerdeError(e)))
}

fn unavailable(what: &str, source: kube::Error) -> ApplyError {
    ApplyError::Unavailable { what: what.to_owned(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn error(code: u16) -> ApplyError {
        let status = Status { code, message: "no".to_owned(), ..Status::default() };
        let what = "create ConfigMap a/b".to_owned();
        ApplyError::from_kube(what, "ConfigMap", kube::Error::Api(status.boxed()))
    }

    #[test]
    fn the_servers_answer_decides_whether_the_user_has_to_act() {
        for (code, label, is_final) in [
            (409, "stale", false),
            (400, "refused", true),
            (403, "refused", true),
            (422, "refused", true),
            (429, "unavailable", false),
            (500, "unavailable", false),
        ] {
            assert_eq!((error(code).label(), error(code).is_final()), (label, is_final), "{code}");
        }
    }

    #[test]
    fn pauses_double_up_to_half_a_minute_but_stay_short_after_a_conflict() {
        assert_eq!(error(500).retry_after(0), Duration::from_millis(5));
        assert_eq!(error(500).retry_after(3), Duration::from_millis(40));
        assert_eq!(error(500).retry_after(60), Duration::from_secs(30));
        assert_eq!(error(500).retry_after(u32::MAX), Duration::from_secs(30));
        assert_eq!(error(409).retry_after(60), Duration::from_millis(100));
    }
}
