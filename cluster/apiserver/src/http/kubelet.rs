//! Requests to a node's kubelet API: logs of its pods, and its own paths by `nodes/NAME/proxy`.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use rouse_k8s::keys::DEFAULT_CONTAINER;
use serde_json::Value;
use tower::ServiceExt;

use super::api::Api;
use super::body::Answer;
use super::request::{Query, Target, Verb};
use crate::status::Failure;

/// Options of a log request that are passed on to the node.
const PASSED_ON: [&str; 7] =
    ["follow", "tailLines", "previous", "timestamps", "sinceSeconds", "sinceTime", "limitBytes"];

pub(super) async fn ask(
    api: &Api,
    target: &Target,
    query: &Query,
    verb: Verb,
) -> Result<Answer, Failure> {
    match (target.plural.as_str(), target.subresource.as_str(), verb) {
        ("nodes", "proxy", Verb::Get) => node(api, target).await,
        ("pods", "log", Verb::Get) => logs(api, target, query).await,
        ("pods", "exec" | "attach" | "portforward" | "proxy", _) => {
            Err(Failure::not_yet(&format!("pods/{}", target.subresource)))
        }
        ("nodes", "proxy", _) | ("pods", "log", _) => Err(Failure::method_not_allowed()),
        _ => Err(Failure::unknown_resource()),
    }
}

/// GET of `nodes/NAME/proxy/stats/summary` and other paths of a node. The name may have a scheme and a port, which are
/// ignored: the node's agent is called in the process.
async fn node(api: &Api, target: &Target) -> Result<Answer, Failure> {
    let parts: Vec<&str> = target.name.split(':').collect();
    let name = match parts.as_slice() {
        ["http" | "https", name] | ["http" | "https", name, _] | [name] | [name, _] => *name,
        _ => return Err(Failure::bad_request(format!("invalid node name {:?}", target.name))),
    };
    let nodes = api.registry.builtin("", "v1", "Node");
    api.registry.get(&nodes, "", name)?;
    let kubelet = api.kubelets.read().get(name).cloned();
    let Some(kubelet) = kubelet else {
        return Err(Failure::unavailable(format!("the node {name} does not answer")));
    };
    let request = Request::get(format!("/{}", target.below))
        .body(Bytes::new())
        .map_err(|e| Failure::bad_request(format!("the path cannot be passed on: {e}")))?;
    let answer = kubelet.oneshot(request).await;
    let answer = answer.map_err(|e| Failure::internal(format!("node {name}: {e}")))?;
    Ok(answer.map(BodyExt::boxed_unsync))
}

async fn logs(api: &Api, target: &Target, query: &Query) -> Result<Answer, Failure> {
    let pods = api.registry.builtin("", "v1", "Pod");
    let pod = api.registry.get(&pods, &target.namespace, &target.name)?.value();
    let container = container(&pod, query.get("container"), &target.name)?;
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if node.is_empty() {
        return Err(Failure::bad_request(format!(
            "pod {} does not have a host assigned",
            target.name
        )));
    }
    let kubelet = api.kubelets.read().get(node).cloned();
    let Some(kubelet) = kubelet else {
        return Err(Failure::unavailable(format!(
            "the node {node} of pod {} does not answer",
            target.name
        )));
    };
    let options: Vec<String> = query
        .pairs()
        .filter(|(name, value)| PASSED_ON.contains(&name.as_str()) && !value.is_empty())
        .map(|(name, value)| format!("{name}={}", value.replace('+', "%2B").replace(':', "%3A")))
        .collect();
    let path = format!(
        "/containerLogs/{}/{}/{container}?{}",
        target.namespace,
        target.name,
        options.join("&")
    );
    let request = Request::get(path)
        .body(Bytes::new())
        .map_err(|e| Failure::bad_request(format!("the log options cannot be passed on: {e}")))?;
    let answer = kubelet
        .oneshot(request)
        .await
        .map_err(|e| Failure::internal(format!("node {node}: {e}")))?;
    let (parts, body) = answer.into_parts();
    if parts.status != StatusCode::OK {
        let text = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        return Err(match parts.status {
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Failure::bad_request(text),
            _ => Failure::internal(text),
        });
    }
    Ok(http::Response::from_parts(parts, body.boxed_unsync()))
}

fn is_init(pod: &Value, name: &str) -> bool {
    let init = pod["spec"]["initContainers"].as_array();
    init.into_iter().flatten().any(|container| container["name"] == name)
}

/// The container asked for, the one that is marked as the default, or the only one.
fn container(pod: &Value, asked: &str, name: &str) -> Result<String, Failure> {
    let containers = pod["spec"]["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = containers.iter().filter_map(|c| c["name"].as_str()).collect();
    let marked = pod["metadata"]["annotations"][DEFAULT_CONTAINER].as_str();
    let wanted = if asked.is_empty() { marked.filter(|m| names.contains(m)) } else { Some(asked) };
    match (wanted, names.as_slice()) {
        (Some(wanted), _) if names.contains(&wanted) => Ok(wanted.to_owned()),
        (Some(wanted), _) if is_init(pod, wanted) => Ok(wanted.to_owned()),
        (Some(wanted), _) => {
            Err(Failure::bad_request(format!("container {wanted} is not valid for pod {name}")))
        }
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(Failure::bad_request(format!(
            "a container name must be specified for pod {name}, choose one of: [{}]",
            names.join(" ")
        ))),
    }
}
