//! Reading single keys, with the syntax and the messages of Go's `strconv`.

use std::str::FromStr;

use super::settings::{ConfigError, Data};
use rouse_k8s::GoDuration;
use rouse_k8s::Quantity;

/// Reads keys of one ConfigMap into variables that hold their defaults.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a Data);

impl Reader<'_> {
    /// Trimmed text.
    pub(super) fn text(self, key: &str, into: &mut String) {
        if let Some(raw) = self.0.get(key) {
            raw.trim().clone_into(into);
        }
    }

    pub(super) fn bool(self, key: &str, into: &mut bool) -> Result<(), ConfigError> {
        self.with(key, into, |raw| {
            parse_bool(raw)
                .ok_or_else(|| format!("strconv.ParseBool: parsing {raw:?}: invalid syntax"))
        })
    }

    pub(super) fn float(self, key: &str, into: &mut f64) -> Result<(), ConfigError> {
        self.with(key, into, |raw| {
            parse_float(raw)
                .ok_or_else(|| format!("strconv.ParseFloat: parsing {raw:?}: invalid syntax"))
        })
    }

    pub(super) fn int<T: FromStr>(self, key: &str, into: &mut T) -> Result<(), ConfigError> {
        self.with(key, into, |raw| {
            raw.parse().map_err(|_| {
                let out_of_range = raw.parse::<i128>().is_ok();
                let why = if out_of_range { "value out of range" } else { "invalid syntax" };
                format!("strconv.ParseInt: parsing {raw:?}: {why}")
            })
        })
    }

    pub(super) fn duration(self, key: &str, into: &mut GoDuration) -> Result<(), ConfigError> {
        self.with(key, into, |raw| GoDuration::parse(raw).map_err(|e| e.to_string()))
    }

    /// A quantity that is not negative, kept as it is written.
    pub(super) fn quantity(self, key: &str, into: &mut Option<String>) -> Result<(), ConfigError> {
        self.with(key, into, |raw| {
            let amount = Quantity::parse(raw.trim()).map_err(|e| e.to_string())?;
            if amount.is_negative() {
                return Err("must be greater than or equal to 0".to_owned());
            }
            Ok(Some(raw.trim().to_owned()))
        })
    }

    fn with<T>(
        self,
        key: &str,
        into: &mut T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<(), ConfigError> {
        if let Some(raw) = self.0.get(key) {
            *into = parse(raw)
                .map_err(|why| ConfigError::new(key, format!("failed to parse {key:?}: {why}")))?;
        }
        Ok(())
    }
}

/// Go's `strconv.ParseBool`.
pub(super) fn parse_bool(raw: &str) -> Option<bool> {
    match raw {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A finite number: neither Go's `inf` nor `nan` is any use in a setting.
pub(crate) fn parse_float(raw: &str) -> Option<f64> {
    raw.parse().ok().filter(|number: &f64| number.is_finite())
}
