//! `config-network`: hosts, TLS and rollouts.
//!
//! Upstream: `vendor/knative.dev/networking/pkg/config/config.go`.

use std::collections::BTreeMap;

use super::read::Reader;
use super::settings::{ConfigError, Data, Settings};
use crate::terms::template::{Template, TemplateError, Values};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    pub ingress_class: String,
    pub certificate_class: String,
    pub domain_template: Template,
    pub tag_template: Template,
    pub external_domain_tls: bool,
    pub cluster_local_domain_tls: bool,
    pub system_internal_tls: bool,
    pub http_protocol: HttpProtocol,
    /// Seconds over which a new Revision gets its share; 0 is at once.
    pub rollout_duration: u64,
    pub autocreate_cluster_domain_claims: bool,
    pub enable_mesh_pod_addressability: bool,
    pub mesh_compatibility_mode: MeshCompatibilityMode,
    pub default_external_scheme: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpProtocol {
    Enabled,
    Redirected,
    Disabled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeshCompatibilityMode {
    Auto,
    Enabled,
    Disabled,
}

pub const DEFAULT_DOMAIN_TEMPLATE: &str = "{{.Name}}.{{.Namespace}}.{{.Domain}}";
pub const DEFAULT_TAG_TEMPLATE: &str = "{{.Tag}}-{{.Name}}";

impl Default for NetworkConfig {
    fn default() -> Self {
        let template = |text| Template::parse(text).expect("the default template is a template");
        Self {
            ingress_class: "istio.ingress.networking.knative.dev".to_owned(),
            certificate_class: "cert-manager.certificate.networking.knative.dev".to_owned(),
            domain_template: template(DEFAULT_DOMAIN_TEMPLATE),
            tag_template: template(DEFAULT_TAG_TEMPLATE),
            external_domain_tls: false,
            cluster_local_domain_tls: false,
            system_internal_tls: false,
            http_protocol: HttpProtocol::Enabled,
            rollout_duration: 0,
            autocreate_cluster_domain_claims: false,
            enable_mesh_pod_addressability: false,
            mesh_compatibility_mode: MeshCompatibilityMode::Auto,
            default_external_scheme: "http".to_owned(),
        }
    }
}

impl Settings for NetworkConfig {
    const NAME: &'static str = "config-network";

    fn from_data(data: &Data) -> Result<Self, ConfigError> {
        let read = Reader(data);
        let mut config = Self::default();
        // The old spelling first: the new one wins.
        for (old, new, into) in [
            ("ingress.class", "ingress-class", &mut config.ingress_class),
            ("certificate.class", "certificate-class", &mut config.certificate_class),
            (
                "defaultExternalScheme",
                "default-external-scheme",
                &mut config.default_external_scheme,
            ),
        ] {
            read.text(old, into);
            read.text(new, into);
        }
        let claims = &mut config.autocreate_cluster_domain_claims;
        read.bool("autocreateClusterDomainClaims", claims)?;
        read.bool("autocreate-cluster-domain-claims", claims)?;
        read.bool("enable-mesh-pod-addressability", &mut config.enable_mesh_pod_addressability)?;
        config.read_templates(data)?;
        config.read_rollout(read)?;
        config.read_tls(data, read)?;
        config.mesh_compatibility_mode = match lower(data, "mesh-compatibility-mode").as_str() {
            "enabled" => MeshCompatibilityMode::Enabled,
            "disabled" => MeshCompatibilityMode::Disabled,
            _ => MeshCompatibilityMode::Auto,
        };
        Ok(config)
    }
}

impl NetworkConfig {
    fn read_rollout(&mut self, read: Reader<'_>) -> Result<(), ConfigError> {
        let key = "rollout-duration";
        let mut seconds = 0_i64;
        read.int("rolloutDuration", &mut seconds)?;
        read.int(key, &mut seconds)?;
        self.rollout_duration = u64::try_from(seconds).map_err(|_| {
            ConfigError::new(key, format!("{key} must be a positive integer, but was {seconds}"))
        })?;
        Ok(())
    }

    fn read_templates(&mut self, data: &Data) -> Result<(), ConfigError> {
        let template = |old: &str, new: &str, default: &str| {
            let text = data.get(new).or_else(|| data.get(old)).map_or(default, |raw| raw.trim());
            Template::parse(text).map_err(|e| ConfigError::new(new, e.to_string()))
        };
        self.domain_template =
            template("domainTemplate", "domain-template", DEFAULT_DOMAIN_TEMPLATE)?;
        self.tag_template = template("tagTemplate", "tag-template", DEFAULT_TAG_TEMPLATE)?;

        let none = BTreeMap::new();
        let domain = DomainValues {
            name: "foo",
            namespace: "bar",
            domain: "baz.com",
            annotations: &none,
            labels: &none,
        };
        let refuse = |problem: String| Err(ConfigError::new("domain-template", problem));
        match self.host(domain) {
            Err(e) => return refuse(e.to_string()),
            Ok(host) => match host.split_once(['/', '?', '#']) {
                _ if host.is_empty() || host.starts_with(['/', '?', '#', ':']) => {
                    return refuse("empty hostname".to_owned());
                }
                Some(_) => {
                    let path = &host[host.find(['/', '?', '#']).unwrap_or(0)..];
                    return refuse(format!("domain template has url path: {path}"));
                }
                None if !is_host(&host) => {
                    return refuse(format!("domain template yields no host name: {host:?}"));
                }
                None => {}
            },
        }
        self.tag_name("v2", "foo").map_err(|e| ConfigError::new("tag-template", e.to_string()))?;
        Ok(())
    }

    fn read_tls(&mut self, data: &Data, read: Reader<'_>) -> Result<(), ConfigError> {
        let enabled = |raw: &String| raw.eq_ignore_ascii_case("enabled");
        let keys = ["external-domain-tls", "auto-tls", "autoTLS"];
        self.external_domain_tls = keys.iter().find_map(|key| data.get(*key)).is_some_and(enabled);

        let http =
            if data.contains_key("http-protocol") { "http-protocol" } else { "httpProtocol" };
        self.http_protocol = match lower(data, http).as_str() {
            "" | "enabled" => HttpProtocol::Enabled,
            "redirected" => HttpProtocol::Redirected,
            "disabled" => HttpProtocol::Disabled,
            other => {
                let problem =
                    format!("httpProtocol {other} in config-network ConfigMap is not supported");
                return Err(ConfigError::new("http-protocol", problem));
            }
        };

        let mut internal = false;
        read.bool("internal-encryption", &mut internal)?;
        self.system_internal_tls = on_off(data, "system-internal-tls")? || internal;
        self.cluster_local_domain_tls = on_off(data, "cluster-local-domain-tls")?;
        Ok(())
    }

    /// The host of a Route.
    pub fn host(&self, values: DomainValues<'_>) -> Result<String, TemplateError> {
        let DomainValues { name, namespace, domain, annotations, labels } = values;
        self.domain_template.execute(Values {
            fields: &[("Name", name), ("Namespace", namespace), ("Domain", domain)],
            maps: &[("Annotations", annotations), ("Labels", labels)],
        })
    }

    /// The name of a Route's tag: in hosts, and of its core Service.
    pub fn tag_name(&self, tag: &str, route: &str) -> Result<String, TemplateError> {
        self.tag_template.execute(Values { fields: &[("Tag", tag), ("Name", route)], maps: &[] })
    }
}

/// The values that `domain-template` may use.
#[derive(Clone, Copy, Debug)]
pub struct DomainValues<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    pub domain: &'a str,
    pub annotations: &'a BTreeMap<String, String>,
    pub labels: &'a BTreeMap<String, String>,
}

fn lower(data: &Data, key: &str) -> String {
    data.get(key).map(|raw| raw.to_ascii_lowercase()).unwrap_or_default()
}

fn on_off(data: &Data, key: &str) -> Result<bool, ConfigError> {
    match lower(data, key).as_str() {
        "" | "disabled" => Ok(false),
        "enabled" => Ok(true),
        _ => {
            let raw = data.get(key).map_or("", String::as_str);
            let problem =
                format!("{key} with value: {raw:?} in config-network ConfigMap is not supported");
            Err(ConfigError::new(key, problem))
        }
    }
}

fn is_host(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}
