//! `rouse list`: the services, their URLs, and whether they are ready; with `--watch`, each that changes.

use std::pin::pin;

use futures::StreamExt;
use kube::api::{Api, ListParams};
use kube::runtime::watcher;
use rouse_api::Service;
use serde_json::Value;

use super::serving::{age_of, name_of, ready_text, service, unavailable};
use crate::args::{Global, List, Output};
use crate::outcome::{Failure, Result};
use crate::printer::{Columns, Printer};
use crate::target::Target;
use crate::wording::traffic_text;

pub(crate) async fn run(args: &List, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let api: Api<Service> = if args.all_namespaces {
        Api::all(target.client.clone())
    } else {
        Api::namespaced(target.client.clone(), &target.namespace)
    };
    if args.watch {
        return watch(api, args, printer).await;
    }
    let mut services = if args.names.is_empty() {
        let params = args
            .selector
            .as_ref()
            .map_or_else(ListParams::default, |selector| ListParams::default().labels(selector));
        api.list(&params).await.map_err(|e| unavailable(&e, "list services"))?.items
    } else {
        let mut services = Vec::new();
        for name in &args.names {
            services.push(service(&target, name).await?);
        }
        services
    };
    if printer.json() {
        // Which client owns which field, few want to read.
        services.iter_mut().for_each(|service| service.metadata.managed_fields = None);
        printer.document(&services);
        return Ok(());
    }
    if printer.output == Output::Name {
        for service in &services {
            printer.line(shown(service));
        }
        return Ok(());
    }
    if services.is_empty() {
        printer.progress(if args.all_namespaces {
            "no services".to_owned()
        } else {
            format!("no services in namespace {:?} (-A lists all)", target.namespace)
        });
        return Ok(());
    }
    let wide = printer.output == Output::Wide;
    let rows: Vec<_> = services.iter().map(|one| row(one, args.all_namespaces, wide)).collect();
    printer.table(&headings(args.all_namespaces, wide), &rows);
    Ok(())
}

fn shown(service: &Service) -> String {
    format!("service.serving.knative.dev/{}", name_of(service))
}

/// Prints the services as they are, then each that changes, until Ctrl-C.
async fn watch(api: Api<Service>, args: &List, printer: &Printer) -> Result {
    let config = args.selector.as_ref().map_or_else(watcher::Config::default, |selector| {
        watcher::Config::default().labels(selector)
    });
    let wanted = |service: &Service| {
        args.names.is_empty() || args.names.iter().any(|n| n == name_of(service))
    };
    let (wide, mut first, mut columns) = (printer.output == Output::Wide, Vec::new(), None);
    let mut events = pin!(watcher(api, config));
    while let Some(event) = events.next().await {
        match event.map_err(|error| Failure::new("the watch ended").because(error))? {
            watcher::Event::Init => first.clear(),
            watcher::Event::InitApply(service) if wanted(&service) => first.push(service),
            // A watch that starts anew lists again what was printed.
            watcher::Event::InitDone if columns.is_some() => {}
            watcher::Event::InitDone => {
                let rows: Vec<_> =
                    first.iter().map(|one| row(one, args.all_namespaces, wide)).collect();
                let headings = headings(args.all_namespaces, wide);
                let made = Columns::of(&headings, &rows);
                if matches!(printer.output, Output::Text | Output::Wide) {
                    printer.line(made.line(&headings));
                }
                for service in &first {
                    print(service, args.all_namespaces, &made, printer);
                }
                columns = Some(made);
            }
            watcher::Event::Apply(service) | watcher::Event::Delete(service)
                if wanted(&service) =>
            {
                if let Some(columns) = &columns {
                    print(&service, args.all_namespaces, columns, printer);
                }
            }
            watcher::Event::InitApply(_) | watcher::Event::Apply(_) | watcher::Event::Delete(_) => {
            }
        }
    }
    Ok(())
}

fn print(service: &Service, namespaced: bool, columns: &Columns, printer: &Printer) {
    match printer.output {
        Output::Json | Output::Yaml => {
            printer.document(&serde_json::to_value(service).unwrap_or(Value::Null));
        }
        Output::Name => printer.line(shown(service)),
        Output::Text => printer.line(columns.line(&row(service, namespaced, false))),
        Output::Wide => printer.line(columns.line(&row(service, namespaced, true))),
    }
}

fn headings(namespaced: bool, wide: bool) -> Vec<&'static str> {
    let mut headings = vec!["NAME", "URL", "LATEST", "READY", "AGE", "REASON"];
    if namespaced {
        headings.insert(0, "NAMESPACE");
    }
    if wide {
        headings.extend(["IMAGE", "TRAFFIC"]);
    }
    headings
}

fn row(service: &Service, namespaced: bool, wide: bool) -> Vec<String> {
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
    if wide {
        let containers = service.spec.template.spec.pod.containers.iter();
        let images: Vec<_> = containers.filter_map(|c| c.image.clone()).collect();
        row.extend([images.join(","), traffic_text(&status.traffic)]);
    }
    row
}
