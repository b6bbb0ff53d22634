//! The KPA decision: from load to a number of pods. Pure.
//!
//! ```text
//!            stable average          panic average
//!                 | / target              | / target
//!                 v                       v
//!         within the rates of change (from the ready pods)
//!                 |                       |
//!                 +------- panicking? ----+----> want
//! ```
//!
//! While panicking, want is the larger of both and never falls. Upstream:
//! `pkg/autoscaler/scaling/autoscaler.go`; the scale-down delay that follows is in `delay.rs`.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use rouse_k8s::time::later;

/// The settings of a decision, from annotations and `config-autoscaler`.
#[derive(Clone, Debug, PartialEq)]
pub struct DeciderSpec {
    /// Load that one pod should carry, after utilization.
    pub target: f64,
    /// Load that one pod can carry.
    pub total: f64,
    /// Panic begins when the panic average asks for this many times the ready pods.
    pub panic_threshold: f64,
    /// Most growth in one decision, as a factor of the ready pods.
    pub rate_up: f64,
    /// Most shrinking in one decision, as a divisor of the ready pods.
    pub rate_down: f64,
    pub stable_window: Duration,
    /// Fewest pods that any load at all asks for.
    pub activation_scale: Option<u32>,
    /// Whether a Route may send requests here.
    pub reachable: bool,
}

/// The measured load and the ready pods.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Pods that are Ready.
    pub ready: u32,
    /// Average over the stable window.
    pub stable: f64,
    /// Average over the panic window.
    pub panic: f64,
}

/// Whether the revision is in panic mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Stable,
    Panic {
        /// When the load last was over the threshold.
        last_over: Timestamp,
        /// The most that was wanted since the panic began.
        floor: u32,
    },
}

impl Mode {
    /// The mode in which a revision begins. With several pods ready, only the history of its load
    /// was lost: the present scale is kept until a window has filled.
    #[must_use]
    pub fn initial(ready: u32, now: Timestamp) -> Self {
        if ready > 1 { Self::Panic { last_over: now, floor: ready } } else { Self::Stable }
    }
}

/// How many pods, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    pub want: u32,
    pub mode: Mode,
    pub why: Why,
}

/// The rule that determined `want`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// The stable average over the target.
    Stable,
    /// No load in the stable window.
    Empty,
    /// The panic average over the target.
    Panic,
    /// Panicking: held at an earlier, larger number.
    PanicHeld { lower: u32 },
    /// Limited by `max-scale-up-rate`.
    RateUp { of: f64 },
    /// Limited by `max-scale-down-rate`.
    RateDown { of: f64 },
    /// `activation-scale`.
    ActivationScale,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stable => f.write_str("the load of the stable window"),
            Self::Empty => f.write_str("no load in the stable window"),
            Self::Panic => f.write_str("the load of the panic window"),
            Self::PanicHeld { lower } => {
                write!(f, "panicking, so not lowered to {lower}")
            }
            Self::RateUp { of } => write!(f, "limited by max-scale-up-rate on the way to {of}"),
            Self::RateDown { of } => write!(f, "limited by max-scale-down-rate on the way to {of}"),
            Self::ActivationScale => f.write_str("activation-scale, the fewest for any load"),
        }
    }
}

/// Decides the number of pods.
#[must_use]
pub fn decide(spec: &DeciderSpec, mode: Mode, seen: &Observation, now: Timestamp) -> Decision {
    let ready = f64::from(seen.ready.max(1));
    let stable = (seen.stable / spec.target).ceil();
    let panic = (seen.panic / spec.target).ceil();
    let (stable_want, stable_why) = bounded(spec, stable, ready);
    let (panic_want, panic_why) = bounded(spec, panic, ready);

    let mode = next_mode(spec, mode, panic / ready, now);
    let (want, why, mode) = match mode {
        Mode::Stable => (stable_want, stable_why.unwrap_or(stable_reason(stable)), mode),
        Mode::Panic { last_over, floor } => {
            let (load, why) = if stable_want < panic_want {
                (panic_want, panic_why.unwrap_or(Why::Panic))
            } else {
                (stable_want, stable_why.unwrap_or(stable_reason(stable)))
            };
            let why = if load < floor { Why::PanicHeld { lower: load } } else { why };
            let floor = floor.max(load);
            (floor, why, Mode::Panic { last_over, floor })
        }
    };
    Decision { want, mode, why }
}

fn stable_reason(stable: f64) -> Why {
    if stable > 0.0 { Why::Stable } else { Why::Empty }
}

/// `pods` within the rates of change and over the activation scale, and the rule that changed it.
fn bounded(spec: &DeciderSpec, pods: f64, ready: f64) -> (u32, Option<Why>) {
    // Rounded up, so that a small rate still adds a pod: 2 ready at rate 1.1 may become 3.
    let most = (spec.rate_up * ready).ceil();
    // No request reaches an unreachable revision, so it may be lowered at once.
    let least = if spec.reachable { (ready / spec.rate_down).floor() } else { 0.0 };
    let (value, why) = if pods > most {
        (most, Some(Why::RateUp { of: pods }))
    } else if pods < least {
        (least.min(most), Some(Why::RateDown { of: pods }))
    } else {
        (pods, None)
    };
    let value = to_count(value);
    match spec.activation_scale {
        Some(scale) if pods > 0.0 && scale > value => (scale, Some(Why::ActivationScale)),
        _ => (value, why),
    }
}

/// A number of pods that `spec.replicas` can hold.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "beyond the range the cast saturates, which is what is meant"
)]
fn to_count(value: f64) -> u32 {
    (value as u32).min(i32::MAX.unsigned_abs())
}

fn next_mode(spec: &DeciderSpec, mode: Mode, ratio: f64, now: Timestamp) -> Mode {
    let over = ratio >= spec.panic_threshold;
    match mode {
        Mode::Stable if over => Mode::Panic { last_over: now, floor: 0 },
        Mode::Stable => Mode::Stable,
        Mode::Panic { floor, .. } if over => Mode::Panic { last_over: now, floor },
        // The surge is part of the stable average by now.
        Mode::Panic { last_over, .. } if later(last_over, spec.stable_window) < now => Mode::Stable,
        Mode::Panic { .. } => mode,
    }
}

#[cfg(test)]
mod tests;
