//! Starts the autoscaler: settings, watches, and a task for each revision.

use std::sync::Arc;

use rouse_api::config::{AutoscalerConfig, DeploymentConfig, Settings};
use rouse_api::keys;
use rouse_api::load::LoadReport;
use rouse_kit::{Component, Events, Live, live};
use tokio::sync::{mpsc, oneshot};

use crate::apply::accounts;
use crate::apply::expose::Expose;
use crate::apply::multiscaler::Multiscaler;
use crate::apply::write::Cluster;
use crate::hpa;
use crate::observe::{LiveSettings, Reconciler};

/// Starts the tasks of `component`, which scale revisions until its shutdown. `reports` come from all
/// activators.
pub fn start(client: kube::Client, mut reports: mpsc::Receiver<LoadReport>, component: Component) {
    let Component { clock, shutdown, tasks, health, .. } = component.clone();
    let health = health.part("autoscaler");
    let settings = LiveSettings {
        autoscaler: Live::new(AutoscalerConfig::default()),
        deployment: Live::new(DeploymentConfig::default()),
    };
    let sources = vec![
        settings
            .autoscaler
            .follow(AutoscalerConfig::NAME, |_, data| AutoscalerConfig::from_data(data)),
        settings
            .deployment
            .follow(DeploymentConfig::NAME, |_, data| DeploymentConfig::from_data(data)),
    ];
    let (events, publish) = Events::new(client.clone(), "autoscaler", clock, shutdown.clone());
    tasks.vital("events", publish);
    let scales = Arc::new(Cluster::new(client.clone(), events.clone()));
    let Component { metrics, debug, .. } = component.clone();
    let scaler = Multiscaler::new(scales, component);
    metrics.collector(Box::new(Expose(Arc::clone(&scaler))));
    let expose = Expose(Arc::clone(&scaler));
    let shows = "windows, pods and last decision of every revision that is scaled";
    debug.page("autoscaler", shows, move || expose.page());

    let (ready, settings_read) = oneshot::channel();
    let follow = live::follow(
        client.clone(),
        keys::SYSTEM_NAMESPACE,
        sources,
        events.clone(),
        ready,
        shutdown.clone(),
    );
    tasks.vital("settings", follow);
    let horizontal = hpa::Reconciler::new(&client, settings.autoscaler.clone(), events, clock);
    let end = shutdown.clone();
    tasks.vital("hpa", horizontal.run(end));
    // Dropped when the last report is taken.
    let (taking, taken) = oneshot::channel();
    let keep = accounts::keep(Arc::clone(&scaler), client.clone(), shutdown.clone(), taken);
    tasks.vital("accounts", keep);
    let reconciler = Reconciler::new(&client, Arc::clone(&scaler), settings);
    let end = shutdown.clone();
    tasks.vital("observe", async move {
        // Without its settings a revision would be scaled by the defaults for a moment.
        if settings_read.await.is_ok() {
            reconciler.run(health, end).await;
        }
    });
    tasks.vital("reports", async move {
        let _taking: oneshot::Sender<()> = taking;
        loop {
            tokio::select! {
                biased; // shutdown comes first
                () = shutdown.cancelled() => {
                    // The activators ended before, and their last reports wait.
                    while let Ok(report) = reports.try_recv() {
                        scaler.report(report);
                    }
                    return;
                }
                report = reports.recv() => match report {
                    Some(report) => scaler.report(report),
                    // The activators ended before this component.
                    None => return shutdown.cancelled().await,
                },
            }
        }
    });
}
