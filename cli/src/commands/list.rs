//! `rouse list`: the services, their URLs, and whether they are ready.

use kube::api::{Api, ListParams};
use rouse_api::Service;

use super::serving::{age_of, name_of, ready_text, unavailable};
use crate::args::{Global, List};
use crate::outcome::Result;
use crate::printer::Printer;
use crate::target::Target;

pub(crate) async fn run(args: &List, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let api: Api<Service> = if args.all_namespaces {
        Api::all(target.client.clone())
    } else {
        Api::namespaced(target.client.clone(), &target.namespace)
    };
    let list =
        api.list(&ListParams::default()).await.map_err(|e| unavailable(&e, "list services"))?;
    if printer.json() {
        printer.document(&list.items);
        return Ok(());
    }
    if list.items.is_empty() {
        printer.progress(if args.all_namespaces {
            "no services".to_owned()
        } else {
            format!("no services in namespace {:?} (-A lists all)", target.namespace)
        });
        return Ok(());
    }
    let rows: Vec<_> = list.items.iter().map(|service| row(service, args.all_namespaces)).collect();
    let mut headings = vec!["NAME", "URL", "LATEST", "READY", "AGE", "REASON"];
    if args.all_namespaces {
        headings.insert(0, "NAMESPACE");
    }
    printer.table(&headings, &rows);
    Ok(())
}

fn row(service: &Service, namespaced: bool) -> Vec<String> {
    let status = service.status.clone().unwrap_or_default();
    let (ready, reason) = ready_text(&status.conditions);
    let mut row = vec![
        name_of(service).to_owned(),
        status.url.unwrap_or_default(),
        status
            .latest_ready_revision_name
            .or(status.latest_created_revision_name)
            .unwrap_or_default(),
        ready,
        age_of(service),
        reason,
    ];
    if namespaced {
        row.insert(0, service.metadata.namespace.clone().unwrap_or_default());
    }
    row
}
