//! Use and its cost, as a user asks for it.

use std::time::Duration;

use rouse_tests::{Platform, wait};
use serde_json::Value;

use crate::fixtures::build;

fn cost(platform: &Platform, words: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&platform.rouse_ok(&format!("cost {words} -o json"))?)?)
}

/// Requests of revisions, by their names.
fn requests(document: &Value) -> Vec<(String, u64)> {
    let rows = document["usage"].as_object().into_iter().flatten();
    rows.map(|(name, row)| (name.clone(), row["requests"].as_u64().unwrap_or_default())).collect()
}

#[test]
fn what_was_used_outlives_a_restart_and_its_service_and_is_priced() -> anyhow::Result<()> {
    let temp = tempfile::tempdir()?;
    let mut platform = Platform::start_in(&temp.path().join("data"), "process")?;
    build(&platform)?;
    platform.rouse_ok("deploy paid --image test-server --cpu 500m --memory 256Mi")?;
    for _ in 0..3 {
        assert_eq!(platform.get("paid", "/")?.status, 200);
    }
    platform.stop()?;
    platform.restart()?;
    let found = cost(&platform, "paid")?;
    assert_eq!(requests(&found), [("paid-00001".to_owned(), 3)], "an orderly end loses nothing");
    let row = &found["usage"]["paid-00001"];
    assert_eq!(row["instance"]["vcpu"], 0.5, "{row}");
    assert_eq!(row["instance"]["memoryBytes"], 256 << 20, "{row}");
    let seconds = |name: &str| row[name].as_f64().unwrap_or_default();
    assert!(seconds("roundedRequestSeconds") >= 0.3, "each is rounded up to 100 ms: {row}");
    assert!(seconds("busySeconds") > 0.0, "{row}");
    assert!(seconds("instanceSeconds") >= seconds("busySeconds"), "{row}");
    assert!(row["sentBytes"].as_u64() > Some(0) && row["starts"].as_u64() > Some(0), "{row}");
    assert_eq!(platform.get("paid", "/")?.status, 200);
    wait::until_every(
        Duration::from_millis(500),
        "the fourth request in the ledger",
        Duration::from_secs(60),
        || {
            let found = cost(&platform, "").map_err(|error| error.to_string())?;
            let seen = requests(&found);
            if seen == [("paid-00001".to_owned(), 4)] { Ok(()) } else { Err(format!("{seen:?}")) }
        },
    )?;
    platform.rouse_ok("delete paid")?;
    assert_eq!(requests(&cost(&platform, "")?), [("paid-00001".to_owned(), 4)], "it is gone");
    let mine = temp.path().join("mine.yaml");
    std::fs::write(
        &mine,
        "currency: EUR\nbooks:\n- {name: flat, title: flat, basis: request, source: me, asOf: 2026-01-01, \
         rates: {perMillionRequests: 1000000, perVcpuSecond: 0, perGibSecond: 0}}\n",
    )?;
    let bill = cost(&platform, &format!("--prices {} --book flat", mine.display()))?;
    assert_eq!((&bill["currency"], &bill["bills"][0]["total"]), (&"EUR".into(), &4.0.into()));
    let compared = cost(&platform, "compare paid")?;
    assert_eq!(compared["bills"].as_array().map(Vec::len), Some(4), "{compared}");
    assert!(compared["crossovers"][0]["inFlight"].as_f64() > Some(0.0), "{compared}");
    Ok(())
}

#[test]
fn prices_that_cannot_be_used_and_months_that_are_none_say_why() -> anyhow::Result<()> {
    let platform = Platform::start_with("fake")?;
    let temp = tempfile::tempdir()?;
    let file = temp.path().join("prices.yaml");
    std::fs::write(
        &file,
        "currency: EUR\nbooks:\n- {name: a, title: a, basis: node, source: me, asOf: 2026-01-01, rates: {}}\n",
    )?;
    for (words, why) in [
        (vec!["cost", "--prices", file.to_str().unwrap_or_default()], "lacks rates.perNodeHour"),
        (vec!["cost", "--prices", "/nowhere/prices.yaml"], "cannot read /nowhere/prices.yaml"),
        (vec!["cost", "--month", "november"], "write it as 2026-11"),
        (vec!["cost", "--book", "none"], "there are functions-gen1, run-request"),
    ] {
        let output = platform.rouse(&words)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{words:?}: {said}");
    }
    assert!(platform.rouse_ok("cost")?.contains("nothing was used in"));
    Ok(())
}
