//! Durations as Go writes and reads them: `1h30m`, `300ms`, `2.5s`.
//!
//! Kept as signed nanoseconds, like Go's, because validation has to name negative values.

use std::fmt;
use std::time::Duration;

const SECOND: i64 = 1_000_000_000;
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3600 * SECOND),
];

/// A signed length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(i64);

/// Text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit { unit: String, text: String },
}

impl GoDuration {
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds * SECOND)
    }

    /// Go's `time.ParseDuration`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let invalid = || ParseError::Invalid(text.to_owned());
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) | None => (false, text),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let number = span(rest, |c| c.is_ascii_digit() || c == '.');
            let unit = span(&rest[number.len()..], |c| !c.is_ascii_digit() && c != '.');
            rest = &rest[number.len() + unit.len()..];
            if number.is_empty() {
                return Err(invalid());
            }
            if unit.is_empty() {
                return Err(ParseError::MissingUnit(text.to_owned()));
            }
            let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                let unit = unit.to_owned();
                return Err(ParseError::UnknownUnit { unit, text: text.to_owned() });
            };
            total = total
                .checked_add(scaled(number, *scale).ok_or_else(invalid)?)
                .ok_or_else(invalid)?;
        }
        let total = i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())?;
        Ok(Self(total))
    }

    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Whether it is made of whole seconds.
    #[must_use]
    pub fn is_whole_seconds(self) -> bool {
        self.0 % SECOND == 0
    }

    /// Zero where it is negative.
    #[must_use]
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl From<Duration> for GoDuration {
    /// Saturates at about 292 years.
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// Go's `Duration.String`: `1h0m0s`, `2.5s`, `300ms`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        if nanos == 0 {
            return f.write_str("0s");
        }
        match nanos {
            0..1_000 => return write!(f, "{nanos}ns"),
            1_000..1_000_000 => return write!(f, "{}µs", decimal(nanos, 1_000)),
            1_000_000..1_000_000_000 => return write!(f, "{}ms", decimal(nanos, 1_000_000)),
            1_000_000_000.. => {}
        }
        let minute = 60 * SECOND.unsigned_abs();
        let (hours, minutes) = (nanos / (60 * minute), nanos / minute % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}s", decimal(nanos % minute, SECOND.unsigned_abs()))
    }
}

/// The leading characters that `accept` accepts.
fn span(text: &str, accept: impl Fn(char) -> bool) -> &str {
    text.find(|c| !accept(c)).map_or(text, |end| &text[..end])
}

/// `number`, which may have a fraction, times `scale`.
fn scaled(number: &str, scale: i64) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let mut total: i128 = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()?.into() };
    total = total.checked_mul(scale.into())?;
    let mut unit = i128::from(scale);
    let mut rest: i128 = 0;
    // Eighteen digits of a fraction are finer than a nanosecond of an hour.
    for digit in fraction.bytes().take(18) {
        unit *= 10;
        rest = rest * 10 + i128::from(digit - b'0');
    }
    let divisor = unit / i128::from(scale);
    Some(total + rest * i128::from(scale) / divisor)
}

/// `nanos / unit` with as many decimals as it needs.
fn decimal(nanos: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let text = format!("{}.{:0digits$}", nanos / unit, nanos % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        for (text, nanos, shown) in [
            ("60s", 60 * SECOND, "1m0s"),
            ("1h30m", 5400 * SECOND, "1h30m0s"),
            ("2.5s", 2_500_000_000, "2.5s"),
            ("300ms", 300_000_000, "300ms"),
            ("1.5h", 5400 * SECOND, "1h30m0s"),
            ("-3s", -3 * SECOND, "-3s"),
            (".5s", 500_000_000, "500ms"),
            ("0", 0, "0s"),
            ("1h0m0.25s", 3_600_250_000_000, "1h0m0.25s"),
            ("7us", 7_000, "7µs"),
        ] {
            let duration = GoDuration::parse(text).unwrap();
            assert_eq!(duration, GoDuration(nanos), "{text}");
            assert_eq!(duration.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_in_gos_words() {
        for (text, want) in [
            ("", "time: invalid duration \"\""),
            ("10", "time: missing unit in duration \"10\""),
            ("10y", "time: unknown unit \"y\" in duration \"10y\""),
            ("s", "time: invalid duration \"s\""),
            ("1.2.3s", "time: invalid duration \"1.2.3s\""),
            ("9999999999h", "time: invalid duration \"9999999999h\""),
        ] {
            assert_eq!(GoDuration::parse(text).unwrap_err().to_string(), want);
        }
    }
}
