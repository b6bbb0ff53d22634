//! `rouse traffic NAME TARGET=PERCENT…`: the shares and tags of revisions.

pub(crate) mod shift;

use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use rouse_api::{Service, TrafficTarget};
use serde_json::json;

use self::shift::Edits;
use super::serving::{
    CONFLICTS_MAX, FIELD_MANAGER, contended, name_of, revisions, service, unavailable,
};
use super::wait;
use crate::args::{Global, Traffic};
use crate::outcome::{Failure, Result};
use crate::printer::Printer;
use crate::target::Target;
use crate::wording::traffic_text;

pub(crate) async fn run(args: Traffic, global: &Global, printer: &Printer) -> Result {
    let edits = Edits::parse(&args.shares(), &args.tags(), &args.untags())?;
    let target = Target::connect(global).await?;
    let current = service(&target, &args.name).await?;
    let known: Vec<String> =
        revisions(&target, &args.name).await?.iter().map(|r| name_of(r).to_owned()).collect();
    let spec = shift::spec_or_default(&current.spec.traffic);
    let wanted = shift::shift(&spec, &edits, &known)?;
    apply(&target, &current, wanted, printer).await
}

/// Replaces the traffic of `current`. After a conflict it tries again, as controllers write to the
/// service all the time, unless the traffic itself was changed.
async fn send(api: &Api<Service>, current: &Service, wanted: &[TrafficTarget]) -> Result {
    let name = name_of(current);
    let doing = format!("change the traffic of {name:?}");
    let params =
        PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let mut version = current.metadata.resource_version.clone();
    for _ in 0..CONFLICTS_MAX {
        let patch = json!({
            "metadata": { "resourceVersion": version }, "spec": { "traffic": wanted }
        });
        match api.patch(name, &params, &Patch::Merge(&patch)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(unavailable(&error, &doing)),
        }
        let now = api.get(name).await.map_err(|error| unavailable(&error, &doing))?;
        if now.spec.traffic != current.spec.traffic {
            return Err(Failure::new(format!(
                "the traffic of {name:?} was changed by somebody else meanwhile"
            ))
            .next(format!("rouse describe {name}, and run the command again")));
        }
        version = now.metadata.resource_version;
    }
    Err(contended(name))
}

/// Sends the traffic block, waits until it is served, and prints before and after.
pub(crate) async fn apply(
    target: &Target,
    current: &Service,
    wanted: Vec<TrafficTarget>,
    printer: &Printer,
) -> Result {
    let name = name_of(current);
    printer.progress(format!("context {}, namespace {}", target.context, target.namespace));
    let before = current.status.clone().unwrap_or_default().traffic;
    if wanted == current.spec.traffic {
        printer.progress(format!("the traffic of {name} is unchanged"));
    } else {
        let api: Api<Service> = Api::namespaced(target.client.clone(), &target.namespace);
        send(&api, current, &wanted).await?;
    }
    let service = wait::until_ready(target, name, Duration::from_secs(60), printer).await?;
    let after = service.status.unwrap_or_default().traffic;
    if printer.json() {
        printer.document(&json!({ "before": before, "after": after }));
    } else {
        printer.line(format!("before  {}", traffic_text(&before)));
        printer.line(format!("after   {}", traffic_text(&after)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http::{Method, Request, Response};
    use http_body_util::Full;
    use kube::Client;
    use kube::client::Body;
    use serde_json::Value;

    use super::*;
    use crate::args::Output;

    fn stored() -> Value {
        json!({
            "metadata": { "name": "shop", "namespace": "default", "generation": 2 },
            "spec": { "traffic": [{ "revisionName": "shop-00001", "latestRevision": false, "percent": 100 }] },
            "status": { "observedGeneration": 2, "conditions": [{ "type": "Ready", "status": "True" }] }
        })
    }

    /// A cluster with one Service, which is ready, and the methods of the requests to it.
    fn cluster() -> (Target, Arc<Mutex<Vec<Method>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let answering = tower::service_fn(move |request: Request<Body>| {
            let answer = match *request.method() {
                Method::GET => {
                    json!({ "metadata": { "resourceVersion": "7" }, "items": [stored()] })
                }
                _ => stored(),
            };
            notes.lock().unwrap().push(request.method().clone());
            let answer = Response::new(Full::new(Bytes::from(answer.to_string())));
            std::future::ready(Ok::<_, Infallible>(answer))
        });
        let target = Target {
            client: Client::new(answering, "default"),
            context: String::new(),
            namespace: "default".to_owned(),
            data_dir: None,
            server: String::new(),
        };
        (target, asked)
    }

    #[tokio::test]
    async fn only_traffic_that_changes_is_sent() {
        let current: Service = serde_json::from_value(stored()).unwrap();
        let printer = Printer::new(Output::Text).quiet();
        let mut changed = current.spec.traffic.clone();
        changed[0].tag = Some("old".to_owned());
        for (wanted, patches) in [(current.spec.traffic.clone(), 0), (changed, 1)] {
            let (target, asked) = cluster();
            apply(&target, &current, wanted, &printer).await.unwrap();
            let asked = asked.lock().unwrap();
            assert_eq!(asked.iter().filter(|method| **method == Method::PATCH).count(), patches);
        }
    }
}
