//! Every row of `docs/compatibility.md` is tried for each runtime: a cell that claims what the code does not do
//! fails, as do counts that are not those of the cells.

use std::collections::{BTreeMap, BTreeSet};

use rouse_api::config::{ApiConfig, Data, effects};
use rouse_node::runtime::{Capabilities, docker, process};
use serde_json::{Value, json};

use super::tried::{Tried, service};

const PAGE: &str = include_str!("../../../../../docs/compatibility.md");
const RUNTIMES: [(&str, Capabilities); 2] =
    [("process", process::CAPABILITIES), ("docker", docker::CAPABILITIES)];

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

/// `works`, `warned` or `refused` of a Service under the settings and runtime in force. Either of the latter
/// must name `name`, or what a setting of that name does.
fn outcome(tried: &Tried, object: &Value, name: &str) -> &'static str {
    match tried.service(object.clone()) {
        Err(why) => {
            let plain = |text: &str| text.to_lowercase().replace(['-', ' '], "");
            assert!(plain(&why).contains(&plain(name)), "{why} does not name {name}");
            "refused"
        }
        Ok(warnings) if warnings.iter().any(|warning| warning.contains(name)) => "warned",
        Ok(_) => "works",
    }
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

/// A Service that has the field of a row.
fn with_field(path: &str, example: &str) -> Value {
    let value = serde_json::from_str(example).unwrap_or_else(|e| panic!("{path} {example}: {e}"));
    let mut object = service();
    set(&mut object, path, value);
    let spec = &mut object["spec"]["template"]["spec"];
    let mounts = json!([{ "name": "v", "mountPath": "/v", "readOnly": true }]);
    if path.ends_with(".volumes") {
        spec["containers"][0]["volumeMounts"] = mounts;
    } else if path.ends_with(".volumeMounts") {
        spec["volumes"] = json!([{ "name": "v", "configMap": { "name": "c" } }]);
    }
    object
}

#[tokio::test]
async fn each_row_of_a_field_says_what_becomes_of_it() {
    let tried = Tried::new();
    for row in table("Fields of a Service") {
        let [path, example, of_process, of_docker, note] = row[..] else { panic!("{row:?}") };
        let object = with_field(path, example);
        let plain = path.replace("[0]", "");
        let name = plain.rsplit('.').next().unwrap();
        let feature = note.split('`').find(|word| word.starts_with("kubernetes."));
        for ((runtime, can), claimed) in RUNTIMES.into_iter().zip([of_process, of_docker]) {
            tried.runtime(runtime, can);
            tried.config(ApiConfig::default());
            let off = outcome(&tried, &object, name);
            if let Some(feature) = feature {
                assert_eq!(off, "refused", "{row:?}: without {feature}");
                tried.config(with_feature(feature));
                assert_eq!(outcome(&tried, &object, name), claimed, "{runtime}: {row:?}");
            } else {
                assert_eq!(off, claimed, "{runtime}: {row:?}");
            }
        }
    }
}

/// The fields of a Service's template, as its CRD lists them.
#[test]
fn each_field_of_the_schema_has_a_row() {
    let crd = include_str!("../../../../../manifests/crds/service.yaml");
    let crd: Value = serde_yaml::from_str(crd).unwrap();
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/template\
                  /properties/spec/properties";
    let listed: BTreeSet<&str> = table("Fields of a Service").iter().map(|row| row[0]).collect();
    let known = |below: &str, pointer: &str| {
        let fields = crd.pointer(&format!("{schema}{pointer}")).and_then(Value::as_object).unwrap();
        for field in fields.keys() {
            let path = format!("spec.template.spec.{below}{field}");
            let deeper = format!("{path}.");
            let has = listed.contains(&*path) || listed.iter().any(|row| row.starts_with(&deeper));
            assert!(has, "no row for {path}");
        }
    };
    known("", "");
    known("containers[0].", "/containers/items/properties");
    known(
        "containers[0].securityContext.",
        "/containers/items/properties/securityContext/properties",
    );
    known("securityContext.", "/securityContext/properties");
}

#[tokio::test]
async fn each_row_of_an_annotation_says_what_becomes_of_it() {
    let tried = Tried::new();
    for row in table("Annotations").into_iter().chain(table("Cloud Run")) {
        let [name, on, example, of_process, of_docker, _] = row[..] else { panic!("{row:?}") };
        let mut object = service();
        let annotations = json!({ name: example });
        match on {
            "template" => {
                object["spec"]["template"]["metadata"] = json!({ "annotations": annotations });
            }
            _ => object["metadata"]["annotations"] = annotations,
        }
        for ((runtime, can), claimed) in RUNTIMES.into_iter().zip([of_process, of_docker]) {
            tried.runtime(runtime, can);
            assert_eq!(outcome(&tried, &object, name), claimed, "{runtime}: {row:?}");
        }
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

#[tokio::test]
async fn each_row_of_a_setting_says_what_becomes_of_it() {
    let tried = Tried::new();
    for name in ApiConfig::NAMES {
        let Some(keys) = effects::keys(name) else { continue };
        let rows = table(name);
        let listed: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
        let known: BTreeSet<&str> = keys.iter().map(|key| key.name).collect();
        assert_eq!(listed, known, "{name}: the page has other keys than the code");
        for row in rows {
            let [key, example, of_process, of_docker, why] = row[..] else { panic!("{row:?}") };
            let data: Data = serde_json::from_str(example)
                .unwrap_or_else(|_| Data::from([(key.to_owned(), example.to_owned())]));
            let warnings = tried.setting(name, json!(data)).unwrap().join(" ");
            let warned = warnings.contains(key);
            assert!(!warned || warnings.contains(why), "{warnings} does not say: {why}");
            let mut read = ApiConfig::default();
            read.apply(name, &data).unwrap();
            assert!(warned || read != ApiConfig::default(), "{name} {row:?}: nothing reads it");
            tried.config(read);
            for ((runtime, can), claimed) in RUNTIMES.into_iter().zip([of_process, of_docker]) {
                tried.runtime(runtime, can);
                // Of a pod that asks for nothing, all that is not enforced comes from the setting.
                let found = if warned || is_unmet(&tried) { "warned" } else { "works" };
                assert_eq!(found, claimed, "{runtime}: {name} {row:?} {warnings}");
            }
        }
    }
}

/// Whether a plain Service's pod has a setting that the runtime does not enforce.
fn is_unmet(tried: &Tried) -> bool {
    // It may be refused under the setting, which is an effect.
    tried.service(service()).is_ok() && !tried.unmet().is_empty()
}

#[test]
fn the_page_says_how_many_rows_have_each_outcome() {
    let headings = ["Fields of a Service", "Annotations", "Cloud Run"];
    let settings = ApiConfig::NAMES.into_iter().filter(|name| effects::keys(name).is_some());
    let mut counts = BTreeMap::<(usize, &str), usize>::new();
    for row in headings.into_iter().chain(settings).flat_map(table) {
        // The last cells are process, docker and the note.
        for (column, &outcome) in row[row.len() - 3..row.len() - 1].iter().enumerate() {
            *counts.entry((column, outcome)).or_default() += 1;
        }
    }
    let line = |(column, (runtime, _)): (usize, (&str, Capabilities))| {
        let count = |outcome| counts.get(&(column, outcome)).copied().unwrap_or_default();
        let [works, warned, refused] = ["works", "warned", "refused"].map(count);
        format!("| `{runtime}` | {works} | {warned} | {refused} |\n")
    };
    let head: String = RUNTIMES.into_iter().enumerate().map(line).collect();
    println!("{head}");
    assert!(PAGE.contains(&head), "the head of the page must say\n{head}");
}
