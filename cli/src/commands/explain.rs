//! `rouse explain NAME`: the last scaling decisions, newest first, and why.

use kube::api::{Api, ListParams};
use rouse_api::podautoscaler::ScaleChange;
use rouse_api::revision::SCALE_REACHED;
use rouse_api::{PodAutoscaler, Revision, condition, keys};
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
    /// Why it has fewer ready pods than it wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    shortfall: Option<String>,
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
        if let Some(shortfall) = &one.shortfall {
            printer.line(format!("  {shortfall}"));
        }
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
    let revisions = revisions(target, service).await?;
    let revision = |name: &str| revisions.iter().find(|revision| name_of(*revision) == name);
    let explain_one = |scaler: PodAutoscaler| {
        let name = scaler.metadata.name.clone().unwrap_or_default();
        explain(scaler, revision(&name))
    };
    let mut explained: Vec<Explained> = scalers.items.into_iter().map(explain_one).collect();
    explained.sort_by_key(|e| std::cmp::Reverse(revision(&e.revision).map(generation)));
    Ok(explained)
}

/// Why a revision has no pods, or fewer than it wants.
fn shortfall(revision: &Revision) -> Option<String> {
    let conditions = revision.status.as_ref()?.conditions.as_slice();
    let found = |type_| condition::find(conditions, type_).filter(|found| found.is_false());
    let why = found(SCALE_REACHED).or_else(|| found("Ready"))?;
    let message = why.message.lines().next().unwrap_or_default();
    Some(format!("{}: {message}", why.reason))
}

fn explain(scaler: PodAutoscaler, revision: Option<&Revision>) -> Explained {
    let status = scaler.status.unwrap_or_default();
    Explained {
        revision: scaler.metadata.name.unwrap_or_default(),
        actual: status.actual_scale,
        desired: status.desired_scale,
        shortfall: revision.and_then(shortfall),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shortfall_is_told_before_the_decisions() {
        let of = |conditions: serde_json::Value| {
            let revision = json!({ "metadata": { "name": "a" }, "spec": { "containers": [] },
                "status": { "conditions": conditions } });
            shortfall(&serde_json::from_value(revision).unwrap())
        };
        let ready = json!({ "type": "Ready", "status": "True" });
        let failed =
            json!({ "type": "Ready", "status": "False", "reason": "R", "message": "m\nn" });
        let few = json!({ "type": "ScaleReached", "status": "False", "reason": "Unschedulable",
            "message": "1 of 3 pods are ready: Insufficient cpu" });
        assert_eq!(of(json!([ready])), None);
        assert_eq!(of(json!([failed])).as_deref(), Some("R: m"));
        let told = "Unschedulable: 1 of 3 pods are ready: Insufficient cpu";
        assert_eq!(of(json!([ready, few])).as_deref(), Some(told));
    }
}
