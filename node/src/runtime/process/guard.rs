//! A small process that outlives the platform by a moment, to end what its pods started.
//!
//! The parent-death signal reaches a pod's first process and no other. The guard holds the reading
//! end of a pipe whose writing end only the platform has; when that closes, however it came to be,
//! the guard ends everything of that instance and itself. It is not on the way of any start.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::survivors;

/// The running guard; it ends by itself when this is dropped.
pub(super) struct Guard {
    _line: Option<ChildStdin>,
    child: Child,
}

impl Guard {
    pub(super) fn start(command: &[OsString], home: &Path, instance: &str) -> io::Result<Self> {
        let (program, args) =
            command.split_first().ok_or_else(|| io::Error::other("no command"))?;
        let mut child = Command::new(program)
            .args(args)
            .arg(home)
            .arg(instance)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal is for the platform.
            .process_group(0)
            .spawn()?;
        Ok(Self { _line: child.stdin.take(), child })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self._line.take());
        // It ends at once now; waiting keeps it from staying a zombie.
        let _ = self.child.wait();
    }
}

/// What the guard's command runs: waits for the end of its standard input, then ends all that
/// `instance` left in `home`.
pub fn run(home: &Path, instance: &str) {
    let mut nothing = [0; 64];
    while io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
    survivors::end_instance(home, instance);
}
