//! Export of traces as set in `config-observability`, followed live.

use rouse_api::config::{ApiConfig, ObservabilityConfig};
use rouse_kit::traces::Destination;
use rouse_kit::{Component, Live, Traces};
use tokio::runtime::Handle;

/// The settings of the export.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    destination: Option<Destination>,
    rate: f64,
}

impl Wanted {
    fn of(config: &ObservabilityConfig) -> Self {
        let destination = match config.tracing_protocol.as_str() {
            "http/protobuf" => {
                Some(Destination::Otlp { endpoint: config.tracing_endpoint.clone() })
            }
            "stdout" => Some(Destination::Stderr),
            "grpc" => {
                tracing::warn!("tracing-protocol grpc is not supported: write http/protobuf");
                None
            }
            _ => None,
        };
        Self { destination, rate: config.tracing_sampling_rate }
    }
}

/// Exports traces whenever the settings ask for it, until the component's shutdown.
pub(super) fn follow(settings: &Live<ApiConfig>, component: &Component) {
    let (settings, component) = (settings.clone(), component.clone());
    let follower = component.clone();
    component.tasks.restarting("traces", move || run(settings.clone(), follower.clone()));
}

async fn run(settings: Live<ApiConfig>, component: Component) {
    let mut changes = settings.subscribe();
    let mut now = Wanted { destination: None, rate: 0.0 };
    loop {
        let wanted = Wanted::of(&changes.borrow_and_update().observability);
        if wanted != now {
            let (traces, next, runtime) =
                (component.traces.clone(), wanted.clone(), Handle::current());
            // Blocks until earlier traces are exported.
            let applied =
                component.tasks.blocking("traces-apply", move || apply(&traces, &next, &runtime));
            // A panic is counted by the task.
            let _applied = applied.await;
            now = wanted;
        }
        tokio::select! {
            biased;
            () = component.shutdown.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { break },
        }
    }
    let traces = component.traces.clone();
    let _stopped = component.tasks.blocking("traces-apply", move || traces.stop()).await;
}

fn apply(traces: &Traces, wanted: &Wanted, runtime: &Handle) {
    let Some(destination) = &wanted.destination else { return traces.stop() };
    match traces.export(destination, wanted.rate, runtime) {
        Ok(()) => tracing::info!(?destination, rate = wanted.rate, "traces are exported"),
        Err(error) => {
            tracing::warn!(%error, cause = ?std::error::Error::source(&error), "no traces");
            traces.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_supported_protocols_are_exported() {
        let wanted = |protocol: &str| {
            let config = ObservabilityConfig {
                tracing_protocol: protocol.to_owned(),
                tracing_endpoint: "http://c:4318/v1/traces".to_owned(),
                tracing_sampling_rate: 0.5,
                ..ObservabilityConfig::default()
            };
            Wanted::of(&config)
        };
        let endpoint = "http://c:4318/v1/traces".to_owned();
        assert_eq!(wanted("http/protobuf").destination, Some(Destination::Otlp { endpoint }));
        assert_eq!(wanted("stdout").destination, Some(Destination::Stderr));
        assert_eq!(wanted("none").destination, None);
        assert_eq!(wanted("grpc").destination, None);
        assert!((wanted("stdout").rate - 0.5).abs() < f64::EPSILON);
    }
}
