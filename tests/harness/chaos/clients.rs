//! Clients that send one request after the other, each over a connection of its own.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::random::Random;
use crate::{http, wait};

/// Pause between attempts while no server listens.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Index of the Service.
    pub(crate) service: usize,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Outcome,
}

/// The outcome of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// No server listened, or it closed before a byte of an answer.
    NoConnection,
    /// The gateway says that there is no such Service.
    Away,
    Failed(String),
}

/// The clients of all Services.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Request>>>,
}

impl Clients {
    pub(crate) fn start(to: SocketAddr, hosts: &[String], each: usize, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for (service, host) in hosts.iter().enumerate() {
            for _ in 0..each {
                let (host, stop) = (host.clone(), Arc::clone(&stop));
                let number = u64::try_from(threads.len()).unwrap_or_default();
                let mut random = Random::new(seed ^ (number + 1).wrapping_mul(0x5851_F42D));
                #[expect(clippy::disallowed_methods, reason = "joined by `stop`")]
                threads.push(std::thread::spawn(move || {
                    let mut requests = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        requests.push(send(to, service, &host, &mut random));
                    }
                    requests
                }));
            }
        }
        Self { stop, threads }
    }

    /// All requests, once the last ones are answered.
    pub(crate) fn stop(self) -> anyhow::Result<Vec<Request>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for thread in self.threads {
            all.extend(thread.join().map_err(|_| anyhow!("a client panicked"))?);
        }
        Ok(all)
    }
}

/// Sends a request that ends at once, soon, or after a while.
fn send(to: SocketAddr, service: usize, host: &str, random: &mut Random) -> Request {
    let (path, whole) = match random.below(10) {
        0..4 => ("/".to_owned(), String::new()),
        4..9 => (format!("/sleep/{}", random.below(400)), "slept".to_owned()),
        _ => ("/stream/8/25".to_owned(), "chunk 7".to_owned()),
    };
    let began = Instant::now();
    let outcome = outcome(http::send(to, host, &path, None), &path, &whole);
    if outcome == Outcome::NoConnection {
        wait::pause(RETRY_PAUSE);
    }
    Request { service, began, ended: Instant::now(), outcome }
}

fn outcome(answer: anyhow::Result<http::Answer>, path: &str, whole: &str) -> Outcome {
    match answer {
        Ok(answer) if answer.status == 200 && answer.body.contains(whole) => Outcome::Answered,
        Ok(answer) if answer.status == 404 || answer.body.contains("RevisionMissing") => {
            Outcome::Away
        }
        Ok(answer) => {
            let body: String = answer.body.chars().take(200).collect();
            Outcome::Failed(format!("GET {path}: {} {body}", answer.status))
        }
        Err(error) => {
            let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            let unheard = matches!(
                kind,
                Some(
                    ErrorKind::ConnectionRefused
                        | ErrorKind::ConnectionReset
                        | ErrorKind::BrokenPipe
                )
            ) || error.downcast_ref::<http::NoAnswer>().is_some();
            if unheard {
                Outcome::NoConnection
            } else {
                Outcome::Failed(format!("GET {path}: {error:#}"))
            }
        }
    }
}
