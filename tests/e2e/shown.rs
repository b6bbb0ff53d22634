//! Services as people see them: logs, the lines of `rouse up`, and what `describe` says.

use std::time::Duration;

use rouse_tests::{Platform, wait};
use serde_json::Value;

use crate::fixtures::platform as with_image;

/// As long as a wait for a scale to zero may take.
const LONG: Duration = Duration::from_secs(60);

/// Waits until `rouse up` has printed a line with all these words.
fn printed(platform: &Platform, words: &[&str]) -> anyhow::Result<()> {
    wait::until(&format!("a line with {words:?}"), LONG, || {
        let text = platform.log();
        let found = text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        if found { Ok(()) } else { Err(text) }
    })
}

#[test]
fn the_logs_of_a_crashed_container_are_read_and_each_line_can_be_an_object() -> anyhow::Result<()> {
    let platform = with_image()?;
    let failed =
        platform.rouse(&["deploy", "frail", "--image", "test-server", "--env", "EXIT=7"])?;
    assert_eq!(failed.status.code(), Some(1));
    let (out, _) = platform.said("logs frail")?;
    assert!(out.contains("leaving with 7"), "{out}");
    let (out, _) = platform.said("logs frail --timestamps --tail 1")?;
    assert_eq!(out.lines().count(), 1, "{out}");
    let (time, _) = out.split_once(' ').unwrap_or_default();
    assert!(time.starts_with("20") && time.ends_with('Z'), "{out}");
    let (out, _) = platform.said("logs frail -c user-container -o json")?;
    let mut lines = out.lines().map(serde_json::from_str::<Value>);
    let is_last_word = |line: Result<Value, _>| {
        line.is_ok_and(|line| {
            line["container"] == "user-container"
                && line["line"].as_str().is_some_and(|text| text.contains("leaving with 7"))
        })
    };
    assert!(lines.any(is_last_word), "{out}");
    let (out, _) = platform.said("logs frail -c user-container -o yaml")?;
    assert!(out.contains("\n---\n") && !out.contains('{'), "{out}");
    let (out, _) = platform.said("logs frail --since 1h")?;
    assert!(out.contains("leaving with 7"), "{out}");
    printed(&platform, &["frail", "ended with code 7"])?;
    printed(&platform, &["frail failed: RevisionFailed"])
}

#[test]
fn the_foreground_prints_a_line_an_event() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.said("deploy shop --image test-server --scale-window 6s")?;
    printed(&platform, &["shop deploying shop-00001"])?;
    printed(&platform, &["shop deployed shop-00001 in ", "http://shop.default.localhost"])?;
    platform.said("deploy shop --env VERSION=2")?;
    printed(&platform, &["shop deployed shop-00002"])?;
    let (out, err) = platform.said("rollback shop")?;
    assert!(out.contains("after   100% shop-00001\n"), "{out}");
    assert!(err.contains("rouse traffic shop @latest=100 goes forward"), "{err}");
    printed(&platform, &["shop rolled back to shop-00001"])?;
    let again = platform.rouse(&["rollback", "shop"])?;
    assert_eq!(again.status.code(), Some(1), "there is no older one");
    let (out, _) = platform.said("rollback shop --to shop-00002")?;
    assert!(out.contains("after   100% shop-00002 (@latest)"), "{out}");
    printed(&platform, &["shop shop-00002 scaled to zero: no request"])?;
    assert!(platform.rouse_ok("call shop")?.contains("version 2"));
    printed(&platform, &["shop shop-00002 woke in "])?;
    platform.said("delete shop")?;
    printed(&platform, &["shop deleted"])
}

#[test]
fn what_has_no_effect_is_said_on_the_object_and_by_describe() -> anyhow::Result<()> {
    let platform = with_image()?;
    let line = "deploy held --image test-server --cpu 500m --annotation run.googleapis.com/cpu-throttling=true";
    platform.said(line)?;
    let kubectl = platform.kubectl();
    wait::until("the condition", LONG, || {
        let object = kubectl.json("get revision held-00001").map_err(|e| e.to_string())?;
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|c| c["type"] == "SettingsEffective");
        match found {
            Some(found) if found["reason"] == "NotEnforced" && found["severity"] == "Info" => {
                Ok(())
            }
            Some(_) | None => Err(object["status"].to_string()),
        }
    })?;
    let (out, _) = platform.said("describe held")?;
    for words in [
        "the CPU limit of 500m is not enforced by the process runtime",
        "run.googleapis.com/cpu-throttling has no effect here",
        "limit cpu 500m",
        "https://held.default.localhost:",
        "pinned to ",
        "Generation: ",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    platform.said("deploy plain --image test-server")?;
    let (listed, hint) = platform.said("list")?;
    let ready = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(ready("held").contains(" True* "), "{listed}");
    assert!(ready("plain").contains(" True  "), "{listed}");
    assert!(
        hint.contains("* with settings that have no effect here: rouse describe held"),
        "{hint}"
    );
    let (wide, _) = platform.said("list held -o wide")?;
    assert!(wide.contains(" True* "), "{wide}");
    let (_, err) = platform.said("deploy held --cpu 500m")?;
    assert!(err.contains("service held unchanged"), "{err}");
    let (out, _) = platform.said("revisions held")?;
    assert!(!out.contains("held-00002"), "{out}");
    let written = kubectl.run("get ksvc held --show-managed-fields -o yaml")?;
    assert!(written.contains("manager: rouse\n"), "{written}");
    Ok(())
}
