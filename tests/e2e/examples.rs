//! The examples: the commands of each README as written, and the output that it states.
//!
//! Bash runs them in a folder that holds a copy of `examples/` and gets `target/`. It differs from a
//! reader's machine in (see [`Example::as_run`]): the gateway's port, the debug build instead of the
//! release build, and the paths of the workspace and its build. `rouse` and `kubectl` are those of
//! the test.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use rouse_digits::{Model, held_out};
use rouse_tests::Platform;
use serde_json::{Value, json};

use crate::typed::{Block, blocks, target, with_debug_build, workspace, wrap_programs};

const PREDICT: &str = "/v1/models/digits:predict";

struct Example {
    platform: Platform,
    /// Kept between runs, because some installs are slow.
    folder: PathBuf,
    blocks: std::vec::IntoIter<Block>,
}

impl Example {
    fn start(name: &str) -> anyhow::Result<Self> {
        let folder = target()?.join("tests").join(format!("example-{name}"));
        let (bin, examples) = (folder.join("bin"), folder.join("examples"));
        for fresh in [&bin, &examples] {
            if fresh.exists() {
                std::fs::remove_dir_all(fresh)?;
            }
            std::fs::create_dir_all(fresh)?;
        }
        let copied =
            Command::new("cp").arg("-r").arg(workspace().join("examples")).arg(&folder).status()?;
        ensure!(copied.success(), "the examples cannot be copied to {}", folder.display());
        wrap_programs(&bin, &folder.join("kubectl-cache"))?;
        let readme = std::fs::read_to_string(examples.join(name).join("README.md"))?;
        Ok(Self { platform: Platform::start()?, folder, blocks: blocks(&readme).into_iter() })
    }

    /// The README's commands, as they are run here.
    fn as_run(&self, commands: &str) -> anyhow::Result<String> {
        let port = format!(":{}", self.platform.http.port());
        Ok(with_debug_build(commands)?.replace(":7080", &port))
    }

    /// Runs commands; gives what they printed on stdout.
    fn bash(&self, commands: &str) -> anyhow::Result<String> {
        let old = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{old}", self.folder.join("bin").display());
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", commands])
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("OLD_PATH", old)
            .env("KUBECONFIG", &self.platform.kubeconfig)
            .env("ROUSE_DATA_DIR", self.platform.dir())
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{commands}\nended with {}: {printed}{complaint}",
            output.status
        );
        Ok(printed)
    }

    /// Runs the README's next commands; gives what they printed.
    fn commands(&mut self) -> anyhow::Result<String> {
        match self.blocks.next() {
            Some(Block::Commands(commands)) => self.bash(&self.as_run(&commands)?),
            other => anyhow::bail!("the README goes on with {other:?}, and not with commands"),
        }
    }

    /// The README's next output.
    fn output(&mut self) -> anyhow::Result<String> {
        match self.blocks.next() {
            Some(Block::Output(output)) => Ok(output),
            other => anyhow::bail!("the README goes on with {other:?}, and not with output"),
        }
    }

    /// The service's predictions, and the whole answer.
    fn predictions(&self, host: &str, images: &[Vec<f64>]) -> anyhow::Result<(Vec<u32>, Value)> {
        let body = json!({ "instances": images }).to_string();
        let answer = self.platform.send(&self.platform.host(host), PREDICT, Some(&body))?;
        ensure!(answer.status == 200, "{answer:?}");
        let said: Value = serde_json::from_str(&answer.body)?;
        ensure!(answer.header("x-model-version") == said["version"].as_str(), "{answer:?}");
        ensure!(answer.header("x-revision") == said["revision"].as_str(), "{answer:?}");
        Ok((serde_json::from_value(said["predictions"].clone())?, said))
    }
}

#[test]
fn kubectl_example_digits_does_what_its_readme_says() -> anyhow::Result<()> {
    let mut example = Example::start("digits")?;
    let printed = example.commands()?;
    for line in example.output()?.lines() {
        ensure!(printed.lines().any(|l| l == line), "{line:?} is not in {printed}");
    }
    ensure!(printed.contains("digits condition met"), "{printed}");
    let printed = example.commands()?;
    ensure!(printed.trim() == example.output()?, "{printed}");

    let digits = held_out();
    let images: Vec<_> = digits.iter().map(|digit| digit.pixels.clone()).collect();
    let models = example.folder.join("target/digits");
    let direct = |version: &str| -> anyhow::Result<Vec<u32>> {
        let model = Model::load(&models.join(format!("{version}.json")))?;
        Ok(model.predict(&images)?)
    };
    ensure!(example.predictions("digits", &images)?.0 == direct("v1")?, "v1 as it is served");

    let printed = example.commands()?;
    let second = example.output()?;
    let of_ten = printed.matches(&second).count();
    // Each data-plane thread may be off by one.
    let threads = std::thread::available_parallelism()?.get();
    ensure!((1..=2 + threads).contains(&of_ten), "{of_ten} of ten: {printed}");
    ensure!(printed.matches("\"predictions\"").count() == 10, "{printed}");
    let (served, said) = example.predictions("canary-digits", &images)?;
    ensure!(served == direct("v2")?, "v2 as it is served");
    ensure!(said["revision"] == "digits-v2", "{}", said["revision"]);
    ensure!(example.blocks.next().is_none(), "the README goes on");
    let gone = example.bash("kubectl delete ksvc digits")?;
    ensure!(gone.contains("deleted"), "{gone}");
    Ok(())
}

/// Prints the held-out images, what the model predicts when called directly, and the labels.
const DIRECT: &str = r#"
import json, joblib
from sklearn.datasets import load_digits
data = load_digits()
chosen = [index for index in range(len(data.target)) if index % 3 == 0]
images = data.data[chosen].tolist()
model = joblib.load("examples/sklearn-function/model.joblib")["classifier"]
print(json.dumps([images, model.predict(images).tolist(), data.target[chosen].tolist()]))
"#;

#[test]
fn kubectl_example_sklearn_function_does_what_its_readme_says() -> anyhow::Result<()> {
    let python = Command::new("python3").args(["-c", "import pip, venv, ensurepip"]).status();
    ensure!(
        python.is_ok_and(|status| status.success()),
        "python3 with pip and venv is missing; install it: apt-get install python3-pip python3-venv"
    );
    let mut example = Example::start("sklearn-function")?;
    let printed = example.commands()?;
    let stated = example.output()?;
    ensure!(printed.lines().any(|line| line == stated), "{stated:?} is not in {printed}");
    let printed = example.commands()?;
    ensure!(printed.trim() == example.output()?, "{printed}");
    ensure!(example.blocks.next().is_none(), "the README goes on");

    std::fs::write(example.folder.join("direct.py"), DIRECT)?;
    let (images, direct, labels): (Vec<Vec<f64>>, Vec<u32>, Vec<u32>) =
        serde_json::from_str(&example.bash("target/venv/bin/python direct.py")?)?;
    let (served, _) = example.predictions("sklearn-digits", &images)?;
    ensure!(served == direct, "what is served is what the model says");
    let right = served.iter().zip(&labels).filter(|(served, label)| served == label).count();
    ensure!(right * 100 >= labels.len() * 98, "{right} of {} right", labels.len());
    Ok(())
}
