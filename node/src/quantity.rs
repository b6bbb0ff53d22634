//! Kubernetes quantities (`250m`, `1Gi`) as numbers.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// In thousandths of the unit: `250m` CPU is 250. `None` if it is no quantity.
pub(crate) fn millis(quantity: &Quantity) -> Option<u128> {
    let text = quantity.0.trim();
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let value: f64 = number.parse().ok()?;
    let factor = match suffix {
        "n" => 1e-6,
        "u" => 1e-3,
        "m" => 1.0,
        "" => 1e3,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "P" => 1e18,
        "Ki" => 1e3 * f64::from(1 << 10),
        "Mi" => 1e3 * f64::from(1 << 20),
        "Gi" => 1e3 * f64::from(1 << 30),
        "Ti" => 1e3 * 1_099_511_627_776.0,
        "Pi" => 1e3 * 1_125_899_906_842_624.0,
        exponent => {
            let power = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            1e3 * 10f64.powi(power)
        }
    };
    let millis = (value * factor).ceil();
    // Beyond what any machine has, and beyond what an f64 holds exactly.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be positive, finite and small enough"
    )]
    (millis.is_finite() && (0.0..1e30).contains(&millis)).then_some(millis as u128)
}

/// In whole units, rounded up: `1Ki` is 1024.
pub(crate) fn units(quantity: &Quantity) -> Option<u64> {
    u64::try_from(millis(quantity)?.div_ceil(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_mean_what_kubernetes_says() {
        for (text, want) in [
            ("250m", Some(250)),
            ("2", Some(2000)),
            ("0.5", Some(500)),
            ("1k", Some(1_000_000)),
            ("1Ki", Some(1_024_000)),
            ("64Mi", Some(64 * 1024 * 1024 * 1000)),
            ("1e3", Some(1_000_000)),
            ("100u", Some(1)),
            ("lots", None),
            ("-1", None),
            ("3X", None),
        ] {
            assert_eq!(millis(&Quantity(text.to_owned())), want, "{text}");
        }
        assert_eq!(units(&Quantity("1500m".to_owned())), Some(2));
    }
}
