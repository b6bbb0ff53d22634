//! `rouse list`: the services, their URLs, and whether they are ready; with `--watch`, each that changes.

use kube::api::{Api, ListParams};
use kube::runtime::watcher;
use rouse_api::Service;
use rouse_k8s::ObjectKey;

use super::serving::{age_of, name_of, ready_text, service, unavailable};
use super::watching::{Events, Shown};
use crate::args::{Global, List, Output};
use crate::outcome::Result;
use crate::printer::{Columns, Documents, Printer};
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
        services.iter_mut().for_each(forget_managers);
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
    let mut view = View::new(args.all_namespaces, printer);
    let (mut listed, mut shown) = (Vec::new(), Shown::default());
    let mut events = Events::of(api, config, "services");
    loop {
        match events.next().await? {
            watcher::Event::Init => listed.clear(),
            watcher::Event::InitApply(service) if wanted(&service) => listed.push(service),
            watcher::Event::InitDone => {
                // A watch that begins anew lists again what was printed.
                listed.retain(|service| is_new(&mut shown, service));
                view.print_all(std::mem::take(&mut listed));
            }
            watcher::Event::Apply(service) if wanted(&service) => {
                if is_new(&mut shown, &service) {
                    view.print_all(vec![service]);
                }
            }
            watcher::Event::Delete(service) if wanted(&service) => {
                shown.forget(&ObjectKey::of(&service.metadata));
                view.print_all(vec![service]);
            }
            watcher::Event::InitApply(_) | watcher::Event::Apply(_) | watcher::Event::Delete(_) => {
            }
        }
    }
}

fn is_new(shown: &mut Shown, service: &Service) -> bool {
    let version = service.metadata.resource_version.as_deref().unwrap_or_default();
    shown.is_new(ObjectKey::of(&service.metadata), version)
}

/// Services as they come.
struct View<'a> {
    namespaced: bool,
    /// The columns of the first services.
    columns: Option<Columns>,
    documents: Documents,
    printer: &'a Printer,
}

impl<'a> View<'a> {
    fn new(namespaced: bool, printer: &'a Printer) -> Self {
        Self { namespaced, columns: None, documents: Documents::new(*printer), printer }
    }

    fn print_all(&mut self, mut services: Vec<Service>) {
        match self.printer.output {
            Output::Json | Output::Yaml => {
                services.iter_mut().for_each(forget_managers);
                services.iter().for_each(|service| self.documents.print(service));
            }
            Output::Name => services.iter().for_each(|one| self.printer.line(shown(one))),
            Output::Text | Output::Wide => self.print_rows(&services),
        }
    }

    fn print_rows(&mut self, services: &[Service]) {
        let wide = self.printer.output == Output::Wide;
        let rows: Vec<_> = services.iter().map(|one| row(one, self.namespaced, wide)).collect();
        let columns = self.columns.get_or_insert_with(|| {
            let headings = headings(self.namespaced, wide);
            let columns = Columns::of(&headings, &rows);
            self.printer.line(columns.line(&headings));
            columns
        });
        rows.iter().for_each(|row| self.printer.line(columns.line(row)));
    }
}

/// Which client owns which field, few want to read.
fn forget_managers(service: &mut Service) {
    service.metadata.managed_fields = None;
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
