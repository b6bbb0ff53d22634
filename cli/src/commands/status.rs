//! `rouse status`: whether the platform of the data directory runs, where, with what, and how each
//! part of it does.
//!
//! Health is read over the admin port, which tells a platform that hangs from one that works.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::args::Global;
use crate::datadir::{DataDir, UpInfo};
use crate::http::Connection;
use crate::outcome::{Context, Failure, Result};
use crate::platform::pki;
use crate::printer::Printer;

/// Longest until the admin port answers; it only reads memory.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn run(global: &Global, printer: &Printer) -> Result {
    let dir = DataDir::chosen(global.data_dir.as_deref())?;
    let Some(up) = dir.running() else {
        if printer.json() {
            printer.document(&json!({ "running": false, "dataDir": dir.path() }));
        }
        return Err(
            Failure::new(format!("nothing runs in {}", dir.path().display())).next("rouse up")
        );
    };
    let health = health(&up).await;
    if printer.json() {
        let mut document = serde_json::to_value(&up).unwrap_or_default();
        document["running"] = true.into();
        document["dataDir"] = dir.path().display().to_string().into();
        document["health"] = match &health {
            Ok(health) => health.clone(),
            Err(failure) => json!({ "ready": false, "error": failure.to_string() }),
        };
        printer.document(&document);
    } else {
        describe(&dir, &up, printer);
        if let Ok(health) = &health {
            parts(health, printer);
        }
    }
    let health = health?;
    let problems = problems(&health);
    if problems.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::not_ready("the platform runs, but a part of it is not ready");
    for problem in problems {
        failure = failure.because(problem);
    }
    Err(failure.next(format!("curl {}/debug/status, or the log {}", up.admin, log(&dir))))
}

/// The answer of `/debug/status`.
async fn health(up: &UpInfo) -> Result<Value> {
    let silent = || {
        Failure::not_ready(format!("process {} runs, but its health cannot be read", up.pid))
            .next("rouse down, and rouse up again")
    };
    let asked = async {
        let mut connection = Connection::open(&up.admin, None).await?;
        connection.send(Method::GET, "/debug/status", &HeaderMap::new(), Bytes::new()).await
    };
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, asked).await.map_err(|_| {
        silent().because(format!("{} did not answer in {ANSWER_TIMEOUT:?}", up.admin))
    })?;
    let answer = answer.map_err(|failure| silent().because(failure))?;
    serde_json::from_slice(&answer.body)
        .or_fail(|| format!("{} does not answer with JSON", up.admin))
}

fn describe(dir: &DataDir, up: &UpInfo, printer: &Printer) {
    printer.line(format!("running     process {} since {}", up.pid, up.since));
    printer.line(format!("API         {}", up.api));
    printer.line(format!("gateway     {}", up.http));
    if !up.https.is_empty() {
        printer.line(format!(
            "            {} (CA {})",
            up.https,
            dir.join(pki::AUTHORITY).display()
        ));
    }
    printer.line(format!("admin       {}", up.admin));
    printer.line(format!("runtime     {} ({})", up.runtime, up.runtime_because));
    printer.line(format!(
        "state       {}",
        if up.ephemeral {
            "in memory".to_owned()
        } else {
            dir.join("state.redb").display().to_string()
        }
    ));
    printer.line(format!("kubeconfig  {}", up.kubeconfig.display()));
}

/// One line a part, then one a task that has had trouble.
fn parts(health: &Value, printer: &Printer) {
    printer.line("");
    for part in items(&health["parts"]) {
        let state = match part["reason"].as_str() {
            None => "ready".to_owned(),
            Some(reason) => format!("not ready: {reason}"),
        };
        printer.line(format!("{:<12}{state}", text(&part["name"])));
    }
    for task in items(&health["tasks"]) {
        let (restarts, panics) = (number(&task["restarts"]), number(&task["panics"]));
        if restarts > 0 || panics > 0 {
            printer.line(format!(
                "{:<12}task {}: {restarts} restarts, {panics} panics; last: {}",
                text(&task["owner"]),
                text(&task["kind"]),
                text(&task["lastFailure"]),
            ));
        }
    }
}

/// What keeps the platform from being ready, one sentence each.
fn problems(health: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(reason) = health["endsBecause"].as_str() {
        problems.push(format!("it is ending: {reason}"));
    }
    for part in items(&health["parts"]) {
        if part["ready"] != true {
            problems.push(format!("{}: {}", text(&part["name"]), text(&part["reason"])));
        }
    }
    for task in items(&health["tasks"]) {
        if task["down"] == true {
            let (owner, kind) = (text(&task["owner"]), text(&task["kind"]));
            problems.push(format!("{owner}/{kind} is down: {}", text(&task["lastFailure"])));
        }
    }
    problems
}

fn log(dir: &DataDir) -> String {
    dir.join("up.log").display().to_string()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_and_task_that_does_not_work_is_a_problem() {
        let health = json!({
            "parts": [
                { "name": "store", "ready": false, "reason": "the disk is full" },
                { "name": "node", "ready": true },
            ],
            "tasks": [
                { "owner": "controllers", "kind": "scheduler", "down": true, "lastFailure": "panicked: x" },
                { "owner": "controllers", "kind": "gc", "down": false, "restarts": 1 },
            ],
        });
        assert_eq!(
            problems(&health),
            ["store: the disk is full", "controllers/scheduler is down: panicked: x"]
        );
        assert!(problems(&json!({ "parts": [{ "name": "node", "ready": true }] })).is_empty());
    }
}
