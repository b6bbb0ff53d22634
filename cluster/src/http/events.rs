//! `events.k8s.io/v1`: another form of the core group's Events, and stored as those.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::body::{self, Answer};
use super::request::{Target, Verb};
use super::route::Api;
use crate::identity::UserInfo;
use crate::kinds::events;
use crate::patch;
use crate::registry::{Options, Part, Validation, Written};
use crate::status::Failure;

impl Api {
    pub(super) async fn new_event(
        &self,
        target: &Target,
        verb: Verb,
        user: &UserInfo,
        body: &Bytes,
    ) -> Result<Answer, Failure> {
        let core = self.registry.builtin("", "v1", "Event");
        let Target { namespace, name, .. } = target;
        let options = Options {
            user: user.clone(),
            dry_run: false,
            validation: Validation::Ignore,
            duplicates: Vec::new(),
        };
        match verb {
            Verb::Create => {
                self.registry.store.writable()?;
                let event = events::to_core(&read(body)?);
                let written = self.registry.create(&core, namespace, event, &options)?;
                self.event(StatusCode::CREATED, &written).await
            }
            Verb::Patch => {
                self.registry.store.writable()?;
                let current = self.registry.get(&core, namespace, name)?;
                let changed = patch::merge(&events::from_core(&current.value()), &read(body)?)
                    .map_err(|e| Failure::from_patch(&core, name, &e))?;
                let event = events::to_core(&changed);
                let written =
                    self.registry.update(&core, namespace, name, Part::Main, event, &options)?;
                self.event(StatusCode::OK, &written).await
            }
            Verb::Get => {
                let object = self.registry.get(&core, namespace, name)?;
                self.event(StatusCode::OK, &Written { object, warnings: Vec::new() }).await
            }
            Verb::List => {
                let namespace = Some(namespace.as_str()).filter(|n| !n.is_empty());
                let listed = self.registry.store.list("events", namespace);
                self.registry.store.durable(listed.version).await?;
                let items: Vec<Value> =
                    listed.objects.iter().map(|o| events::from_core(&o.value())).collect();
                let list = json!({ "kind": "EventList", "apiVersion": "events.k8s.io/v1",
                    "metadata": { "resourceVersion": listed.version.to_string() }, "items": items });
                Ok(body::json(StatusCode::OK, &list))
            }
            Verb::Watch | Verb::Update | Verb::Delete | Verb::DeleteCollection => Err(
                Failure::not_yet("this verb on events.k8s.io (the core group's events have it)"),
            ),
        }
    }

    async fn event(&self, status: StatusCode, written: &Written) -> Result<Answer, Failure> {
        self.registry.store.durable(written.object.resource_version).await?;
        Ok(body::json(status, &events::from_core(&written.object.value())))
    }
}

fn read(body: &Bytes) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|e| Failure::bad_request(format!("the event cannot be read as JSON: {e}")))
}
