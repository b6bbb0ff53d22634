//! `rouse list`: the services, their URLs, and whether they are ready; with `--watch`, each that changes.

mod view;

use kube::api::{Api, ListParams};
use kube::runtime::watcher;
use rouse_api::Service;
use rouse_k8s::ObjectKey;

use self::view::{View, forget_managers};
use super::serving::{name_of, service, unavailable};
use super::watching::{Events, Shown};
use crate::args::{Global, List, Output};
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
    let mut view = View::new(&target, args.all_namespaces, printer);
    if args.watch {
        return watch(api, args, &mut view).await;
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
    if services.is_empty() && printer.output != Output::Name {
        printer.progress(if args.all_namespaces {
            "no services".to_owned()
        } else {
            format!("no services in namespace {:?} (-A lists all)", target.namespace)
        });
        return Ok(());
    }
    view.print(services).await;
    Ok(())
}

/// Prints the services as they are, then each that changes, until Ctrl-C.
async fn watch(api: Api<Service>, args: &List, view: &mut View<'_>) -> Result {
    let config = args.selector.as_ref().map_or_else(watcher::Config::default, |selector| {
        watcher::Config::default().labels(selector)
    });
    let wanted = |service: &Service| {
        args.names.is_empty() || args.names.iter().any(|n| n == name_of(service))
    };
    let (mut listed, mut shown) = (Vec::new(), Shown::default());
    let mut events = Events::of(api, config, "services");
    loop {
        match events.next().await? {
            watcher::Event::Init => listed.clear(),
            watcher::Event::InitApply(service) if wanted(&service) => listed.push(service),
            watcher::Event::InitDone => {
                // A watch that begins anew lists again what was printed.
                listed.retain(|service| is_new(&mut shown, service));
                view.print(std::mem::take(&mut listed)).await;
            }
            watcher::Event::Apply(service) if wanted(&service) => {
                if is_new(&mut shown, &service) {
                    view.print(vec![service]).await;
                }
            }
            watcher::Event::Delete(service) if wanted(&service) => {
                shown.forget(&ObjectKey::of(&service.metadata));
                view.print(vec![service]).await;
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
