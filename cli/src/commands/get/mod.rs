//! `rouse get [KIND] [NAME…]`: objects of any kind, in the columns that the cluster gives them.

use futures::{AsyncBufReadExt, StreamExt};
use http::Request;
use http::header::ACCEPT;
use kube::core::discovery::v2::{APIGroupDiscovery, APIResourceDiscovery};
use serde_json::{Value, json};

use super::serving::unavailable;
use crate::args::{Get, Global, Output};
use crate::outcome::{Context, Failure, Result, refused};
use crate::printer::{Columns, Printer};
use crate::target::Target;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io, application/json";
/// What a service is here; `svc` names those of Kubernetes.
const SERVICES: &str = "services.serving.knative.dev";

pub(crate) async fn run(args: Get, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let resource = resolve(&target, &args.kind).await?;
    if args.watch && args.names.len() > 1 {
        return Err(Failure::usage("--watch takes one name or none"));
    }
    let path = resource.path(&target.namespace, args.all_namespaces);
    if matches!(printer.output, Output::Json | Output::Yaml) {
        return documents(&target, &resource, &path, &args, printer).await;
    }
    let mut view = View {
        namespaced: args.all_namespaces && resource.namespaced,
        resource: &resource,
        columns: None,
        printer,
    };
    if args.names.is_empty() || args.watch {
        let list = fetch(&target, &query(&path, &args), TABLE, &resource).await?;
        view.print(&list);
        if view.columns.is_none() && !args.watch {
            printer.progress(nothing(&resource, &target, args.all_namespaces));
        }
        if args.watch {
            let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str);
            return watch(&target, &path, &args, version.unwrap_or_default(), &mut view).await;
        }
        return Ok(());
    }
    for name in &args.names {
        let one = fetch(&target, &format!("{path}/{name}"), TABLE, &resource).await?;
        view.print(&one);
    }
    Ok(())
}

fn nothing(resource: &Resource, target: &Target, all: bool) -> String {
    if all || !resource.namespaced {
        format!("no {}", resource.plural)
    } else {
        format!("no {} in namespace {:?} (-A lists all)", resource.plural, target.namespace)
    }
}

/// A resource, as the API server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Resource {
    group: String,
    version: String,
    plural: String,
    singular: String,
    namespaced: bool,
}

impl Resource {
    fn path(&self, namespace: &str, all_namespaces: bool) -> String {
        let Self { group, version, plural, .. } = self;
        let root = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{group}/{version}")
        };
        if self.namespaced && !all_namespaces {
            format!("{root}/namespaces/{namespace}/{plural}")
        } else {
            format!("{root}/{plural}")
        }
    }

    /// `service.serving.knative.dev/NAME`
    fn shown(&self, name: &str) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        format!("{}{group}/{name}", self.singular)
    }
}

/// The resource that a user's word names.
async fn resolve(target: &Target, word: &str) -> Result<Resource> {
    let cannot = |error: kube::Error| refused(&error, "list the kinds of the cluster");
    let core = target.client.list_core_api_versions_aggregated().await.map_err(cannot)?;
    let groups = target.client.list_api_groups_aggregated().await.map_err(cannot)?;
    let all: Vec<APIGroupDiscovery> = core.items.into_iter().chain(groups.items).collect();
    let lower = word.to_ascii_lowercase();
    let wanted = if matches!(lower.as_str(), "service" | "services") { SERVICES } else { &lower };
    find(&all, wanted).ok_or_else(|| {
        Failure::usage(format!("this cluster has no kind {word:?}")).next(
            "rouse get crds, for kinds of your own; or services, revisions, pods, deployments",
        )
    })
}

fn find(groups: &[APIGroupDiscovery], wanted: &str) -> Option<Resource> {
    let (name, group) = wanted.split_once('.').map_or((wanted, None), |(n, g)| (n, Some(g)));
    groups.iter().find_map(|one| {
        let own = one.metadata.as_ref().and_then(|m| m.name.clone()).unwrap_or_default();
        if group.is_some_and(|group| group != own) {
            return None;
        }
        // The preferred version comes first.
        one.versions.iter().find_map(|version| {
            let found = version.resources.iter().find(|resource| is_named(resource, name))?;
            Some(Resource {
                group: own.clone(),
                version: version.version.clone()?,
                plural: found.resource.clone()?,
                singular: found.singular_resource.clone().filter(|s| !s.is_empty()).or_else(
                    || Some(found.response_kind.as_ref()?.kind.as_ref()?.to_ascii_lowercase()),
                )?,
                namespaced: found.scope.as_deref() == Some("Namespaced"),
            })
        })
    })
}

fn is_named(resource: &APIResourceDiscovery, name: &str) -> bool {
    let kind = resource.response_kind.as_ref().and_then(|kind| kind.kind.as_deref());
    resource.resource.as_deref() == Some(name)
        || resource.singular_resource.as_deref() == Some(name)
        || resource.short_names.iter().any(|short| short == name)
        || kind.is_some_and(|kind| kind.eq_ignore_ascii_case(name))
}

/// The list's path with its selector.
fn query(path: &str, args: &Get) -> String {
    let mut query = Vec::new();
    if let Some(selector) = &args.selector {
        query.push(format!("labelSelector={}", encoded(selector)));
    }
    if let Some(name) = args.names.first() {
        query.push(format!("fieldSelector={}", encoded(&format!("metadata.name={name}"))));
    }
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// Percent-encodes what a query cannot hold.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

async fn fetch(target: &Target, path: &str, accept: &str, resource: &Resource) -> Result<Value> {
    let request = Request::get(path)
        .header(ACCEPT, accept)
        .body(Vec::new())
        .or_fail(|| format!("{path:?} is no path"))?;
    target.client.request(request).await.map_err(|error| match &error {
        kube::Error::Api(status) if status.code == 404 && resource.group.is_empty() => {
            Failure::new(status.message.clone())
        }
        kube::Error::Api(status) if status.code == 404 && status.reason == "NotFound" => {
            Failure::new(status.message.clone()).next(format!("rouse get {} -A", resource.plural))
        }
        other => unavailable(other, &format!("get {}", resource.plural)),
    })
}

/// Prints whole objects.
async fn documents(
    target: &Target,
    resource: &Resource,
    path: &str,
    args: &Get,
    printer: &Printer,
) -> Result {
    const JSON: &str = "application/json";
    let mut document = if args.names.is_empty() {
        fetch(target, &query(path, args), JSON, resource).await?
    } else {
        let mut items = Vec::new();
        for name in &args.names {
            items.push(fetch(target, &format!("{path}/{name}"), JSON, resource).await?);
        }
        match items.len() {
            1 => items.remove(0),
            _ => json!({ "apiVersion": "v1", "kind": "List", "items": items }),
        }
    };
    without_managers(&mut document);
    for item in document["items"].as_array_mut().into_iter().flatten() {
        without_managers(item);
    }
    if document["items"].is_null() {
        document.as_object_mut().map(|fields| fields.remove("items"));
    }
    printer.document(&document);
    Ok(())
}

/// Removes what few want to read: which client owns which field.
fn without_managers(object: &mut Value) {
    if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

/// Prints each object that changes, until the server ends the watch and does not take it up again.
async fn watch(
    target: &Target,
    path: &str,
    args: &Get,
    version: &str,
    view: &mut View<'_>,
) -> Result {
    let mut version = version.to_owned();
    loop {
        let base = query(path, args);
        let joint = if base.contains('?') { '&' } else { '?' };
        let from = format!("{base}{joint}watch=true&resourceVersion={version}");
        let request = Request::get(from)
            .header(ACCEPT, TABLE)
            .body(Vec::new())
            .or_fail(|| format!("{path:?} is no path"))?;
        let events = target.client.request_stream(request).await;
        let mut lines = events.map_err(|error| refused(&error, "watch"))?.lines();
        while let Some(line) = lines.next().await {
            let line = line.or_fail(|| "the watch broke off".to_owned())?;
            let event: Value =
                serde_json::from_str(&line).or_fail(|| "the watch is no JSON".to_owned())?;
            if event["type"] == "ERROR" {
                let why = event.pointer("/object/message").and_then(Value::as_str);
                return Err(
                    Failure::new("the watch ended").because(why.unwrap_or("without a reason"))
                );
            }
            let object = &event["object"];
            let newest = ["/metadata/resourceVersion", "/rows/0/object/metadata/resourceVersion"];
            let newest =
                newest.iter().find_map(|at| object.pointer(at)?.as_str().filter(|v| !v.is_empty()));
            if let Some(newest) = newest {
                newest.clone_into(&mut version);
            }
            if event["type"] != "BOOKMARK" {
                view.print(object);
            }
        }
    }
}

/// What is printed of tables that the server sends.
struct View<'a> {
    /// A column names the namespace.
    namespaced: bool,
    resource: &'a Resource,
    /// The columns of the first table.
    columns: Option<Columns>,
    printer: &'a Printer,
}

impl View<'_> {
    fn print(&mut self, table: &Value) {
        let rows = rows(table, self.namespaced, self.printer.output == Output::Wide);
        if self.printer.output == Output::Name {
            for name in names(table) {
                self.printer.line(self.resource.shown(name));
            }
            self.columns.get_or_insert_default();
            return;
        }
        if rows.is_empty() {
            return;
        }
        let columns = self.columns.get_or_insert_with(|| {
            let headings = headings(table, self.namespaced, self.printer.output == Output::Wide);
            let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
            let columns = Columns::of(&headings, &rows);
            self.printer.line(columns.line(&headings));
            columns
        });
        for row in &rows {
            self.printer.line(columns.line(row));
        }
    }
}

/// The columns that are shown: those of priority 0, or all.
fn shown(table: &Value, wide: bool) -> Vec<(usize, &Value)> {
    let all = table["columnDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_shown = |column: &Value| wide || column["priority"].as_i64().unwrap_or(0) == 0;
    all.iter().enumerate().filter(|(_, column)| is_shown(column)).collect()
}

fn headings(table: &Value, namespaced: bool, wide: bool) -> Vec<String> {
    let of_table = shown(table, wide).into_iter();
    let named = of_table.map(|(_, c)| c["name"].as_str().unwrap_or_default().to_uppercase());
    namespaced.then(|| "NAMESPACE".to_owned()).into_iter().chain(named).collect()
}

fn rows(table: &Value, namespaced: bool, wide: bool) -> Vec<Vec<String>> {
    let columns = shown(table, wide);
    let rows = table["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .map(|row| {
            let namespace = row.pointer("/object/metadata/namespace").and_then(Value::as_str);
            let first = namespaced.then(|| namespace.unwrap_or_default().to_owned());
            let cells = columns.iter().map(|(index, _)| cell(&row["cells"][*index]));
            first.into_iter().chain(cells).collect()
        })
        .collect()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn names(table: &Value) -> Vec<&str> {
    let rows = table["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| row.pointer("/object/metadata/name")?.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Vec<APIGroupDiscovery> {
        serde_json::from_value(json!([
            { "metadata": { "name": "" }, "versions": [{ "version": "v1", "resources": [
                { "resource": "services", "singularResource": "service", "shortNames": ["svc"],
                  "scope": "Namespaced", "responseKind": { "kind": "Service" } },
                { "resource": "nodes", "singularResource": "node", "scope": "Cluster", "responseKind": { "kind": "Node" } }
            ] }] },
            { "metadata": { "name": "serving.knative.dev" }, "versions": [{ "version": "v1", "resources": [
                { "resource": "services", "singularResource": "service", "shortNames": ["ksvc", "kservice"],
                  "scope": "Namespaced", "responseKind": { "kind": "Service" } }
            ] }] }
        ]))
        .unwrap()
    }

    #[test]
    fn kinds_are_found_by_each_of_their_names() {
        let path = |word: &str| find(&groups(), word).map(|found| found.path("shop", false));
        let knative = Some("/apis/serving.knative.dev/v1/namespaces/shop/services".to_owned());
        for word in ["ksvc", SERVICES, "service.serving.knative.dev"] {
            assert_eq!(path(word), knative, "{word}");
        }
        assert_eq!(path("svc").as_deref(), Some("/api/v1/namespaces/shop/services"));
        assert_eq!(path("node").as_deref(), Some("/api/v1/nodes"));
        assert_eq!(path("nothing"), None);
        assert_eq!(find(&groups(), "ksvc").unwrap().shown("a"), "service.serving.knative.dev/a");
    }

    #[test]
    fn a_table_is_shown_in_its_columns_of_priority_zero_or_all() {
        let table = json!({
            "columnDefinitions": [{ "name": "Name", "priority": 0 }, { "name": "Node", "priority": 1 }, { "name": "Age" }],
            "rows": [{ "cells": ["a", "local", 3], "object": { "metadata": { "name": "a", "namespace": "shop" } } }]
        });
        assert_eq!(headings(&table, true, false), ["NAMESPACE", "NAME", "AGE"]);
        assert_eq!(rows(&table, true, false), [["shop", "a", "3"]]);
        assert_eq!(rows(&table, false, true), [["a", "local", "3"]]);
        assert_eq!(names(&table), ["a"]);
    }

    #[test]
    fn a_selector_is_encoded() {
        assert_eq!(encoded("a=b,c!=d/e"), "a%3Db%2Cc%21%3Dd%2Fe");
    }
}
