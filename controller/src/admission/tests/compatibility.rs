//! Every row of `docs/compatibility.md` is tried: a row that claims what the code does not do fails.

use std::collections::BTreeSet;

use rouse_api::config::{ApiConfig, Data, effects};
use serde_json::{Value, json};

use super::{patched, request, service, setting};
use crate::admission::{mutate, validate, validate_config};

const PAGE: &str = include_str!("../../../../docs/compatibility.md");

/// The rows of the table that follows a heading, cells without backticks.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = PAGE.split_once(&format!("# {heading}\n")).unwrap();
    let rows: Vec<_> = rest
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split(" | ").map(cell).collect())
        .collect();
    assert!(!rows.is_empty(), "{heading}");
    rows
}

fn cell(text: &'static str) -> &'static str {
    text.trim().trim_matches('|').trim().trim_matches('`')
}

/// What became of an object: `works`, `warned` or `refused`. Either of the latter must name it.
fn outcome(object: Value, config: &ApiConfig, name: &str) -> &'static str {
    let asked = |object: &Value| request("Service", "CREATE", object.clone(), None);
    let defaulted = mutate(&asked(&object), config);
    assert!(defaulted.allowed, "{name}: {}", defaulted.result.message);
    let object = if defaulted.patch.is_some() { patched(object, &defaulted) } else { object };
    let answer = validate(&asked(&object), config);
    if !answer.allowed {
        let why = &answer.result.message;
        let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "");
        assert!(plain(why).contains(&plain(name)), "{why} does not name {name}");
        return "refused";
    }
    let warned = answer.warnings.iter().flatten().any(|warning| warning.contains(name));
    if warned { "warned" } else { "works" }
}

fn with_feature(key: &str) -> ApiConfig {
    let mut config = ApiConfig::default();
    config.apply("config-features", &Data::from([(key.to_owned(), "enabled".to_owned())])).unwrap();
    config
}

/// Sets what stands at a path like `spec.containers[0].name`.
fn set(object: &mut Value, path: &str, value: Value) {
    let path = path.replace("[0]", ".0");
    let mut at = object;
    for part in path.split('.') {
        at = match part.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[part],
        };
    }
    *at = value;
}

#[test]
fn each_row_of_a_field_says_what_becomes_of_it() {
    for row in table("Fields of a Service") {
        let [path, example, claimed, note] = row[..] else { panic!("{row:?}") };
        let mut object = service();
        set(
            &mut object,
            path,
            serde_json::from_str(example).unwrap_or_else(|e| panic!("{row:?}: {e}")),
        );
        if path.ends_with("volumes") {
            let mounts = json!([{ "name": "v", "mountPath": "/v", "readOnly": true }]);
            object["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = mounts;
        }
        let path = path.replace("[0]", "");
        let name = path.rsplit('.').next().unwrap();
        let off = outcome(object.clone(), &ApiConfig::default(), name);
        match claimed.strip_prefix("by feature, ") {
            None => assert_eq!(off, claimed, "{row:?}"),
            Some(_) => assert_eq!(off, "refused", "{row:?}"),
        }
        if note.contains("podspec") {
            let on = claimed.strip_prefix("by feature, ").unwrap_or(claimed);
            assert_eq!(outcome(object, &with_feature(note), name), on, "{row:?}");
        }
    }
}

#[test]
fn each_row_of_an_annotation_says_what_becomes_of_it() {
    for row in table("Annotations").into_iter().chain(table("Cloud Run")) {
        let [name, on, example, claimed, _] = row[..] else { panic!("{row:?}") };
        let mut object = service();
        let annotations = json!({ name: example });
        match on {
            "template" => {
                object["spec"]["template"]["metadata"] = json!({ "annotations": annotations });
            }
            _ => object["metadata"]["annotations"] = annotations,
        }
        assert_eq!(outcome(object, &ApiConfig::default(), name), claimed, "{row:?}");
    }
    let listed: BTreeSet<&str> = table("Cloud Run").iter().map(|row| row[0]).collect();
    for (name, _) in rouse_api::validation::CLOUD_RUN {
        assert!(listed.contains(format!("run.googleapis.com/{name}").as_str()), "{name}");
    }
    let listed: BTreeSet<&str> = table("Annotations").iter().map(|row| row[0]).collect();
    for key in rouse_api::annotations::AUTOSCALING {
        assert!(listed.contains(key.name), "{}", key.name);
    }
}

#[test]
fn each_row_of_a_setting_says_what_becomes_of_it() {
    for name in ApiConfig::NAMES {
        let Some(keys) = effects::keys(name) else { continue };
        let rows = table(name);
        let listed: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
        let known: BTreeSet<&str> = keys.iter().map(|key| key.name).collect();
        assert_eq!(listed, known, "{name}: the page has other keys than the code");
        for row in rows {
            let [key, example, claimed, why] = row[..] else { panic!("{row:?}") };
            let data: Data = serde_json::from_str(example)
                .unwrap_or_else(|_| Data::from([(key.to_owned(), example.to_owned())]));
            let answer = validate_config(&setting(name, json!({}), json!(data)));
            let warnings = answer.warnings.unwrap_or_default().join(" ");
            let found = match answer.allowed {
                false => "refused",
                true if warnings.contains(key) => "warned",
                true => "works",
            };
            assert_eq!(found, claimed, "{name} {row:?}: {} {warnings}", answer.result.message);
            match claimed {
                "warned" => assert!(warnings.contains(why), "{warnings} does not say: {why}"),
                "works" => {
                    let mut read = ApiConfig::default();
                    read.apply(name, &data).unwrap();
                    assert_ne!(read, ApiConfig::default(), "{name} {row:?}: nothing reads it");
                }
                _ => {}
            }
        }
    }
}
