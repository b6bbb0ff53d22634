//! The rules of each kind: names, owners, what may change.

use serde_json::json;

use super::*;
use crate::admission::defaults;
use crate::admission::validation::testing::{minimal, refused, refused_by, with};
use crate::config::ApiConfig;

#[test]
fn a_minimal_service_is_admitted() {
    assert_eq!(refused(|_| {}), "");
}

#[test]
fn names_are_checked() {
    let text = refused(|o| o["metadata"]["name"] = json!("Hello"));
    assert!(text.starts_with("not a DNS 1035 label: [a DNS-1035 label must"), "{text}");
    assert!(text.ends_with("]: metadata.name"), "{text}");
    assert_eq!(
        refused(|o| o["metadata"] = json!({})),
        "name or generateName is required: metadata.name"
    );
    assert_eq!(refused(|o| o["metadata"] = json!({ "generateName": "hello-" })), "");
    assert_eq!(
        refused(|o| o["spec"]["template"]["metadata"]["name"] = json!("other")),
        "invalid value: \"other\" must have prefix \"hello-\": spec.template.metadata.name"
    );
    assert_eq!(
        refused(|o| {
            o["metadata"] = json!({ "generateName": "hello-" });
            o["spec"]["template"]["metadata"]["name"] = json!("hello-first");
        }),
        "must not set the field(s): spec.template.metadata.name"
    );
}

#[test]
fn times_and_concurrency_have_limits() {
    for (field, value, want) in [
        ("timeoutSeconds", 601, "expected 0 <= 601 <= 600: spec.template.spec.timeoutSeconds"),
        ("timeoutSeconds", -1, "expected 0 <= -1 <= 600: spec.template.spec.timeoutSeconds"),
        (
            "containerConcurrency",
            1001,
            "expected 0 <= 1001 <= 1000: spec.template.spec.containerConcurrency",
        ),
    ] {
        assert_eq!(refused(|o| o["spec"]["template"]["spec"][field] = json!(value)), want);
    }
    let strict = with("config-defaults", &[("allow-container-concurrency-zero", "false")]);
    assert_eq!(
        refused_by(&strict, |o| o["spec"]["template"]["spec"]["containerConcurrency"] = json!(0)),
        "expected 1 <= 0 <= 1000: spec.template.spec.containerConcurrency"
    );
}

#[test]
fn a_named_revision_keeps_its_content() {
    let config = ApiConfig::default();
    let mut old = minimal();
    old["spec"]["template"]["metadata"]["name"] = json!("hello-first");
    defaults::service(&mut old, defaults::Request { config: &config, user: "a", old: None });
    let mut new = old.clone();
    new["spec"]["template"]["spec"]["containers"][0]["image"] = json!("dev.local/other");
    new["metadata"]["annotations"]["serving.knative.dev/lastModifier"] = json!("b");
    let held = Request { config: &config, old: Some(&old) };
    assert_eq!(
        service(&new, held).to_string(),
        "Saw the following changes without a name change (-old +new): spec.template.metadata.name\n\
         {.spec.containers[0].image}:\n\t-: \"dev.local/hello\"\n\t+: \"dev.local/other\"\n"
    );
    new["spec"]["template"]["metadata"]["name"] = json!("hello-second");
    assert_eq!(service(&new, held).to_string(), "");
}

#[test]
fn the_creator_of_an_object_cannot_be_rewritten() {
    let config = ApiConfig::default();
    let mut old = minimal();
    defaults::service(&mut old, defaults::Request { config: &config, user: "a", old: None });
    let mut new = old.clone();
    new["metadata"]["annotations"]["serving.knative.dev/creator"] = json!("b");
    new["metadata"]["annotations"]["serving.knative.dev/lastModifier"] = json!("b");
    assert_eq!(
        service(&new, Request { config: &config, old: Some(&old) }).to_string(),
        "annotation value is immutable: metadata.annotations.serving.knative.dev/creator\n\
         invalid value: b: metadata.annotations.serving.knative.dev/lastModifier"
    );
}

#[test]
fn revisions_do_not_change() {
    let config = ApiConfig::default();
    let old = json!({
        "metadata": { "name": "hello-00001" },
        "spec": { "containers": [{ "image": "a/b" }], "timeoutSeconds": 5 },
    });
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({ "serving.knative.dev/routingState": "active" });
    let held = Request { config: &config, old: Some(&old) };
    assert_eq!(revision(&new, held).to_string(), "");
    new["spec"]["timeoutSeconds"] = json!(6);
    assert_eq!(
        revision(&new, held).to_string(),
        "Immutable fields changed (-old +new): spec\n{.timeoutSeconds}:\n\t-: 5\n\t+: 6\n"
    );
}

#[test]
fn labels_that_name_an_owner_need_it() {
    let config = ApiConfig::default();
    let mut object = minimal();
    object["metadata"]["labels"] = json!({ "serving.knative.dev/service": "hello" });
    defaults::configuration(
        &mut object,
        defaults::Request { config: &config, user: "a", old: None },
    );
    let held = Request { config: &config, old: None };
    assert_eq!(
        configuration(&object, held).to_string(),
        "missing field(s): metadata.labels.serving.knative.dev/service"
    );
    object["metadata"]["ownerReferences"] = json!([{ "kind": "Service", "name": "hello" }]);
    assert_eq!(configuration(&object, held).to_string(), "");
}

#[test]
fn domain_mappings_are_checked() {
    let config = ApiConfig::default();
    let held = Request { config: &config, old: None };
    let mapping = |name: &str| {
        json!({
            "metadata": { "name": name, "namespace": "prod" },
            "spec": { "ref": {
                "kind": "Service", "name": "hello", "apiVersion": "serving.knative.dev/v1",
            } },
        })
    };
    assert_eq!(domain_mapping(&mapping("a.example.org"), held).to_string(), "");
    assert_eq!(
        domain_mapping(&mapping("example"), held).to_string(),
        "invalid name \"example\": name: Invalid value: \"example\": should be a domain with at least two segments separated by dots: metadata.name"
    );
    assert_eq!(
        domain_mapping(&mapping("a.b.svc.cluster.local"), held).to_string(),
        "invalid name \"a.b.svc.cluster.local\": must not be a subdomain of cluster local domain \"cluster.local\": metadata.name"
    );
    let mut other = mapping("a.example.org");
    other["spec"]["ref"] = json!({ "kind": "Service", "name": "x", "namespace": "elsewhere" });
    other["spec"]["tls"] = json!({ "secretName": "" });
    assert_eq!(
        domain_mapping(&other, held).to_string(),
        "mismatched namespaces: spec.ref.namespace\n\
         parent namespace: \"prod\" does not match ref: \"elsewhere\"\n\
         missing field(s): spec.ref.apiVersion, spec.tls.secretName"
    );
    let mut secured = mapping("a.example.org");
    secured["spec"]["tls"] = json!({ "secretName": "s" });
    assert_eq!(domain_mapping(&secured, held).to_string(), "");
}
