//! The ConfigMaps of `manifests/config/` against the code that reads them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{ApiConfig, Data, EXAMPLE_CHECKSUM, EXAMPLE_KEY, example_checksum, features};
use k8s_openapi::api::core::v1::ConfigMap;

fn config_maps() -> BTreeMap<String, ConfigMap> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/config");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let map: ConfigMap = serde_saphyr::from_str(&text).unwrap();
            (map.metadata.name.clone().unwrap(), map)
        })
        .collect()
}

fn example(map: &ConfigMap) -> Data {
    let text = &map.data.as_ref().unwrap()[EXAMPLE_KEY];
    serde_saphyr::from_str::<Option<Data>>(text).unwrap().unwrap_or_default()
}

#[test]
fn there_is_one_for_each_that_is_read() {
    let names: Vec<String> = config_maps().into_keys().collect();
    assert_eq!(names, ApiConfig::NAMES);
}

#[test]
fn data_and_example_are_the_defaults() {
    for (name, map) in config_maps() {
        let mut config = ApiConfig::default();
        config.apply(&name, map.data.as_ref().unwrap()).unwrap();
        assert_eq!(config, ApiConfig::default(), "data of {name}");
        config.apply(&name, &example(&map)).unwrap();
        assert_eq!(config, ApiConfig::default(), "_example of {name}");
    }
}

#[test]
fn the_example_shows_every_feature() {
    let maps = config_maps();
    let shown = example(&maps["config-features"]);
    for (feature, _) in features::DEFAULTS {
        assert!(shown.contains_key(feature), "{feature}");
    }
    assert_eq!(shown.len(), features::DEFAULTS.len());
}

#[test]
fn the_checksum_is_that_of_the_example() {
    for (name, map) in config_maps() {
        let example = &map.data.as_ref().unwrap()[EXAMPLE_KEY];
        let annotations = map.metadata.annotations.as_ref().unwrap();
        assert_eq!(annotations[EXAMPLE_CHECKSUM], example_checksum(example), "{name}");
    }
}
