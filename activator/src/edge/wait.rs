//! The wait of a request for its slot, and its phases if its pod started meanwhile.

use std::fmt::Write as _;
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use crate::observe::recorder::PHASES;
use crate::state::pod::Pod;

/// A request that got its slot only after a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) arrived: Instant,
    pub(crate) granted: Instant,
    /// When each phase of the pod's start began, and when the last one ended; only if all of it
    /// was within the wait.
    pub(crate) start: Option<[Instant; PHASES.len() + 1]>,
    /// This is the first request that waited for this pod since before the pod existed.
    pub(crate) first: bool,
}

impl Wait {
    pub(crate) fn of(arrived: Instant, granted: Instant, pod: &Pod) -> Self {
        let born = pod.born;
        let usable = pod.usable_since.get().filter(|_| born.seen >= arrived);
        let start = usable.map(|usable| [arrived, born.seen, born.bound, born.addressed, *usable]);
        let first = start.is_some() && pod.first_awaited();
        Self { arrived, granted, start, first }
    }

    /// For Server-Timing: `hold` is the whole wait and `app` the pod's own time so far; a pod that
    /// started during the wait splits it into phases.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let millis = |span: Duration| span.as_secs_f64() * 1000.0;
        let mut text = format!("hold;dur={:.2}", millis(self.granted - self.arrived));
        for (name, (from, to)) in PHASES.iter().zip(self.phases()) {
            // Writing to a String cannot fail.
            let _ = write!(text, ", {name};dur={:.2}", millis(to - from));
        }
        let _ = write!(text, ", app;dur={:.2}", millis(self.granted.elapsed()));
        HeaderValue::from_str(&text).ok()
    }

    /// Beginning and end of each phase of a cold start.
    pub(crate) fn phases(&self) -> impl Iterator<Item = (Instant, Instant)> {
        let moments = self.start;
        (0..PHASES.len()).filter_map(move |phase| moments.map(|m| (m[phase], m[phase + 1])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::pod::Born;

    fn at(millis: u64) -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now) + Duration::from_millis(millis)
    }

    fn pod() -> Pod {
        let born = Born { seen: at(13), bound: at(14), addressed: at(34) };
        let pod = Pod::new("p".to_owned(), ([127, 0, 0, 1], 9).into(), born);
        pod.usable_since.set(at(40)).expect("new");
        pod
    }

    #[test]
    fn a_pod_that_started_meanwhile_splits_the_wait_into_its_phases() {
        let pod = pod();
        let wait = Wait::of(at(10), at(41), &pod);
        let header = wait.header().expect("a header");
        let text = header.to_str().expect("text");
        let phases =
            "hold;dur=31.00, wake;dur=3.00, bind;dur=1.00, start;dur=20.00, ready;dur=6.00";
        assert!(text.starts_with(&format!("{phases}, app;dur=")), "{text}");
        assert!(wait.first);
        assert!(!Wait::of(at(11), at(41), &pod).first, "a cold start is counted once");
    }

    #[test]
    fn a_request_that_waits_for_an_existing_pod_has_no_cold_start() {
        let wait = Wait::of(at(20), at(41), &pod());
        assert_eq!((wait.phases().count(), wait.first), (0, false));
        let header = wait.header().expect("a header");
        assert!(header.to_str().expect("text").starts_with("hold;dur=21.00, app;dur="));
    }
}
