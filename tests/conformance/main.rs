//! Promises of Knative Serving, one test per behaviour, against any cluster.
//!
//! Without `ROUSE_TEST_KUBECONFIG` they run on an embedded cluster with `process` pods, and with `ROUSE_TEST_RUNTIMES=all`
//! on one with `docker` pods too. All tests of a run share it; each has a namespace of its own. See `docs/testing.md`.

mod cluster;
mod manifests;

mod children;
mod conditions;
mod defaults;
mod revisions;
mod settings;
mod traffic;
mod validation;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::cluster::{Cluster, Runtime, Space};

/// A behaviour: its name, and what shows it.
type Case = (&'static str, fn(&Space<'_>) -> anyhow::Result<()>);

/// Tests at a time. They wait more than they work, and share one platform.
const AT_ONCE: usize = 8;

/// Started by the first test that needs it; the error is every test's.
type Shared = Arc<OnceLock<Result<Cluster, String>>>;

fn trial(prefix: &str, (name, case): Case, runtime: Runtime, shared: &Shared) -> Trial {
    let shared = Arc::clone(shared);
    Trial::test(format!("{prefix}::{name}"), move || {
        let cluster = shared.get_or_init(|| connect(runtime).map_err(|e| format!("{e:#}")));
        let cluster = cluster.as_ref().map_err(Failed::from)?;
        let about = name.rsplit("::").next().unwrap_or(name);
        let space = Space::new(cluster, about).map_err(|e| Failed::from(format!("{e:#}")))?;
        case(&space).map_err(|error| Failed::from(format!("{error:#}")))
    })
}

fn kubeconfig() -> Option<PathBuf> {
    std::env::var_os("ROUSE_TEST_KUBECONFIG").map(PathBuf::from)
}

fn connect(runtime: Runtime) -> anyhow::Result<Cluster> {
    match kubeconfig() {
        Some(kubeconfig) => Cluster::foreign(&kubeconfig),
        None => Cluster::embedded(runtime),
    }
}

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(arguments.test_threads.map_or(AT_ONCE, |n| n.max(AT_ONCE)));
    let cases: Vec<Case> = [
        defaults::CASES,
        validation::CASES,
        conditions::CASES,
        children::CASES,
        revisions::CASES,
        traffic::CASES,
    ]
    .concat();
    let here = [("process", Runtime::Process), ("docker", Runtime::Docker)];
    let all = std::env::var("ROUSE_TEST_RUNTIMES").is_ok_and(|runtimes| runtimes == "all");
    let runtimes: &[(&str, Runtime)] = match (kubeconfig().is_some(), all) {
        (true, _) => &[("cluster", Runtime::Kubelet)],
        (false, true) => &here,
        (false, false) => &here[..1],
    };
    // Kept until all tests have ended: a platform ends with it.
    let shared: Vec<Shared> = runtimes.iter().map(|_| Shared::default()).collect();
    let mut trials = Vec::new();
    for ((prefix, runtime), shared) in runtimes.iter().zip(&shared) {
        trials.extend(cases.iter().map(|case| trial(prefix, *case, *runtime, shared)));
    }
    if kubeconfig().is_none() {
        // They change settings of the whole cluster, so each has one of its own.
        trials.extend(
            settings::CASES
                .iter()
                .map(|case| trial("process", *case, Runtime::Process, &Shared::default())),
        );
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(shared);
    conclusion.exit_code()
}
