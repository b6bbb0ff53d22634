//! Cold start with `process`: a request at zero, beside starting the same program by hand.
//!
//! By hand means as its pod runs it: the same program, arguments, variables and directory, sent the
//! same request every 1 ms until it answers 200, as the activator probes every 1 ms. Both are taken
//! in turn. The phases of a request at zero: `wake` until the scale was decided, `writes` from there
//! until its Pod had a node, `spawn` until its process had an address, `first probe` until it was in
//! the rotation, `app` in the program.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use rouse_tests::http::{self, Answer};
use rouse_tests::{Platform, wait};

use crate::programs::{self, Program};
use crate::setup::Wanted;
use crate::stats::Samples;

const PHASES: [&str; 5] = ["wake", "writes", "spawn", "first probe", "app"];
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn run(wanted: &Wanted) -> anyhow::Result<()> {
    // The platform's log tells when a scale was decided.
    let logged = [("RUST_LOG", "warn,rouse_autoscaler=info")];
    let platform = Platform::start_with_env("process", &logged)?;
    type Make = fn(&Platform) -> anyhow::Result<Program>;
    let all: [(&str, Make); 5] = [
        ("test server", programs::test_server),
        ("test server, with a token", programs::with_token),
        ("test server, sidecar, init container, 3 volumes", programs::pod),
        ("examples/digits", programs::digits),
        ("examples/sklearn-function", programs::function),
    ];
    for (what, make) in all {
        let measured = make(&platform).and_then(|program| measure(&platform, &program, wanted));
        if let Err(error) = measured {
            println!("{what}: not measured: {error:#}");
        }
    }
    Ok(())
}

fn measure(platform: &Platform, program: &Program, wanted: &Wanted) -> anyhow::Result<()> {
    let by_hand = ByHand::of_pod(platform, program.name)?;
    let (mut ours, mut hand) = (Samples::default(), Samples::default());
    let mut phases: Vec<Samples> = PHASES.iter().map(|_| Samples::default()).collect();
    for _ in 0..wanted.runs {
        at_zero(platform, program.name)?;
        let (sent, started) = (Timestamp::now(), Instant::now());
        let body = program.body.as_deref();
        let answer = platform.send(&platform.host(program.name), program.path, body)?;
        ours.add_ms(started.elapsed());
        anyhow::ensure!(answer.status == 200, "{}", answer.body);
        let spans = split(&answer, scaled(&platform.log(), program.name, sent)?)?;
        for (samples, span) in phases.iter_mut().zip(spans) {
            samples.add(span);
        }
        hand.add_ms(by_hand.start(program)?);
    }
    let what = program.what;
    ours.print(&format!("{what}: a request at zero"), "ms");
    hand.print(&format!("{what}: started by hand, polled every 1 ms"), "ms");
    let more = |share| ours.quantile(share) - hand.quantile(share);
    println!("{what}: more than by hand: median {:.2} ms, p95 {:.2} ms", more(0.5), more(0.95));
    for (name, samples) in PHASES.iter().zip(&phases) {
        samples.print(&format!("  phase {name}"), "ms");
    }
    Ok(())
}

fn at_zero(platform: &Platform, name: &str) -> anyhow::Result<()> {
    let kubectl = platform.kubectl();
    wait::until("zero pods", TIMEOUT, || {
        let line = format!("get pods -l serving.knative.dev/service={name} -o name");
        let pods = kubectl.run(&line).map_err(|e| e.to_string())?;
        if pods.is_empty() { Ok(()) } else { Err(pods) }
    })
}

/// Milliseconds from `sent` until the scale of a revision of `name` was decided.
fn scaled(log: &str, name: &str, sent: Timestamp) -> anyhow::Result<f64> {
    let revision = format!("default/{name}-0");
    let woken = |line: &&str| line.contains(&revision) && line.contains(" to=1 ");
    let line = log.lines().rev().find(woken).context("no scale was logged")?;
    let at = line.split(' ').find_map(|word| word.strip_prefix("decided="));
    let at = at.context("the log does not say when")?;
    let at: Timestamp = at.parse().with_context(|| format!("{at:?} in the log"))?;
    Ok((at.as_microsecond() - sent.as_microsecond()) as f64 / 1000.0)
}

/// The phases; the activator reports all but `wake`. Its `bind` ends when the Pod has a node.
fn split(answer: &Answer, wake: f64) -> anyhow::Result<[f64; 5]> {
    let timing = answer.header("server-timing").context("the request was not held")?;
    let told: HashMap<&str, f64> = timing
        .split(", ")
        .filter_map(|part| part.split_once(";dur="))
        .filter_map(|(name, ms)| Some((name, ms.parse().ok()?)))
        .collect();
    let of = |name: &str| told.get(name).copied().with_context(|| format!("{name} in {timing}"));
    let bound = of("wake")? + of("bind")?;
    Ok([wake, bound - wake, of("start")?, of("ready")?, of("app")?])
}

/// The command of a pod, to be started again without the platform.
struct ByHand {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: PathBuf,
}

impl ByHand {
    fn of_pod(platform: &Platform, name: &str) -> anyhow::Result<Self> {
        let path = "{.items[0].status.containerStatuses[0].containerID}";
        let id = platform
            .kubectl()
            .run(&format!("get pods -l serving.knative.dev/service={name} -o jsonpath={path}"))?;
        let pid = id.strip_prefix("process://").and_then(|id| id.split('-').next());
        let proc = PathBuf::from("/proc").join(pid.with_context(|| format!("container {id:?}"))?);
        let words = |file: &str| -> anyhow::Result<Vec<OsString>> {
            let bytes = std::fs::read(proc.join(file))?;
            let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            Ok(words.map(|word| OsString::from_vec(word.to_vec())).collect())
        };
        let pair = |word: OsString| {
            let bytes = word.into_vec();
            let at = bytes.iter().position(|byte| *byte == b'=')?;
            let value = OsString::from_vec(bytes[at + 1..].to_vec());
            Some((OsString::from_vec(bytes[..at].to_vec()), value))
        };
        // With this marker the platform would take the process for its own.
        let own = |(name, _): &(OsString, OsString)| name != "ROUSE_CONTAINER" && name != "PORT";
        Ok(Self {
            program: std::fs::read_link(proc.join("exe"))?,
            args: words("cmdline")?,
            env: words("environ")?.into_iter().filter_map(pair).filter(own).collect(),
            dir: std::fs::read_link(proc.join("cwd"))?,
        })
    }

    /// Starts the program and sends requests until it answers.
    fn start(&self, program: &Program) -> anyhow::Result<Duration> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let (first, others) = self.args.split_first().context("a command line")?;
        let mut command = Command::new(&self.program);
        command.arg0(first).args(others).env_clear().envs(self.env.iter().cloned());
        command.env("PORT", port.to_string()).current_dir(&self.dir).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let mut child = command.spawn()?;
        let ask = || http::send(address, "x", program.path, program.body.as_deref());
        let took = loop {
            match ask() {
                Ok(answer) if answer.status == 200 => break Ok(started.elapsed()),
                other if started.elapsed() > TIMEOUT => break Err(format!("{other:?}")),
                Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        // With its own children.
        let group = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
        child.wait()?;
        took.map_err(|last| anyhow::anyhow!("by hand it did not answer in {TIMEOUT:?}: {last}"))
    }
}
