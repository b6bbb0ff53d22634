//! Follows `config-observability` for the request log, and writes the log's lines.

use std::io::Write as _;
use std::sync::Arc;

use rouse_api::config::{Data, ObservabilityConfig, Settings};
use rouse_kit::{Component, Events, Live, Shutdown, live};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::observe::go_template::Template;
use crate::observe::request_log::{Format, RequestLog};

/// Lines that are written at once.
const BATCH: usize = 256;

/// Writes lines, several at a time. May block.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Lines on stdout, as Knative's queue-proxy writes them.
pub(crate) fn stdout() -> Sink {
    Arc::new(|lines| {
        // An error means that stdout is closed, so no reader misses the lines.
        let _ = std::io::stdout().lock().write_all(lines.as_bytes());
    })
}

/// The log's format as the ConfigMap sets it; `None` is off.
fn format(data: &Data) -> Result<Option<Format>, String> {
    let config = ObservabilityConfig::from_data(data).map_err(|error| error.to_string())?;
    if !config.enable_request_log {
        return Ok(None);
    }
    let template = Template::parse(&config.request_log_template)
        .map_err(|error| format!("logging.request-log-template: {error}"))?;
    Ok(Some(Format { template, probes: config.enable_probe_request_log }))
}

/// Keeps the log as the ConfigMap of `namespace` sets it, until the component's shutdown.
pub(crate) fn follow(
    client: kube::Client,
    namespace: &'static str,
    log: Arc<RequestLog>,
    component: &Component,
) {
    let Component { clock, shutdown, tasks, .. } = component;
    let (events, publish) = Events::new(client.clone(), "activator", *clock, shutdown.clone());
    tasks.vital("events", publish);
    let shutdown = shutdown.clone();
    tasks.restarting("request-log-settings", move || {
        let live = Live::new(());
        let log = Arc::clone(&log);
        let source = live.follow(ObservabilityConfig::NAME, move |&(), data| {
            format(data).map(|format| log.set(format))
        });
        // Requests do not wait for the first reading: the log is off until then.
        let (ready, _) = oneshot::channel();
        let (client, events) = (client.clone(), events.clone());
        live::follow(client, namespace, vec![source], events, ready, shutdown.clone())
    });
}

/// Writes the lines until `stopped`, and those that are left then.
pub(crate) fn write(
    lines: mpsc::Receiver<String>,
    sink: Sink,
    component: &Component,
    stopped: &Shutdown,
) {
    let (tasks, stopped) = (component.tasks.clone(), stopped.clone());
    // Taken by one run of the task at a time.
    let lines = Arc::new(Mutex::new(lines));
    component.tasks.restarting("request-log", move || {
        let (lines, sink) = (Arc::clone(&lines), Arc::clone(&sink));
        let (tasks, stopped) = (tasks.clone(), stopped.clone());
        async move {
            let mut lines = lines.lock().await;
            let mut batch = Vec::with_capacity(BATCH);
            loop {
                let count = tokio::select! {
                    count = lines.recv_many(&mut batch, BATCH) => count,
                    () = stopped.cancelled(), if lines.is_empty() => 0,
                };
                if count == 0 {
                    return;
                }
                let text = batch.concat();
                batch.clear();
                let sink = Arc::clone(&sink);
                // A panic is counted by the task.
                let _written = tasks.blocking("request-log-write", move || sink(&text)).await;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Data {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_log_is_off_unless_asked_for() {
        assert!(format(&data(&[])).expect("valid").is_none());
        let on = format(&data(&[("logging.enable-request-log", "true")])).expect("valid");
        assert!(!on.expect("on").probes);
    }

    #[test]
    fn a_template_that_is_not_supported_is_refused_by_name() {
        let refused = format(&data(&[
            ("logging.enable-request-log", "true"),
            ("logging.request-log-template", "{{printf .TraceID}}"),
        ]));
        let error = refused.expect_err("refused");
        assert!(error.starts_with("logging.request-log-template: \"printf\""), "{error}");
    }
}
