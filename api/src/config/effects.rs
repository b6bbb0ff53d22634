//! Every key of Knative's settings, and whether it changes anything here.
//!
//! `docs/compatibility.md` shows the same to users; a test holds the two together.

use strsim::levenshtein;

use super::autoscaler::AutoscalerConfig;
use super::defaults::DefaultsConfig;
use super::deployment::DeploymentConfig;
use super::features::{self, Features};
use super::gc::GcConfig;
use super::network::NetworkConfig;
use super::observability::ObservabilityConfig;
use super::settings::{Data, EXAMPLE_KEY, Settings};

/// One key of a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub name: &'static str,
    /// Older spellings that Knative still reads.
    pub old: &'static [&'static str],
    pub effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Acts,
    /// It is stored and changes nothing.
    Nothing {
        /// The value that asks for nothing either; it needs no warning.
        default: &'static str,
        why: &'static str,
    },
}

const fn acts(name: &'static str) -> Key {
    Key { name, old: &[], effect: Effect::Acts }
}

const fn renamed(name: &'static str, old: &'static [&'static str]) -> Key {
    Key { name, old, effect: Effect::Acts }
}

const fn inert(name: &'static str, default: &'static str, why: &'static str) -> Key {
    Key { name, old: &[], effect: Effect::Nothing { default, why } }
}

const fn inert_renamed(
    name: &'static str,
    old: &'static [&'static str],
    default: &'static str,
    why: &'static str,
) -> Key {
    Key { name, old, effect: Effect::Nothing { default, why } }
}

pub(crate) const NO_SIDECAR: &str = "there is no queue-proxy";
pub(crate) const IN_PATH: &str = "the activator is in the path of every request";

const AUTOSCALER: &[Key] = &[
    acts("container-concurrency-target-percentage"),
    acts("container-concurrency-target-default"),
    acts("requests-per-second-target-default"),
    inert("target-burst-capacity", "211", IN_PATH),
    acts("stable-window"),
    acts("panic-window-percentage"),
    acts("panic-threshold-percentage"),
    acts("max-scale-up-rate"),
    acts("max-scale-down-rate"),
    acts("enable-scale-to-zero"),
    inert("scale-to-zero-grace-period", "30s", IN_PATH),
    acts("scale-to-zero-pod-retention-period"),
    acts("scale-down-delay"),
    acts("pod-autoscaler-class"),
    inert("activator-capacity", "100.0", IN_PATH),
    acts("initial-scale"),
    acts("allow-zero-initial-scale"),
    acts("min-scale"),
    acts("max-scale"),
    acts("max-scale-limit"),
];

const DEFAULTS: &[Key] = &[
    acts("revision-timeout-seconds"),
    acts("max-revision-timeout-seconds"),
    acts("revision-response-start-timeout-seconds"),
    acts("revision-idle-timeout-seconds"),
    acts("revision-cpu-request"),
    acts("revision-memory-request"),
    acts("revision-ephemeral-storage-request"),
    acts("revision-cpu-limit"),
    acts("revision-memory-limit"),
    acts("revision-ephemeral-storage-limit"),
    acts("container-name-template"),
    acts("init-container-name-template"),
    acts("container-concurrency"),
    acts("container-concurrency-max-limit"),
    acts("allow-container-concurrency-zero"),
    acts("enable-service-links"),
];

const DEPLOYMENT: &[Key] = &[
    renamed("registries-skipping-tag-resolving", &["registriesSkippingTagResolving"]),
    renamed("digest-resolution-timeout", &["digestResolutionTimeout"]),
    renamed("progress-deadline", &["progressDeadline"]),
    acts("default-affinity-type"),
    acts("runtime-class-name"),
    acts("pod-is-always-schedulable"),
    inert_renamed("queue-sidecar-image", &["queueSidecarImage"], "", NO_SIDECAR),
    inert_renamed("queue-sidecar-cpu-request", &["queueSidecarCPURequest"], "25m", NO_SIDECAR),
    inert_renamed("queue-sidecar-cpu-limit", &["queueSidecarCPULimit"], "", NO_SIDECAR),
    inert_renamed("queue-sidecar-memory-request", &["queueSidecarMemoryRequest"], "", NO_SIDECAR),
    inert_renamed("queue-sidecar-memory-limit", &["queueSidecarMemoryLimit"], "", NO_SIDECAR),
    inert_renamed(
        "queue-sidecar-ephemeral-storage-request",
        &["queueSidecarEphemeralStorageRequest"],
        "",
        NO_SIDECAR,
    ),
    inert_renamed(
        "queue-sidecar-ephemeral-storage-limit",
        &["queueSidecarEphemeralStorageLimit"],
        "",
        NO_SIDECAR,
    ),
    inert("queue-sidecar-token-audiences", "", NO_SIDECAR),
    inert("queue-sidecar-rootca", "", NO_SIDECAR),
    inert("queue-sidecar-tls-min-version", "", NO_SIDECAR),
    inert("queue-sidecar-tls-max-version", "", NO_SIDECAR),
    inert("queue-sidecar-tls-cipher-suites", "", NO_SIDECAR),
    inert("queue-sidecar-tls-curve-preferences", "", NO_SIDECAR),
];

const GC: &[Key] = &[
    acts("retain-since-create-time"),
    acts("retain-since-last-active-time"),
    acts("min-non-active-revisions"),
    acts("max-non-active-revisions"),
];

pub(crate) const OWN_GATEWAY: &str = "requests come in by the activator, which is the only ingress";
pub(crate) const NO_ISSUER: &str = "no certificates are issued";
const NO_MESH: &str = "pods are always addressed one by one";

const NETWORK: &[Key] = &[
    inert_renamed(
        "ingress-class",
        &["ingress.class"],
        "istio.ingress.networking.knative.dev",
        OWN_GATEWAY,
    ),
    inert_renamed(
        "certificate-class",
        &["certificate.class"],
        "cert-manager.certificate.networking.knative.dev",
        NO_ISSUER,
    ),
    inert("namespace-wildcard-cert-selector", "", NO_ISSUER),
    renamed("domain-template", &["domainTemplate"]),
    renamed("tag-template", &["tagTemplate"]),
    renamed("external-domain-tls", &["auto-tls", "autoTLS"]),
    inert("cluster-local-domain-tls", "disabled", "pods reach Services by plain HTTP"),
    inert_renamed(
        "system-internal-tls",
        &["internal-encryption"],
        "disabled",
        "pods are reached by plain HTTP",
    ),
    renamed("http-protocol", &["httpProtocol"]),
    renamed("rollout-duration", &["rolloutDuration"]),
    renamed("autocreate-cluster-domain-claims", &["autocreateClusterDomainClaims"]),
    inert("enable-mesh-pod-addressability", "false", NO_MESH),
    inert("mesh-compatibility-mode", "auto", NO_MESH),
    renamed("default-external-scheme", &["defaultExternalScheme"]),
];

const ADMIN_PORT: &str = "metrics and profiles are always served, on the admin port";

const OBSERVABILITY: &[Key] = &[
    inert("logging.enable-var-log-collection", "false", "only what a program prints is collected"),
    acts("logging.revision-url-template"),
    acts("logging.request-log-template"),
    acts("logging.enable-request-log"),
    acts("logging.enable-probe-request-log"),
    inert("metrics-protocol", "none", ADMIN_PORT),
    inert("metrics-endpoint", "", ADMIN_PORT),
    inert("metrics-export-interval", "", ADMIN_PORT),
    inert("request-metrics-protocol", "none", ADMIN_PORT),
    inert("request-metrics-endpoint", "", ADMIN_PORT),
    inert("request-metrics-export-interval", "", ADMIN_PORT),
    inert("runtime-profiling", "disabled", ADMIN_PORT),
    inert("runtime-export-interval", "15s", ADMIN_PORT),
    acts("tracing-protocol"),
    acts("tracing-endpoint"),
    acts("tracing-sampling-rate"),
];

/// Features that turn nothing on here, and why.
const INERT_FEATURES: &[(&str, &str)] = &[
    (features::AUTODETECT_HTTP2, "write h2c as the name of the port"),
    ("queueproxy.mount-podinfo", NO_SIDECAR),
    ("queueproxy.resource-defaults", NO_SIDECAR),
];

const REFUSED: &str = "the field that it admits is refused";

/// ConfigMaps of Knative that no part of the platform reads.
const UNREAD: &[(&str, &str)] = &[
    ("config-certmanager", NO_ISSUER),
    ("config-leader-election", "there is one controller"),
    ("config-logging", "`rouse up` is told what to log by its own options"),
    ("config-tracing", "its settings are in config-observability"),
];

/// The keys of a ConfigMap, in the order of Knative's documentation. None for a ConfigMap whose
/// keys are free, and for one that is not Knative's.
#[must_use]
pub fn keys(config_map: &str) -> Option<Vec<Key>> {
    let keys = match config_map {
        AutoscalerConfig::NAME => AUTOSCALER,
        DefaultsConfig::NAME => DEFAULTS,
        DeploymentConfig::NAME => DEPLOYMENT,
        GcConfig::NAME => GC,
        NetworkConfig::NAME => NETWORK,
        ObservabilityConfig::NAME => OBSERVABILITY,
        Features::NAME => return Some(features::DEFAULTS.map(feature).to_vec()),
        _ => return None,
    };
    Some(keys.to_vec())
}

fn feature((name, default): (&'static str, features::Flag)) -> Key {
    match INERT_FEATURES.iter().find(|(inert, _)| *inert == name) {
        Some((_, why)) => inert(name, default.name(), why),
        None if features::REFUSED.contains(&name) => inert(name, default.name(), REFUSED),
        None => acts(name),
    }
}

/// The ConfigMaps of Knative that are not read, and why.
#[must_use]
pub fn unread(config_map: &str) -> Option<&'static str> {
    UNREAD.iter().find(|(name, _)| *name == config_map).map(|(_, why)| *why)
}

/// A line for each key that is set and changes nothing.
#[must_use]
pub fn warnings(config_map: &str, data: &Data) -> Vec<String> {
    let written = data.iter().filter(|(key, _)| *key != EXAMPLE_KEY);
    if let Some(why) = unread(config_map) {
        let keys: Vec<&str> = written.map(|(key, _)| key.as_str()).collect();
        return if keys.is_empty() {
            Vec::new()
        } else {
            vec![format!("{config_map}: {} has no effect here: {why}", keys.join(", "))]
        };
    }
    let Some(known) = keys(config_map) else { return Vec::new() };
    written.filter_map(|(key, value)| warning(config_map, &known, key, value)).collect()
}

fn warning(config_map: &str, known: &[Key], key: &str, value: &str) -> Option<String> {
    let Some(found) = known.iter().find(|k| k.name == key || k.old.contains(&key)) else {
        let nearest = nearest(known, key).map(|name| format!("; did you mean {name}?"));
        return Some(format!(
            "{config_map}: {key} is not a setting and has no effect{}",
            nearest.unwrap_or_default()
        ));
    };
    let Effect::Nothing { default, why } = found.effect else { return None };
    let as_default = value.trim().eq_ignore_ascii_case(default)
        || matches!((value.parse::<f64>(), default.parse::<f64>()), (Ok(a), Ok(b)) if a == b);
    (!as_default).then(|| format!("{config_map}: {key} has no effect here: {why}"))
}

/// The key that a misspelt one was probably meant to be.
fn nearest(known: &[Key], written: &str) -> Option<&'static str> {
    let allowed = written.len() / 4 + 1;
    known
        .iter()
        .map(|key| (levenshtein(key.name, written), key.name))
        .min()
        .filter(|(distance, _)| *distance <= allowed)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Data {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn what_acts_and_what_asks_for_nothing_is_not_warned_of() {
        let quiet = data(&[
            ("_example", "anything"),
            ("stable-window", "30s"),
            ("target-burst-capacity", "211"),
        ]);
        assert_eq!(warnings("config-autoscaler", &quiet), Vec::<String>::new());
        let domains = data(&[("example.com", "")]);
        assert_eq!(warnings("config-domain", &domains), Vec::<String>::new());
        assert_eq!(warnings("somebody-elses", &domains), Vec::<String>::new());
    }

    #[test]
    fn a_key_without_effect_and_a_misspelt_one_are_named() {
        let written = data(&[("activator-capacity", "5"), ("stabel-window", "30s"), ("x", "y")]);
        assert_eq!(
            warnings("config-autoscaler", &written),
            [
                "config-autoscaler: activator-capacity has no effect here: the activator is in the path of every request",
                "config-autoscaler: stabel-window is not a setting and has no effect; did you mean stable-window?",
                "config-autoscaler: x is not a setting and has no effect",
            ]
        );
        let unread = data(&[("_example", ""), ("loglevel.controller", "debug")]);
        assert_eq!(
            warnings("config-logging", &unread),
            [
                "config-logging: loglevel.controller has no effect here: `rouse up` is told what to log by its own options"
            ]
        );
    }
}
