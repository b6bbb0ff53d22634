//! Pods as processes of this host, in its network, without any privilege.
//!
//! A container is a session of its own: everything that its program starts ends with it. All are
//! children of the `guard`'s one thread (`starter`, asked by `spawn` and `line`) and die with it, as it does
//! with the platform, whatever ends that; what they started in turn is ended by the guard, and by
//! the next start at the latest (`survivors`). `PORT` names a free port, and the pod's address says
//! where it is.
//!
//! What is enforced: the memory limit, by watching resident memory. What is not: CPU, users,
//! volumes, a file system of its own. The pod says so.

mod exit;
mod line;
mod ports;
mod proc;
mod spawn;
mod starter;
mod survivors;
mod watchdog;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rouse_image::{InPlace, Overrides, command_in_place};
use tokio::io::AsyncReadExt as _;

use super::guard::Guard;
use super::{
    BoxFuture, Capabilities, ContainerRuntime, ContainerSpec, Error, PodRef, Signal, Started,
};
use crate::images::LocalImage;
use spawn::Output;

pub(super) use proc::listening_in_container;
pub(super) use starter::serve;
pub(super) use survivors::{end_instance, instance};

/// The output of a probe's command is kept this far.
const EXEC_OUTPUT_MAX: u64 = 10 * 1024;
/// Pods that a laptop can be expected to run as processes.
const PODS_MAX: u32 = 250;

pub struct ProcessRuntime {
    home: PathBuf,
    spawner: spawn::Spawner,
    survivors: Arc<survivors::Survivors>,
    ports: ports::Ports,
    running: Arc<Mutex<HashMap<String, Running>>>,
}

/// What is kept of a container that runs.
#[derive(Clone)]
struct Running {
    leader: u32,
    marker: String,
    image: Arc<LocalImage>,
    /// Complete, with the platform's own.
    env: Vec<(String, String)>,
    working_dir: PathBuf,
    terminating: Arc<AtomicBool>,
}

impl ProcessRuntime {
    /// `data_dir` tells platforms on one host apart. `guard` is a command that runs
    /// [`super::guard::run`]; without one, what a program starts in turn outlives a `kill -9` of the
    /// platform until the next start.
    ///
    /// # Errors
    /// If the directory for its records cannot be made, or the guard cannot be started.
    pub fn open(data_dir: &Path, guard: Option<&[std::ffi::OsString]>) -> Result<Self, Error> {
        let home = data_dir.join("pods");
        let failed = |what| move |error: io::Error| Error::Engine { what, why: error.to_string() };
        let survivors = survivors::Survivors::open(&home);
        let survivors =
            Arc::new(survivors.map_err(failed("cannot keep records of pod processes"))?);
        let begin: spawn::Begin = match guard.map(<[_]>::to_vec) {
            None => Arc::new(spawn::on_a_thread),
            Some(command) => {
                let (home, instance) = (home.clone(), survivors.instance().to_owned());
                Arc::new(move || {
                    let (guard, socket) = Guard::of_processes(&command, &home, &instance)?;
                    Ok((Some(guard), socket))
                })
            }
        };
        let spawner = spawn::Spawner::start(begin);
        Ok(Self {
            home,
            spawner: spawner.map_err(failed("cannot start the process that starts pods"))?,
            survivors,
            ports: ports::Ports::new(),
            running: Arc::default(),
        })
    }

    fn find(&self, id: &str) -> Option<Running> {
        self.running.lock().get(id).cloned()
    }

    async fn start_container(&self, spec: ContainerSpec) -> Result<Started, Error> {
        let plan = plan(&spec)?;
        let marker = self.survivors.marker(&spec.pod, &spec.container);
        let env = self.complete_env(&plan, &marker);
        let no_new = spec.security.no_new_privileges;
        let request = request(&plan, env.clone(), plan.working_dir.clone(), no_new);
        let child = self.spawner.spawn(request, Output::Both).await;
        let child = child.map_err(|error| not_started(&spec, &plan, &error))?;
        // Only now: a start does not wait for directories.
        spec.log.open();
        let leader = child.pid;
        let record = self.survivors.record(leader, child.started);
        let id = format!("process://{leader}-{}", child.started);
        let running = Running {
            leader,
            marker,
            image: Arc::clone(&spec.image),
            env,
            working_dir: plan.working_dir,
            terminating: Arc::default(),
        };
        self.running.lock().insert(id.clone(), running.clone());
        let not_enforced = not_enforced(&spec);
        let addresses = spec.reserved.clone();
        let waiting = exit::Waiting::new(child, record, running, spec);
        let (all, key) = (Arc::clone(&self.running), id.clone());
        let exit = async move {
            let exit = waiting.wait().await;
            all.lock().remove(&key);
            exit
        };
        Ok(Started {
            id,
            ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            addresses,
            not_enforced,
            ready_after: None,
            // Its own task, so that it is waited for whoever holds the future.
            exit: super::detached(exit),
        })
    }

    fn complete_env(&self, plan: &InPlace, marker: &str) -> Vec<(String, String)> {
        let mut env = plan.env.clone();
        if !env.iter().any(|(name, _)| name == "HOME") {
            env.push(("HOME".to_owned(), self.home.display().to_string()));
        }
        env.push((survivors::MARKER.to_owned(), marker.to_owned()));
        env
    }

    async fn exec_in(
        &self,
        id: &str,
        argv: &[String],
        limit: Duration,
    ) -> Result<(i32, String), Error> {
        let running = self.find(id).ok_or_else(|| Error::Start("it has ended".to_owned()))?;
        let overrides =
            Overrides { command: argv, args: &[], env: &running.env, working_dir: None };
        let failed =
            |why: &str| Error::Start(format!("command {:?} cannot be run: {why}", argv.join(" ")));
        let plan = command_in_place(&running.image.image, &running.image.rootfs, &overrides)
            .map_err(|error| match error {
                // It is about this command, not about the image.
                rouse_image::Error::NotInPlace { reason, .. } => failed(&reason),
                other => failed(&other.to_string()),
            })?;
        let request = request(&plan, running.env.clone(), running.working_dir.clone(), false);
        let child = self.spawner.spawn(request, Output::Stdout).await;
        let mut child = child.map_err(|error| failed(&error.to_string()))?;
        let mut output = Vec::new();
        let asked = tokio::time::timeout(limit, async {
            if let Some(stdout) = child.stdout.take() {
                // What cannot be read is only missing from the message.
                let _ = stdout.take(EXEC_OUTPUT_MAX).read_to_end(&mut output).await;
            }
            child.wait().await
        })
        .await;
        // With all that it started.
        drop(child);
        let status = asked.map_err(|_| {
            Error::Start(format!("command {:?} timed out after {limit:?}", argv.join(" ")))
        })?;
        let status = status.ok_or_else(|| failed("the process that started it has ended"))?;
        Ok((exit::code(status), String::from_utf8_lossy(&output).into_owned()))
    }
}

/// The command line for this host, or why there is none.
fn plan(spec: &ContainerSpec) -> Result<InPlace, Error> {
    if let Some(mount) = spec.mounts.first() {
        return Err(Error::Unsupported(format!(
            "the process runtime cannot mount volume {:?} at {}: its pods have no file system of \
             their own; use --runtime docker, or environment variables",
            mount.volume, mount.path
        )));
    }
    let overrides = Overrides {
        command: &spec.command,
        args: &spec.args,
        env: &spec.env,
        working_dir: spec.working_dir.as_deref(),
    };
    command_in_place(&spec.image.image, &spec.image.rootfs, &overrides)
        .map_err(|error| Error::Start(error.to_string()))
}

/// Names what the user wrote: the first word of the command line may be a loader, and a missing
/// working directory looks like a missing program.
fn not_started(spec: &ContainerSpec, plan: &InPlace, error: &io::Error) -> Error {
    let argv = spec.image.image.argv(&spec.command, &spec.args);
    let program = argv.first().map_or("", String::as_str);
    if plan.working_dir.is_dir() {
        return Error::Start(format!("failed to start {program:?}: {error}"));
    }
    let wanted = spec.working_dir.as_deref().filter(|dir| !dir.is_empty());
    let wanted = wanted.unwrap_or(&spec.image.image.working_dir);
    Error::Start(format!(
        "failed to start {program:?}: the working directory {wanted:?} is not in the image; make it \
         when the image is built, or name another as workingDir"
    ))
}

fn request(
    plan: &InPlace,
    env: Vec<(String, String)>,
    working_dir: PathBuf,
    no_new_privileges: bool,
) -> wire::Request {
    wire::Request {
        id: 0,
        program: plan.program.clone().into(),
        args: plan.args.clone(),
        env,
        working_dir: working_dir.into(),
        no_new_privileges,
    }
}

fn not_enforced(spec: &ContainerSpec) -> Vec<String> {
    let container = &spec.container;
    let mut all = Vec::new();
    if let Some(millis) = spec.cpu_limit_millis {
        all.push(format!(
            "Container {container}: the CPU limit of {millis}m is not enforced by the process \
             runtime"
        ));
    }
    let security = spec.security.named();
    if !security.is_empty() {
        all.push(format!(
            "Container {container}: securityContext ({}) is not enforced by the process runtime; \
             the program runs as the user who runs the node, with that user's rights",
            security.join(", ")
        ));
    }
    all
}

impl ContainerRuntime for ProcessRuntime {
    fn name(&self) -> &'static str {
        "process"
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            remaps_port: true,
            memory_limit: true,
            cpu_limit: false,
            volumes: false,
            pods_max: PODS_MAX,
        }
    }

    fn end_survivors(&self) -> BoxFuture<'_, Result<usize, Error>> {
        Box::pin(async move { Ok(self.survivors.end_all()) })
    }

    fn prepare<'a>(&'a self, _image: &'a LocalImage) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn reserve(&self, pod: &PodRef, container: &str, ports: &[u16]) -> BTreeMap<u16, SocketAddr> {
        // One port is told to the program, as `PORT`. Others are the host's ports of that number.
        let serving = ports.first().map(|port| (*port, self.ports.reserve(pod, container)));
        let others = ports.iter().skip(1).map(|port| (*port, *port));
        serving
            .into_iter()
            .filter_map(|(port, free)| Some((port, free?)))
            .chain(others)
            .map(|(port, free)| (port, SocketAddr::from((Ipv4Addr::LOCALHOST, free))))
            .collect()
    }

    fn release(&self, pod: &PodRef) {
        self.ports.release(pod);
    }

    fn start(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Started, Error>> {
        Box::pin(self.start_container(spec))
    }

    fn signal<'a>(&'a self, id: &'a str, signal: Signal) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let Some(running) = self.find(id) else { return Ok(()) };
            running.terminating.store(true, Ordering::Relaxed);
            match signal {
                Signal::Term => proc::terminate_group(running.leader),
                Signal::Kill => {
                    proc::kill_session(running.leader, Some(&running.marker));
                }
            }
            Ok(())
        })
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.running.lock().remove(id);
        })
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        command: &'a [String],
        limit: Duration,
    ) -> BoxFuture<'a, Result<(i32, String), Error>> {
        Box::pin(self.exec_in(id, command, limit))
    }

    fn listening(&self, id: &str) -> Option<Vec<u16>> {
        let running = self.find(id)?;
        Some(proc::listening(running.leader))
    }
}

#[cfg(test)]
mod tests;
