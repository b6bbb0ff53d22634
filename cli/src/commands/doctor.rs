//! `rouse doctor`: what this machine can run, and what is missing.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use crate::args::Global;
use crate::datadir::DataDir;
use crate::outcome::Result;
use crate::platform::ports;
use crate::printer::Printer;

/// One finding.
struct Finding {
    what: &'static str,
    ok: bool,
    seen: String,
    /// What it is for, and what to do without it.
    means: &'static str,
}

pub(crate) fn run(global: &Global, printer: &Printer) -> Result {
    let findings = [
        data_dir(global)?,
        views(global)?,
        port("API port", ports::API),
        port("gateway port", ports::HTTP),
        local_port(),
        docker(),
        python(),
        kubectl(),
        memory(),
    ];
    if printer.json() {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| serde_json::json!({ "what": f.what, "ok": f.ok, "seen": f.seen, "means": f.means }))
            .collect();
        printer.document(&rows);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|f| {
            vec![
                if f.ok { "yes" } else { "no" }.to_owned(),
                f.what.to_owned(),
                f.seen.clone(),
                f.means.to_owned(),
            ]
        })
        .collect();
    printer.table(&["", "WHAT", "SEEN", "MEANS"], &rows);
    Ok(())
}

fn data_dir(global: &Global) -> Result<Finding> {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    // Nothing is made here: a missing directory can be made if its nearest parent is writable.
    let nearest = dir.path().ancestors().find(|path| path.exists());
    let writable =
        nearest.is_some_and(|path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok());
    let running =
        dir.running().map_or(String::new(), |up| format!(", in use by process {}", up.pid));
    Ok(Finding {
        what: "data directory",
        ok: writable,
        seen: format!("{}{running}", dir.path().display()),
        means: "state, images and logs; --data-dir names another",
    })
}

/// Whether processes can have volumes here, tried where the data directory is or would be.
fn views(global: &Global) -> Result<Finding> {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    let nearest = dir.path().ancestors().find(|path| path.exists());
    let writable =
        nearest.filter(|path| rustix::fs::access(*path, rustix::fs::Access::WRITE_OK).is_ok());
    let temporary = std::env::temp_dir();
    let tried = rouse_node::runtime::process::check_views(writable.unwrap_or(&temporary));
    Ok(Finding {
        what: "mount namespaces",
        ok: tried.is_ok(),
        seen: tried.map_or_else(|why| format!("forbidden: {why}"), |()| "allowed".to_owned()),
        means: "volumes and a fresh image for each pod under process; without, images are read-only \
                and manifests with volumes are refused",
    })
}

fn port(what: &'static str, port: u16) -> Finding {
    let free = TcpListener::bind(("127.0.0.1", port)).is_ok();
    Finding {
        what,
        ok: free,
        seen: format!("{port} {}", if free { "is free" } else { "is taken" }),
        means: "a taken default gives way to the next free one",
    }
}

/// Whether cluster-local services can have the port that their URLs mean.
fn local_port() -> Finding {
    let take = |at| TcpListener::bind(at)?.local_addr();
    let bound = ports::bind_local(Ipv4Addr::LOCALHOST.into(), None, take);
    let on_80 = bound.as_ref().is_ok_and(|at| at.port() == 80);
    Finding {
        what: "port 80 for pods",
        ok: on_80,
        seen: match bound {
            Ok(at) if on_80 => format!("{at} is free"),
            Ok(_) | Err(_) => "not for this user".to_owned(),
        },
        means: "pods reach cluster-local services without a port in the URL; without, status.address \
                names the port",
    }
}

/// First line of a program's output.
fn says(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(str::to_owned)
}

fn docker() -> Finding {
    let engine = says("docker", &["version", "--format", "{{.Server.Version}}"]);
    Finding {
        what: "Docker engine",
        ok: engine.is_some(),
        seen: engine.unwrap_or_else(|| "none answers".to_owned()),
        means: "pods as containers, with limits enforced; without it pods are processes",
    }
}

fn python() -> Finding {
    let python = says("python3", &["--version"]);
    let pip = says("python3", &["-m", "pip", "--version"]).is_some();
    Finding {
        what: "Python with pip",
        ok: python.is_some() && pip,
        seen: match (python, pip) {
            (Some(version), true) => version,
            (Some(version), false) => format!("{version}, without pip"),
            (None, _) => "none".to_owned(),
        },
        means: "building Python functions",
    }
}

fn kubectl() -> Finding {
    let version = says("kubectl", &["version", "--client"]);
    let minor = version.as_deref().and_then(minor).unwrap_or(0);
    Finding {
        what: "kubectl 1.27 or newer",
        ok: minor >= 27,
        seen: version.unwrap_or_else(|| "none".to_owned()),
        means: "optional: rouse has commands of its own",
    }
}

/// `Client Version: v1.32.4` -> 32
fn minor(text: &str) -> Option<u32> {
    text.split("v1.").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn memory() -> Finding {
    let v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    Finding {
        what: "control groups",
        ok: true,
        seen: if v2 { "version 2" } else { "version 1, or none" }.to_owned(),
        means: "limits of process pods; each pod says which of its limits are enforced",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubectl_tells_its_minor_version() {
        assert_eq!(minor("Client Version: v1.32.4-dispatcher"), Some(32));
        assert_eq!(minor("nonsense"), None);
    }
}
