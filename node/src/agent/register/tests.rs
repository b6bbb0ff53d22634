//! An engine that is silent for a while, on paused time.

use serde_json::Value;

use super::*;
use crate::testing::{self, Faltering, Sent};

/// Reasons of the Events that were written.
fn event_reasons(sent: &Sent) -> Vec<Value> {
    let sent = sent.lock();
    let events =
        sent.iter().filter(|(method, path, _)| method == "POST" && path.ends_with("/events"));
    events.map(|(.., event)| event["reason"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_silent_engine_is_reported_and_its_untracked_containers_end_when_it_answers_again() {
    let dir = tempfile::tempdir().unwrap();
    let component = rouse_kit::Component::alone("node");
    let runtime = Arc::new(Faltering::default());
    let (shared, sent) = testing::shared(dir.path(), Arc::clone(&runtime) as _, &component);
    let part = component.health.part("node");
    let keeping = keep(shared, part.clone(), component.shutdown.clone());
    let mut keeping = std::pin::pin!(keeping);
    let mut pass = async |seconds: u64| {
        let time = Duration::from_secs(seconds);
        assert!(tokio::time::timeout(time, keeping.as_mut()).await.is_err(), "it keeps on");
    };
    pass(15).await;
    assert_eq!((event_reasons(&sent).len(), runtime.sweeps()), (0, 0), "nothing has happened");

    runtime.fail(1000);
    pass(10).await;
    assert_eq!(event_reasons(&sent), ["NodeNotReady"]);
    runtime.fail(0);
    pass(10).await;
    assert_eq!(
        (event_reasons(&sent), runtime.sweeps()),
        (vec!["NodeNotReady".into(), "NodeReady".into()], 1)
    );
    let about = &sent.lock().iter().find(|(.., o)| o["reason"] == "NodeReady").unwrap().2.clone();
    assert_eq!(about["involvedObject"]["uid"], "n1");
    pass(30).await;
    assert_eq!(runtime.sweeps(), 1);
}
