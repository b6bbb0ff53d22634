//! Bad circumstances: a directory that is full or cannot be written, and programs that do not serve.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use rouse_tests::kubectl::Kubectl;
use rouse_tests::{Platform, platform, wait};
use serde_json::Value;

use crate::fixtures::{platform as with_image, service};

/// `rouse up` whose data directory is a file system of its own, seen by it alone and gone with it.
struct Mounted {
    child: Child,
    temp: tempfile::TempDir,
}

impl Mounted {
    fn start(options: &str) -> anyhow::Result<Self> {
        let temp = tempfile::tempdir()?;
        let (dir, ready) = (temp.path().join("data"), temp.path().join("ready.json"));
        fs::create_dir(&dir)?;
        let log = File::create(temp.path().join("up.log"))?;
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script = "mount -t tmpfs -o \"mode=700,$1\" none \"$2\" && shift 2 && exec \"$@\"";
        command.args(["sh", "-c", script, "sh", options]).arg(&dir).arg(platform::binary());
        command.args(["up", "--runtime", "fake", "--api-port", "0", "--http-port", "0"]);
        command.arg("--data-dir").arg(&dir).arg("--ready-file").arg(&ready);
        command.env_remove("KUBECONFIG").stdin(Stdio::null());
        let child =
            command.stdout(log.try_clone()?).stderr(log).spawn().context("start unshare")?;
        Ok(Self { child, temp })
    }

    /// A file of the data directory, as the platform sees it.
    fn inside(&self, name: &str) -> PathBuf {
        let dir = self.temp.path().join("data");
        let dir = dir.strip_prefix("/").unwrap_or(&dir);
        Path::new(&format!("/proc/{}/root", self.child.id())).join(dir).join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.temp.path().join("up.log")).unwrap_or_default()
    }

    fn kubectl(&self) -> anyhow::Result<Kubectl> {
        let ready = self.temp.path().join("ready.json");
        wait::until("rouse up", Duration::from_secs(30), || {
            if ready.exists() { Ok(()) } else { Err(self.log()) }
        })?;
        let config = self.temp.path().join("kubeconfig");
        fs::copy(self.inside("kubeconfig"), &config)?;
        Ok(Kubectl::new(&config, self.temp.path()))
    }

    fn ended(&mut self) -> anyhow::Result<Option<i32>> {
        let status = wait::until("the end of rouse up", Duration::from_secs(30), || {
            self.child.try_wait().ok().flatten().ok_or_else(|| "it runs".to_owned())
        })?;
        Ok(status.code())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A ConfigMap of about this many bytes.
fn map(name: &str, bytes: usize) -> String {
    let text = "x".repeat(bytes);
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: \"{text}\"}}\n"
    )
}

#[test]
fn kubectl_writes_are_refused_while_the_disk_is_full_and_none_that_was_acknowledged_is_lost()
-> anyhow::Result<()> {
    let mut mounted = Mounted::start("size=24m")?;
    let kubectl = mounted.kubectl()?;
    let mut acknowledged = Vec::new();
    let mut write = |name: String| {
        let ran = kubectl.try_run(&["create", "-f", "-"], &map(&name, 100_000))?;
        if ran.ok {
            acknowledged.push(format!("configmap/{name}"));
        }
        anyhow::Ok(ran)
    };
    ensure!(write("before".to_owned())?.ok);

    let ballast = mounted.inside("ballast");
    let mut file = File::create(&ballast)?;
    let pieces = (0..1000).take_while(|_| file.write_all(&[0; 65536]).is_ok()).count();
    ensure!(pieces < 1000, "24 MiB took 1000 times 64 KiB");
    // The state file has some room left in itself.
    let mut refused = None;
    for n in 0..100 {
        let ran = write(format!("full-{n}"))?;
        if !ran.ok {
            refused = Some(ran.stderr);
            break;
        }
    }
    let refused = refused.context("a full disk took everything")?;
    ensure!(refused.contains("the state file cannot be written"), "{refused}");
    ensure!(refused.contains("is there room on the disk?"), "what to do: {refused}");
    let again = write("full-again".to_owned())?;
    ensure!(!again.ok && again.stderr.contains("cannot be written"), "{again:?}");
    ensure!(mounted.log().contains("the state file cannot be written"), "{}", mounted.log());
    ensure!(kubectl.run("get cm before -o name")? == "configmap/before\n", "reading goes on");
    let listed = kubectl.run("get cm -o name")?;
    ensure!(!listed.contains("full-again"), "what was refused is not shown: {listed}");

    drop(file);
    fs::remove_file(&ballast)?;
    let mut n = 0;
    wait::until("writes again", Duration::from_secs(15), || {
        n += 1;
        let ran = write(format!("after-{n}")).map_err(|e| e.to_string())?;
        if ran.ok { Ok(()) } else { Err(ran.stderr) }
    })?;
    let kept = |kubectl: &Kubectl| -> anyhow::Result<()> {
        let kept = kubectl.run("get cm -o name")?;
        let lost: Vec<_> =
            acknowledged.iter().filter(|name| !kept.lines().any(|l| l == *name)).collect();
        ensure!(lost.is_empty(), "acknowledged, and gone: {lost:?}");
        Ok(())
    };
    kept(&kubectl)?;

    // The file system ends with the platform: its state is read by a handle that was opened before.
    let mut state = File::open(mounted.inside("state.redb"))?;
    mounted.child.kill()?;
    mounted.ended()?;
    let temp = tempfile::tempdir()?;
    let mut bytes = Vec::new();
    state.seek(SeekFrom::Start(0))?;
    state.read_to_end(&mut bytes)?;
    let data = temp.path().join("data");
    fs::create_dir(&data)?;
    fs::write(data.join("state.redb"), bytes)?;
    kept(&Platform::start_in(&data, "fake")?.kubectl())
}

#[test]
fn up_in_a_directory_that_is_full_or_read_only_says_so() -> anyhow::Result<()> {
    for (options, why) in [("size=512k", "No space left"), ("ro", "Read-only file system")] {
        let mut mounted = Mounted::start(options)?;
        ensure!(mounted.ended()? == Some(1), "{}", mounted.log());
        let said = mounted.log();
        let dir = mounted.temp.path().join("data");
        ensure!(said.contains(&dir.display().to_string()), "where: {said}");
        ensure!(said.contains(why) && said.contains("--data-dir DIR"), "why, what to do: {said}");
    }
    Ok(())
}

/// A condition of an object, once it is False.
fn failed(kubectl: &Kubectl, object: &str, condition: &str) -> anyhow::Result<Value> {
    wait::until("a condition that is False", Duration::from_secs(30), || {
        let object = kubectl.json(&format!("get {object}")).map_err(|e| e.to_string())?;
        let all = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.iter().find(|c| c["type"] == condition && c["status"] == "False");
        found.cloned().ok_or_else(|| object["status"].to_string())
    })
}

#[test]
fn kubectl_shows_that_a_program_never_listens_or_listens_elsewhere() -> anyhow::Result<()> {
    let platform = with_image()?;
    let kubectl = platform.kubectl();
    // Instead of 10 minutes.
    let soon = [("serving.knative.dev/progress-deadline", "4s")];
    kubectl.apply(&service("deaf", &[("NEVER_LISTEN", "1")], &soon))?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
    kubectl.apply(&service("elsewhere", &[("IGNORE_PORT", &port)], &soon))?;
    let ready = failed(&kubectl, "ksvc/deaf", "ConfigurationsReady")?;
    ensure!(ready["message"].as_str().is_some_and(|m| m.contains("deaf-00001")), "{ready}");
    let deaf = failed(&kubectl, "revision/deaf-00001", "Ready")?;
    ensure!(deaf["reason"] == "ProgressDeadlineExceeded", "{deaf}");
    let events = wait::until("the probe's complaint", Duration::from_secs(20), || {
        let events = kubectl
            .run("get events --field-selector reason=Unhealthy")
            .map_err(|e| e.to_string())?;
        if events.contains("pod/deaf-") { Ok(events) } else { Err(events) }
    })?;
    ensure!(events.contains("probe failed") && events.contains("refused"), "{events}");
    let why = format!("listens on {port}, not on PORT=");
    // A pod that starts late passes the deadline before its port is known.
    wait::until("the port in the condition", Duration::from_secs(30), || {
        let told = failed(&kubectl, "ksvc/elsewhere", "ConfigurationsReady");
        let told = told.map_err(|error| error.to_string())?;
        let said = told["message"].as_str().is_some_and(|message| message.contains(&why));
        if said { Ok(()) } else { Err(told.to_string()) }
    })?;
    let ignored = wait::until("the port to be told", Duration::from_secs(20), || {
        let events = kubectl.run("get events --field-selector reason=PortIgnored");
        let events = events.map_err(|e| e.to_string())?;
        if events.contains("pod/elsewhere-") { Ok(events) } else { Err(events) }
    })?;
    ensure!(ignored.contains(&port) && ignored.contains("PORT"), "{ignored}");
    Ok(())
}

#[test]
fn kubectl_and_the_api_say_where_yaml_or_json_is_broken() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let kubectl = platform.kubectl();
    let said = kubectl.fail("apply -f -", "kind: ConfigMap\n  name: [broken\n")?;
    ensure!(said.contains("line 2"), "{said}");
    let said =
        kubectl.fail("create --raw /api/v1/namespaces/default/configmaps -f -", "{\"a\": ")?;
    ensure!(said.contains("json parse error") && said.contains("column"), "{said}");
    let said =
        kubectl.fail("apply -f -", "apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n")?;
    ensure!(said.contains("Nonsense") && said.contains("no matches for kind"), "{said}");
    Ok(())
}
