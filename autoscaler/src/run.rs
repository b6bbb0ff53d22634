//! Starts the autoscaler: settings, watches, and a task for each revision.

use std::sync::{Arc, OnceLock};

use rouse_api::config::{AutoscalerConfig, DeploymentConfig, Settings};
use rouse_api::keys;
use rouse_api::load::LoadReport;
use rouse_api::podautoscaler::ScaleChange;
use rouse_kit::{Clock, Events, Live, Shutdown};
use tokio::sync::{mpsc, oneshot};

use crate::apply::multiscaler::Multiscaler;
use crate::apply::write::Cluster;
use crate::load::RevisionKey;
use crate::observe::{LiveSettings, Reconciler};

/// How an autoscaler runs.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Given to whoever wants to see every change of scale.
    pub history: History,
}

/// All changes of scale that are remembered, for the admin port.
#[derive(Clone, Default)]
pub struct History {
    scaler: Arc<OnceLock<Arc<Multiscaler>>>,
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}

impl History {
    /// The changes of one revision, newest first.
    #[must_use]
    pub fn of(&self, namespace: &str, revision: &str) -> Vec<ScaleChange> {
        let key = RevisionKey { namespace: namespace.to_owned(), name: revision.to_owned() };
        self.scaler.get().map(|scaler| scaler.history(&key)).unwrap_or_default()
    }

    /// Namespace and name of every revision that is scaled.
    #[must_use]
    pub fn revisions(&self) -> Vec<(String, String)> {
        let keys = self.scaler.get().map(|scaler| scaler.keys()).unwrap_or_default();
        keys.into_iter().map(|key| (key.namespace, key.name)).collect()
    }
}

/// Scales revisions until `shutdown`. `reports` come from all activators.
pub async fn run(
    config: Config,
    client: kube::Client,
    mut reports: mpsc::Receiver<LoadReport>,
    clock: Clock,
    shutdown: Shutdown,
) {
    let Config { history } = config;
    let settings = LiveSettings {
        autoscaler: Live::new(AutoscalerConfig::default()),
        deployment: Live::new(DeploymentConfig::default()),
    };
    let scales = Arc::new(Cluster::new(client.clone()));
    let scaler = Arc::new(Multiscaler::new(scales, clock, shutdown.clone()));
    // A second run with one history keeps the first: both would be the same process.
    let _ = history.scaler.set(Arc::clone(&scaler));

    let (ready, settings_read) = oneshot::channel();
    let sources = vec![
        settings
            .autoscaler
            .follow(AutoscalerConfig::NAME, |_, data| AutoscalerConfig::from_data(data)),
        settings
            .deployment
            .follow(DeploymentConfig::NAME, |_, data| DeploymentConfig::from_data(data)),
    ];
    let (events, publish) = Events::new(client.clone(), "autoscaler", clock, shutdown.clone());
    let follow = rouse_kit::live::follow(
        client.clone(),
        keys::SYSTEM_NAMESPACE,
        sources,
        events,
        ready,
        shutdown.clone(),
    );
    let reconcile = async {
        // Without its settings a revision would be scaled by the defaults for a moment.
        if settings_read.await.is_ok() {
            Reconciler::new(Arc::clone(&scaler), settings.clone())
                .run(client.clone(), shutdown.clone())
                .await;
        }
    };
    let collect = async {
        loop {
            tokio::select! {
                biased; // the end comes first
                () = shutdown.cancelled() => return,
                report = reports.recv() => match report {
                    Some(report) => scaler.report(report),
                    None => return shutdown.cancelled().await,
                },
            }
        }
    };
    tokio::join!(publish, follow, reconcile, collect);
}
