//! The autoscaler's part: a PodAutoscaler that reconcilers made, scaled under extreme load.

use std::collections::BTreeMap;
use std::time::Duration;

use rouse_api::PodAutoscaler;
use rouse_api::annotations::Autoscaling;
use rouse_api::config::ApiConfig;
use rouse_autoscaler::decide::drain::{PodView, Stage};
use rouse_autoscaler::decide::spec::ScalingSpec;
use rouse_autoscaler::load::{Present, Sample};
use rouse_autoscaler::revision::Revision;
use rouse_k8s::ObjectKey;
use rouse_k8s::time::later;

use crate::testing::now;

/// Seconds at which something is reported and decided.
const SECONDS: [u64; 7] = [0, 1, 3, 65, 700, 4000, 40_000];

/// Whether all scales are within Kubernetes' and the user's bounds.
pub(super) fn check(pa: &PodAutoscaler, config: &ApiConfig) -> Result<(), String> {
    let none = BTreeMap::new();
    let annotations = pa.metadata.annotations.as_ref().unwrap_or(&none);
    let max = Autoscaling::new(annotations, &config.autoscaler).max_scale();
    let spec = ScalingSpec::new(pa, &config.autoscaler, config.deployment.progress_deadline);
    for replicas in [0, 1, i32::MAX.unsigned_abs()] {
        for load in [0, 1, 1000, u32::MAX] {
            let key = ObjectKey::new("shop", "hello-00001");
            let mut revision = Revision::new(key, pa, spec.clone(), false, now().into());
            revision.set_replicas(Some(replicas));
            live(&mut revision, replicas, load, max)?;
        }
    }
    Ok(())
}

fn live(revision: &mut Revision, replicas: u32, load: u32, max: Option<u32>) -> Result<(), String> {
    for second in SECONDS {
        let at = later(now(), Duration::from_secs(second));
        let pods = (0..replicas.min(2)).map(|number| PodView {
            name: format!("pod-{number}"),
            stage: Stage::Ready,
            since: at,
            marked: (number == 1).then_some(at),
            grace: Duration::MAX,
        });
        revision.set_pods(pods.collect());
        let present = Present { in_flight: load, queued: load, ..Present::default() };
        let sample = Sample {
            span: Duration::from_secs(second),
            request_seconds: f64::from(load) * 1e9,
            arrivals: u64::from(load) << 31,
            present,
            ..Sample::default()
        };
        let _ = revision.feed("a", sample, at.into());
        let step = revision.step(at.into());
        if let Some(scale) = step.drain.scale {
            let raised = scale > replicas;
            let in_range = i32::try_from(scale).is_ok();
            if !in_range || raised && max.is_some_and(|max| scale > max) {
                return Err(format!("scale {scale} from {replicas} with max {max:?}"));
            }
        }
        let status = revision.status(at).unwrap_or_default();
        if status.desired_scale.is_some_and(|desired| desired < 0) {
            return Err(format!("desiredScale {:?}", status.desired_scale));
        }
        let _ = revision.snapshot(at);
    }
    Ok(())
}
