//! JSON patches of a few hundred bytes that double what they patch, again and again.

use std::time::Instant;

use serde_json::json;

use crate::bystander::Bystander;
use crate::report::Row;
use crate::stage::{growth, platform};

/// What is patched has to fit into an object, and a copy of it is made to try.
const BOUND_MIB: f64 = 32.0;
const SECONDS: f64 = 5.0;

pub(crate) fn run() -> anyhow::Result<Vec<Row>> {
    let platform = platform()?;
    let kubectl = platform.kubectl();
    kubectl.run("create configmap victim --from-literal=a=1")?;
    let others = Bystander::begin(&platform);
    let mut rows = Vec::new();
    for copies in [20, 30, 5000] {
        let mut patch = vec![json!({"op": "add", "path": "/metadata/annotations", "value": {
            "a": "x".repeat(1024),
        }})];
        patch.extend((0..copies).map(
            |n| json!({"op": "copy", "from": "/metadata", "path": format!("/metadata/c{n}")}),
        ));
        let patch = serde_json::Value::from(patch).to_string();
        let words = ["patch", "configmap", "victim", "--type=json", "--patch-file", "/dev/stdin"];
        let began = Instant::now();
        let (grown, ran) = growth(&platform, || kubectl.try_run(&words, &patch))?;
        let took = began.elapsed().as_secs_f64();
        let refused = !ran.ok && ran.stderr.contains("victim");
        anyhow::ensure!(refused, "{copies} copies were not refused: {}{}", ran.stdout, ran.stderr);
        rows.push(Row::at_most(&format!("memory, {copies} copies"), BOUND_MIB, grown, "MiB"));
        rows.push(Row::at_most(&format!("time, {copies} copies"), SECONDS, took, "s"));
    }
    rows.extend(others.end()?);
    Ok(rows)
}
