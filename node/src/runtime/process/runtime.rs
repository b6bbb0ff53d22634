//! The process runtime: starts, signals and inspects the processes of containers.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use rouse_image::{InPlace, Overrides, command_in_place};
use rouse_kit::{Component, Tasks};
use tokio::io::AsyncReadExt as _;

use super::command::{mounts, not_started, plan, request};
use super::layers::{Layers, Way};
use super::line::Begin;
use super::memory::Limits;
use super::running::Running;
use super::spawn::{self, Output, Spawner};
use super::{exit, ports, survivors, wire};
use crate::images::LocalImage;
use crate::runtime::guard::Guard;
use crate::runtime::interface::{
    Capabilities, ContainerRuntime, ContainerSpec, Error, Signal, Started, Usage,
};
use crate::runtime::{detached, proc};
use crate::spec::{Automount, PodRef};

/// Bytes of a probe command's output that are kept.
const EXEC_OUTPUT_MAX: u64 = 10 * 1024;
/// Pods that a laptop can be expected to run as processes.
const PODS_MAX: u32 = 250;

/// Its properties on a host that allows mount namespaces.
pub const CAPABILITIES: Capabilities = Capabilities {
    remaps_port: true,
    memory_limit: true,
    cpu_limit: false,
    security_context: false,
    volumes: true,
    automount: Automount::Named,
    pods_max: PODS_MAX,
};

pub struct ProcessRuntime {
    spawner: Arc<Spawner>,
    layers: Arc<Layers>,
    survivors: Arc<survivors::Survivors>,
    ports: ports::Ports,
    running: Arc<Mutex<HashMap<String, Running>>>,
    limits: Arc<Limits>,
    tasks: Tasks,
}

impl ProcessRuntime {
    /// `data_dir` tells platforms on one host apart. `component` ends after the pods. `guard` is a command that runs
    /// `run_guard`; without one, a program's children outlive a `kill -9` of the
    /// platform until the next start.
    ///
    /// # Errors
    /// If the directory for its records cannot be made, or the guard cannot be started.
    pub fn open(
        data_dir: &Path,
        guard: Option<&[OsString]>,
        component: &Component,
    ) -> Result<Self, Error> {
        Self::open_with(data_dir, guard, None, component)
    }

    /// `way` is the protection of images; None tries which one this host allows.
    fn open_with(
        data_dir: &Path,
        guard: Option<&[OsString]>,
        way: Option<Way>,
        component: &Component,
    ) -> Result<Self, Error> {
        let home = data_dir.join("pods");
        let failed = |what| move |error: io::Error| Error::Engine { what, why: error.to_string() };
        let survivors = survivors::Survivors::open(&home);
        let survivors =
            Arc::new(survivors.map_err(failed("cannot keep records of pod processes"))?);
        let begin: Begin = match guard.map(<[_]>::to_vec) {
            None => {
                let tasks = component.tasks.clone();
                Arc::new(move || spawn::on_a_thread(&tasks))
            }
            Some(command) => {
                let instance = survivors.instance().to_owned();
                Arc::new(move || {
                    let (guard, socket) = Guard::of_processes(&command, &home, &instance)?;
                    Ok((Some(guard), socket))
                })
            }
        };
        let spawner = Spawner::start(begin, component)
            .map_err(failed("cannot start the process that starts pods"))?;
        let spawner = Arc::new(spawner);
        let data_dir = data_dir.canonicalize().map_err(failed("cannot find the data directory"))?;
        let layers = Layers::new(data_dir, survivors.run_dir(), way, &component.tasks);
        let layers = Arc::new(layers);
        let (trying, by) = (Arc::clone(&layers), Arc::clone(&spawner));
        // Ahead of the first pod, which reports a failure.
        component.tasks.detached("image layers", async move {
            let _way = trying.way(&by).await;
            trying.make_spare().await;
        });
        let (limits, shutdown) = (Arc::<Limits>::default(), component.shutdown.clone());
        let watching = Arc::clone(&limits);
        component.tasks.restarting("memory limits", move || {
            let (limits, shutdown) = (Arc::clone(&watching), shutdown.clone());
            async move {
                // The loop never ends by itself.
                let _over = shutdown.run_until_cancelled(limits.run()).await;
            }
        });
        Ok(Self {
            spawner,
            layers,
            survivors,
            ports: ports::Ports::new(),
            running: Arc::default(),
            limits,
            tasks: component.tasks.clone(),
        })
    }

    fn find(&self, id: &str) -> Option<Running> {
        self.running.lock().get(id).cloned()
    }

    async fn start_container(&self, spec: ContainerSpec) -> Result<Started, Error> {
        let plan = plan(&spec)?;
        let way = self.protect_image(&spec.image).await?;
        let marker = self.survivors.marker(&spec.pod, &spec.container);
        let folder = self.layers.folder();
        let env = complete_env(&plan, &folder.home(), &marker);
        let view = way.view(&spec.image.rootfs, &folder, mounts(&spec, way)?);
        let request = wire::Request {
            no_new_privileges: spec.security.no_new_privileges,
            folders: folder.to_make(matches!(way, Way::Layers { .. })),
            ..request(&plan, env.clone(), plan.working_dir.clone(), view)
        };
        let child = self.spawner.spawn(request, Output::Both).await;
        let child = child.map_err(|error| not_started(&spec, &plan, &error))?;
        // After the start, which does not wait for directories.
        spec.log.open();
        let layers = Arc::clone(&self.layers);
        self.tasks.detached("container folder", async move { layers.make_spare().await });
        let leader = child.pid;
        let record = self.survivors.record(leader, child.started);
        let id = format!("process://{leader}-{}", child.started);
        let running = Running {
            pod: spec.pod.clone(),
            leader,
            started: child.started,
            marker,
            image: Arc::clone(&spec.image),
            env,
            working_dir: plan.working_dir,
            terminating: Arc::default(),
        };
        self.running.lock().insert(id.clone(), running.clone());
        let addresses = spec.reserved.clone();
        let watching = (&self.tasks, &self.limits);
        let waiting = exit::Waiting::new(child, (record, folder), running, spec, watching);
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
            ready_after: None,
            // A task of its own, so that the end is handled even if the future is dropped.
            exit: detached::detached(&self.tasks, exit),
        })
    }

    /// Protects an image from its containers' writes; returns how.
    async fn protect_image(&self, image: &LocalImage) -> Result<Way, Error> {
        let failed = |why: &dyn Display| {
            Error::Start(format!("its image cannot be protected from changes: {why}"))
        };
        let way = self.layers.way(&self.spawner).await.map_err(|error| failed(&error))?;
        let read_only = way == Way::ReadOnly;
        if rouse_image::is_read_only(&image.rootfs) != Some(read_only) {
            let rootfs = image.rootfs.clone();
            let changing = move || rouse_image::set_read_only(&rootfs, read_only);
            let changed = self.tasks.blocking("image modes", changing).await;
            changed.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        }
        Ok(way)
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
        let way =
            self.layers.way(&self.spawner).await.map_err(|error| failed(&error.to_string()))?;
        let view = way.joined(running.leader, running.started);
        let request = request(&plan, running.env.clone(), running.working_dir.clone(), view);
        let child = self.spawner.spawn(request, Output::Stdout).await;
        let mut child = child.map_err(|error| failed(&error.to_string()))?;
        let mut output = Vec::new();
        let asked = tokio::time::timeout(limit, async {
            if let Some(stdout) = child.stdout.take() {
                // Output that cannot be read is only missing from the message.
                let _ = stdout.take(EXEC_OUTPUT_MAX).read_to_end(&mut output).await;
            }
            child.wait().await
        })
        .await;
        // Ends the command with all that it started.
        drop(child);
        let status = asked.map_err(|_| {
            Error::Start(format!("command {:?} timed out after {limit:?}", argv.join(" ")))
        })?;
        let status = status.ok_or_else(|| failed("the process that started it has ended"))?;
        Ok((exit::code(status), String::from_utf8_lossy(&output).into_owned()))
    }
}

fn complete_env(plan: &InPlace, home: &Path, marker: &str) -> Vec<(String, String)> {
    let mut env = plan.env.clone();
    if !env.iter().any(|(name, _)| name == "HOME") {
        env.push(("HOME".to_owned(), home.display().to_string()));
    }
    env.push((proc::MARKER.to_owned(), marker.to_owned()));
    env
}

/// The usage of sessions, by one reading of `/proc`.
fn usage(leaders: &[(String, u32)]) -> BTreeMap<String, Usage> {
    let table = proc::Table::read();
    let of = |leader: u32| {
        let ticks = table.session(leader).map(|stat| stat.ticks).fold(0, u64::saturating_add);
        let pids = table.session(leader).map(|stat| stat.pid);
        Usage { cpu: proc::ticks(ticks), working_set_bytes: proc::resident(pids) }
    };
    leaders.iter().map(|(id, leader)| (id.clone(), of(*leader))).collect()
}

impl ContainerRuntime for ProcessRuntime {
    fn name(&self) -> &'static str {
        "process"
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        // Until it is tried, hosts count as those that allow it.
        let volumes = matches!(self.layers.known_way(), None | Some(Way::Layers { .. }));
        Capabilities {
            volumes,
            automount: if volumes { Automount::Named } else { Automount::Never },
            ..CAPABILITIES
        }
    }

    fn host_ip(&self) -> Option<IpAddr> {
        // Without a view of its own, a program sees the host's own hosts file.
        self.capabilities().volumes.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    fn end_survivors(&self) -> BoxFuture<'_, Result<usize, Error>> {
        Box::pin(async move { Ok(self.survivors.end_all()) })
    }

    fn prepare<'a>(&'a self, image: &'a LocalImage) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { self.protect_image(image).await.map(drop) })
    }

    fn reserve(&self, pod: &PodRef, container: &str, ports: &[u16]) -> BTreeMap<u16, SocketAddr> {
        // The serving port is the program's `PORT`. Others are the host's ports of that number.
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

    fn end_pod<'a>(&'a self, pod: &'a PodRef) -> BoxFuture<'a, Result<(), Error>> {
        // One that is just being started ends with the future of its start.
        let running = self.running.lock();
        let of_pod: Vec<_> = running.values().filter(|one| one.pod == *pod).cloned().collect();
        Box::pin(async move {
            for running in of_pod {
                running.terminating.store(true, Ordering::Relaxed);
                proc::kill_session(running.leader, Some(&running.marker));
            }
            Ok(())
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Error>> {
        let answers = self.spawner.is_open();
        Box::pin(async move {
            let why = "it has ended".to_owned();
            let what = "the process that starts pods does not answer";
            if answers { Ok(()) } else { Err(Error::Engine { what, why }) }
        })
    }

    fn usage<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, BTreeMap<String, Usage>> {
        let leader = |id: &String| Some((id.clone(), self.find(id)?.leader));
        let leaders: Vec<_> = ids.iter().filter_map(leader).collect();
        Box::pin(async move {
            let read = self.tasks.blocking("usage", move || usage(&leaders));
            // A failure is logged by the task itself.
            read.await.unwrap_or_default()
        })
    }

    fn listening(&self, id: &str) -> Option<Vec<u16>> {
        let running = self.find(id)?;
        Some(proc::listening(running.leader))
    }
}

#[cfg(test)]
mod tests;
