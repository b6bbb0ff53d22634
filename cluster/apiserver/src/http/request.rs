//! Parsing of request lines: paths, queries, verbs. Pure.
//!
//! Mirrors how kube's and client-go's clients build requests, odd queries (`?&limit=500`) included.

use std::num::{IntErrorKind, ParseIntError};

use http::Method;

use crate::status::Failure;

/// A path under `/api` or `/apis` that names a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) version: String,
    /// Empty for cluster-wide requests, such as for a namespace itself.
    pub(super) namespace: String,
    pub(super) plural: String,
    /// Empty for a collection.
    pub(super) name: String,
    pub(super) subresource: String,
    /// The path below the subresource, without a slash in front, as `proxy` has one.
    pub(super) below: String,
}

/// The document or resource that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// `/api`, `/apis`
    Groups {
        core: bool,
    },
    /// `/apis/GROUP`
    Group(String),
    /// `/api/v1`, `/apis/GROUP/VERSION`
    GroupVersion(String, String),
    Resource(Target),
    OpenApiIndex,
    /// `/openapi/v2`
    OldOpenApi,
    OpenApi(String, String),
    /// The documents by which others verify tokens; `keys` are the public ones.
    OpenId {
        keys: bool,
    },
    Version,
    /// `/healthz`, `/livez`, `/readyz`, or one check below them.
    Health {
        endpoint: String,
        check: Option<String>,
    },
    Root,
    Unknown,
}

pub(super) fn path(path: &str) -> Path {
    let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let owned = |s: &str| s.to_owned();
    match parts.as_slice() {
        [] => Path::Root,
        ["version"] => Path::Version,
        [endpoint @ ("healthz" | "livez" | "readyz")] => {
            Path::Health { endpoint: owned(endpoint), check: None }
        }
        [endpoint @ ("healthz" | "livez" | "readyz"), check] => {
            Path::Health { endpoint: owned(endpoint), check: Some(owned(check)) }
        }
        ["api"] => Path::Groups { core: true },
        ["apis"] => Path::Groups { core: false },
        ["api", version] => Path::GroupVersion(String::new(), owned(version)),
        ["apis", group] => Path::Group(owned(group)),
        ["apis", group, version] => Path::GroupVersion(owned(group), owned(version)),
        ["api", version, rest @ ..] => resource("", version, rest),
        ["apis", group, version, rest @ ..] => resource(group, version, rest),
        ["openapi", "v2"] => Path::OldOpenApi,
        ["openapi", "v3"] => Path::OpenApiIndex,
        ["openapi", "v3", "api", version] => Path::OpenApi(String::new(), owned(version)),
        ["openapi", "v3", "apis", group, version] => Path::OpenApi(owned(group), owned(version)),
        [".well-known", "openid-configuration"] => Path::OpenId { keys: false },
        ["openid", "v1", "jwks"] => Path::OpenId { keys: true },
        _ => Path::Unknown,
    }
}

/// Paths of OpenID Connect's documents.
pub(super) const OPENID: &str = "/.well-known/openid-configuration";
pub(super) const OPENID_KEYS: &str = "/openid/v1/jwks";

fn resource(group: &str, version: &str, rest: &[&str]) -> Path {
    let below = |plural: &str, namespace: &str, name: &str, subresource: &str, below: &[&str]| {
        Path::Resource(Target {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            plural: plural.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            below: below.join("/"),
        })
    };
    let at = |plural: &str, namespace: &str, name: &str, subresource: &str| {
        below(plural, namespace, name, subresource, &[])
    };
    match rest {
        // A namespace is a resource of its own, and the scope of others.
        ["namespaces", name] => at("namespaces", "", name, ""),
        ["namespaces", name, sub @ ("status" | "finalize")] => at("namespaces", "", name, sub),
        ["namespaces", namespace, plural] => at(plural, namespace, "", ""),
        ["namespaces", namespace, plural, name] => at(plural, namespace, name, ""),
        ["namespaces", namespace, plural, name, sub, rest @ ..] => {
            below(plural, namespace, name, sub, rest)
        }
        [plural] => at(plural, "", "", ""),
        [plural, name] => at(plural, "", name, ""),
        [plural, name, sub, rest @ ..] => below(plural, "", name, sub, rest),
        [] => Path::Unknown,
    }
}

/// The query of a request: names and values in order, empty pairs skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let pair = |text: &str| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        };
        Self(query.split('&').filter(|p| !p.is_empty()).map(pair).collect())
    }

    /// The first value; empty if there is none.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// All values, in order.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1" | "True" | "t")
    }

    /// An integer, if it is given; other text is refused.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Failure> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error: ParseIntError| {
            let why = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            Failure::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
        })
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter()
    }
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while i < bytes.len() {
        let hex = text.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[i], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The verb of a request for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

pub(super) fn verb(method: &Method, target: &Target, query: &Query) -> Option<Verb> {
    let one = !target.name.is_empty();
    Some(match (method.as_str(), one) {
        ("GET", false) if query.flag("watch") => Verb::Watch,
        ("GET" | "HEAD", true) => Verb::Get,
        ("GET" | "HEAD", false) => Verb::List,
        ("POST", false) => Verb::Create,
        ("POST", true) if !target.subresource.is_empty() => Verb::Create,
        ("PUT", true) => Verb::Update,
        ("PATCH", true) => Verb::Patch,
        ("DELETE", true) => Verb::Delete,
        ("DELETE", false) => Verb::DeleteCollection,
        _ => return None,
    })
}

/// The verb as discovery and the authorizer write it.
pub(super) fn word(verb: Verb) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_resources_in_and_out_of_namespaces() {
        let named = |text: &str| match path(text) {
            Path::Resource(t) => format!(
                "{}|{}|{}|{}|{}|{}",
                t.group, t.version, t.namespace, t.plural, t.name, t.subresource
            ),
            other => format!("{other:?}"),
        };
        assert_eq!(named("/api/v1/namespaces/d/pods/p/log"), "|v1|d|pods|p|log");
        assert_eq!(named("/apis/apps/v1/deployments"), "apps|v1||deployments||");
        assert_eq!(named("/api/v1/namespaces/d"), "|v1||namespaces|d|");
        assert_eq!(named("/api/v1/namespaces/d/status"), "|v1||namespaces|d|status");
        assert_eq!(named("/api/v1/nodes/n%2E1"), "|v1||nodes|n.1|");
        assert_eq!(named("/api"), "Groups { core: true }");
        assert_eq!(named("/nonsense"), "Unknown");
    }

    #[test]
    fn queries_of_kube_begin_with_an_empty_pair() {
        let query = Query::parse("&limit=500&labelSelector=a%3Db%2Cc&watch=true");
        assert_eq!(query.number("limit"), Ok(Some(500)));
        assert_eq!(query.number("absent"), Ok(None));
        assert_eq!(query.get("labelSelector"), "a=b,c");
        assert!(query.flag("watch"));
        assert_eq!(query.get("absent"), "");
    }

    #[test]
    fn a_verb_needs_the_right_kind_of_path() {
        let one = Target { name: "x".to_owned(), ..Target::default() };
        let none = Query::default();
        assert_eq!(verb(&Method::PUT, &Target::default(), &none), None);
        assert_eq!(verb(&Method::PUT, &one, &none), Some(Verb::Update));
        assert_eq!(
            verb(&Method::GET, &Target::default(), &Query::parse("watch=1")),
            Some(Verb::Watch)
        );
    }

    /// A request's meaning in one line.
    fn meaning(request: &http::Request<Vec<u8>>) -> String {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let Path::Resource(target) = path(request.uri().path()) else {
            return "nothing".to_owned();
        };
        let verb = verb(request.method(), &target, &query).unwrap();
        let Target { group, version, namespace, plural, name, subresource, below: _ } = target;
        let mut said: Vec<String> = query.pairs().map(|(n, v)| format!("{n}={v}")).collect();
        said.sort();
        let place = [group, version, namespace, plural, name, subresource].join("/");
        format!("{verb:?} {place} {}", said.join(" "))
    }

    #[test]
    fn every_request_that_kube_builds_is_parsed_as_it_was_meant() {
        use kube::core::params::{
            DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, WatchParams,
        };
        let apps = kube::core::Request::new("/apis/apps/v1/namespaces/d/deployments");
        let core = kube::core::Request::new("/api/v1/pods");
        let list = ListParams::default().labels("a in (b,c)").fields("metadata.name!=x").limit(5);
        let watch = WatchParams::default().labels("a=b").timeout(7);
        let post = PostParams { dry_run: true, field_manager: None };
        let (delete, all) = (DeleteParams::default(), ListParams::default());
        let (named, patch) =
            (PatchParams::apply("me"), Patch::<serde_json::Value>::Merge(serde_json::json!({})));
        let cases = [
            (apps.get("w", &GetParams::default()), "Get apps/v1/d/deployments/w/ "),
            (
                core.list(&list),
                "List /v1//pods// fieldSelector=metadata.name!=x labelSelector=a in (b,c) limit=5",
            ),
            (
                apps.watch(&watch, "9"),
                "Watch apps/v1/d/deployments// allowWatchBookmarks=true labelSelector=a=b resourceVersion=9 timeoutSeconds=7 watch=true",
            ),
            (apps.create(&post, Vec::new()), "Create apps/v1/d/deployments// dryRun=All"),
            (apps.replace("w", &post, Vec::new()), "Update apps/v1/d/deployments/w/ dryRun=All"),
            (apps.patch("w", &named, &patch), "Patch apps/v1/d/deployments/w/ fieldManager=me"),
            (
                apps.patch_subresource("status", "w", &named, &patch),
                "Patch apps/v1/d/deployments/w/status fieldManager=me",
            ),
            (apps.get_subresource("scale", "w"), "Get apps/v1/d/deployments/w/scale "),
            (apps.delete("w", &delete), "Delete apps/v1/d/deployments/w/ "),
            (apps.delete_collection(&delete, &all), "DeleteCollection apps/v1/d/deployments// "),
        ];
        for (request, expected) in cases {
            assert_eq!(meaning(&request.unwrap()), expected);
        }
    }
}
