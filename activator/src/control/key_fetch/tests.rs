//! How often issuers are asked, and how long their keys are used.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::control::issuers::Issuers;

const SET: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

/// An issuer that counts how often it is asked.
struct Stage {
    shared: Arc<Shared>,
    asked: Arc<AtomicUsize>,
    /// Whether it answers.
    reachable: Arc<AtomicBool>,
    shutdown: Shutdown,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn stage(rules: bool) -> Stage {
    let (issuers, asks) = Issuers::new();
    let shared = Arc::new(Shared::new(issuers));
    let (asked, reachable) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)));
    let fetcher: Fetcher = {
        let (asked, reachable) = (Arc::clone(&asked), Arc::clone(&reachable));
        Box::new(move |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            let reachable = reachable.load(Ordering::Relaxed);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if reachable {
                    Keys::read("i", SET.as_bytes())
                } else {
                    Err("it is down".to_owned())
                }
            })
        })
    };
    if rules {
        name_the_issuer(&shared);
    }
    let shutdown = Shutdown::new();
    tokio::spawn(run(Arc::clone(&shared), fetcher, asks, shutdown.clone()));
    Stage { shared, asked, reachable, shutdown }
}

/// A table with a rule that names the issuer.
fn name_the_issuer(shared: &Shared) {
    use rouse_api::routing;
    let host = routing::Host {
        public: vec!["h".to_owned()],
        split: vec![routing::Share { revision: "r".to_owned(), percent: 100 }],
        callers: Some(routing::Callers {
            networks: None,
            invokers: Some(routing::Invokers {
                issuers: vec!["https://issuer.example".to_owned()],
                ..Default::default()
            }),
        }),
        ..Default::default()
    };
    let key = crate::state::keys::RouteKey {
        kind: crate::state::keys::RouteKind::Route,
        key: rouse_k8s::ObjectKey::new("n", "h"),
    };
    let routing = Arc::new(routing::Routing { version: 1, hosts: vec![host] });
    let signal = Arc::new(crate::admission::report::ReportSignal::default());
    let registry = crate::control::registry::Registry::new(signal, 1);
    let routes = [(key, routing)].into();
    let table = crate::state::routes::RouteTable::build(&routes, &Default::default(), |key| {
        registry.get(key)
    });
    shared.table.store(Arc::new(table));
}

fn source() -> Source {
    Source::Issuer("https://issuer.example".into())
}

impl Stage {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn knows(&self) -> bool {
        self.shared.issuers.known.load().get(&source()).is_some()
    }

    async fn refresh(&self) -> Answer {
        self.shared.issuers.refresh(source()).await
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_at_a_time_are_served_by_one_fetch() {
    let stage = stage(true);
    let all = futures::future::join_all((0..100).map(|_| stage.refresh())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(stage.asked(), 1);
    assert!(stage.knows());
}

#[tokio::test(start_paused = true)]
async fn an_issuer_is_asked_a_few_times_a_minute_whatever_tokens_come() {
    let stage = stage(true);
    for _ in 0..50 {
        assert_eq!(stage.refresh().await, Ok(()));
    }
    assert_eq!(stage.asked(), FETCHES_MAX);
    tokio::time::advance(FETCHES_IN).await;
    assert_eq!(stage.refresh().await, Ok(()));
    assert_eq!(stage.asked(), FETCHES_MAX + 1);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_answers_why_and_is_not_asked_more_often() {
    let stage = stage(true);
    stage.reachable.store(false, Ordering::Relaxed);
    for _ in 0..50 {
        assert_eq!(stage.refresh().await, Err("it is down".to_owned()));
    }
    assert_eq!((stage.asked(), stage.knows()), (FETCHES_MAX, false));
}

#[tokio::test(start_paused = true)]
async fn keys_outlive_their_issuer_for_a_day() {
    let stage = stage(true);
    assert_eq!(stage.refresh().await, Ok(()));
    stage.reachable.store(false, Ordering::Relaxed);
    // Advanced in steps, as time goes.
    let hours = |hours: u64| async move {
        for _ in 0..hours * 60 {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    };
    hours(2).await;
    assert!(stage.asked() > 1, "an old key is fetched again");
    assert!(stage.knows());
    hours(21).await;
    assert!(stage.knows());
    hours(2).await;
    assert!(!stage.knows());
    stage.reachable.store(true, Ordering::Relaxed);
    hours(1).await;
    assert_eq!(stage.refresh().await, Ok(()));
    assert!(stage.knows());
}

#[tokio::test(start_paused = true)]
async fn keys_that_no_rule_names_are_forgotten() {
    let stage = stage(false);
    assert_eq!(stage.refresh().await, Ok(()));
    assert!(stage.knows());
    tokio::time::sleep(UPKEEP * 2).await;
    assert!(!stage.knows());
}
