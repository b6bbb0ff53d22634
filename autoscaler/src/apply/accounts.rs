//! Writes what revisions used to the ledgers, a few times a minute while it grows.
//!
//! A crash loses what was not written yet; an orderly end loses nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use rouse_api::keys;
use rouse_api::usage::{LEDGER_MONTH, LEDGER_NAMESPACE, LEDGER_PERIOD, Usage, ledger};
use rouse_kit::Shutdown;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::apply::multiscaler::Multiscaler;
use crate::usage::{LedgerKey, Rows};

/// The longest that the end of the autoscaler waits for its last write.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// Keeps the ledgers until `shutdown`, and writes them a last time when `reports` have ended.
pub(crate) async fn keep(
    scaler: Arc<Multiscaler>,
    client: kube::Client,
    shutdown: Shutdown,
    reports: oneshot::Receiver<()>,
) {
    let mut accounts = Accounts { scaler, client, failing: false };
    let mut tick = interval(LEDGER_PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased; // shutdown comes first
            () = shutdown.cancelled() => break,
            _ = tick.tick() => accounts.write().await,
        }
    }
    let last = async {
        // It is only ever dropped.
        let _ended = reports.await;
        accounts.write().await;
    };
    if timeout(LAST_WRITE, last).await.is_err() {
        tracing::warn!(
            "what was used in the last seconds is not in the ledgers: no answer in time"
        );
    }
}

struct Accounts {
    scaler: Arc<Multiscaler>,
    client: kube::Client,
    /// Whether the last write failed, which is logged once.
    failing: bool,
}

impl Accounts {
    async fn write(&mut self) {
        self.scaler.account();
        let mut failed = None;
        for due in self.scaler.ledgers(|ledgers| ledgers.due()) {
            if due.unread {
                match self.stored(&due.key).await {
                    Ok(rows) => self.scaler.ledgers(|ledgers| ledgers.found(&due.key, rows)),
                    Err(error) => {
                        failed = Some(error);
                        continue;
                    }
                }
            }
            let rows = self.scaler.ledgers(|ledgers| ledgers.take(&due.key));
            if let Err(error) = self.store(&due.key, &rows).await {
                self.scaler.ledgers(|ledgers| ledgers.not_written(&due.key, &rows));
                failed = Some(error);
            }
        }
        if let (Some(error), false) = (&failed, self.failing) {
            tracing::warn!(%error, "what revisions use is not written; it is tried again");
        }
        self.failing = failed.is_some();
    }

    fn api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), keys::SYSTEM_NAMESPACE)
    }

    async fn stored(&self, key: &LedgerKey) -> Result<Rows, kube::Error> {
        let name = ledger(&key.namespace, &key.month);
        let found = self.api().get_opt(&name).await?;
        Ok(found.and_then(|found| found.data).map(|data| read(&name, data)).unwrap_or_default())
    }

    async fn store(&self, key: &LedgerKey, rows: &Rows) -> Result<(), kube::Error> {
        let name = ledger(&key.namespace, &key.month);
        let text = |row: &Usage| serde_json::to_string(row).map_err(kube::Error::SerdeError);
        let rows = rows.iter().map(|(revision, row)| Ok((revision.clone(), text(row)?)));
        let data = rows.collect::<Result<BTreeMap<_, _>, kube::Error>>()?;
        let patch = Patch::Merge(json!({ "data": data }));
        match self.api().patch(&name, &PatchParams::default(), &patch).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            patched => return patched.map(drop),
        }
        let labels = [(LEDGER_MONTH, &key.month), (LEDGER_NAMESPACE, &key.namespace)];
        let labels = labels.map(|(label, value)| (label.to_owned(), value.clone())).into();
        let metadata =
            ObjectMeta { name: Some(name), labels: Some(labels), ..ObjectMeta::default() };
        let ledger = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
        self.api().create(&PostParams::default(), &ledger).await.map(drop)
    }
}

/// Rows that cannot be read are left alone: they stay in the ConfigMap until their revision uses
/// something.
fn read(name: &str, data: BTreeMap<String, String>) -> Rows {
    let row = |(revision, text): (String, String)| match serde_json::from_str(&text) {
        Ok(row) => Some((revision, row)),
        Err(error) => {
            tracing::warn!(%error, ledger = name, revision, "a row of usage cannot be read");
            None
        }
    };
    data.into_iter().filter_map(row).collect()
}
