//! Discovery in both its forms, and OpenAPI.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::body::{self, Answer};
use super::subresources::{self, Subresource};
use crate::kinds::{Kinds, Resource};
use crate::openapi;
use crate::status::Failure;

/// The Kubernetes version that this API reports.
pub(super) const GIT_VERSION: &str = "v1.35.0";

/// Groups first that kubectl should prefer; the others by name.
const ORDER: [&str; 4] = ["", "apps", "events.k8s.io", "authentication.k8s.io"];

/// A cache of OpenAPI documents, which cost milliseconds to make, by group version and hash.
#[derive(Debug, Default)]
pub(super) struct Documents(Mutex<HashMap<String, (String, Bytes)>>);

impl Documents {
    pub(super) fn openapi(
        &self,
        kinds: &Kinds,
        group: &str,
        version: &str,
    ) -> Result<Answer, Failure> {
        let hash =
            openapi::version_hash(kinds, group, version).ok_or_else(Failure::unknown_resource)?;
        let key = format!("{group}/{version}");
        let known =
            self.0.lock().get(&key).filter(|(h, _)| *h == hash).map(|(_, bytes)| bytes.clone());
        let bytes = match known {
            Some(bytes) => bytes,
            None => {
                let document = openapi::document(kinds, group, version)
                    .ok_or_else(Failure::unknown_resource)?;
                let bytes =
                    Bytes::from(serde_json::to_vec(&document).expect("a JSON value is JSON"));
                self.0.lock().insert(key, (hash.clone(), bytes.clone()));
                bytes
            }
        };
        let mut answer = body::bytes(StatusCode::OK, "application/json", bytes);
        set_etag(&mut answer, &hash);
        Ok(answer)
    }

    pub(super) fn groups(&self, kinds: &Kinds, core: bool, headers: &HeaderMap) -> Answer {
        let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let form = accept.split(',').map(str::trim).find_map(aggregated_version);
        let Some(version) = form else {
            return body::json(
                StatusCode::OK,
                &if core { core_versions() } else { group_list(kinds) },
            );
        };
        let document = aggregated(kinds, core, version);
        let bytes = Bytes::from(serde_json::to_vec(&document).expect("a JSON value is JSON"));
        let hash = format!("{:016X}", rouse_k8s::hash::fnv1a_64(&bytes));
        let quoted = format!("\"{hash}\"");
        let known =
            headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok()) == Some(quoted.as_str());
        let mut answer = if known {
            let mut answer = Answer::new(body::full(Bytes::new()));
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        } else {
            body::bytes(StatusCode::OK, "application/json", bytes)
        };
        let media =
            format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        if let Ok(value) = HeaderValue::from_str(&media) {
            answer.headers_mut().insert(CONTENT_TYPE, value);
        }
        answer.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
        set_etag(&mut answer, &hash);
        answer
    }
}

fn set_etag(answer: &mut Answer, hash: &str) {
    if let Ok(value) = HeaderValue::from_str(&format!("\"{hash}\"")) {
        answer.headers_mut().insert(ETAG, value);
    }
}

fn aggregated_version(range: &str) -> Option<&'static str> {
    if !range.contains("as=APIGroupDiscoveryList") {
        return None;
    }
    ["v2", "v2beta1"].into_iter().find(|v| range.split(';').any(|p| p.trim() == format!("v={v}")))
}

type Versions = BTreeMap<String, Vec<Arc<Resource>>>;

/// Group to version to resources, in the order in which clients should see them.
fn by_group(kinds: &Kinds) -> Vec<(String, Versions)> {
    let mut groups: BTreeMap<String, Versions> = BTreeMap::new();
    for resource in kinds.all() {
        let versions = groups.entry(resource.group.clone()).or_default();
        versions.entry(resource.version.clone()).or_default().push(resource);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(name, _)| {
        (ORDER.iter().position(|o| o == name).unwrap_or(ORDER.len()), name.clone())
    });
    groups
}

/// `v1` before `v1beta1` before `v1alpha1`; a higher number first.
fn version_rank(version: &str) -> (u8, std::cmp::Reverse<u32>) {
    let rest = version.trim_start_matches('v');
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let stage = match rest.trim_start_matches(|c: char| c.is_ascii_digit()) {
        "" => 0,
        s if s.starts_with("beta") => 1,
        _ => 2,
    };
    (stage, std::cmp::Reverse(number.parse().unwrap_or(0)))
}

fn sorted(versions: Versions) -> Vec<(String, Vec<Arc<Resource>>)> {
    let mut versions: Vec<_> = versions.into_iter().collect();
    versions.sort_by_key(|(version, _)| version_rank(version));
    versions
}

fn aggregated(kinds: &Kinds, core: bool, version: &str) -> Value {
    let groups = by_group(kinds).into_iter().filter(|(name, _)| name.is_empty() == core);
    let items: Vec<Value> = groups
        .map(|(name, versions)| {
            let versions: Vec<Value> = sorted(versions)
                .into_iter()
                .map(|(version, resources)| {
                    let resources: Vec<Value> =
                        resources.iter().map(|r| aggregated_resource(r)).collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            let meta = if name.is_empty() {
                json!({ "creationTimestamp": null })
            } else {
                json!({ "name": name, "creationTimestamp": null })
            };
            json!({ "metadata": meta, "versions": versions })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
            "metadata": {}, "items": items })
}

fn aggregated_resource(resource: &Resource) -> Value {
    let kind = |r: &Resource| json!({ "group": r.group, "version": r.version, "kind": r.kind });
    let mut value = json!({
        "resource": resource.plural, "responseKind": kind(resource),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular, "verbs": resource.verbs
    });
    if !resource.short_names.is_empty() {
        value["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        value["categories"] = json!(resource.categories);
    }
    let subs: Vec<Value> = subresources::of(resource)
        .into_iter()
        .map(|Subresource { name, group, version, kind, verbs, .. }| {
            json!({ "subresource": name, "responseKind": { "group": group, "version": version, "kind": kind }, "verbs": verbs })
        })
        .collect();
    if !subs.is_empty() {
        value["subresources"] = subs.into();
    }
    value
}

fn core_versions() -> Value {
    json!({ "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1" }] })
}

fn group_value(name: &str, versions: Versions) -> Value {
    let versions: Vec<Value> = sorted(versions)
        .into_iter()
        .map(|(v, _)| json!({ "groupVersion": format!("{name}/{v}"), "version": v }))
        .collect();
    json!({ "name": name, "preferredVersion": versions.first(), "versions": versions })
}

fn group_list(kinds: &Kinds) -> Value {
    let groups: Vec<Value> = by_group(kinds)
        .into_iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, versions)| group_value(&name, versions))
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// OpenAPI v2 without paths. kubectl asks for it when v3 does not have a kind, and reports the kind
/// as unknown only after a response.
pub(super) fn old_openapi(headers: &HeaderMap) -> Answer {
    /// As asked for, and as answered: the `@` is no legal character of a media type.
    const ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    let accept = headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !accept.contains(ASKED) && !accept.contains(PROTOBUF) {
        let info = json!({ "title": "Rouse", "version": GIT_VERSION });
        return body::json(StatusCode::OK, &json!({ "swagger": "2.0", "info": info, "paths": {} }));
    }
    // swagger = 1, info = 2 { title = 1, version = 2 }, paths = 8
    let field = |number: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        [&[number << 3 | 2, length], bytes].concat()
    };
    let info = [field(1, b"Rouse"), field(2, GIT_VERSION.as_bytes())].concat();
    let document = [field(1, b"2.0"), field(2, &info), field(8, b"")].concat();
    body::bytes(StatusCode::OK, PROTOBUF, document)
}

pub(super) fn group(kinds: &Kinds, name: &str) -> Result<Answer, Failure> {
    let found = by_group(kinds).into_iter().find(|(n, _)| n == name);
    let (name, versions) = found.ok_or_else(Failure::unknown_resource)?;
    let mut value = group_value(&name, versions);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Ok(body::json(StatusCode::OK, &value))
}

pub(super) fn group_version(kinds: &Kinds, group: &str, version: &str) -> Result<Answer, Failure> {
    let ours: Vec<_> =
        kinds.all().into_iter().filter(|r| r.group == group && r.version == version).collect();
    if ours.is_empty() {
        return Ok(body::text(StatusCode::NOT_FOUND, "404 page not found\n"));
    }
    let mut resources = Vec::new();
    for resource in &ours {
        let mut value = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": resource.verbs
        });
        if !resource.short_names.is_empty() {
            value["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            value["categories"] = json!(resource.categories);
        }
        resources.push(value);
        for Subresource { name, group, version, kind, verbs, .. } in subresources::of(resource) {
            let mut value = json!({ "name": format!("{}/{name}", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": kind, "verbs": verbs });
            if group != resource.group {
                value["group"] = group.into();
                value["version"] = version.into();
            }
            resources.push(value);
        }
    }
    let group_version =
        if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Ok(body::json(
        StatusCode::OK,
        &json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources }),
    ))
}

pub(super) fn openapi_index(kinds: &Kinds) -> Answer {
    body::json(StatusCode::OK, &openapi::index(kinds))
}

pub(super) fn root(kinds: &Kinds) -> Answer {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (name, versions) in by_group(kinds).into_iter().filter(|(name, _)| !name.is_empty()) {
        paths.push(format!("/apis/{name}"));
        paths.extend(versions.keys().map(|v| format!("/apis/{name}/{v}")));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    body::json(StatusCode::OK, &json!({ "paths": paths }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_before_others() {
        let mut versions = ["v1alpha1", "v1beta1", "v2", "v1"];
        versions.sort_by_key(|v| version_rank(v));
        assert_eq!(versions, ["v2", "v1", "v1beta1", "v1alpha1"]);
    }
}
