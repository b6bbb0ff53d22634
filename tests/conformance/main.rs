//! Promises of Knative Serving, one test per behaviour, against any cluster.
//!
//! Without `ROUSE_TEST_KUBECONFIG` they run on an embedded cluster with `process` pods, and with `ROUSE_TEST_RUNTIMES=all`
//! on one with `docker` pods too. All tests of a run share it; each has a namespace of its own. See `docs/testing.md`.

mod calls;
mod cluster;
mod http2;
mod manifests;
mod stream;

mod children;
mod conditions;
mod contract;
mod defaults;
mod features;
mod pods;
mod probes;
mod protocols;
mod requests;
mod revisions;
mod scale_bounds;
mod scale_load;
mod settings;
mod timeouts;
mod traffic;
mod validation;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::cluster::{Cluster, Runtime, Space};

/// A behaviour: its name, and what shows it.
type Case = (&'static str, fn(&Space<'_>) -> anyhow::Result<()>);

/// Tests at a time, unless the command line says otherwise. They wait more than they work, and share one platform.
const AT_ONCE: usize = 4;

/// Started by the first test that needs it; the error is every test's.
type Shared = Arc<OnceLock<Result<Cluster, String>>>;

fn run(
    name: &str,
    case: fn(&Space<'_>) -> anyhow::Result<()>,
    cluster: &Cluster,
) -> Result<(), Failed> {
    let about = name.rsplit("::").next().unwrap_or(name);
    let space = Space::new(cluster, about).map_err(|error| Failed::from(format!("{error:#}")))?;
    case(&space).map_err(|error| Failed::from(format!("{error:#}")))
}

/// A test on a cluster of several.
fn shared(
    prefix: &str,
    (name, case): Case,
    cluster: &Shared,
    connect: impl FnOnce() -> anyhow::Result<Cluster> + Send + 'static,
) -> Trial {
    let cluster = Arc::clone(cluster);
    Trial::test(format!("{prefix}::{name}"), move || {
        let cluster = cluster.get_or_init(|| connect().map_err(|error| format!("{error:#}")));
        run(name, case, cluster.as_ref().map_err(Failed::from)?)
    })
}

/// A test that changes settings of the whole cluster, and so has one of its own. One at a time: starting a platform is
/// more work than most tests.
fn alone((name, case): Case) -> Trial {
    static TURN: Mutex<()> = Mutex::new(());
    Trial::test(format!("process::{name}"), move || {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let cluster = Cluster::embedded(Runtime::Process);
        let cluster = cluster.map_err(|error| Failed::from(format!("{error:#}")))?;
        run(name, case, &cluster)
    })
}

/// The tests of a list among those of another at equal distances, so that those that take turns do not wait together.
fn among(mut all: Vec<Trial>, others: Vec<Trial>) -> Vec<Trial> {
    let step = all.len() / (others.len() + 1);
    for (index, other) in others.into_iter().enumerate() {
        all.insert((index + 1) * (step + 1) - 1, other);
    }
    all
}

fn kubeconfig() -> Option<PathBuf> {
    std::env::var_os("ROUSE_TEST_KUBECONFIG").map(PathBuf::from)
}

fn cases() -> Vec<Case> {
    [
        // The longest first: they wait for windows of seconds.
        scale_load::CASES,
        scale_bounds::CASES,
        timeouts::CASES,
        probes::CASES,
        pods::CASES,
        defaults::CASES,
        validation::CASES,
        conditions::CASES,
        children::CASES,
        revisions::CASES,
        traffic::CASES,
        contract::CASES,
        requests::CASES,
        protocols::CASES,
    ]
    .concat()
}

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    // Kept until all tests have ended: a platform ends with it.
    let mut clusters: Vec<Shared> = Vec::new();
    let mut trials = Vec::new();
    let mut new_cluster = || {
        let cluster = Shared::default();
        clusters.push(Arc::clone(&cluster));
        cluster
    };
    if let Some(kubeconfig) = kubeconfig() {
        let cluster = new_cluster();
        trials.extend(cases().into_iter().map(|case| {
            let kubeconfig = kubeconfig.clone();
            shared("cluster", case, &cluster, move || Cluster::foreign(&kubeconfig))
        }));
    } else {
        let all = std::env::var("ROUSE_TEST_RUNTIMES").is_ok_and(|runtimes| runtimes == "all");
        let here = [("process", Runtime::Process), ("docker", Runtime::Docker)];
        for (prefix, runtime) in here.into_iter().take(if all { 2 } else { 1 }) {
            let (cluster, featured) = (new_cluster(), new_cluster());
            trials.extend(features::CASES.iter().map(|case| {
                shared(prefix, *case, &featured, move || {
                    Cluster::embedded(runtime)?.admitting(features::FEATURES)
                })
            }));
            trials.extend(
                cases()
                    .into_iter()
                    .map(|case| shared(prefix, case, &cluster, move || Cluster::embedded(runtime))),
            );
        }
        trials = among(trials, settings::CASES.iter().map(|case| alone(*case)).collect());
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(clusters);
    conclusion.exit_code()
}
