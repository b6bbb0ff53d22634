//! `config-gc`: how many Revisions without traffic are kept, and for how long.
//!
//! Upstream: `pkg/gc/config.go`.

use std::time::Duration;

use super::read::Reader;
use super::settings::{ConfigError, Data, Settings};
use rouse_k8s::GoDuration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcConfig {
    /// None: age is no reason to delete.
    pub retain_since_create_time: Option<Duration>,
    /// None: idleness is no reason to delete.
    pub retain_since_last_active_time: Option<Duration>,
    pub min_non_active_revisions: u64,
    /// None is no limit.
    pub max_non_active_revisions: Option<u64>,
}

impl Default for GcConfig {
    fn default() -> Self {
        Self {
            retain_since_create_time: Some(Duration::from_secs(48 * 3600)),
            retain_since_last_active_time: Some(Duration::from_secs(15 * 3600)),
            min_non_active_revisions: 20,
            max_non_active_revisions: Some(1000),
        }
    }
}

impl Settings for GcConfig {
    const NAME: &'static str = "config-gc";

    fn from_data(data: &Data) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (key, into) in [
            ("retain-since-create-time", &mut config.retain_since_create_time),
            ("retain-since-last-active-time", &mut config.retain_since_last_active_time),
        ] {
            unless_disabled(data, key, into, |raw| match GoDuration::parse(raw) {
                Ok(duration) if duration.is_negative() => Err("must be non-negative".to_owned()),
                Ok(duration) => Ok(duration.to_std()),
                Err(e) => Err(e.to_string()),
            })?;
        }
        let max = &mut config.max_non_active_revisions;
        unless_disabled(data, "max-non-active-revisions", max, |raw| {
            raw.parse().map_err(|_| format!("strconv.ParseUint: parsing {raw:?}: invalid syntax"))
        })?;
        config.read_min(data)?;
        Ok(config)
    }
}

impl GcConfig {
    fn read_min(&mut self, data: &Data) -> Result<(), ConfigError> {
        let key = "min-non-active-revisions";
        let mut min = 20_i64;
        Reader(data).int(key, &mut min)?;
        let Ok(min) = u64::try_from(min) else {
            return Err(ConfigError::new(key, format!("{key} must be non-negative, was: {min}")));
        };
        if let Some(max) = self.max_non_active_revisions.filter(|max| min > *max) {
            let problem = format!("{key}({min}) must be <= max-non-active-revisions({max})");
            return Err(ConfigError::new(key, problem));
        }
        self.min_non_active_revisions = min;
        Ok(())
    }
}

fn unless_disabled<T>(
    data: &Data,
    key: &str,
    into: &mut Option<T>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<(), ConfigError> {
    let raw = data.get(key).map_or("", |raw| raw.trim());
    if raw.eq_ignore_ascii_case("disabled") {
        *into = None;
    } else if !raw.is_empty() {
        let value = parse(raw)
            .map_err(|why| ConfigError::new(key, format!("failed to parse {key}: {why}")))?;
        *into = Some(value);
    }
    Ok(())
}
