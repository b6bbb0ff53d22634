//! Writes of `events.k8s.io/v1`: another form of the core group's Events, and stored as those.

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::api::Api;
use super::body::{self, Answer};
use super::read::{self, Expected};
use super::request::{Target, Verb};
use crate::identity::UserInfo;
use crate::kinds::{Resource, events};
use crate::patch;
use crate::registry::{Actor, Options, Part, Written};
use crate::status::Failure;

impl Api {
    pub(super) async fn new_event(
        &self,
        target: &Target,
        verb: Verb,
        user: &UserInfo,
        sent: &Value,
    ) -> Result<Answer, Failure> {
        let core = self.registry.builtin("", "v1", "Event");
        let Target { namespace, name, .. } = target;
        let options = Options::of(Actor::user(user.clone()));
        match verb {
            Verb::Create => {
                self.registry.store.writable()?;
                let event = events::to_core(sent);
                let written = self.registry.create(&core, namespace, event, &options)?;
                self.event(StatusCode::CREATED, &written).await
            }
            Verb::Patch => {
                self.registry.store.writable()?;
                let current = self.registry.get(&core, namespace, name)?;
                let changed = patch::merge(&events::from_core(&current.value()), sent)
                    .map_err(|e| Failure::from_patch(&e))?;
                let event = events::to_core(&changed);
                let written =
                    self.registry.update(&core, namespace, name, Part::Main, event, &options)?;
                self.event(StatusCode::OK, &written).await
            }
            Verb::Update => {
                self.registry.store.writable()?;
                let event = events::to_core(sent);
                let written =
                    self.registry.update(&core, namespace, name, Part::Main, event, &options)?;
                self.event(StatusCode::OK, &written).await
            }
            // Reading and deleting differ in nothing but the form of the answer.
            Verb::Get | Verb::List | Verb::Watch | Verb::Delete | Verb::DeleteCollection => {
                Err(Failure::method_not_allowed())
            }
        }
    }

    async fn event(&self, status: StatusCode, written: &Written) -> Result<Answer, Failure> {
        self.registry.store.durable(written.object.resource_version).await?;
        Ok(body::json(status, &events::from_core(&written.object.value())))
    }
}

/// The event of a body, or the patch of one.
pub(super) fn sent(
    resource: &Resource,
    verb: Verb,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, Failure> {
    if verb != Verb::Patch {
        return read::object(headers, body, &Expected::resource(resource));
    }
    serde_json::from_slice(body)
        .map_err(|e| Failure::bad_request(format!("the patch cannot be read as JSON: {e}")))
}
