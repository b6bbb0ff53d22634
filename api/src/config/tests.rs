//! The ConfigMaps: reading them, and refusing bad values.

use super::domain::CLUSTER_LOCAL_DOMAIN;
use super::features::{
    MULTI_CONTAINER, POD_SPEC_FIELD_REF, SECURE_POD_DEFAULTS, VOLUMES_EMPTY_DIR,
};
use super::network::DomainValues;
use super::*;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn data(pairs: &[(&str, &str)]) -> Data {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn refusal<T: Settings + std::fmt::Debug>(pairs: &[(&str, &str)]) -> String {
    T::from_data(&data(pairs)).unwrap_err().to_string()
}

#[test]
fn an_empty_config_map_is_the_default() {
    assert_eq!(AutoscalerConfig::from_data(&data(&[])), Ok(AutoscalerConfig::default()));
    assert_eq!(DefaultsConfig::from_data(&data(&[])), Ok(DefaultsConfig::default()));
    assert_eq!(DeploymentConfig::from_data(&data(&[])), Ok(DeploymentConfig::default()));
    assert_eq!(DomainConfig::from_data(&data(&[])), Ok(DomainConfig::default()));
    assert_eq!(Features::from_data(&data(&[])), Ok(Features::default()));
    assert_eq!(GcConfig::from_data(&data(&[])), Ok(GcConfig::default()));
    assert_eq!(NetworkConfig::from_data(&data(&[])), Ok(NetworkConfig::default()));
    assert_eq!(ObservabilityConfig::from_data(&data(&[])), Ok(ObservabilityConfig::default()));
}

#[test]
fn autoscaler_settings_are_read() {
    let config = AutoscalerConfig::from_data(&data(&[
        ("stable-window", "6s"),
        ("container-concurrency-target-percentage", "50"),
        ("target-burst-capacity", "-1"),
        ("max-scale", "7"),
        ("max-scale-limit", "9"),
        ("allow-zero-initial-scale", "true"),
        ("initial-scale", "0"),
        ("enable-scale-to-zero", "F"),
        ("_example", "anything"),
    ]))
    .unwrap();
    assert_eq!(config.stable_window, Duration::from_secs(6));
    assert!((config.container_concurrency_target_fraction - 0.5).abs() < 1e-9);
    assert_eq!(config.target_burst_capacity, autoscaler::BurstCapacity::Unlimited);
    assert_eq!((config.max_scale, config.max_scale_limit), (Some(7), Some(9)));
    assert_eq!(config.initial_scale, 0);
    assert!(!config.enable_scale_to_zero);
}

#[test]
fn autoscaler_settings_are_refused_in_knatives_words() {
    for (pairs, want) in [
        (
            vec![("stable-window", "five")],
            "failed to parse \"stable-window\": time: invalid duration \"five\"",
        ),
        (vec![("stable-window", "5s")], "stable-window = 5s, must be in [6s; 1h0m0s] range"),
        (
            vec![("stable-window", "6500ms")],
            "stable-window = 6.5s, must be specified with at most second precision",
        ),
        (
            vec![("target-burst-capacity", "-2")],
            "target-burst-capacity must be either non-negative or -1 (for unlimited), was: -2.000000",
        ),
        (vec![("max-scale-up-rate", "1")], "max-scale-up-rate = 1, must be greater than 1.0"),
        (
            vec![("initial-scale", "0")],
            "initial-scale = 0, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)",
        ),
        (vec![("max-scale-limit", "5")], "max-scale = 0, must be in [1, max-scale-limit(5)] range"),
        (
            vec![("min-scale", "3"), ("max-scale", "2")],
            "min-scale (3) must be less than max-scale (2)",
        ),
        (
            vec![("enable-scale-to-zero", "yes")],
            "failed to parse \"enable-scale-to-zero\": strconv.ParseBool: parsing \"yes\": invalid syntax",
        ),
        (
            vec![("scale-to-zero-grace-period", "0s")],
            "scale-to-zero-grace-period must be positive, was: 0s",
        ),
    ] {
        assert_eq!(refusal::<AutoscalerConfig>(&pairs), want);
    }
}

#[test]
fn defaults_are_read_and_refused() {
    let config = DefaultsConfig::from_data(&data(&[
        ("revision-timeout-seconds", "123"),
        ("revision-cpu-request", "400m"),
        ("container-name-template", "c-{{.Name}}"),
        ("enable-service-links", "default"),
    ]))
    .unwrap();
    // Without a value of its own it equals the timeout.
    assert_eq!(config.revision_response_start_timeout_seconds, 123);
    assert_eq!(config.requests.iter().collect::<Vec<_>>(), [("cpu", "400m")]);
    assert_eq!(config.enable_service_links, None);

    for (pairs, want) in [
        (
            vec![("revision-timeout-seconds", "700")],
            "revision-timeout-seconds (700) cannot be greater than max-revision-timeout-seconds (600)",
        ),
        (
            vec![("container-concurrency", "1001")],
            "expected 0 <= 1001 <= 1000: container-concurrency",
        ),
        (
            vec![("revision-idle-timeout-seconds", "301")],
            "revision-idle-timeout-seconds (301) cannot be greater than revision-timeout-seconds (300)",
        ),
        (
            vec![("revision-cpu-request", "1"), ("revision-cpu-limit", "500m")],
            "revision-cpu-request (1) cannot be greater than revision-cpu-limit (500m)",
        ),
    ] {
        assert_eq!(refusal::<DefaultsConfig>(&pairs), want);
    }
    assert!(
        refusal::<DefaultsConfig>(&[("container-name-template", "{{.Nome}}")])
            .contains("there is no field \"Nome\"")
    );
}

#[test]
fn the_most_specific_domain_wins() {
    let config = DomainConfig::from_data(&data(&[
        ("b.com", ""),
        ("a.com", ""),
        ("prod.com", "selector:\n  app: prod"),
        ("beta.com", "selector:\n  app: prod\n  stage: beta\n"),
    ]))
    .unwrap();
    for (labels, want) in [
        (vec![], "a.com"),
        (vec![("app", "prod")], "prod.com"),
        (vec![("app", "prod"), ("stage", "beta")], "beta.com"),
        (
            vec![("app", "prod"), (crate::terms::keys::VISIBILITY, "cluster-local")],
            CLUSTER_LOCAL_DOMAIN,
        ),
    ] {
        assert_eq!(config.look_up(&data(&labels)), want);
    }
    let labelled = DomainConfig::from_data(&data(&[("x.com", "selector: {app: x}")])).unwrap();
    assert_eq!(labelled.look_up(&data(&[])), CLUSTER_LOCAL_DOMAIN);
    assert!(refusal::<DomainConfig>(&[("x.com", "selector: [")]).contains("x.com"));
}

#[test]
fn unknown_features_and_values_are_ignored() {
    let features = Features::from_data(&data(&[
        (POD_SPEC_FIELD_REF, "allowed"),
        (MULTI_CONTAINER, "perhaps"),
        (VOLUMES_EMPTY_DIR, "DISABLED"),
        (SECURE_POD_DEFAULTS, "AllowRootBounded"),
        ("no-such-feature", "enabled"),
    ]))
    .unwrap();
    assert_eq!(features.get(POD_SPEC_FIELD_REF), Flag::Allowed);
    assert!(features.is_enabled(MULTI_CONTAINER));
    assert!(!features.permits(VOLUMES_EMPTY_DIR));
    assert_eq!(features.get(SECURE_POD_DEFAULTS), Flag::AllowRootBounded);
    assert_eq!(features.get("no-such-feature"), Flag::Disabled);
}

#[test]
fn gc_settings_may_be_disabled() {
    let config = GcConfig::from_data(&data(&[
        ("retain-since-create-time", "Disabled"),
        ("retain-since-last-active-time", "1h"),
        ("max-non-active-revisions", "disabled"),
        ("min-non-active-revisions", "2000"),
    ]))
    .unwrap();
    assert_eq!(config.retain_since_create_time, None);
    assert_eq!(config.retain_since_last_active_time, Some(Duration::from_secs(3600)));
    assert_eq!(config.max_non_active_revisions, None);
    assert_eq!(
        refusal::<GcConfig>(&[("min-non-active-revisions", "1001")]),
        "min-non-active-revisions(1001) must be <= max-non-active-revisions(1000)"
    );
    assert_eq!(
        refusal::<GcConfig>(&[("retain-since-create-time", "-1s")]),
        "failed to parse retain-since-create-time: must be non-negative"
    );
}

#[test]
fn hosts_are_made_by_the_templates() {
    let config = NetworkConfig::from_data(&data(&[
        ("domain-template", "{{.Name}}-{{.Namespace}}.{{index .Labels \"zone\"}}.{{.Domain}}"),
        ("tagTemplate", "{{.Name}}-{{.Tag}}"),
        ("httpProtocol", "Redirected"),
        ("auto-tls", "Enabled"),
    ]))
    .unwrap();
    let labels = data(&[("zone", "eu")]);
    let none = data(&[]);
    let values = DomainValues {
        name: "hello",
        namespace: "prod",
        domain: "x.com",
        annotations: &none,
        labels: &labels,
    };
    assert_eq!(config.host(values).as_deref(), Ok("hello-prod.eu.x.com"));
    assert_eq!(config.tag_name("blue", "hello").as_deref(), Ok("hello-blue"));
    assert_eq!(config.http_protocol, network::HttpProtocol::Redirected);
    assert!(config.external_domain_tls);

    for (pairs, want) in [
        (
            vec![("domain-template", "{{.Name}}.com/{{.Namespace}}")],
            "domain template has url path: /bar",
        ),
        (vec![("domain-template", "")], "empty hostname"),
        (
            vec![("tag-template", "{{.Tagg}}")],
            "template \"{{.Tagg}}\": there is no field \"Tagg\" here",
        ),
        (
            vec![("rollout-duration", "-1")],
            "rollout-duration must be a positive integer, but was -1",
        ),
        (
            vec![("http-protocol", "off")],
            "httpProtocol off in config-network ConfigMap is not supported",
        ),
        (
            vec![("system-internal-tls", "yes")],
            "system-internal-tls with value: \"yes\" in config-network ConfigMap is not supported",
        ),
    ] {
        assert_eq!(refusal::<NetworkConfig>(&pairs), want);
    }
}

#[test]
fn deployment_and_observability_are_checked() {
    let config = DeploymentConfig::from_data(&data(&[
        ("progress-deadline", "444s"),
        ("registries-skipping-tag-resolving", "ko.local, example.com"),
        ("runtime-class-name", "kata: {}\ngvisor:\n  selector:\n    safe: very\n"),
    ]))
    .unwrap();
    assert_eq!(config.progress_deadline, Duration::from_secs(444));
    assert!(config.registries_skipping_tag_resolving.contains("example.com"));
    assert_eq!(config.runtime_class(&data(&[("safe", "very")])), Some("gvisor"));
    assert_eq!(config.runtime_class(&data(&[])), Some("kata"));
    assert_eq!(
        refusal::<DeploymentConfig>(&[("progress-deadline", "1.5s")]),
        "progress-deadline must be rounded to a whole second, was: 1.5s"
    );
    assert_eq!(
        refusal::<ObservabilityConfig>(&[
            ("logging.enable-request-log", "true"),
            ("logging.request-log-template", ""),
        ]),
        "\"logging.enable-request-log\" was set to true, but no \"logging.request-log-template\" was specified"
    );
}

#[test]
fn a_bad_config_map_changes_nothing() {
    let mut config = ApiConfig::default();
    config.apply("config-gc", &data(&[("min-non-active-revisions", "3")])).unwrap();
    let before = config.clone();
    assert!(config.apply("config-gc", &data(&[("min-non-active-revisions", "x")])).is_err());
    assert_eq!(config, before);
    assert_eq!(config.apply("config-logging", &data(&[])), Ok(()));
}

/// The ConfigMaps of `manifests/config/`.
fn config_maps() -> BTreeMap<String, ConfigMap> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/config");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let map: ConfigMap = serde_yaml::from_str(&text).unwrap();
            (map.metadata.name.clone().unwrap(), map)
        })
        .collect()
}

fn example(map: &ConfigMap) -> Data {
    let text = &map.data.as_ref().unwrap()[EXAMPLE_KEY];
    serde_yaml::from_str::<Option<Data>>(text).unwrap().unwrap_or_default()
}

#[test]
fn every_config_map_that_is_read_has_a_manifest() {
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
