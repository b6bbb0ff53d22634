//! Bodies that change something: create, update, patch, delete.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::api::Api;
use super::body::{self, Answer};
use super::negotiate::Form;
use super::read::{self, Expected};
use super::request::{Query, Target};
use super::select::selects;
use crate::identity::UserInfo;
use crate::kinds::Resource;
use crate::registry::{
    Actor, DeleteOptions, Deleted, Options, Part, Patch, Validation, Written, stored_as,
};
use crate::schema;
use crate::selector::Selector;
use crate::status::{self, Failure};
use crate::store::Key;

/// One write as it came in.
pub(super) struct Incoming<'a> {
    pub(super) target: &'a Target,
    pub(super) query: &'a Query,
    pub(super) headers: &'a HeaderMap,
    pub(super) user: &'a UserInfo,
    pub(super) form: Form,
    pub(super) body: Bytes,
}

impl Incoming<'_> {
    fn options(&self, default: Validation) -> Result<Options, Failure> {
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
        // A field of a message cannot be said twice.
        let duplicates = if validation == Validation::Ignore || read::is_protobuf(self.headers) {
            Vec::new()
        } else {
            schema::duplicates(&self.body)
        };
        let actor = Actor::user(self.user.clone());
        Ok(Options { actor, dry_run, validation, duplicates })
    }

    /// The body as an object of `resource`, or of another type on a subresource's way.
    fn object(&self, resource: &Resource, part: Part) -> Result<Value, Failure> {
        let expected = match part {
            Part::Scale => Expected::of("Scale", "autoscaling.v1.Scale"),
            Part::Main | Part::Status => Expected::resource(resource),
        };
        read::object(self.headers, &self.body, &expected)
    }

    fn part(&self) -> Result<Part, Failure> {
        match self.target.subresource.as_str() {
            "" => Ok(Part::Main),
            "status" => Ok(Part::Status),
            "scale" => Ok(Part::Scale),
            _ => Err(Failure::unknown_resource()),
        }
    }
}

impl Api {
    pub(super) async fn create(
        &self,
        resource: &Arc<Resource>,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        let object = incoming.object(resource, Part::Main)?;
        let options = incoming.options(Validation::Warn)?;
        let written =
            self.registry.create(resource, &incoming.target.namespace, object, &options)?;
        self.written(StatusCode::CREATED, resource, &written, &options, incoming).await
    }

    pub(super) async fn update(
        &self,
        resource: &Arc<Resource>,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        let part = incoming.part()?;
        let object = incoming.object(resource, part)?;
        let options = incoming.options(Validation::Warn)?;
        let Target { namespace, name, .. } = incoming.target;
        let written = self.registry.update(resource, namespace, name, part, object, &options)?;
        self.changed(resource, &written, part, &options, incoming).await
    }

    pub(super) async fn patch(
        &self,
        resource: &Arc<Resource>,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        let part = incoming.part()?;
        let patch = read_patch(resource, incoming)?;
        let options = incoming.options(Validation::Warn)?;
        let Target { namespace, name, .. } = incoming.target;
        let written = self.registry.patch(resource, namespace, name, part, &patch, &options)?;
        self.changed(resource, &written, part, &options, incoming).await
    }

    async fn changed(
        &self,
        resource: &Arc<Resource>,
        written: &Written,
        part: Part,
        options: &Options,
        incoming: &Incoming<'_>,
    ) -> Result<Answer, Failure> {
        if part == Part::Scale {
            if options.dry_run {
                let scale = self.registry.scale_of(resource, &written.object)?;
                return Ok(body::json(StatusCode::OK, &scale));
            }
            self.registry.store.durable(written.object.resource_version).await?;
            return Ok(body::json(
                StatusCode::OK,
                &self.registry.scale_of(resource, &written.object)?,
            ));
        }
        self.written(StatusCode::OK, resource, written, options, incoming).await
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
        let how = delete_options(incoming)?;
        let options = incoming.options(Validation::Ignore)?;
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
        let how = delete_options(incoming)?;
        let options = incoming.options(Validation::Ignore)?;
        let namespace = Some(target.namespace.as_str()).filter(|n| !n.is_empty());
        let listed = self.registry.store.list(&stored_as(resource), namespace);
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

fn read_patch(resource: &Resource, incoming: &Incoming<'_>) -> Result<Patch, Failure> {
    let value = || -> Result<Value, Failure> {
        serde_json::from_slice(&incoming.body)
            .map_err(|e| Failure::bad_request(format!("the patch cannot be read as JSON: {e}")))
    };
    match read::media(incoming.headers) {
        "application/json-patch+json" => Ok(Patch::Json(value()?)),
        "application/merge-patch+json" => Ok(Patch::Merge(value()?)),
        "application/strategic-merge-patch+json" if !resource.custom => {
            Ok(Patch::Strategic(value()?))
        }
        "application/strategic-merge-patch+json" => Err(Failure::unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json",
        )),
        "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
            Err(Failure::unsupported_media(
                "server-side apply is not served by Rouse yet: use client-side apply (kubectl apply without --server-side)",
            ))
        }
        _ => Err(Failure::unsupported_patch()),
    }
}

fn delete_options(incoming: &Incoming<'_>) -> Result<DeleteOptions, Failure> {
    let mut value = if incoming.body.is_empty() {
        serde_json::json!({})
    } else {
        let expected = Expected::of("DeleteOptions", "meta.v1.DeleteOptions");
        read::object(incoming.headers, &incoming.body, &expected)?
    };
    // The query may say it too.
    let seconds = incoming.query.get("gracePeriodSeconds");
    if !seconds.is_empty() {
        let seconds: i64 = seconds.parse().map_err(|_| {
            Failure::bad_request(format!("strconv.ParseInt: parsing {seconds:?}: invalid syntax"))
        })?;
        value["gracePeriodSeconds"] = seconds.into();
    }
    let policy = incoming.query.get("propagationPolicy");
    if !policy.is_empty() {
        value["propagationPolicy"] = policy.into();
    }
    DeleteOptions::from_value(&value)
}
