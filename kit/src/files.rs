//! The limit of open files of this process: raised at start, and errors that say it is reached.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// No more than this, the kernel's own default for the hard limit: some programs that a pod runs
/// close every number up to the limit when they start.
const MAX: u64 = 1 << 20;

/// The soft limit before it was raised.
static AT_START: OnceLock<Option<u64>> = OnceLock::new();

/// Raises the soft limit to the hard one; returns the limit from here on. A process inherits it
/// from the one that starts it, and most start with 1,024.
///
/// # Errors
///
/// The system refuses it.
pub fn raise_limit() -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    AT_START.get_or_init(|| current);
    let wanted = maximum.unwrap_or(MAX).min(MAX);
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    }
    Ok(limit())
}

/// The soft limit that this process began with, if it was raised since: for programs that it starts,
/// of which some take an array of that length, or close every number up to it.
#[must_use]
pub fn limit_at_start() -> Option<u64> {
    *AT_START.get()?
}

/// How many files this process may have open.
#[must_use]
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Whether an error says that there is no descriptor left, in this process or in the system.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The error that [`is_exhausted`] recognises.
#[must_use]
pub fn exhausted() -> io::Error {
    Errno::MFILE.into()
}

/// At least this many files were open when `file` was opened: a new one gets the lowest number that
/// is free.
#[must_use]
pub fn open_with(file: &impl AsRawFd) -> u64 {
    u64::try_from(file.as_raw_fd()).unwrap_or_default()
}

/// At least this many files are open; `any` is an open one. The limit, if no descriptor is left for
/// the check.
#[must_use]
pub fn open_now(any: &impl AsFd) -> u64 {
    any.as_fd().try_clone_to_owned().map_or_else(|_| limit(), |copy| open_with(&copy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_hard_one_from_here_on() {
        let began = limit();
        let raised = raise_limit().expect("allowed");
        assert!(limit_at_start().is_some_and(|at_start| at_start <= began));
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(MAX);
        assert_eq!(raised, hard.min(MAX).max(raised));
        assert_eq!(limit(), raised);
    }

    #[test]
    fn open_files_are_counted_by_the_number_of_the_next() {
        let first = std::fs::File::open("/dev/null").expect("it is there");
        let before = open_now(&first);
        let many: Vec<_> =
            (0..50).map(|_| std::fs::File::open("/dev/null").expect("it is there")).collect();
        let last = many.iter().map(open_with).max().expect("fifty");
        assert!(last >= 50, "{last} after {before}");
    }

    #[test]
    fn only_a_lack_of_descriptors_counts_as_exhausted() {
        assert!(is_exhausted(&exhausted()));
        assert!(is_exhausted(&Errno::NFILE.into()));
        assert!(!is_exhausted(&Errno::CONNREFUSED.into()));
        assert!(!is_exhausted(&io::Error::other("no number")));
    }
}
