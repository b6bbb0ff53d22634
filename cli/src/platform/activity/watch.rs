//! Follows the objects, and hands lines to the printer.

use std::path::PathBuf;
use std::time::Instant;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use rouse_api::{PodAutoscaler, Service, keys};
use rouse_kit::mirror::{Change, Mirror};
use rouse_kit::{Clock, Component};

use super::print::{self, Sink};
use super::seen::{SeenDeployment, SeenPod, SeenScaler, SeenService};
use super::tell::{Now, Teller};
use crate::printer::Printer;

/// Prints a line an event until shutdown.
pub(crate) fn start(
    client: Client,
    clock: Clock,
    printer: Printer,
    logs: PathBuf,
    component: &Component,
) -> std::io::Result<()> {
    let sink = print::start(printer, logs, component)?;
    let shutdown = component.shutdown.clone();
    component.tasks.restarting("activity", move || {
        let (client, sink, shutdown) = (client.clone(), sink.clone(), shutdown.clone());
        async move {
            // None after a shutdown.
            let _ended = shutdown.run_until_cancelled(follow(client, clock, sink)).await;
        }
    });
    Ok(())
}

async fn follow(client: Client, clock: Clock, sink: Sink) {
    let ours = || Config::default().labels(keys::SERVICE);
    let mut services = Mirror::of(Api::all(client.clone()), Config::default(), |s: Service| {
        Some(SeenService::of(s))
    });
    let mut scalers = Mirror::of(Api::<PodAutoscaler>::all(client.clone()), ours(), SeenScaler::of);
    let mut deployments =
        Mirror::of(Api::<Deployment>::all(client.clone()), ours(), SeenDeployment::of);
    let mut pods = Mirror::of(Api::<Pod>::all(client), ours(), SeenPod::of);
    let mut teller = Teller::default();
    let (mut services_known, mut pods_known) = (false, false);
    loop {
        let due = teller.due();
        let wait = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        let moment = || Now { instant: Instant::now(), time: clock.now() };
        // In this order, so that a wake is known before the pod that it starts is ready.
        tokio::select! {
            biased;
            change = deployments.next() => match change {
                Change::Changed { key, old, new } => {
                    teller.deployment(&key.namespace, &old, &new, moment());
                }
                Change::Gone { key, old } => teller.deployment_gone(&key.namespace, &old),
                Change::Added { .. } | Change::InSync => {}
            },
            change = services.next() => match change {
                Change::InSync => services_known = true,
                Change::Added { key, new } if !services_known => {
                    teller.known(key, &new, moment());
                }
                Change::Added { key, new } | Change::Changed { key, new, .. } => {
                    teller.service(&key, &new, moment()).into_iter().for_each(|l| sink.send(l));
                }
                Change::Gone { key, .. } => sink.send(teller.service_gone(&key, moment())),
            },
            change = scalers.next() => if let Change::Changed { key, old, new } = change {
                teller.scale(&key, &old, &new, moment()).into_iter().for_each(|l| sink.send(l));
            },
            change = pods.next() => match change {
                Change::InSync => pods_known = true,
                Change::Added { key, new } if pods_known => {
                    teller.pod(&key, None, &new, moment()).into_iter().for_each(|l| sink.send(l));
                }
                Change::Changed { key, old, new } => {
                    let lines = teller.pod(&key, Some(&old), &new, moment());
                    lines.into_iter().for_each(|l| sink.send(l));
                }
                Change::Added { .. } | Change::Gone { .. } => {}
            },
            () = wait => teller.lasting(moment()).into_iter().for_each(|l| sink.send(l)),
        }
    }
}
