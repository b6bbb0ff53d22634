//! Panics, turned into errors where the fault of one key or one connection must not affect others.
//!
//! A panic is a broken invariant. Where the state that it may have left behind is dropped with the
//! work that broke (one reconcile, one connection), the rest goes on.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt;

/// A panic that was caught, with its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    message: String,
}

impl Panicked {
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// From what `catch_unwind` or a join gives.
    #[must_use]
    pub fn from_payload(payload: &(dyn Any + Send)) -> Self {
        let message = payload
            .downcast_ref::<&'static str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Self { message }
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.message)
    }
}

impl std::error::Error for Panicked {}

/// Runs `work` and turns a panic into an error. What `work` borrowed mutably must be dropped or
/// made anew by the caller after an error.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panicked::from_payload(&*payload))
}

/// The same for a future, whose state is dropped with its panic.
pub async fn catch_async<F: Future>(work: F) -> Result<F::Output, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|payload| Panicked::from_payload(&*payload))
}

/// Sends panics to the log with their place, instead of the bare text on stderr.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let at = info.location().map(ToString::to_string).unwrap_or_default();
        let message = Panicked::from_payload(info.payload()).message;
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        tracing::error!(at, thread, message, "panic");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_message() {
        let number = 3;
        let formatted = catch(|| -> u32 { panic!("{number} is too many") }).unwrap_err();
        assert_eq!(formatted.to_string(), "panicked: 3 is too many");
        let plain = catch_async(async { panic!("no more") }).await.unwrap_err();
        assert_eq!(plain.message(), "no more");
        assert_eq!(catch(|| 7), Ok(7));
    }
}
