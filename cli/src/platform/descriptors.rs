//! File descriptors that the platform inherited, kept from pods and from the daemon.

use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// The first after standard input, output and error, which are passed on or replaced.
const FIRST: RawFd = 3;

/// Marks all open descriptors but the first three as closed on exec. A descriptor that a shell left
/// open (a lock, a pipe to a program that waits for its end) would else be held by every child.
#[expect(unsafe_code, reason = "descriptors are known by number alone")]
pub(super) fn keep_from_children() {
    // Without /proc the platform does not run at all.
    let numbers = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    for number in numbers.filter(|number| *number >= FIRST).collect::<Vec<_>>() {
        // SAFETY: the number is only asked about and flagged. Should it have been closed since it was
        // listed (the listing's own is), the calls fail and change nothing; no thread runs yet that
        // could have opened another under it.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if let Ok(flags) = fcntl_getfd(descriptor) {
            // It fails only for a descriptor that was closed meanwhile.
            let _flagged = fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC);
        }
    }
}
