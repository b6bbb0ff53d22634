//! Limits and requests of a container as whole numbers. An amount that is too large becomes the maximum.

use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use rouse_k8s::Quantity;

/// A limit of the container, if it is a quantity and not negative.
fn limit(container: &Container, name: &str) -> Option<Quantity> {
    amount(container.resources.as_ref()?.limits.as_ref()?.get(name)?)
}

fn amount(written: &Written) -> Option<Quantity> {
    Quantity::try_from(written).ok().filter(|amount| !amount.is_negative())
}

/// `1Ki` is 1024, rounded up.
pub(crate) fn memory_limit(container: &Container) -> Option<u64> {
    limit(container, "memory").map(|limit| u64::try_from(limit.value()).unwrap_or(u64::MAX))
}

/// `250m` is 250, rounded up.
pub(crate) fn cpu_limit_millis(container: &Container) -> Option<u64> {
    limit(container, "cpu").map(|limit| u64::try_from(limit.milli_value()).unwrap_or(u64::MAX))
}

pub(crate) fn limits_storage(container: &Container) -> bool {
    limit(container, "ephemeral-storage").is_some()
}

/// Rounded up like the limit.
pub(crate) fn cpu_request_millis(container: &Container) -> Option<u64> {
    let request = amount(container.resources.as_ref()?.requests.as_ref()?.get("cpu")?)?;
    Some(u64::try_from(request.milli_value()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_whole_numbers_rounded_up_and_the_largest_where_they_are_larger() {
        for (text, cpu, memory) in [
            ("250m", Some(250), Some(1)),
            ("1500m", Some(1500), Some(2)),
            ("0.5", Some(500), Some(1)),
            ("100u", Some(1), Some(1)),
            ("1Ki", Some(1_024_000), Some(1024)),
            ("0", Some(0), Some(0)),
            ("lots", None, None),
            ("-1", None, None),
            ("-1e99", None, None),
            ("1e99", Some(u64::MAX), Some(u64::MAX)),
            ("9223372036854775807", Some(u64::MAX), Some(i64::MAX.unsigned_abs())),
            ("18446744073709551616", Some(u64::MAX), Some(u64::MAX)),
        ] {
            let limits = json!({"cpu": text, "memory": text});
            let container =
                json!({"name": "user", "resources": {"limits": limits, "requests": {"cpu": text}}});
            let container = serde_json::from_value(container).unwrap();
            assert_eq!(cpu_limit_millis(&container), cpu, "{text}");
            assert_eq!(cpu_request_millis(&container), cpu, "{text}");
            assert_eq!(memory_limit(&container), memory, "{text}");
        }
    }
}
