//! Resources of a container as whole numbers.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// In thousandths of the unit: `250m` CPU is 250. None if it is no quantity, or less than nothing.
pub(crate) fn millis(quantity: &Quantity) -> Option<u128> {
    u128::try_from(rouse_kit::Quantity::parse(&quantity.0).ok()?.milli_value()).ok()
}

/// In whole units, rounded up: `1Ki` is 1024.
pub(crate) fn units(quantity: &Quantity) -> Option<u64> {
    u64::try_from(rouse_kit::Quantity::parse(&quantity.0).ok()?.value()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_whole_numbers_rounded_up() {
        let quantity = |text: &str| Quantity(text.to_owned());
        for (text, want) in [
            ("250m", Some(250)),
            ("0.5", Some(500)),
            ("100u", Some(1)),
            ("lots", None),
            ("-1", None),
        ] {
            assert_eq!(millis(&quantity(text)), want, "{text}");
        }
        assert_eq!(units(&quantity("1500m")), Some(2));
    }
}
