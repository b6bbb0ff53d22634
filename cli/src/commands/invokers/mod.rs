//! `rouse invokers add|remove|list NAME MEMBER…`: who may call a service, and from where.

mod access;
pub(crate) mod served;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use rouse_api::Service;
use rouse_api::callers::Ingress;
use serde_json::json;

use self::access::{Access, Wanted};
use super::serving::{CONFLICTS_MAX, FIELD_MANAGER, contended, name_of, service, unavailable};
use crate::args::{ChangeInvokers, Global, Invokers, InvokersCommand};
use crate::outcome::{Failure, Result};
use crate::printer::Printer;
use crate::target::Target;

/// Longest wait until the gateway acts by a change.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: Invokers, global: &Global, printer: &Printer) -> Result {
    let (change, adds) = match args.command {
        InvokersCommand::List { name } => {
            let target = Target::connect(global).await?;
            print(&service(&target, &name).await?, &BTreeMap::new(), printer);
            return Ok(());
        }
        InvokersCommand::Add(change) => (change, true),
        InvokersCommand::Remove(change) => (change, false),
    };
    if change.members.is_empty() && change.issuer.is_empty() {
        let flag = if adds { "add" } else { "remove" };
        return Err(Failure::usage("name a member, or an issuer")
            .next(format!("rouse invokers {flag} {} serviceAccount:NAME", change.name)));
    }
    let wanted = Wanted::of(&change.members, &change.issuer, adds)?;
    let target = Target::connect(global).await?;
    printer.progress(format!("context {}, namespace {}", target.context, target.namespace));
    let changed = send(&target, &change, &wanted, adds).await?;
    served::until(&target, &changed, LIMIT).await?;
    print(&changed, &wanted.fresh_keys, printer);
    Ok(())
}

/// Changes the annotations; after a conflict, those that are there then.
async fn send(
    target: &Target,
    change: &ChangeInvokers,
    wanted: &Wanted,
    adds: bool,
) -> Result<Service> {
    let name = change.name.as_str();
    let api: Api<Service> = Api::namespaced(target.client.clone(), &target.namespace);
    let params =
        PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    for _ in 0..CONFLICTS_MAX {
        let current = service(target, name).await?;
        let mut access = Access::of(&current.metadata.annotations.clone().unwrap_or_default());
        if adds {
            access.add(wanted);
        } else {
            access.remove(wanted, name)?;
        }
        let patch = json!({ "metadata": {
            "resourceVersion": current.metadata.resource_version,
            "annotations": access.annotations(),
        } });
        match api.patch(name, &params, &Patch::Merge(&patch)).await {
            Ok(changed) => return Ok(changed),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => {
                return Err(unavailable(&error, &format!("change the invokers of {name:?}")));
            }
        }
    }
    Err(contended(name))
}

fn print(service: &Service, fresh_keys: &BTreeMap<String, String>, printer: &Printer) {
    let annotations = service.metadata.annotations.clone().unwrap_or_default();
    let access = Access::of(&annotations);
    let name = name_of(service);
    let members: Vec<String> = access.members.iter().map(|member| member.label()).collect();
    let ingress = match Ingress::of(&annotations) {
        Ingress::All => "all",
        Ingress::Internal => "internal",
        Ingress::InternalAndLoadBalancing => "internal-and-cloud-load-balancing",
    };
    if printer.json() {
        printer.document(&json!({
            "service": name, "members": members, "issuers": access.issuers,
            "networks": access.networks, "ingress": ingress, "keys": fresh_keys,
        }));
        return;
    }
    for (key, secret) in fresh_keys {
        printer.progress(format!("key:{key} is shown this once; send it as X-API-Key"));
        printer.line(secret);
    }
    if !fresh_keys.is_empty() {
        return;
    }
    if members.is_empty() {
        printer.progress(format!("nobody may call {name}"));
    }
    members.iter().for_each(|member| printer.line(member));
    for issuer in &access.issuers {
        printer.progress(format!("tokens of {issuer} count"));
    }
    if !access.networks.is_empty() {
        printer.progress(format!("calls may come from {} only", access.networks.join(", ")));
    }
    if ingress != "all" {
        printer.progress(format!("ingress is {ingress}"));
    }
    if access.is_open() && members.len() > 1 {
        printer.progress(format!(
            "allUsers is among them, so anybody may call; rouse invokers remove {name} allUsers closes it"
        ));
    }
}
