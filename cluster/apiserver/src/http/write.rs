//! Requests that change objects: create, update, patch, delete.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::api::Api;
use super::body::{self, Answer};
use super::decode::{self, Expected};
use super::manager;
use super::negotiate::Form;
use super::request::{Query, Target};
use super::select::selects;
use crate::identity::UserInfo;
use crate::kinds::Resource;
use crate::registry::{Actor, Deleted, Options, Part, Validation, Written};
use crate::selector::Selector;
use crate::status::{self, Failure};
use crate::store::Key;

/// One write request.
pub(super) struct Incoming<'a> {
    pub(super) target: &'a Target,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) user: &'a UserInfo,
    /// From a client in this process.
    pub(super) inside: bool,
    /// The part of the object that is written.
    pub(super) part: Part,
    pub(super) form: Form,
    pub(super) body: Bytes,
}

impl Incoming<'_> {
    /// `kind` is that of the options: `CreateOptions`.
    fn options(&self, kind: &str, default: Validation) -> Result<Options, Failure> {
        let validation = match self.query.get("fieldValidation") {
            "" => default,
            "Strict" => Validation::Strict,
            "Warn" => Validation::Warn,
            "Ignore" => Validation::Ignore,
            other => {
                return Err(Failure::bad_request(format!(
                    "fieldValidation {other:?} is none of Ignore, Warn, Strict"
                )));
            }
        };
        let dry_run = match self.query.get("dryRun") {
            "" => false,
            "All" => true,
            other => return Err(Failure::bad_request(format!("dryRun {other:?} is not All"))),
        };
        let duplicates = if validation == Validation::Ignore {
            Vec::new()
        } else {
            decode::duplicates(self.headers, &self.body)
        };
        let actor = Actor::user(self.user.clone());
        let manager = manager::of(kind, self.query, self.headers, self.user, self.inside)?;
        let force = self.query.flag("force");
        Ok(Options { actor, dry_run, validation, duplicates, manager, force })
    }

    /// The body as an object of `resource`, or of the type that the subresource takes.
    fn object(&self, resource: &Resource, part: Part) -> Result<Value, Failure> {
        let expected = match part {
            Part::Scale => Expected::of("Scale", "autoscaling.v1.Scale"),
            Part::Binding => Expected::of("Binding", "core.v1.Binding"),
            Part::Main | Part::Status | Part::Finalize => Expected::resource(resource),
        };
        decode::object(self.headers, &self.body, &expected)
    }
}

impl Api {
    pub(super) async fn create(
        &self,
        resource: &Arc<Resource>,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        let part = incoming.part;
        let object = incoming.object(resource, part)?;
        let options = incoming.options("CreateOptions", Validation::Warn)?;
        let Target { namespace, name, .. } = incoming.target;
        if part != Part::Main {
            let written =
                self.registry.update(resource, namespace, name, part, object, &options)?;
            return self.changed(resource, &written, &options, incoming).await;
        }
        let written = self.registry.create(resource, namespace, object, &options)?;
        self.written(StatusCode::CREATED, resource, &written, &options, incoming).await
    }

    pub(super) async fn update(
        &self,
        resource: &Arc<Resource>,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        let part = incoming.part;
        let object = incoming.object(resource, part)?;
        let options = incoming.options("UpdateOptions", Validation::Warn)?;
        let Target { namespace, name, .. } = incoming.target;
        let written = self.registry.update(resource, namespace, name, part, object, &options)?;
        self.changed(resource, &written, &options, incoming).await
    }

    pub(super) async fn patch(
        &self,
        resource: &Arc<Resource>,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        let part = incoming.part;
        let applies = decode::applies(incoming.headers);
        manager::check_patch(incoming.query, applies)?;
        let Target { namespace, name, .. } = incoming.target;
        let (written, options) = if applies {
            let config = decode::configuration(&incoming.body)?;
            let options = incoming.options("PatchOptions", Validation::Warn)?;
            let written =
                self.registry.apply(resource, namespace, name, part, &config, &options)?;
            (written, options)
        } else {
            let patch = decode::patch(resource, incoming.headers, &incoming.body)?;
            let options = incoming.options("PatchOptions", Validation::Warn)?;
            (self.registry.patch(resource, namespace, name, part, &patch, &options)?, options)
        };
        self.changed(resource, &written, &options, incoming).await
    }

    async fn changed(
        &self,
        resource: &Arc<Resource>,
        written: &Written,
        options: &Options,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        let (code, document) = match incoming.part {
            Part::Scale => (StatusCode::OK, self.registry.scale_of(resource, &written.object)?),
            Part::Binding => (StatusCode::CREATED, status::created()),
            Part::Main | Part::Status | Part::Finalize => {
                let code = if written.created { StatusCode::CREATED } else { StatusCode::OK };
                return self.written(code, resource, written, options, incoming).await;
            }
        };
        if !options.dry_run {
            self.registry.store.durable(written.object.resource_version).await?;
        }
        let mut answer = body::json(code, &document);
        body::warn(&mut answer, &written.warnings);
        Ok(answer)
    }

    async fn written(
        &self,
        status: StatusCode,
        resource: &Resource,
        written: &Written,
        options: &Options,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        if !options.dry_run {
            self.registry.store.durable(written.object.resource_version).await?;
        }
        let mut answer = self.one(status, resource, &written.object, incoming.form, incoming.query);
        body::warn(&mut answer, &written.warnings);
        Ok(answer)
    }

    pub(super) async fn delete(
        &self,
        resource: &Arc<Resource>,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        let how = decode::delete_options(incoming.headers, &incoming.body, incoming.query)?;
        let options = incoming.options("DeleteOptions", Validation::Ignore)?;
        let Target { namespace, name, .. } = incoming.target;
        let deleted = self.registry.delete(resource, namespace, name, &how, &options)?;
        if !options.dry_run && !how.dry_run {
            self.registry.store.durable(deleted.object().resource_version).await?;
        }
        Ok(match &deleted {
            Deleted::Gone(object) => {
                body::json(StatusCode::OK, &status::deleted(resource, name, &object.uid))
            }
            Deleted::Waiting(object) => {
                self.one(StatusCode::OK, resource, object, incoming.form, incoming.query)
            }
        })
    }

    pub(super) async fn delete_collection(
        &self,
        resource: &Arc<Resource>,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        let Incoming { target, query, .. } = incoming;
        let selector =
            Selector::parse(resource, query.get("labelSelector"), query.get("fieldSelector"))?;
        let how = decode::delete_options(incoming.headers, &incoming.body, incoming.query)?;
        let options = incoming.options("DeleteOptions", Validation::Ignore)?;
        let namespace = Some(target.namespace.as_str()).filter(|n| !n.is_empty());
        let listed = self.registry.store.list(&resource.stored_as(), namespace);
        let mut gone = Vec::new();
        for object in listed.objects.iter().filter(|o| selects(&selector, o)) {
            let Key { namespace, name, .. } = &object.key;
            match self.registry.delete(resource, namespace, name, &how, &options) {
                Ok(deleted) => gone.push(Arc::clone(deleted.object())),
                Err(failure) if failure.is_not_found() => {}
                Err(failure) => return Err(failure),
            }
        }
        let version = self.registry.store.version();
        self.registry.store.durable(version).await?;
        let meta = serde_json::json!({ "resourceVersion": version.to_string() });
        Ok(self.collection(resource, &gone, &meta, incoming.form, query))
    }
}
