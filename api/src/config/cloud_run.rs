//! Scale bounds that Cloud Run sets for a whole Service, as annotations of the Service.
//!
//! They hold for each Revision that gets traffic. Changing them makes no new Revision.

use std::collections::BTreeMap;

use super::annotations::{Autoscaling, Key, MAX_SCALE, MIN_SCALE};
use super::autoscaler::AutoscalerConfig;

pub const SERVICE_MIN: &str = "run.googleapis.com/minScale";
pub const SERVICE_MAX: &str = "run.googleapis.com/maxScale";
pub const SCALING_MODE: &str = "run.googleapis.com/scalingMode";
pub const MANUAL_COUNT: &str = "run.googleapis.com/manualInstanceCount";
/// The annotations of a Service that act.
pub const SERVICE_SCALE: [&str; 4] = [SERVICE_MIN, SERVICE_MAX, SCALING_MODE, MANUAL_COUNT];

type Annotations = BTreeMap<String, String>;

/// The bounds of a Service; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceScale {
    pub min: u32,
    pub max: u32,
}

impl ServiceScale {
    /// Invalid values count as absent.
    #[must_use]
    pub fn of(annotations: &Annotations) -> Self {
        let number = |key| annotations.get(key).and_then(|text| count(text)).unwrap_or_default();
        match max_key(annotations) {
            MANUAL_COUNT => {
                let pods = number(MANUAL_COUNT);
                Self { min: pods, max: pods }
            }
            key => Self { min: number(SERVICE_MIN), max: number(key) },
        }
    }

    /// The annotations of a Revision whose bounds, its own or the cluster's, are within those of its Service: the higher
    /// minimum, the lower maximum.
    #[must_use]
    pub fn narrowed(self, revision: &Annotations, config: &AutoscalerConfig) -> Annotations {
        let mut narrowed = revision.clone();
        let own = Autoscaling::new(revision, config);
        let (min, max) = (own.min_scale(), own.max_scale());
        let most = max.into_iter().chain(Some(self.max).filter(|max| *max > 0)).min();
        let least = min.max(self.min).min(most.unwrap_or(u32::MAX));
        let mut set = |key: Key, pods: u32| {
            let name = key.get(revision).map_or(key.name, |(name, _)| name);
            narrowed.insert(name.to_owned(), pods.to_string());
        };
        if let Some(most) = most.filter(|most| Some(*most) != max) {
            set(MAX_SCALE, most);
        }
        if least != min {
            set(MIN_SCALE, least);
        }
        narrowed
    }
}

/// The annotation that says the maximum of a Service, by its mode.
pub(crate) fn max_key(annotations: &Annotations) -> &'static str {
    let is_manual = annotations.get(SCALING_MODE).is_some_and(|mode| mode == "manual");
    if is_manual { MANUAL_COUNT } else { SERVICE_MAX }
}

/// A number of pods.
pub(crate) fn count(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| *count <= i32::MAX.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> Annotations {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_bounds_of_a_service_are_read_by_its_mode() {
        for (pairs, min, max) in [
            (&[][..], 0, 0),
            (&[(SERVICE_MIN, "2"), (SERVICE_MAX, "5")], 2, 5),
            (&[(SERVICE_MIN, "-2"), (SERVICE_MAX, "many")], 0, 0),
            (&[(SCALING_MODE, "manual"), (MANUAL_COUNT, "3"), (SERVICE_MAX, "9")], 3, 3),
            (&[(SCALING_MODE, "automatic"), (MANUAL_COUNT, "3"), (SERVICE_MAX, "9")], 0, 9),
        ] {
            let read = ServiceScale::of(&annotations(pairs));
            assert_eq!(read, ServiceScale { min, max }, "{pairs:?}");
        }
    }

    #[test]
    fn the_narrower_bound_holds() {
        let (old_min, new_min) = ("autoscaling.knative.dev/minScale", MIN_SCALE.name);
        let (old_max, new_max) = ("autoscaling.knative.dev/maxScale", MAX_SCALE.name);
        for (min, max, own, expected) in [
            (0, 0, &[(old_max, "100")][..], &[(old_max, "100")][..]),
            (2, 0, &[(old_max, "100")], &[(old_max, "100"), (new_min, "2")]),
            (2, 3, &[(old_max, "100")], &[(old_max, "3"), (new_min, "2")]),
            (2, 3, &[(new_max, "1")], &[(new_max, "1"), (new_min, "1")]),
            (2, 9, &[(old_min, "4")], &[(old_min, "4"), (new_max, "9")]),
            (0, 3, &[(new_min, "4")], &[(new_min, "3"), (new_max, "3")]),
        ] {
            let service = ServiceScale { min, max };
            let narrowed = service.narrowed(&annotations(own), &AutoscalerConfig::default());
            assert_eq!(narrowed, annotations(expected), "{min} {max} {own:?}");
        }
    }

    #[test]
    fn a_revision_that_says_nothing_has_the_clusters_bounds() {
        let (new_min, new_max) = (MIN_SCALE.name, MAX_SCALE.name);
        let config =
            AutoscalerConfig { min_scale: 3, max_scale: Some(10), ..AutoscalerConfig::default() };
        for (min, max, own, expected) in [
            (0, 0, &[][..], &[][..]),
            (2, 20, &[], &[]),
            (4, 5, &[], &[(new_min, "4"), (new_max, "5")]),
            (0, 2, &[], &[(new_min, "2"), (new_max, "2")]),
            (20, 0, &[], &[(new_min, "10")]),
            (2, 20, &[(new_min, "1"), (new_max, "0")], &[(new_min, "2"), (new_max, "20")]),
            (0, 20, &[(new_max, "many")], &[(new_max, "many")]),
        ] {
            let narrowed = ServiceScale { min, max }.narrowed(&annotations(own), &config);
            assert_eq!(narrowed, annotations(expected), "{min} {max} {own:?}");
        }
    }
}
