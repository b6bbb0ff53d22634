//! The end by SIGTERM, as `ON_TERM` asks for it; without it the signal ends the program as any.

use tokio::signal::unix::{SignalKind, signal};

/// `finish` ends the program with 0, `ignore` does not; both say that the signal came.
#[expect(clippy::exit, reason = "to end is what the signal asks for")]
pub(crate) fn handle() -> std::io::Result<()> {
    let Ok(what) = std::env::var("ON_TERM") else { return Ok(()) };
    let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut terms = {
        let _entered = tasks.enter();
        signal(SignalKind::terminate())?
    };
    #[expect(clippy::disallowed_methods, reason = "a program for tests")]
    std::thread::spawn(move || {
        tasks.block_on(async {
            while terms.recv().await.is_some() {
                println!("SIGTERM came");
                if what == "finish" {
                    std::process::exit(0);
                }
            }
        });
    });
    Ok(())
}
