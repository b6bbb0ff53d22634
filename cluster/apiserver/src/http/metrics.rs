//! Requests counted and timed, under Kubernetes' names.
//!
//! Labels are bounded: resources that are not served, and unknown paths, are `other`.

use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use rouse_kit::Metrics;

use super::request::{self, Path, Query, Verb};
use crate::kinds::Kinds;

/// Kubernetes' bounds up to ten seconds, less dense.
const BUCKETS: [f64; 11] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Subresources with a label of their own.
const SUBRESOURCES: [&str; 8] =
    ["", "status", "scale", "log", "binding", "finalize", "proxy", "token"];
const OTHER: &str = "other";

/// The labels of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct About {
    verb: &'static str,
    group: String,
    resource: String,
    subresource: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    verb: &'static str,
    group: String,
    resource: String,
    subresource: &'static str,
    code: String,
}

/// The families of the API. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct ApiMetrics {
    requests: Family<Answered, Counter>,
    durations: Family<About, Histogram, fn() -> Histogram>,
    long_running: Family<About, Gauge>,
}

impl Default for ApiMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            long_running: Family::default(),
        }
    }
}

impl ApiMetrics {
    pub(crate) fn register(&self, metrics: &Metrics) {
        let help = "API requests by verb, resource and code";
        metrics.register("apiserver_request", help, self.requests.clone());
        let help = "Time until an API request is answered, watches aside";
        let durations = self.durations.clone();
        metrics.register_with_unit("apiserver_request_duration", help, Unit::Seconds, durations);
        let help = "Open watches";
        metrics.register("apiserver_longrunning_requests", help, self.long_running.clone());
    }

    pub(super) fn answered(&self, about: About, code: StatusCode, took: Duration) {
        if about.verb != "WATCH" {
            self.durations.get_or_create(&about).observe(took.as_secs_f64());
        }
        let About { verb, group, resource, subresource } = about;
        let code = code.as_str().to_owned();
        self.requests.get_or_create(&Answered { verb, group, resource, subresource, code }).inc();
    }

    /// Counts a watch until the value is dropped.
    pub(super) fn watching(&self, group: &str, plural: &str) -> Open {
        let (group, resource) = (group.to_owned(), plural.to_owned());
        let about = About { verb: "WATCH", group, resource, subresource: "" };
        let gauge = self.long_running.get_or_create(&about).clone();
        gauge.inc();
        Open(gauge)
    }
}

/// One open watch.
#[derive(Debug)]
pub(super) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The labels of a request.
pub(super) fn about(kinds: &Kinds, method: &Method, path: &Path, query: &Query) -> About {
    let served = match path {
        Path::Resource(target) => kinds
            .by_resource(&target.group, &target.version, &target.plural)
            .map(|resource| (target, resource)),
        _ => None,
    };
    let Some((target, resource)) = served else {
        let (group, resource) = (String::new(), OTHER.to_owned());
        return About { verb: of_method(method), group, resource, subresource: "" };
    };
    let known = SUBRESOURCES.into_iter().find(|s| *s == target.subresource);
    About {
        verb: request::verb(method, target, query).map_or(OTHER, of_verb),
        group: resource.group.clone(),
        resource: resource.plural.clone(),
        subresource: known.unwrap_or(OTHER),
    }
}

fn of_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" | "HEAD" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => OTHER,
    }
}

fn of_verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "GET",
        Verb::List => "LIST",
        Verb::Watch => "WATCH",
        Verb::Create => "POST",
        Verb::Update => "PUT",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
        Verb::DeleteCollection => "DELETECOLLECTION",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded_by_what_is_served() {
        let kinds = Kinds::new();
        let of = |method: &str, path: &str, query: &str| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let about = about(&kinds, &method, &request::path(path), &Query::parse(query));
            format!("{} {}/{}/{}", about.verb, about.group, about.resource, about.subresource)
        };
        let web = "/apis/apps/v1/namespaces/d/deployments/web";
        assert_eq!(of("GET", web, ""), "GET apps/deployments/");
        assert_eq!(of("PATCH", &format!("{web}/scale"), ""), "PATCH apps/deployments/scale");
        assert_eq!(of("PATCH", &format!("{web}/random1"), ""), "PATCH apps/deployments/other");
        assert_eq!(of("GET", "/api/v1/pods", "watch=1"), "WATCH /pods/");
        assert_eq!(of("GET", "/api/v1/random2", ""), "GET /other/");
        assert_eq!(of("GET", "/apis/random3.example/v1/things", ""), "GET /other/");
        assert_eq!(of("GET", "/random4", ""), "GET /other/");
        assert_eq!(of("RANDOM5", "/", ""), "other /other/");
    }
}
