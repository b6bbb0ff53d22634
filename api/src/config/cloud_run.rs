//! Scale bounds that Cloud Run sets for a whole Service, as annotations of the Service.
//!
//! They hold for each Revision that gets traffic. Changing them makes no new Revision.

use std::collections::BTreeMap;

use super::annotations::{Key, MAX_SCALE, MIN_SCALE};

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
        if annotations.get(SCALING_MODE).is_some_and(|mode| mode == "manual") {
            let pods = number(MANUAL_COUNT);
            return Self { min: pods, max: pods };
        }
        Self { min: number(SERVICE_MIN), max: number(SERVICE_MAX) }
    }

    /// The bounds of a Revision, with those of its Service: the higher minimum, the lower maximum.
    pub fn narrow(self, revision: &mut Annotations) {
        let own = |key: Key| {
            let (name, text) = key.get(revision).unwrap_or((key.name, ""));
            (name, count(text).unwrap_or_default())
        };
        let ((min_name, min), (max_name, max)) = (own(MIN_SCALE), own(MAX_SCALE));
        let most = [max, self.max].into_iter().filter(|max| *max > 0).min();
        let least = min.max(self.min).min(most.unwrap_or(u32::MAX));
        if let Some(most) = most.filter(|most| *most != max) {
            revision.insert(max_name.to_owned(), most.to_string());
        }
        if least != min {
            revision.insert(min_name.to_owned(), least.to_string());
        }
    }
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
            let mut revision = annotations(own);
            ServiceScale { min, max }.narrow(&mut revision);
            assert_eq!(revision, annotations(expected), "{min} {max} {own:?}");
        }
    }
}
