//! Requests through random changes of what serves them: which change loses which request.
//!
//! Clients send one request after the other to a few Services while the Services, their pods and the
//! platform are changed in random order. Every request is counted to the changes that it met, and
//! judged by what these may cost: nothing, the answer of a Service that is away, a connection while
//! nobody listens, or what a pod that is killed held.

mod clients;
mod random;
mod table;
mod transitions;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use self::clients::Clients;
use self::random::Random;
pub use self::table::{Report, Row};
use self::transitions::World;
pub use self::transitions::{Cost, Kind};
use crate::{Platform, wait};

/// Longest until a Service is ready again after a change.
const SETTLED: Duration = Duration::from_secs(120);
/// Clients of each Service.
const CLIENTS: usize = 3;
/// Pauses between changes are shorter than this.
const PAUSE: Duration = Duration::from_millis(200);

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub transitions: usize,
    /// The kinds to choose from.
    pub kinds: Vec<Kind>,
    /// No further change is begun after this long.
    pub limit: Duration,
}

/// A change, and when it was under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    /// Index of the Service; none if it met all.
    pub(crate) service: Option<usize>,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// Runs the plan against a platform that holds nothing yet. `server` is the test server's executable.
///
/// # Errors
///
/// The platform cannot be used, or a Service does not become ready again: not the loss of requests,
/// which is in the report.
pub fn run(platform: &mut Platform, server: &Path, plan: &Plan) -> anyhow::Result<Report> {
    let server = server.to_str().context("a path of text")?;
    platform.rouse_ok(&format!("build {server} --image test-server"))?;
    let mut random = Random::new(plan.seed);
    let mut world = World::new(platform)?;
    let clients = Clients::start(platform.http, &world.hosts(platform), CLIENTS, plan.seed);
    let (began, mut changes) = (Instant::now(), Vec::new());
    while changes.len() < plan.transitions && began.elapsed() < plan.limit {
        let kind = plan.kinds[random.below(plan.kinds.len())];
        let service = random.below(world.len());
        let started = Instant::now();
        world
            .perform(kind, service, platform, &mut random)
            .with_context(|| format!("{kind:?} after {} changes", changes.len()))?;
        let met = (kind.cost() != Cost::Restart && kind != Kind::Settings).then_some(service);
        changes.push(Change { kind, service: met, began: started, ended: Instant::now() });
        std::thread::sleep(PAUSE.mul_f64(random.fraction()));
    }
    for service in 0..world.len() {
        wait::until_every(Duration::from_millis(200), "a Service's end", SETTLED, || {
            world.answers(service, platform)
        })
        .with_context(|| platform.log())?;
    }
    let requests = clients.stop()?;
    ensure!(!requests.is_empty(), "no request was sent");
    Ok(Report::new(plan.seed, &changes, &Arc::new(requests)))
}
