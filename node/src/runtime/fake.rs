//! Pods without processes: scripted latencies and failures, for thousands of pods.
//!
//! A container's behaviour is in its variables, so that a manifest is a script: `FAKE_START_MS`,
//! `FAKE_READY_MS`, `FAKE_STOP_MS`, `FAKE_EXIT_MS` with `FAKE_EXIT_CODE`, `FAKE_OOM`,
//! `FAKE_START_ERROR`. Images are not needed: any name will do.
//!
//! It is a product feature, not a test double: the agent treats it like any runtime.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::interface::{
    Capabilities, ContainerRuntime, ContainerSpec, Error, Exit, Signal, Started, Usage,
};
use crate::images::LocalImage;
use crate::logs::LogStream;
use crate::spec::{Automount, PodRef};

/// Nearly as many as the address range below holds.
const PODS_MAX: u32 = 60_000;

/// The behaviour of containers unless their variables say otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub start: Duration,
    pub ready: Duration,
    /// How long it takes to obey SIGTERM.
    pub stop: Duration,
}

/// Variables that script a container's behaviour; times in milliseconds.
const START_MS: &str = "FAKE_START_MS";
const READY_MS: &str = "FAKE_READY_MS";
const STOP_MS: &str = "FAKE_STOP_MS";
const EXIT_MS: &str = "FAKE_EXIT_MS";
const EXIT_CODE: &str = "FAKE_EXIT_CODE";
const OOM: &str = "FAKE_OOM";
const START_ERROR: &str = "FAKE_START_ERROR";

#[derive(Default)]
pub struct FakeRuntime {
    script: Script,
    next: AtomicU32,
    running: Arc<Mutex<HashMap<String, Running>>>,
}

struct Running {
    pod: PodRef,
    signals: mpsc::Sender<Signal>,
}

impl FakeRuntime {
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self { script, ..Self::default() }
    }

    async fn start_container(&self, spec: ContainerSpec) -> Result<Started, Error> {
        let var = |name: &str| {
            spec.env.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone())
        };
        let number = |name: &str| var(name).and_then(|value| value.parse::<u64>().ok());
        let millis = |name: &str| number(name).map(Duration::from_millis);
        tokio::time::sleep(millis(START_MS).unwrap_or(self.script.start)).await;
        if let Some(why) = var(START_ERROR) {
            return Err(Error::Start(why));
        }
        let serial = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("fake://{serial:08x}");
        let (signals, received) = mpsc::channel(2);
        let running = Running { pod: spec.pod.clone(), signals };
        self.running.lock().insert(id.clone(), running);
        spec.log.line(LogStream::Stdout, true, b"a fake container started");
        let end = Exit {
            code: number(EXIT_CODE).and_then(|code| code.try_into().ok()).unwrap_or(0),
            oom_killed: var(OOM).is_some(),
            message: None,
        };
        let stop = millis(STOP_MS).unwrap_or(self.script.stop);
        let lives = millis(EXIT_MS);
        let (running, key) = (Arc::clone(&self.running), id.clone());
        let log = spec.log;
        let exit = async move {
            let exit = live(received, lives, stop, end).await;
            running.lock().remove(&key);
            drop(log);
            exit
        };
        Ok(Started {
            id,
            ip: Some(IpAddr::V4(Ipv4Addr::from(0x0a80_0000 | (serial & 0xffff)))),
            addresses: BTreeMap::new(),
            ready_after: Some(millis(READY_MS).unwrap_or(self.script.ready)),
            exit: Box::pin(exit),
        })
    }
}

async fn live(
    mut signals: mpsc::Receiver<Signal>,
    lives: Option<Duration>,
    stop: Duration,
    end: Exit,
) -> Exit {
    let by = |code| Exit { code, oom_killed: false, message: None };
    let own_end = async {
        match lives {
            Some(lives) => tokio::time::sleep(lives).await,
            None => std::future::pending().await,
        }
    };
    let first = tokio::select! {
        biased; // a signal at the very moment of the container's own end wins
        signal = signals.recv() => signal,
        () = own_end => return if end.oom_killed { Exit { code: 137, ..end } } else { end },
    };
    if matches!(first, Some(Signal::Kill) | None) {
        return by(137);
    }
    tokio::select! {
        biased; // as above
        _ = signals.recv() => by(137),
        () = tokio::time::sleep(stop) => by(0),
    }
}

impl ContainerRuntime for FakeRuntime {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            remaps_port: false,
            memory_limit: false,
            cpu_limit: false,
            security_context: false,
            volumes: true,
            // Nobody would read them.
            automount: Automount::Never,
            pods_max: PODS_MAX,
        }
    }

    fn needs_images(&self) -> bool {
        false
    }

    fn end_survivors(&self) -> BoxFuture<'_, Result<usize, Error>> {
        Box::pin(async { Ok(0) })
    }

    fn prepare<'a>(&'a self, _image: &'a LocalImage) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn reserve(&self, _: &PodRef, _: &str, _: &[u16]) -> BTreeMap<u16, SocketAddr> {
        BTreeMap::new()
    }

    fn release(&self, _: &PodRef) {}

    fn start(&self, spec: ContainerSpec) -> BoxFuture<'_, Result<Started, Error>> {
        Box::pin(self.start_container(spec))
    }

    fn signal<'a>(&'a self, id: &'a str, signal: Signal) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let sender = self.running.lock().get(id).map(|running| running.signals.clone());
            if let Some(sender) = sender {
                // Full means that it already has all the signals that matter.
                let _ = sender.try_send(signal);
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
        _id: &'a str,
        _command: &'a [String],
        _limit: Duration,
    ) -> BoxFuture<'a, Result<(i32, String), Error>> {
        Box::pin(async { Ok((0, String::new())) })
    }

    fn end_pod<'a>(&'a self, pod: &'a PodRef) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            // Dropping a container's sender of signals kills it.
            self.running.lock().retain(|_, running| running.pod != *pod);
            Ok(())
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn usage<'a>(&'a self, _ids: &'a [String]) -> BoxFuture<'a, BTreeMap<String, Usage>> {
        Box::pin(async { BTreeMap::new() })
    }

    fn listening(&self, _id: &str) -> Option<Vec<u16>> {
        None
    }
}
