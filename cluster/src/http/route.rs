//! From a request to what answers it. The one function that every request passes.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Body;
use parking_lot::RwLock;
use serde_json::{Value, json};

use super::body::{self, Answer, BoxError};
use super::list::Pages;
use super::negotiate;
use super::request::{self, Path, Query, Target, Verb};
use super::watch::Reach;
use super::write::Incoming;
use super::{discovery, logs, review};
use crate::cluster::KubeletService;
use crate::identity::UserInfo;
use crate::kinds::{Resource, events};
use crate::registry::{Options, Registry, Validation};
use crate::status::Failure;

/// The version that this API says it is.
pub(super) const GIT_VERSION: &str = "v1.35.0";

/// The API server behind every listener and in-process client. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(super) registry: Registry,
    pub(super) pages: Arc<Pages>,
    pub(super) kubelets: Arc<RwLock<std::collections::BTreeMap<String, KubeletService>>>,
    pub(super) documents: Arc<discovery::Documents>,
}

/// What stays of a request when its body is read.
struct Asked {
    method: Method,
    headers: HeaderMap,
    query: Query,
    user: UserInfo,
    reach: Reach,
}

impl Api {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            pages: Arc::default(),
            kubelets: Arc::default(),
            documents: Arc::default(),
        }
    }

    pub(crate) fn register_kubelet(&self, node: &str, service: KubeletService) {
        self.kubelets.write().insert(node.to_owned(), service);
    }

    /// Answers one request of `user`.
    pub(crate) async fn call<B>(&self, request: Request<B>, user: UserInfo, inside: bool) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let Parts { method, uri, headers, .. } = parts;
        let path = request::path(uri.path());
        let query = Query::parse(uri.query().unwrap_or_default());
        let reach = if inside { Reach::Inside } else { Reach::Outside };
        let asked = Asked { method, headers, query, user, reach };
        let answered = match path {
            Path::Resource(target) => self.resource(&asked, target, body).await,
            other => self.document(&asked, &other),
        };
        answered.unwrap_or_else(|failure| body::failure(&failure))
    }

    fn document(&self, asked: &Asked, path: &Path) -> Result<Answer, Failure> {
        if asked.method != Method::GET && asked.method != Method::HEAD {
            return Err(Failure::method_not_allowed());
        }
        let kinds = &self.registry.kinds;
        Ok(match path {
            Path::Root => discovery::root(kinds),
            Path::Health => body::text(StatusCode::OK, "ok"),
            Path::Version => body::json(StatusCode::OK, &version()),
            Path::Groups { core } => self.documents.groups(kinds, *core, &asked.headers),
            Path::Group(group) => discovery::group(kinds, group)?,
            Path::GroupVersion(group, version) => discovery::group_version(kinds, group, version)?,
            Path::OpenApiIndex => discovery::openapi_index(kinds),
            Path::OpenApi(group, version) => self.documents.openapi(kinds, group, version)?,
            Path::Resource(_) | Path::Unknown => {
                body::text(StatusCode::NOT_FOUND, "404 page not found\n")
            }
        })
    }

    async fn resource<B>(&self, asked: &Asked, target: Target, body: B) -> Result<Answer, Failure>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let verb = request::verb(&asked.method, &target, &asked.query)
            .ok_or_else(Failure::method_not_allowed)?;
        let kinds = &self.registry.kinds;
        let Some(resource) = kinds.by_resource(&target.group, &target.version, &target.plural)
        else {
            let served =
                kinds.all().iter().any(|r| r.group == target.group && r.version == target.version);
            return if served {
                Err(Failure::unknown_resource())
            } else {
                Ok(body::text(StatusCode::NOT_FOUND, "404 page not found\n"))
            };
        };
        if resource.group == "authorization.k8s.io" || resource.group == "authentication.k8s.io" {
            let bytes = body::read(body).await?;
            return review::answer(&resource, &bytes, &asked.user);
        }
        if resource.is("", "Pod")
            && !target.subresource.is_empty()
            && target.subresource != "status"
        {
            return logs::pod(self, &target, &asked.query, verb).await;
        }
        if !resource.verbs.iter().any(|v| v == word(verb)) && target.subresource.is_empty() {
            return Err(Failure::method_not_allowed());
        }
        check_subresource(&resource, &target)?;
        if resource.group == "events.k8s.io" {
            return self.new_event(asked, &target, verb, body).await;
        }
        let form = negotiate::form(&asked.headers)?;
        match verb {
            Verb::Get => self.get_one(&resource, &target, form, &asked.query),
            Verb::List => self.list(&resource, &target, form, &asked.query).await,
            Verb::Watch => self.watch(&resource, &target, form, &asked.query, asked.reach),
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection => {
                let body = body::read(body).await?;
                let Asked { query, headers, user, .. } = asked;
                let incoming = Incoming { target: &target, query, headers, user, form, body };
                match verb {
                    Verb::Create => self.create(&resource, &incoming).await,
                    Verb::Update => self.update(&resource, &incoming).await,
                    Verb::Patch => self.patch(&resource, &incoming).await,
                    Verb::Delete => self.delete(&resource, &incoming).await,
                    Verb::DeleteCollection | Verb::Get | Verb::List | Verb::Watch => {
                        self.delete_collection(&resource, &incoming).await
                    }
                }
            }
        }
    }

    /// `events.k8s.io/v1` is another form of the core group's Events, and is stored as those.
    async fn new_event<B>(
        &self,
        asked: &Asked,
        target: &Target,
        verb: Verb,
        body: B,
    ) -> Result<Answer, Failure>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let core = self.registry.builtin("", "v1", "Event");
        let options = Options {
            user: asked.user.clone(),
            dry_run: false,
            validation: Validation::Ignore,
            duplicates: Vec::new(),
        };
        match verb {
            Verb::Create => {
                let bytes = body::read(body).await?;
                let event: Value = serde_json::from_slice(&bytes).map_err(|e| {
                    Failure::bad_request(format!("the event cannot be read as JSON: {e}"))
                })?;
                let written = self.registry.create(
                    &core,
                    &target.namespace,
                    events::to_core(&event),
                    &options,
                )?;
                Ok(body::json(StatusCode::CREATED, &events::from_core(&written.object.value())))
            }
            Verb::Patch => {
                let bytes = body::read(body).await?;
                let patch: Value = serde_json::from_slice(&bytes).map_err(|e| {
                    Failure::bad_request(format!("the patch cannot be read as JSON: {e}"))
                })?;
                let current = self.registry.get(&core, &target.namespace, &target.name)?;
                let changed = crate::patch::merge(&events::from_core(&current.value()), &patch)
                    .map_err(|e| Failure::from_patch(&core, &target.name, &e))?;
                let part = crate::registry::Part::Main;
                let written = self.registry.update(
                    &core,
                    &target.namespace,
                    &target.name,
                    part,
                    events::to_core(&changed),
                    &options,
                )?;
                Ok(body::json(StatusCode::OK, &events::from_core(&written.object.value())))
            }
            Verb::Get => {
                let object = self.registry.get(&core, &target.namespace, &target.name)?;
                Ok(body::json(StatusCode::OK, &events::from_core(&object.value())))
            }
            Verb::List => {
                let namespace = Some(target.namespace.as_str()).filter(|n| !n.is_empty());
                let listed = self.registry.store.list("events", namespace);
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
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::List => "list",
        Verb::Watch => "watch",
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Patch => "patch",
        Verb::Delete => "delete",
        Verb::DeleteCollection => "deletecollection",
    }
}

fn check_subresource(resource: &Resource, target: &Target) -> Result<(), Failure> {
    match target.subresource.as_str() {
        "" => Ok(()),
        "status" if resource.status => Ok(()),
        "scale" if resource.scale.is_some() => Ok(()),
        _ => Err(Failure::unknown_resource()),
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "35", "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "linux/amd64"
    })
}
