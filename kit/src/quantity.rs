//! Kubernetes quantities: `250m`, `1.5Gi`, `2e3`. Exact to a billionth, like Kubernetes'.
//!
//! What is beyond any machine is taken for the greatest amount there is, as Kubernetes does.

/// An amount, in billionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity {
    nanos: i128,
}

/// Text that is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)]
pub struct ParseError;

const NANOS: i128 = 1_000_000_000;

impl Quantity {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) | None => (false, text),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let digits = number.chars().any(|c| c.is_ascii_digit());
        if !digits || number.matches('.').count() > 1 {
            return Err(ParseError);
        }
        let scale = scale(suffix).ok_or(ParseError)?;
        let nanos = amount(number, scale).unwrap_or(i128::MAX);
        Ok(Self { nanos: if negative { -nanos } else { nanos } })
    }

    /// Whole units, rounded up: bytes of memory.
    #[must_use]
    pub fn value(self) -> i128 {
        div_up(self.nanos, NANOS)
    }

    /// Thousandths, rounded up: millicores.
    #[must_use]
    pub fn milli_value(self) -> i128 {
        div_up(self.nanos, NANOS / 1000)
    }

    #[must_use]
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }
}

/// What a suffix multiplies with, and divides by.
type Scale = (i128, i128);

fn scale(suffix: &str) -> Option<Scale> {
    let binary = |power: u32| Some((1_i128 << (10 * power), 1));
    let decimal = |power: u32| Some((10_i128.pow(power), 1));
    match suffix {
        "n" => Some((1, NANOS)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = 10_i128.checked_pow(power.unsigned_abs()).unwrap_or(i128::MAX);
            Some(if power < 0 { (1, factor) } else { (factor, 1) })
        }
    }
}

/// `number` in that scale, in billionths, rounded up; None if that is too large to be told.
fn amount(number: &str, (times, over): Scale) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Digits beyond the ninth of a fraction are below a billionth of any unit that matters.
    let fraction = &fraction[..fraction.len().min(9)];
    let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let places = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let scaled = digits.checked_mul(times)?.checked_mul(NANOS)?;
    Some(div_up(scaled, over.saturating_mul(places)))
}

fn div_up(value: i128, by: i128) -> i128 {
    value.div_euclid(by) + i128::from(value.rem_euclid(by) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read() {
        for (text, milli) in [
            ("1", 1_000),
            ("250m", 250),
            ("0.1", 100),
            ("1.5Gi", 1_610_612_736_000),
            ("128Mi", 134_217_728_000),
            ("1k", 1_000_000),
            ("2e3", 2_000_000),
            ("1E", 1_000_000_000_000_000_000_000),
            ("-5", -5_000),
            (".5", 500),
            ("1n", 1),
            ("1e-99", 1),
        ] {
            assert_eq!(Quantity::parse(text).unwrap().milli_value(), milli, "{text}");
        }
        assert_eq!(Quantity::parse("100m").unwrap().value(), 1);
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "m", ".", "1 Gi", "1.2.3", "1gi", "one", "1e", "1X"] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn amounts_are_compared_whatever_their_unit() {
        let read = |text| Quantity::parse(text).unwrap();
        assert_eq!(read("1"), read("1000m"));
        assert!(read("1Gi") > read("1G"));
        assert!(read("1e99") > read("9E"));
        assert!(read("-1e99").is_negative() && read("-1e99") < read("-9E"));
    }
}
