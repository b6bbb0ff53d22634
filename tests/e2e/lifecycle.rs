//! Start, stop, kill, start again: what state is kept, and which errors are reported.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rouse_tests::kubectl::Kubectl;
use rouse_tests::{Platform, platform, wait};

use crate::fixtures::{build, service};

fn up(words: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    let output = Command::new(platform::binary())
        .arg("up")
        .args(words)
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    Ok((output.status.code(), text))
}

#[test]
fn kubectl_state_survives_a_kill_and_the_first_request_after_it_succeeds() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let mut platform = Platform::start_in(&temp.path().join("data"), "process")?;
    build(&platform)?;
    platform.kubectl().apply(&service("kept", &[("VERSION", "1")], &[]))?;
    platform.kubectl().run("wait --for=condition=Ready --timeout=30s ksvc/kept")?;
    let pid: u32 = platform.get("kept", "/pid")?.body.parse()?;
    platform.kill()?;
    wait::until("the end of the pod's process", Duration::from_secs(5), || {
        if std::path::Path::new(&format!("/proc/{pid}/exe")).exists() {
            Err(format!("{pid} lives"))
        } else {
            Ok(())
        }
    })?;
    platform.restart()?;
    let answer = platform.get("kept", "/")?;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "version 1 of kept-00001"),
        "{}",
        platform.log()
    );
    let status = platform.stop()?;
    assert_eq!(status.code(), Some(0), "SIGTERM ends it well: {}", platform.log());
    Ok(())
}

#[test]
fn kubectl_writers_lose_nothing_over_five_kills() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let mut platform = Platform::start_in(&temp.path().join("data"), "fake")?;
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..5 {
        let kubectl = platform.kubectl();
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let kubectl = kubectl.clone();
                std::thread::spawn(move || {
                    let mut done = Vec::new();
                    for n in 0..50 {
                        let name = format!("w{writer}-{round}-{n}");
                        let map = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{n: \"{n}\"}}\n");
                        match kubectl.try_run(&["create", "-f", "-", "--validate=false"], &map) {
                            Ok(ran) if ran.ok => done.push(name),
                            _ => break,
                        }
                    }
                    done
                })
            })
            .collect();
        wait::until("some writes", Duration::from_secs(30), || {
            let seen = kubectl.run("get cm -o name").map_err(|e| e.to_string())?;
            if seen.matches(&format!("-{round}-")).count() >= 6 { Ok(()) } else { Err(seen) }
        })?;
        platform.kill()?;
        for writer in writers {
            acknowledged.extend(writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))?);
        }
        platform.restart()?;
    }
    let kept = platform.kubectl().run("get cm -o name")?;
    let kept: std::collections::HashSet<&str> = kept.lines().collect();
    assert!(acknowledged.len() >= 30, "the writers wrote: {}", acknowledged.len());
    for name in &acknowledged {
        assert!(
            kept.contains(format!("configmap/{name}").as_str()),
            "{name} was acknowledged and is gone"
        );
    }
    Ok(())
}

#[test]
fn a_second_up_on_the_same_directory_says_which_process_has_it() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let dir = platform.dir().display().to_string();
    let (code, said) =
        up(&["--data-dir", &dir, "--runtime", "fake", "--api-port", "0", "--http-port", "0"])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("is in use by process") && said.contains("rouse down"), "{said}");
    Ok(())
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_is_an_error() -> anyhow::Result<()> {
    let holder = TcpListener::bind("127.0.0.1:0")?;
    let port = holder.local_addr()?.port().to_string();
    let temp = tempfile::tempdir()?;
    let dir = temp.path().display().to_string();
    let (code, said) =
        up(&["--data-dir", &dir, "--runtime", "fake", "--api-port", &port, "--http-port", "0"])?;
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("port {port} of 127.0.0.1 is taken")), "{said}");
    Ok(())
}

#[test]
fn a_taken_default_port_moves_to_the_next_with_a_note() -> anyhow::Result<()> {
    // A demo's test beside this may hold the port for a while; any longer holder does as well.
    let _holder = wait::until("the default port", Duration::from_secs(60), || {
        TcpListener::bind("127.0.0.1:7080").map_err(|e| e.to_string())
    });
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("data").display().to_string();
    let mut platform = Command::new(platform::binary())
        .args(["up", "--data-dir", &dir, "--runtime", "fake", "--api-port", "0"])
        .env_remove("KUBECONFIG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    let stdout = platform.stdout.take().context("stdout was piped")?;
    for line in BufReader::new(stdout).lines() {
        said.push_str(&line?);
        said.push('\n');
        if said.contains("export KUBECONFIG=") {
            break;
        }
    }
    platform.kill()?;
    platform.wait()?;
    assert!(said.contains("port 7080 is taken: the gateway has "), "{said}");
    assert!(said.contains("gateway  http://127.0.0.1:70"), "{said}");
    Ok(())
}

#[test]
fn a_damaged_state_file_is_named_and_kept() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let state = temp.path().join("state.redb");
    std::fs::write(&state, b"this is no database at all")?;
    let dir = temp.path().display().to_string();
    let (code, said) =
        up(&["--data-dir", &dir, "--runtime", "fake", "--api-port", "0", "--http-port", "0"])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("state.redb") && said.contains("try:"), "{said}");
    assert_eq!(std::fs::read(&state)?, b"this is no database at all");
    Ok(())
}

#[test]
fn kubectl_damaged_state_is_recovered_except_for_the_named_objects() -> anyhow::Result<()> {
    const MARK: &[u8] = b"flip-me-0451";
    let temp = tempfile::tempdir()?;
    let data = temp.path().join("data");
    let mut platform = Platform::start_in(&data, "fake")?;
    for (name, value) in [("kept", "as-it-was"), ("broken", "flip-me-0451")] {
        let map = format!("create configmap {name} --from-literal=value={value}");
        platform.kubectl().run(&map)?;
    }
    platform.stop()?;
    let state = data.join("state.redb");
    let mut bytes = std::fs::read(&state)?;
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(MARK)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| bytes[*at] ^= 1);
    std::fs::write(&state, bytes)?;
    let dir = data.display().to_string();
    let words = ["--data-dir", &dir, "--runtime", "fake", "--api-port", "0", "--http-port", "0"];
    let (code, said) = up(&words)?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("configmaps default/broken"), "{said}");
    assert!(said.contains("rouse up --recover"), "{said}");
    let (code, said) = up(&[&words[..], &["-d", "--recover"]].concat())?;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("gone: configmaps default/broken"), "{said}");
    assert!(data.join("state.redb.damaged").exists());
    let kubectl = Kubectl::new(&data.join("kubeconfig"), temp.path());
    let maps = kubectl.run("get configmaps -o name")?;
    let down = Command::new(platform::binary()).args(["down", "--data-dir", &dir]).output()?;
    assert!(down.status.success());
    assert!(maps.contains("configmap/kept") && !maps.contains("configmap/broken"), "{maps}");
    Ok(())
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_that_says_so() -> anyhow::Result<()> {
    let (code, said) = up(&["--data-dir", "/proc/rouse", "--runtime", "fake"])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("/proc/rouse cannot be written"), "{said}");
    Ok(())
}

#[test]
fn inherited_descriptors_are_not_held_by_the_daemon() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("data").display().to_string();
    let ports = "--api-port 0 --http-port 0 --admin-port 0";
    let rouse = platform::binary().display().to_string();
    // A copy of the pipe, as a lock or a log of the shell would be.
    let line = format!("exec {rouse} up -d --data-dir {dir} --runtime process {ports} 9>&1");
    let (told, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let output = Command::new("sh").args(["-c", &line]).env_remove("KUBECONFIG").output();
        // The output ends when no process holds the pipe: neither the platform nor its guard.
        told.send(output.map(|output| output.status.success()).unwrap_or(false))
    });
    let ended = ended.recv_timeout(Duration::from_secs(30));
    let down = Command::new(platform::binary())
        .args(["down", "--data-dir", &dir])
        .env_remove("KUBECONFIG")
        .output()?;
    assert_eq!((ended, down.status.success()), (Ok(true), true));
    Ok(())
}

#[test]
fn bind_opens_the_gateway_alone() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("data").display().to_string();
    let ports = ["--api-port", "0", "--http-port", "0", "--admin-port", "0"];
    let words = ["-d", "--bind", "0.0.0.0", "--data-dir", &dir, "--runtime", "fake"];
    let (code, said) = up(&[&words[..], &ports].concat())?;
    assert_eq!(code, Some(0), "{said}");
    let run = |words: &[&str]| {
        let mut command = Command::new(platform::binary());
        command.args(words).args(["--data-dir", &dir]).env_remove("KUBECONFIG").output()
    };
    let status: serde_json::Value =
        serde_json::from_slice(&run(&["status", "-o", "json"])?.stdout)?;
    // Loopback has more addresses than the one that is listened on by default.
    let others = |url: &serde_json::Value| -> anyhow::Result<bool> {
        let url = url.as_str().context("a URL")?;
        let port = url.rsplit(':').next().context("a port")?;
        assert!(url.contains("//127.0.0.1:"), "a URL that can be used: {url}");
        Ok(TcpStream::connect(format!("127.0.0.2:{port}")).is_ok())
    };
    let open = [others(&status["http"])?, others(&status["api"])?, others(&status["admin"])?];
    run(&["down"])?;
    assert_eq!(open, [true, false, false]);
    // Its two listeners, for http and https, are warned of, and no other.
    let warned = said.matches(" listens on ").count();
    for gateway in ["the gateway listens on 0.0.0.0:", "the gateway for https listens on 0.0.0.0:"]
    {
        assert!(said.contains(gateway) && warned == 2, "{said}");
    }
    Ok(())
}

#[test]
fn a_detached_platform_runs_on_and_down_purges_it() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("data").display().to_string();
    let words =
        ["-d", "--data-dir", &dir, "--runtime", "fake", "--api-port", "0", "--http-port", "0"];
    let (code, said) = up(&words)?;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("export KUBECONFIG="), "{said}");
    let run = |words: &[&str]| {
        Command::new(platform::binary())
            .args(words)
            .args(["--data-dir", &dir])
            .env_remove("KUBECONFIG")
            .output()
    };
    let status = run(&["status", "-o", "json"])?;
    let status: serde_json::Value = serde_json::from_slice(&status.stdout)?;
    assert_eq!(status["running"], true);
    assert_eq!(status["runtime"], "fake");
    let env = run(&["env"])?;
    assert!(String::from_utf8_lossy(&env.stdout).starts_with("export KUBECONFIG="));
    let down = run(&["down", "--purge"])?;
    let said = String::from_utf8_lossy(&down.stdout);
    assert!(
        down.status.success() && said.contains("removed") && said.contains("state.redb"),
        "{said}"
    );
    assert!(!std::path::Path::new(&dir).exists(), "nothing of ours is left");
    assert_eq!(run(&["status"])?.status.code(), Some(1));
    Ok(())
}
