//! `rouse demo` and `rouse demo --stop`, into a pipe.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use rouse_tests::platform;

use crate::docker::{containers, docker, no_container};
use crate::fixtures::{Ended, IMAGE, engine, platform as with_image};

fn rouse(dir: &Path, words: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(platform::binary());
    command
        .args(words)
        .arg("--data-dir")
        .arg(dir)
        .env_remove("KUBECONFIG")
        .envs(std::env::var("ROUSE_TEST_DOCKER").map(|host| ("DOCKER_HOST", host)))
        .stdin(Stdio::null());
    Ok(command.output()?)
}

/// The stdout of a command that must succeed.
fn printed(dir: &Path, words: &[&str]) -> anyhow::Result<String> {
    let output = rouse(dir, words)?;
    let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "rouse {words:?} ended with {}: {out}{err}", output.status);
    ensure!(
        !out.contains('\u{1b}') && !err.contains('\u{1b}'),
        "control codes in a pipe: {out}{err}"
    );
    Ok(out)
}

/// The number in the line that begins with `start`, at the first place that has one.
fn figure(text: &str, start: &str, after: &str) -> anyhow::Result<f64> {
    let line = text.lines().map(str::trim).find(|l| l.starts_with(start) && l.contains(after));
    let line = line.with_context(|| format!("no line {start:?} … {after:?} in {text}"))?;
    let rest = line.split_once(after).map_or("", |(_, rest)| rest).trim();
    let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    number.parse().with_context(|| format!("no number after {after:?} in {line:?}"))
}

/// How many of 1,000 requests each revision answered, by the bars.
fn counts(shown: &str) -> anyhow::Result<Vec<u32>> {
    let is_bar =
        |line: &&str| line.contains("digits-0000") && (line.contains('█') || line.contains('░'));
    let bars = shown.lines().filter(is_bar);
    bars.map(|line| Ok(line.rsplit(' ').next().context("a count")?.parse()?)).collect()
}

#[test]
fn the_demo_shows_the_whole_loop_and_its_end_leaves_nothing() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let dir = temp.path().join("data");
    let _ended = Ended(&dir);
    let shown = printed(&dir, &["demo"])?;
    for line in [
        "$ rouse up -d",
        "$ rouse digits train ",
        "kubectl create namespace demo",
        "$ rouse deploy digits -n demo",
        "█",
        "prediction",
        "default",
        "replicas 2   idle  0 s",
        "replicas 0",
        "no pods",
        ": gone",
        "why 0: StableWindowEmpty",
        "why 1: Woken",
        "$ rouse demo --stop",
    ] {
        ensure!(shown.contains(line), "no {line:?} in {shown}");
    }
    ensure!(!shown.contains("still there"), "a process outlived its pod: {shown}");
    let (first, second) =
        (figure(&shown, "digits-00001", " ")?, figure(&shown, "digits-00002", " ")?);
    ensure!(first > 50.0 && second > 95.0, "accuracies {first} and {second}: {shown}");
    ensure!(counts(&shown)? == [1000, 0, 700, 300], "answers before and after the split: {shown}");
    let (waking, model) = (figure(&shown, "waking", " ")?, figure(&shown, "warm", " ")?);
    ensure!(waking > model && model > 0.0, "waking {waking} ms, warm {model} ms");

    ensure!(printed(&dir, &["status"])?.contains("running"), "it runs on");
    ensure!(printed(&dir, &["list", "-n", "demo"])?.contains("digits"));
    printed(&dir, &["demo", "--stop"])?;
    ensure!(!dir.exists(), "something is left in the data directory");
    ensure!(printed(&dir, &["demo", "--stop"])?.contains("nothing of the demo"));
    Ok(())
}

#[test]
fn docker_runs_the_demo_and_its_end_leaves_no_container() -> anyhow::Result<()> {
    engine()?;
    let temp = tempfile::tempdir()?;
    // With a space, because commands that the demo shows and runs name it.
    let dir = temp.path().join("the demo");
    let _ended = Ended(&dir);
    let shown = printed(&dir, &["demo", "--runtime", "docker"])?;
    for line in ["pods are run by docker", "no pods", "why 0: ", "why 1: Woken"] {
        ensure!(shown.contains(line), "no {line:?} in {shown}");
    }
    let train = format!("$ rouse digits train '{}/demo'", dir.display());
    ensure!(shown.contains(&train), "no {train:?} in {shown}");
    ensure!(counts(&shown)? == [1000, 0, 700, 300], "answers before and after the split: {shown}");
    let mine = dir.canonicalize()?.display().to_string();
    let label = format!("label=dev.rouse.data-dir={mine}");
    ensure!(containers(&mine).map_err(anyhow::Error::msg)? > 0, "what it woke runs on");
    let images = docker(&["ps", "--no-trunc", "--filter", &label, "--format", "{{.Image}}"])?;
    let known = || docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let before = known()?;
    ensure!(!images.is_empty() && images.lines().all(|i| before.contains(i)), "{images}: {before}");
    let said = printed(&dir, &["demo", "--stop"])?;
    ensure!(!dir.exists(), "something is left in the data directory");
    no_container(&mine)?;
    let left = known()?;
    ensure!(images.lines().all(|image| !left.contains(image)), "left in Docker: {left}: {said}");
    Ok(())
}

#[test]
fn kubectl_made_namespaces_and_their_services_are_not_the_demos() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.kubectl().run("create namespace demo")?;
    platform.rouse_ok(&format!("deploy digits -n demo --image {IMAGE}"))?;
    let refused = platform.rouse(&["demo"])?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(1), "{said}");
    ensure!(said.contains("a service digits that the demo did not make"), "{said}");
    platform.rouse_ok("demo --stop")?;
    ensure!(platform.rouse_ok("list -n demo")?.contains("digits"), "the user's service is kept");
    ensure!(platform.rouse_ok("images")?.contains(IMAGE), "the user's image is kept");
    Ok(())
}
