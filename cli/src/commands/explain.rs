//! `rouse explain NAME`: the last scaling decisions, newest first, and why.

use kube::api::{Api, ListParams};
use rouse_api::podautoscaler::ScaleChange;
use rouse_api::{PodAutoscaler, keys};
use serde::Serialize;

use super::serving::{generation, name_of, revisions, service, unavailable};
use crate::args::{Global, Named};
use crate::outcome::Result;
use crate::printer::{Printer, age};
use crate::target::Target;

/// The decisions about one revision.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    revision: String,
    actual: Option<i32>,
    desired: Option<i32>,
    decisions: Vec<ScaleChange>,
}

pub(crate) async fn run(args: &Named, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    service(&target, &args.name).await?;
    let explained = explained(&target, &args.name).await?;
    if printer.json() {
        printer.document(&explained);
        return Ok(());
    }
    for one in &explained {
        let count = |n: Option<i32>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
        printer.line(format!(
            "{}: {} of {} pods",
            printer.bold(&one.revision),
            count(one.actual),
            count(one.desired)
        ));
        if one.decisions.is_empty() {
            printer.line("  no change of scale yet");
            continue;
        }
        for line in
            crate::printer::table(&["  AGO", "SCALE", "REASON", "WHY"], &rows(&one.decisions))
        {
            printer.line(line);
        }
    }
    Ok(())
}

async fn explained(target: &Target, service: &str) -> Result<Vec<Explained>> {
    let api: Api<PodAutoscaler> = Api::namespaced(target.client.clone(), &target.namespace);
    let of_service = ListParams::default().labels(&format!("{}={service}", keys::SERVICE));
    let scalers =
        api.list(&of_service).await.map_err(|e| unavailable(&e, "list pod autoscalers"))?;
    let order: Vec<(String, i64)> = revisions(target, service)
        .await?
        .iter()
        .map(|r| (name_of(r).to_owned(), generation(r)))
        .collect();
    let mut explained: Vec<Explained> = scalers.items.into_iter().map(explain).collect();
    explained.sort_by_key(|e| {
        std::cmp::Reverse(
            order.iter().find(|(name, _)| *name == e.revision).map(|(_, generation)| *generation),
        )
    });
    Ok(explained)
}

fn explain(scaler: PodAutoscaler) -> Explained {
    let status = scaler.status.unwrap_or_default();
    Explained {
        revision: scaler.metadata.name.unwrap_or_default(),
        actual: status.actual_scale,
        desired: status.desired_scale,
        decisions: status.decisions,
    }
}

fn rows(decisions: &[ScaleChange]) -> Vec<Vec<String>> {
    let now = jiff::Timestamp::now().as_second();
    let row = |d: &ScaleChange| {
        vec![
            format!("  {}", age(now - d.time.0.as_second())),
            format!("{} → {}", d.from, d.to),
            d.reason.clone(),
            d.message.clone(),
        ]
    };
    decisions.iter().map(row).collect()
}
