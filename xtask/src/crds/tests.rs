//! The pod in a Revision's schema.

use serde_json::{Value, json};

/// The schema of a Service's pod.
fn pod() -> Value {
    let service = super::all().unwrap().remove(0).object;
    service["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        ["template"]["properties"]["spec"]
        .clone()
}

#[test]
fn knatives_fields_are_spelled_out() {
    let pod = pod();
    let fields = &pod["properties"];
    assert_eq!(pod["required"], json!(["containers"]));
    assert_eq!(fields["timeoutSeconds"]["type"], "integer");
    let container = &fields["containers"]["items"]["properties"];
    assert_eq!(container["image"], json!({ "type": "string" }));
    assert_eq!(container["env"]["items"]["required"], json!(["name"]));
    assert_eq!(
        container["readinessProbe"]["properties"]["httpGet"]["properties"]["path"]["type"],
        "string"
    );
    let sources = &fields["volumes"]["items"]["properties"];
    assert_eq!(sources["configMap"]["properties"]["name"]["type"], "string");
}

#[test]
fn fields_that_admission_refuses_are_kept_for_it() {
    let pod = pod();
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let container = &pod["properties"]["containers"]["items"]["properties"];
    assert_eq!(container["lifecycle"], any);
    assert_eq!(container["stdin"], json!({ "type": "boolean" }));
    assert_eq!(pod["properties"]["affinity"], any);
    assert_eq!(pod["properties"]["volumes"]["items"]["properties"]["nfs"], any);
}

#[test]
fn what_knative_fills_in_is_not_required() {
    let pod = pod();
    let containers = &pod["properties"]["containers"];
    assert_eq!(containers.get("x-kubernetes-list-map-keys"), None);
    let container = &containers["items"];
    assert_eq!(container.get("required"), None);
    let port = &container["properties"]["ports"]["items"];
    assert_eq!(port.get("required"), None);
    assert_eq!(port["properties"]["protocol"]["default"], "TCP");
    let probe = &container["properties"]["livenessProbe"]["properties"];
    assert_eq!(probe["tcpSocket"].get("required"), None);
}
