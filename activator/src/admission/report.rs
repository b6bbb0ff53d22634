//! One revision's part of a load report, and the request for a report at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use rouse_api::load::RevisionLoad;
use rouse_k8s::ObjectKey;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::admission::home::Home;
use crate::state::pod::Pod;

/// Most busy pods that a report names; 40 bytes each, once a second. With more, it names none: then
/// nearly every pod is busy, and the names are of no use.
const BUSY_MAX: usize = 200;

/// Says that some revision's load has to be reported at once. Calls that come while a report is
/// being made or sent count as one.
#[derive(Debug, Default)]
pub(crate) struct ReportSignal(Notify);

impl ReportSignal {
    pub(crate) fn notify(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn notified(&self) {
        self.0.notified().await;
    }
}

/// Why a report is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The signal: all revisions that changed, since the autoscaler takes a revision that is not in
    /// the report as unchanged.
    Signal,
    /// The end of a period: revisions that changed or carry load.
    Period,
}

/// One revision's part of a report, or `None` if it is not due.
pub(crate) fn measure<W>(
    key: &ObjectKey,
    home: &mut Home<W>,
    occasion: Occasion,
    now: Instant,
) -> Option<RevisionLoad> {
    let counts = &home.counts;
    let loaded = counts.in_flight + counts.queued > 0 || !home.draining().is_empty();
    let due = counts.changed || (loaded && occasion == Occasion::Period);
    if !due {
        return None;
    }
    let named = |pod: &Arc<Pod>| (pod.name.clone(), pod.in_flight());
    let draining: BTreeMap<_, _> = home.draining().iter().map(named).collect();
    let is_busy = |pod: &&Arc<Pod>| pod.in_flight() > 0;
    let few = home.usable_pods().iter().filter(is_busy).nth(BUSY_MAX).is_none();
    let busy = few.then(|| home.usable_pods().iter().filter(is_busy).map(named).collect());
    let counts = &mut home.counts;
    let in_flight_seconds = counts.seconds(now);
    counts.changed = false;
    let served = counts.used();
    Some(RevisionLoad {
        namespace: key.namespace.clone(),
        revision: key.name.clone(),
        in_flight_seconds,
        arrivals: counts.arrivals,
        in_flight: counts.in_flight,
        queued: counts.queued,
        busy,
        draining,
        served,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::home::{Attempt, Place};

    #[test]
    fn a_report_names_what_changed_and_once_a_period_what_carries_load() {
        let now = Instant::now();
        let key = ObjectKey::new("default", "hello-00001");
        let mut home: Home<()> = Home::new(now);
        let told = |home: &mut Home<()>, occasion| {
            measure(&key, home, occasion, now).map(|load| (load.in_flight, load.queued))
        };
        assert_eq!(told(&mut home, Occasion::Period), None);
        home.admit(|| (), Attempt::First, now);
        assert_eq!(told(&mut home, Occasion::Signal), Some((0, 1)));
        assert_eq!(told(&mut home, Occasion::Signal), None);
        assert_eq!(told(&mut home, Occasion::Period), Some((0, 1)));
        home.dismiss(now);
        assert_eq!(told(&mut home, Occasion::Period), Some((0, 0)));
        assert_eq!(told(&mut home, Occasion::Period), None);
        home.place(&Arc::new(Pod::named("a")), Place::Usable);
        assert_eq!(told(&mut home, Occasion::Signal), Some((0, 0)), "a pod came");
        assert_eq!(told(&mut home, Occasion::Signal), None);
    }

    #[test]
    fn a_report_says_which_pods_are_busy_and_what_is_left_in_those_that_drain() {
        let now = Instant::now();
        let key = ObjectKey::new("default", "hello-00001");
        let mut home: Home<()> = Home::new(now);
        let pods = ["a", "b", "c"].map(|name| Arc::new(Pod::named(name)));
        for pod in &pods {
            home.place(pod, Place::Usable);
        }
        for _ in 0..5 {
            home.admit(|| (), Attempt::First, now);
        }
        home.place(&pods[0], Place::Draining);
        home.release(&pods[2], now, now);
        let load = measure(&key, &mut home, Occasion::Signal, now).unwrap();
        assert_eq!(load.busy, Some(BTreeMap::from([("b".to_owned(), 2)])));
        assert_eq!(load.draining, BTreeMap::from([("a".to_owned(), 2)]));
    }

    #[test]
    fn a_report_that_cannot_name_all_busy_pods_names_none() {
        let now = Instant::now();
        let key = ObjectKey::new("default", "hello-00001");
        let mut home: Home<()> = Home::new(now);
        let mut named = |pods: usize| {
            for pod in 0..pods {
                home.place(&Arc::new(Pod::named(&format!("p{pod}"))), Place::Usable);
                home.admit(|| (), Attempt::First, now);
            }
            let load = measure(&key, &mut home, Occasion::Signal, now).unwrap();
            load.busy.map(|busy| busy.len())
        };
        assert_eq!(named(BUSY_MAX), Some(BUSY_MAX));
        assert_eq!(named(1), None);
    }
}
