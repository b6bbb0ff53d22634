//! GET of one object and of collections, page by page.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::api::Api;
use super::body::{self, Answer};
use super::negotiate::{self, Form, Include};
use super::pages::Position;
use super::request::{Query, Target};
use super::select::selects;
use super::watch::Reach;
use crate::kinds::Resource;
use crate::selector::Selector;
use crate::status::Failure;
use crate::store::Object;

impl Api {
    pub(super) async fn get_one(
        &self,
        resource: &Resource,
        target: &Target,
        form: Form,
        query: &Query,
        reach: Reach,
    ) -> Result<Answer, Failure> {
        self.check_version(query).await?;
        let key = self.registry.key(resource, &target.namespace, &target.name);
        let found = match reach {
            Reach::Inside => self.registry.store.get(&key),
            // Its absence must be durable too.
            Reach::Outside => self.registry.store.get_shown(&key).await?,
        };
        let object = found.ok_or_else(|| Failure::not_found(resource, &target.name))?;
        if target.subresource == "scale" {
            return Ok(body::json(StatusCode::OK, &self.registry.scale_of(resource, &object)?));
        }
        Ok(self.one(StatusCode::OK, resource, &object, form, query))
    }

    /// One object in the form asked for.
    pub(super) fn one(
        &self,
        status: StatusCode,
        resource: &Resource,
        object: &Object,
        form: Form,
        query: &Query,
    ) -> Answer {
        match form {
            Form::Whole => {
                body::bytes(status, "application/json", negotiate::whole(resource, object))
            }
            Form::Metadata => body::json(status, &negotiate::metadata(&object.value())),
            Form::Table => {
                let meta = json!({ "resourceVersion": object.resource_version.to_string() });
                let include = Include::parse(query.get("includeObject"));
                let table = negotiate::table(
                    resource,
                    &[object],
                    &meta,
                    true,
                    include,
                    self.registry.clock().now(),
                );
                body::json(status, &table)
            }
        }
    }

    pub(super) async fn list(
        &self,
        resource: &Resource,
        target: &Target,
        form: Form,
        query: &Query,
    ) -> Result<Answer, Failure> {
        let selector =
            Selector::parse(resource, query.get("labelSelector"), query.get("fieldSelector"))?;
        let limit = limit(query)?;
        self.check_version(query).await?;
        let position = self.position(resource, target, &selector, query).await?;
        let (shown, rest) = position.page(limit);
        let mut meta = json!({ "resourceVersion": position.version.to_string() });
        if rest > 0 {
            let token = self.pages.keep(&position, shown.len(), self.registry.clock().instant());
            meta["continue"] = token.into();
            meta["remainingItemCount"] = rest.into();
        }
        Ok(self.collection(resource, shown, &meta, form, query))
    }

    /// A new list, or the position in a kept one that the `continue` token names.
    async fn position(
        &self,
        resource: &Resource,
        target: &Target,
        selector: &Selector,
        query: &Query,
    ) -> Result<Position, Failure> {
        let token = query.get("continue");
        if !token.is_empty() {
            return self.pages.find(token, self.registry.clock().instant());
        }
        let namespace =
            Some(target.namespace.as_str()).filter(|n| resource.namespaced && !n.is_empty());
        // A list shows durable state alone.
        let listed = self.registry.store.list_shown(&resource.stored_as(), namespace).await?;
        let mut objects = listed.objects;
        if !selector.is_everything() {
            objects.retain(|object| selects(selector, object));
        }
        Ok(Position::first(listed.version, objects))
    }

    /// Waits until the version asked for is durable; one that was never given out is an error.
    async fn check_version(&self, query: &Query) -> Result<(), Failure> {
        let asked = query.get("resourceVersion");
        if asked.is_empty() && !query.get("resourceVersionMatch").is_empty() && !query.flag("watch")
        {
            let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            return Err(Failure::options("resourceVersionMatch", why));
        }
        if asked.is_empty() {
            return Ok(());
        }
        let asked = asked.parse::<u64>().map_err(|_| {
            Failure::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {asked:?}: strconv.ParseUint: parsing {asked:?}: invalid syntax"
            ))
        })?;
        let current = self.registry.store.version();
        if asked > current {
            return Err(Failure::too_large_version(asked, current));
        }
        Ok(self.registry.store.durable(asked).await?)
    }

    pub(super) fn collection(
        &self,
        resource: &Resource,
        objects: &[Arc<Object>],
        meta: &Value,
        form: Form,
        query: &Query,
    ) -> Answer {
        match form {
            Form::Table => {
                let objects: Vec<&Object> = objects.iter().map(AsRef::as_ref).collect();
                let include = Include::parse(query.get("includeObject"));
                let table = negotiate::table(
                    resource,
                    &objects,
                    meta,
                    true,
                    include,
                    self.registry.clock().now(),
                );
                body::json(StatusCode::OK, &table)
            }
            Form::Metadata => {
                let items: Vec<Value> =
                    objects.iter().map(|o| negotiate::metadata(&o.value())).collect();
                let list = json!({ "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                                   "metadata": meta, "items": items });
                body::json(StatusCode::OK, &list)
            }
            Form::Whole => {
                body::bytes(StatusCode::OK, "application/json", splice(resource, objects, meta))
            }
        }
    }
}

/// The maximum number of objects of a page; `None` for all.
fn limit(query: &Query) -> Result<Option<usize>, Failure> {
    let Some(limit) = query.number("limit")? else { return Ok(None) };
    if limit < 0 {
        let why = format!("limit: Invalid value: {limit}: must be greater than or equal to 0");
        return Err(Failure::bad_request(why));
    }
    Ok(usize::try_from(limit).ok().filter(|limit| *limit > 0))
}

/// The list document, with the stored bytes of its items.
fn splice(resource: &Resource, objects: &[Arc<Object>], meta: &Value) -> Vec<u8> {
    let head = format!(
        "{{\"kind\":\"{}\",\"apiVersion\":\"{}\",\"metadata\":{meta},\"items\":[",
        resource.list_kind,
        resource.api_version()
    );
    let size: usize = objects.iter().map(|o| o.json.len() + 1).sum();
    let mut text = Vec::with_capacity(head.len() + size + 2);
    text.extend_from_slice(head.as_bytes());
    for (i, object) in objects.iter().enumerate() {
        if i > 0 {
            text.push(b',');
        }
        text.extend_from_slice(&negotiate::whole(resource, object));
    }
    text.extend_from_slice(b"]}");
    text
}
