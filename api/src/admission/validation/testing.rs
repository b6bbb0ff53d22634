//! Shared by the tests of the rules: a minimal Service, changed and validated.

use serde_json::{Value, json};

use super::{Request, service};
use crate::admission::defaults;
use crate::config::{ApiConfig, Data};

pub(super) fn minimal() -> Value {
    json!({
        "metadata": { "name": "hello", "namespace": "prod" },
        "spec": { "template": { "spec": { "containers": [{ "image": "dev.local/hello" }] } } },
    })
}

/// A Service after `change`, defaulted and validated under `config`: all problems as text.
pub(super) fn refused_by(config: &ApiConfig, change: impl FnOnce(&mut Value)) -> String {
    let mut object = minimal();
    change(&mut object);
    defaults::service(&mut object, defaults::Request { config, user: "alice", old: None });
    service(&object, Request { config, old: None }).split().0.to_string()
}

pub(super) fn refused(change: impl FnOnce(&mut Value)) -> String {
    refused_by(&ApiConfig::default(), change)
}

/// The problems of the only container with these fields.
pub(super) fn container(fields: Value) -> String {
    refused(|object| {
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        for (name, value) in fields.as_object().unwrap() {
            container[name] = value.clone();
        }
    })
    .replace("spec.template.spec.containers[0].", "")
}

/// The problems of a template with these annotations.
pub(super) fn annotated(pairs: &[(&str, &str)]) -> String {
    refused(|object| {
        for (key, value) in pairs {
            object["spec"]["template"]["metadata"]["annotations"][key] = json!(value);
        }
    })
    .replace("spec.template.metadata.annotations.", "")
    .replace("autoscaling.knative.dev/", "")
}

pub(super) fn with(name: &str, pairs: &[(&str, &str)]) -> ApiConfig {
    let data: Data = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut config = ApiConfig::default();
    config.apply(name, &data).unwrap();
    config
}
