//! `config-defaults`: the defaults of a revision's fields, and their limits.
//!
//! Upstream: `pkg/apis/config/defaults.go`.

use std::collections::BTreeMap;

use rouse_k8s::Quantity;

use super::read::Reader;
use super::settings::{ConfigError, Data, Settings};
use crate::terms::keys;
use crate::terms::template::{Template, Values};

/// The largest number of seconds or requests in a setting, which any part of Kubernetes can hold.
const NUMBER_MAX: i64 = i32::MAX as i64;

#[derive(Clone, Debug, PartialEq)]
pub struct DefaultsConfig {
    pub revision_timeout_seconds: i64,
    pub max_revision_timeout_seconds: i64,
    pub revision_response_start_timeout_seconds: i64,
    /// 0 is none.
    pub revision_idle_timeout_seconds: i64,
    pub requests: Resources,
    pub limits: Resources,
    pub container_name_template: Template,
    pub init_container_name_template: Template,
    pub container_concurrency: i64,
    pub container_concurrency_max_limit: i64,
    pub allow_container_concurrency_zero: bool,
    /// None leaves it to Kubernetes.
    pub enable_service_links: Option<bool>,
}

/// Quantities by resource, as written; None sets none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    pub cpu: Option<String>,
    pub memory: Option<String>,
    pub ephemeral_storage: Option<String>,
}

impl Resources {
    /// Those that are set, by Kubernetes' names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("cpu", self.cpu.as_deref()),
            ("memory", self.memory.as_deref()),
            ("ephemeral-storage", self.ephemeral_storage.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, quantity)| Some((name, quantity?)))
    }
}

impl Default for DefaultsConfig {
    fn default() -> Self {
        let literal = |text| Template::parse(text).expect("text without actions is a template");
        Self {
            revision_timeout_seconds: 300,
            max_revision_timeout_seconds: 600,
            revision_response_start_timeout_seconds: 300,
            revision_idle_timeout_seconds: 0,
            requests: Resources::default(),
            limits: Resources::default(),
            container_name_template: literal(keys::USER_CONTAINER),
            init_container_name_template: literal("init-container"),
            container_concurrency: 0,
            container_concurrency_max_limit: 1000,
            allow_container_concurrency_zero: true,
            enable_service_links: Some(false),
        }
    }
}

impl Settings for DefaultsConfig {
    const NAME: &'static str = "config-defaults";

    fn from_data(data: &Data) -> Result<Self, ConfigError> {
        let read = Reader(data);
        let mut config = Self::default();
        name_template(
            data,
            "init-container-name-template",
            &mut config.init_container_name_template,
        )?;
        name_template(data, "container-name-template", &mut config.container_name_template)?;
        let zero = &mut config.allow_container_concurrency_zero;
        read.bool("allow-container-concurrency-zero", zero)?;
        if let Some(raw) = data.get("enable-service-links") {
            config.enable_service_links = match raw.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            };
        }
        config.read_timeouts(read)?;
        config.read_concurrency(read)?;
        for (kind, resources) in [("request", &mut config.requests), ("limit", &mut config.limits)]
        {
            read.quantity(&format!("revision-cpu-{kind}"), &mut resources.cpu)?;
            read.quantity(&format!("revision-memory-{kind}"), &mut resources.memory)?;
            let storage = &mut resources.ephemeral_storage;
            read.quantity(&format!("revision-ephemeral-storage-{kind}"), storage)?;
        }
        config.check_resources()?;
        Ok(config)
    }
}

impl DefaultsConfig {
    /// Knative accepts any; with a request above its limit Kubernetes then refuses every pod.
    fn check_resources(&self) -> Result<(), ConfigError> {
        for (name, request) in self.requests.iter() {
            let limit = self.limits.iter().find(|(limited, _)| *limited == name);
            let amount = |text: &str| Quantity::parse(text).ok();
            if let Some((_, limit)) = limit
                && amount(request).zip(amount(limit)).is_some_and(|(one, most)| one > most)
            {
                let key = format!("revision-{name}-request");
                let problem = format!(
                    "{key} ({request}) cannot be greater than revision-{name}-limit ({limit})"
                );
                return Err(ConfigError::new(&key, problem));
            }
        }
        Ok(())
    }

    fn read_timeouts(&mut self, read: Reader<'_>) -> Result<(), ConfigError> {
        read.int("revision-timeout-seconds", &mut self.revision_timeout_seconds)?;
        read.int("max-revision-timeout-seconds", &mut self.max_revision_timeout_seconds)?;
        read.int("revision-idle-timeout-seconds", &mut self.revision_idle_timeout_seconds)?;
        self.revision_response_start_timeout_seconds = self.revision_timeout_seconds;
        let start = &mut self.revision_response_start_timeout_seconds;
        read.int("revision-response-start-timeout-seconds", start)?;

        let timeout = self.revision_timeout_seconds;
        let max = self.max_revision_timeout_seconds;
        let start = self.revision_response_start_timeout_seconds;
        let idle = self.revision_idle_timeout_seconds;
        // Knative accepts any; with a negative one it then refuses every revision.
        for (key, seconds) in [
            ("revision-timeout-seconds", timeout),
            ("max-revision-timeout-seconds", max),
            ("revision-response-start-timeout-seconds", start),
            ("revision-idle-timeout-seconds", idle),
        ] {
            if !(0..=NUMBER_MAX).contains(&seconds) {
                let problem = format!("expected 0 <= {seconds} <= {NUMBER_MAX}: {key}");
                return Err(ConfigError::new(key, problem));
            }
        }
        if timeout > max {
            return Err(ConfigError::new(
                "revision-timeout-seconds",
                format!(
                    "revision-timeout-seconds ({timeout}) cannot be greater than max-revision-timeout-seconds ({max})"
                ),
            ));
        }
        for (key, value) in [
            ("revision-response-start-timeout-seconds", start),
            ("revision-idle-timeout-seconds", idle),
        ] {
            if value > 0 && value > timeout {
                let problem = format!(
                    "{key} ({value}) cannot be greater than revision-timeout-seconds ({timeout})"
                );
                return Err(ConfigError::new(key, problem));
            }
        }
        Ok(())
    }

    fn read_concurrency(&mut self, read: Reader<'_>) -> Result<(), ConfigError> {
        let limit_key = "container-concurrency-max-limit";
        read.int("container-concurrency", &mut self.container_concurrency)?;
        read.int(limit_key, &mut self.container_concurrency_max_limit)?;
        let (value, limit) = (self.container_concurrency, self.container_concurrency_max_limit);
        if !(1..=NUMBER_MAX).contains(&limit) {
            let problem = format!("expected 1 <= {limit} <= {NUMBER_MAX}: {limit_key}");
            return Err(ConfigError::new(limit_key, problem));
        }
        if value < 0 || value > limit {
            let problem = format!("expected 0 <= {value} <= {limit}: container-concurrency");
            return Err(ConfigError::new("container-concurrency", problem));
        }
        Ok(())
    }
}

/// The values that a name template may use: those of the object that the container belongs to.
#[derive(Clone, Copy, Debug)]
pub struct NameValues<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    pub generate_name: &'a str,
    pub labels: &'a BTreeMap<String, String>,
    pub annotations: &'a BTreeMap<String, String>,
}

impl NameValues<'_> {
    /// The name; empty if the template cannot be executed, as in Knative.
    #[must_use]
    pub fn execute(&self, template: &Template) -> String {
        self.try_execute(template).unwrap_or_default()
    }

    fn try_execute(
        &self,
        template: &Template,
    ) -> Result<String, crate::terms::template::TemplateError> {
        template.execute(Values {
            fields: &[
                ("Name", self.name),
                ("Namespace", self.namespace),
                ("GenerateName", self.generate_name),
            ],
            maps: &[("Labels", self.labels), ("Annotations", self.annotations)],
        })
    }
}

fn name_template(data: &Data, key: &str, into: &mut Template) -> Result<(), ConfigError> {
    let Some(raw) = data.get(key) else { return Ok(()) };
    let none = BTreeMap::new();
    let values = NameValues {
        name: "",
        namespace: "",
        generate_name: "",
        labels: &none,
        annotations: &none,
    };
    let template = Template::parse(raw)
        .and_then(|template| values.try_execute(&template).map(|_| template))
        .map_err(|e| ConfigError::new(key, format!("error executing template: {key}: {e}")))?;
    *into = template;
    Ok(())
}
