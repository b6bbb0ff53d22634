//! The state file: opening it, and recovering what can be read of a damaged one.

use rouse_apiserver::store::Recovery;
use rouse_apiserver::{Cluster, Config};

use crate::datadir::DataDir;
use crate::outcome::{Failure, Result};

/// The state file's name in the data directory.
pub(super) const FILE: &str = "state.redb";

pub(super) fn open(dir: &DataDir, config: Config) -> Result<Cluster> {
    without_panic_texts(|| Cluster::open(config)).map_err(|error| cannot_open(dir, &error))
}

/// A damaged state file can make its library panic. The cluster makes an error of that, and the
/// panic's own text would only hide it.
fn without_panic_texts<T>(open: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let opened = open();
    std::panic::set_hook(hook);
    opened
}

/// Recovers what can be read of a damaged state file; returns notes on the result.
pub(super) fn recover(dir: &DataDir) -> Result<Vec<String>> {
    let state = dir.join(FILE);
    let recovered = without_panic_texts(|| rouse_apiserver::store::recover(&state))
        .map_err(|error| cannot_open(dir, &rouse_apiserver::OpenError::from(error)))?;
    let Some(recovery) = recovered else {
        return Ok(vec!["the state file is whole: nothing was recovered".to_owned()]);
    };
    let Recovery { kept, older, gone, damaged } = recovery;
    let mut said = vec![format!(
        "recovered {kept} objects as they were; the damaged state file is now {}",
        damaged.display()
    )];
    said.extend(older.iter().map(|object| format!("recovered in an older version: {object}")));
    said.extend(gone.iter().map(|object| format!("gone: {object}")));
    Ok(said)
}

/// A failure to open the state, with what to do about it.
fn cannot_open(dir: &DataDir, error: &rouse_apiserver::OpenError) -> Failure {
    let mut failure = Failure::new(error.to_string());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        failure = failure.because(cause);
        source = cause.source();
    }
    if !error.is_damage() {
        return failure
            .next("rouse status, in case another platform has it; or rouse up --data-dir DIR");
    }
    let state = dir.join(FILE);
    failure.because("nothing in it was changed").next(format!(
        "rouse up --recover, which keeps what can be read; or mv {state} {state}.damaged, and start with an empty state",
        state = state.display()
    ))
}
