//! `rouse traffic NAME TARGET=PERCENT…`: who gets what share, and which tags.

pub(crate) mod shift;

use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use rouse_api::{Service, TrafficTarget};
use serde_json::json;

use self::shift::Edits;
use super::serving::{name_of, revisions, service, traffic_text, unavailable};
use super::wait;
use crate::args::{Global, Traffic};
use crate::outcome::Result;
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: Traffic, global: &Global, printer: &Printer) -> Result {
    let edits = Edits::parse(&args.shares, &args.tag, &args.untag)?;
    let target = Target::connect(global).await?;
    let current = service(&target, &args.name).await?;
    let known: Vec<String> =
        revisions(&target, &args.name).await?.iter().map(|r| name_of(r).to_owned()).collect();
    let spec = shift::spec_or_default(&current.spec.traffic);
    let wanted = shift::shift(&spec, &edits, &known)?;
    apply(&target, &current, wanted, printer).await
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
    let api: Api<Service> = Api::namespaced(target.client.clone(), &target.namespace);
    let patch = json!({
        "metadata": { "resourceVersion": current.metadata.resource_version },
        "spec": { "traffic": wanted }
    });
    api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map_err(|e| unavailable(&e, &format!("change the traffic of {name:?}")))?;
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
