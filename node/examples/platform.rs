//! A platform of a few lines, to be killed by a test: starts one program with a child of its own
//! under the process runtime, prints the process ids of both, and waits.
//!
//! `platform DIR` is the platform; `platform guard …` is its guard.
#![expect(clippy::unwrap_used, reason = "a part of a test")]

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use rouse_kit::Component;
use rouse_node::LocalImage;
use rouse_node::logs::{LogOptions, Logs};
use rouse_node::runtime::process::ProcessRuntime;
use rouse_node::runtime::{ContainerRuntime as _, ContainerSpec, PodRef, run_guard};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if args[0] == "guard" {
        // Blocks, and there is nothing else to run.
        run_guard(&args[1..]);
        return;
    }
    let dir = Path::new(&args[0]);
    let own = std::env::current_exe().unwrap();
    let guard = [own.into(), "guard".into()];
    let component = Component::alone("runtime");
    let runtime = ProcessRuntime::open(dir, Some(&guard), &component).unwrap();
    println!("survivors {}", runtime.end_survivors().await.unwrap());
    let pod = PodRef { namespace: "demo".into(), name: "p".into(), uid: "u".into() };
    let logs = Logs::new(dir.join("logs"), component.clock, component.tasks.clone());
    let script = "echo > written; sleep 600 & echo $!; echo $$; wait";
    let rootfs = dir.join("image");
    std::fs::create_dir_all(&rootfs).unwrap();
    let image = Arc::new(LocalImage::empty("test", &rootfs.canonicalize().unwrap()));
    let log = logs.writer(&pod, "user", 0);
    let run = runtime.start(ContainerSpec::new(pod, image, &["/bin/sh", "-c", script], log));
    let run = run.await.unwrap();
    let options = LogOptions { follow: true, ..LogOptions::default() };
    let mut log = logs.read("demo", "p", "user", options).unwrap();
    while let Some(chunk) = log.recv().await {
        // The test may have closed the pipe.
        let _ = std::io::stdout().write_all(&chunk);
    }
    run.exit.await;
}
