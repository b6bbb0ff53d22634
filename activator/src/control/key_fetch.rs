//! The task that fetches the keys of issuers.
//!
//! Fetched are only those that a rule names: when a request lacks them, and again after an hour. While an issuer cannot be
//! reached, its keys stay in use for a day.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use rouse_kit::{Fetch, Shutdown};
use serde::Deserialize;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::time::{Instant, interval, timeout};

use crate::callers::keys::{Keys, Known, Source};
use crate::control::issuers::{Answer, Ask};
use crate::control::shared::Shared;

/// Most requests that wait for one issuer.
const WAITING_MAX: usize = 1024;
/// Longest time for one document, of two, and its most bytes.
const DOCUMENT_TIME: Duration = Duration::from_secs(2);
const DOCUMENT_MAX: usize = 256 * 1024;
/// One issuer is asked at most this often in this time, however many tokens name keys that it does not have.
const FETCHES_MAX: usize = 4;
const FETCHES_IN: Duration = Duration::from_secs(60);
/// Keys of this age are fetched again, and of this age are used no more.
const FRESH: Duration = Duration::from_secs(60 * 60);
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);
const UPKEEP: Duration = Duration::from_secs(60);

/// Fetches the keys of one issuer.
pub(crate) type Fetcher =
    Box<dyn Fn(Source) -> BoxFuture<'static, Result<Keys, String>> + Send + Sync>;

/// The discovery document of OpenID Connect.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// Fetches the cluster's keys from its API, and those of others from where they say.
pub(crate) fn fetcher(client: kube::Client) -> Fetcher {
    // The system's certificates are read when they are needed.
    let fetch = Arc::new(OnceCell::<Fetch>::new());
    Box::new(move |source| {
        let (client, fetch) = (client.clone(), Arc::clone(&fetch));
        Box::pin(async move {
            match source {
                Source::Cluster => of_cluster(&client).await,
                Source::Issuer(url) => {
                    let fetch = fetch.get_or_init(|| async { Fetch::new() }).await;
                    of_issuer(fetch, &url).await
                }
            }
        })
    })
}

async fn of_cluster(client: &kube::Client) -> Result<Keys, String> {
    let get = async |path: &str| {
        let request = http::Request::get(path).body(Vec::new()).map_err(|e| e.to_string())?;
        match timeout(DOCUMENT_TIME, client.request_text(request)).await {
            Ok(text) => text.map_err(|error| format!("the API says: {error}")),
            Err(_) => Err(format!("the API did not answer {path} in time")),
        }
    };
    let discovery = discovery(get("/.well-known/openid-configuration").await?.as_bytes())?;
    // The URL that it names may be one for others; the API serves the keys itself.
    Keys::read(&discovery.issuer, get("/openid/v1/jwks").await?.as_bytes())
}

async fn of_issuer(fetch: &Fetch, issuer: &str) -> Result<Keys, String> {
    let get = async |url: &str| {
        let document = fetch.get(url, DOCUMENT_MAX, DOCUMENT_TIME).await;
        document.map_err(|error| error.to_string())
    };
    let base = issuer.trim_end_matches('/');
    let discovery = discovery(&get(&format!("{base}/.well-known/openid-configuration")).await?)?;
    if discovery.issuer != issuer {
        return Err(format!("it calls itself {:?}", discovery.issuer));
    }
    let url = &discovery.jwks_uri;
    let plain = rouse_api::callers::issuer_problem(url.split('?').next().unwrap_or(url));
    // An issuer elsewhere has no say over this machine's own programs.
    let weaker = issuer.starts_with("https://") && !url.starts_with("https://");
    if let Some(problem) = plain.or(weaker.then_some("that is not https as the issuer is")) {
        return Err(format!("it names {url:?} for its keys: {problem}"));
    }
    Keys::read(issuer, &get(url).await?)
}

fn discovery(document: &[u8]) -> Result<Discovery, String> {
    serde_json::from_slice(document)
        .map_err(|error| format!("its openid-configuration cannot be read: {error}"))
}

/// What the task knows of one issuer.
#[derive(Debug, Default)]
struct State {
    /// The last fetches.
    begun: VecDeque<Instant>,
    /// When the keys in the table were fetched.
    fetched: Option<Instant>,
    /// Why the last fetch failed.
    failed: Option<String>,
    running: bool,
    waiting: Vec<oneshot::Sender<Answer>>,
}

impl State {
    /// Whether it may be asked at `now`; counts the fetch that follows.
    fn begin(&mut self, now: Instant) -> bool {
        while self.begun.front().is_some_and(|begun| now.duration_since(*begun) >= FETCHES_IN) {
            self.begun.pop_front();
        }
        let free = !self.running && self.begun.len() < FETCHES_MAX;
        if free {
            self.begun.push_back(now);
            self.running = true;
        }
        free
    }

    fn is_older(&self, age: Duration, now: Instant) -> bool {
        self.fetched.is_some_and(|fetched| now.duration_since(fetched) >= age)
    }
}

struct Task {
    shared: Arc<Shared>,
    fetch: Fetcher,
    states: HashMap<Source, State>,
    fetching: FuturesUnordered<BoxFuture<'static, (Source, Result<Keys, String>)>>,
}

/// Answers until shutdown or until nobody can ask.
pub(crate) async fn run(
    shared: Arc<Shared>,
    fetch: Fetcher,
    mut asks: mpsc::Receiver<Ask>,
    shutdown: Shutdown,
) {
    let fetching = FuturesUnordered::new();
    let mut task = Task { shared, fetch, states: HashMap::new(), fetching };
    let mut upkeep = interval(UPKEEP);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            ask = asks.recv() => match ask {
                Some(ask) => task.asked(ask),
                None => return,
            },
            Some((source, keys)) = task.fetching.next() => task.fetched(&source, keys),
            _ = upkeep.tick() => task.upkeep(),
        }
    }
}

impl Task {
    fn asked(&mut self, Ask { source, answer }: Ask) {
        let state = self.states.entry(source.clone()).or_default();
        if state.waiting.len() >= WAITING_MAX {
            // The request may be gone.
            let _ = answer.send(Err("too many requests wait for keys".to_owned()));
            return;
        }
        let begins = state.begin(Instant::now());
        if state.running {
            state.waiting.push(answer);
        } else {
            let _ = answer.send(state.failed.clone().map_or(Ok(()), Err));
        }
        if begins {
            self.start(source);
        }
    }

    fn start(&self, source: Source) {
        let fetched = (self.fetch)(source.clone());
        self.fetching.push(Box::pin(async move { (source, fetched.await) }));
    }

    fn fetched(&mut self, source: &Source, keys: Result<Keys, String>) {
        let state = self.states.entry(source.clone()).or_default();
        state.running = false;
        let answer = match keys {
            Ok(keys) => {
                let keys = Arc::new(keys);
                self.shared.issuers.known.rcu(|known| {
                    let mut known = Known::clone(known);
                    known.0.insert(source.clone(), Arc::clone(&keys));
                    known
                });
                (state.fetched, state.failed) = (Some(Instant::now()), None);
                Ok(())
            }
            Err(cause) => {
                if state.failed.as_ref() != Some(&cause) {
                    tracing::warn!(issuer = %source, cause, "the keys of an issuer cannot be fetched");
                }
                state.failed = Some(cause.clone());
                Err(cause)
            }
        };
        for waiting in state.waiting.drain(..) {
            let _ = waiting.send(answer.clone());
        }
    }

    /// Forgets keys that no rule needs or that are too old, and fetches old ones again.
    fn upkeep(&mut self) {
        let now = Instant::now();
        let table = self.shared.table.load();
        let rules = table.hosts().filter_map(|(_, _, host)| host.callers.as_deref());
        let needed: Vec<Source> = rules.flat_map(|rule| rule.sources()).collect();
        self.states.retain(|source, state| state.running || needed.contains(source));
        let states = &self.states;
        let usable =
            |source: &Source| states.get(source).is_some_and(|state| !state.is_older(USABLE, now));
        if !self.shared.issuers.known.load().0.keys().all(usable) {
            self.shared.issuers.known.rcu(|known| {
                let mut known = Known::clone(known);
                known.0.retain(|source, _| usable(source));
                known
            });
        }
        let mut due = Vec::new();
        for (source, state) in &mut self.states {
            if state.is_older(FRESH, now) && state.begin(now) {
                due.push(source.clone());
            }
        }
        due.into_iter().for_each(|source| self.start(source));
    }
}

#[cfg(test)]
mod tests;
