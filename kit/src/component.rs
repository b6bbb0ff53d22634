//! A component's share of its process: tasks, health, metrics, debug pages, traces, clock.

use crate::life::{Clock, Health, Ledger, Shutdown, Tasks};
use crate::observe::{Admin, Debug, Metrics, Traces};

/// What the components of one process share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Process {
    pub clock: Clock,
    pub ledger: Ledger,
    pub health: Health,
    pub metrics: Metrics,
    pub debug: Debug,
    pub traces: Traces,
}

/// One component's share: its own tasks and its own shutdown. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Component {
    pub name: &'static str,
    pub clock: Clock,
    pub shutdown: Shutdown,
    pub tasks: Tasks,
    pub health: Health,
    pub metrics: Metrics,
    pub debug: Debug,
    pub traces: Traces,
}

impl Process {
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            ledger: Ledger::default(),
            health: Health::new(clock),
            metrics: Metrics::default(),
            debug: Debug::default(),
            traces: Traces::default(),
        }
    }

    /// A component that ends with `shutdown`.
    #[must_use]
    pub fn component(&self, name: &'static str, shutdown: Shutdown) -> Component {
        Component {
            name,
            clock: self.clock,
            tasks: Tasks::new(name, shutdown.clone(), self.ledger.clone()),
            shutdown,
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            debug: self.debug.clone(),
            traces: self.traces.clone(),
        }
    }

    /// The admin port. Make it once per process: it registers the process's own metrics.
    #[must_use]
    pub fn admin(&self) -> Admin {
        let (ledger, health) = (self.ledger.clone(), self.health.clone());
        Admin::new(ledger, health, self.metrics.clone(), self.debug.clone())
    }
}

impl Component {
    /// A component of a process of its own, for tests and small programs.
    #[must_use]
    pub fn alone(name: &'static str) -> Self {
        Process::new(Clock::of_tokio()).component(name, Shutdown::new())
    }
}
