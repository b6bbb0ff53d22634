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
    }
    let api: Api<Service> = Api::namespaced(target.client.clone(), &target.namespace);
    send(&api, current, &wanted).await?;
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
