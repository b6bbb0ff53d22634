//! A run: clients, changes one after the other, and the report.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::change::Change;
use super::clients::Clients;
use super::random::Random;
use super::table::Report;
use super::transitions::{Cost, Kind, PAUSE, SETTLED, World};
use crate::{Platform, wait};

/// Clients of each Service.
const CLIENTS: usize = 3;

/// The seed, length and limits of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub transitions: usize,
    /// The kinds to choose from.
    pub kinds: Vec<Kind>,
    /// No further change is begun after this long.
    pub limit: Duration,
    /// Told of the number of changes after each.
    pub progress: fn(usize),
}

/// Runs the plan against a platform that holds nothing yet. `server` is the test server's executable.
///
/// # Errors
///
/// The platform cannot be used, or a Service does not become ready again: not the loss of requests,
/// which is in the report.
pub fn run(platform: &mut Platform, server: &Path, plan: &Plan) -> anyhow::Result<Report> {
    platform.build_server(server)?;
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
        (plan.progress)(changes.len());
        wait::pause(PAUSE.mul_f64(random.fraction()));
    }
    for service in 0..world.len() {
        wait::until_every(Duration::from_millis(200), "an answer at the end", SETTLED, || {
            world.answers(service, platform)
        })
        .with_context(|| platform.log())?;
    }
    let requests = clients.stop()?;
    ensure!(!requests.is_empty(), "no request was sent");
    Ok(Report::new(plan.seed, &changes, &requests))
}
