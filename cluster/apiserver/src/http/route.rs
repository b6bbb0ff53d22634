//! Routing: the one function that every request passes.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures::FutureExt;
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Body;
use rouse_kit::Health;
use serde_json::{Value, json};

use super::api::Api;
use super::body::{self, Answer, BoxError};
use super::metrics;
use super::negotiate;
use super::request::{self, Path, Query, Target, Verb};
use super::subresources::{self, About};
use super::watch::Reach;
use super::write::Incoming;
use super::{discovery, health, kubelet, review, rights};
use crate::identity::UserInfo;
use crate::kinds::Resource;
use crate::registry::Part;
use crate::status::Failure;

/// The minor version of the oldest kubectl that asks for OpenAPI v3 alone.
const OLDEST_KUBECTL: u32 = 27;

/// A request without its body.
struct Asked {
    method: Method,
    headers: HeaderMap,
    query: Query,
    user: UserInfo,
    reach: Reach,
}

impl Api {
    /// Answers one request of `user`.
    pub(crate) async fn call<B>(&self, request: Request<B>, user: UserInfo, inside: bool) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let uri = request.uri().clone();
        let path = request::path(uri.path());
        let query = Query::parse(uri.query().unwrap_or_default());
        let about = metrics::about(&self.registry.kinds, request.method(), &path, &query);
        let clock = self.registry.clock();
        let arrived = clock.instant();
        let (parts, body) = request.into_parts();
        let Parts { method, headers, .. } = parts;
        let reach = if inside { Reach::Inside } else { Reach::Outside };
        let asked = Asked { method, headers, query, user, reach };
        let refused = rights::refusal(&asked.user, &asked.method, uri.path(), &path, &asked.query);
        let answer = match refused {
            Some(failure) => body::failure(&failure),
            // A panic in one request is a 500 of that request alone.
            None => match AssertUnwindSafe(self.answer(&asked, path, body)).catch_unwind().await {
                Ok(answer) => answer,
                Err(_) => {
                    tracing::error!(path = uri.path(), "a request made the API panic");
                    let why = "the API server panicked on this request; see its log";
                    body::failure(&Failure::internal(why))
                }
            },
        };
        let took = clock.instant().saturating_duration_since(arrived);
        self.metrics.answered(about, answer.status(), took);
        answer
    }

    async fn answer<B>(&self, asked: &Asked, path: Path, body: B) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<BoxError>,
    {
        let answered = match path {
            Path::Resource(target) => self.resource(asked, target, body).await,
            other => self.document(asked, &other),
        };
        let mut answer = answered.unwrap_or_else(|failure| body::failure(&failure));
        if let Some(warning) = too_old(&asked.headers) {
            body::warn(&mut answer, &[warning]);
        }
        answer
    }

    fn document(&self, asked: &Asked, path: &Path) -> Result<Answer, Failure> {
        if asked.method != Method::GET && asked.method != Method::HEAD {
            return Err(Failure::method_not_allowed());
        }
        let kinds = &self.registry.kinds;
        Ok(match path {
            Path::Root => discovery::root(kinds),
            Path::Health { endpoint, check } => {
                let parts = self.health.get().map(Health::report).unwrap_or_default();
                health::answer(endpoint, check.as_deref(), &asked.query, &parts)
            }
            Path::Version => body::json(StatusCode::OK, &version()),
            Path::Groups { core } => self.documents.groups(kinds, *core, &asked.headers),
            Path::Group(group) => discovery::group(kinds, group)?,
            Path::GroupVersion(group, version) => discovery::group_version(kinds, group, version)?,
            Path::OldOpenApi => discovery::old_openapi(&asked.headers),
            Path::OpenApiIndex => discovery::openapi_index(kinds),
            Path::OpenApi(group, version) => self.documents.openapi(kinds, group, version)?,
            Path::OpenId { keys } => self.openid(*keys)?,
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
            return review::answer(&resource, &asked.headers, &bytes, &asked.user);
        }
        let part = match about(&resource, &target, verb)? {
            About::Part(part) => part,
            About::Node => return kubelet::ask(self, &target, &asked.query, verb).await,
            About::Token => {
                let bytes = body::read(body).await?;
                return self.make_token(&resource, &target, &asked.headers, &bytes);
            }
        };
        let form = negotiate::form(&asked.headers)?;
        match verb {
            Verb::Get => self.get_one(&resource, &target, form, &asked.query, asked.reach).await,
            Verb::List => self.list(&resource, &target, form, &asked.query).await,
            Verb::Watch => self.watch(&resource, &target, form, &asked.query, asked.reach).await,
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete | Verb::DeleteCollection => {
                self.registry.store.writable()?;
                let body = body::read(body).await?;
                let Asked { query, headers, user, reach, .. } = asked;
                let inside = *reach == Reach::Inside;
                let target = &target;
                let incoming = Incoming { target, query, headers, user, inside, part, form, body };
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
}

/// What a request is about, if it is served with this verb.
fn about(resource: &Resource, target: &Target, verb: Verb) -> Result<About, Failure> {
    let serves = |serves: bool| if serves { Ok(()) } else { Err(Failure::method_not_allowed()) };
    if target.subresource.is_empty() {
        serves(resource.verbs.iter().any(|v| v == request::word(verb)))?;
        return Ok(About::Part(Part::Main));
    }
    let served = subresources::of(resource);
    let Some(found) = served.iter().find(|s| s.name == target.subresource) else {
        // Streaming subresources of a pod are refused by name, in `kubelet`.
        return if resource.is("", "Pod") {
            Ok(About::Node)
        } else {
            Err(Failure::unknown_resource())
        };
    };
    serves(found.verbs.contains(&request::word(verb)))?;
    Ok(found.about)
}

/// The warning for a kubectl that cannot work with this API.
fn too_old(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(USER_AGENT)?.as_bytes().strip_prefix(b"kubectl/v1.")?;
    let version = agent.split(|byte| *byte == b' ').next()?;
    let minor = version.split(|byte| !byte.is_ascii_digit()).next()?;
    let minor: u32 = std::str::from_utf8(minor).ok()?.parse().ok()?;
    (minor < OLDEST_KUBECTL).then(|| {
        format!(
            "this kubectl is v1.{}, and this server needs 1.{OLDEST_KUBECTL} or newer: older ones check manifests by OpenAPI v2, which is not served here, so that their apply and create fail",
            String::from_utf8_lossy(version)
        )
    })
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "35", "gitVersion": discovery::GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc", "platform": "linux/amd64"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_an_old_kubectl_is_told() {
        let told = |agent: &str| {
            let headers = HeaderMap::from_iter([(USER_AGENT, agent.parse().unwrap())]);
            too_old(&headers)
        };
        let old = told("kubectl/v1.20.2 (linux/amd64) kubernetes/faecb19").unwrap();
        assert!(old.contains("this kubectl is v1.20.2") && old.contains("1.27 or newer"), "{old}");
        for agent in
            ["kubectl/v1.27.0 (linux/amd64)", "kubectl/v1.32.4", "kubectl1.20/v1", "curl/8"]
        {
            assert_eq!(told(agent), None, "{agent}");
        }
    }
}
