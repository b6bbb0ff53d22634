//! Durations as Go reads and writes them: `1h30m`, `300ms`, `2.5s`.
//!
//! Upstream: `time.ParseDuration`, `time.Duration.String`. Signed nanoseconds, since validation has to
//! name negative values; text that is out of range is refused.

use std::fmt;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// Micro is written with the micro sign or with the Greek letter.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3600 * SECOND),
];

/// A signed length of time, in nanoseconds: at most 292 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(i64);

/// The error for text that is not a duration, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("time: invalid duration {}", quoted(.0))]
    Invalid(String),
    #[error("time: missing unit in duration {}", quoted(.0))]
    MissingUnit(String),
    #[error("time: unknown unit {} in duration {}", quoted(.unit), quoted(.text))]
    UnknownUnit { unit: String, text: String },
}

impl GoDuration {
    /// 292 years.
    pub const MAX: Self = Self(i64::MAX);

    /// Saturates at 292 years.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND.cast_signed()))
    }

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
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let whole = span(rest, |c| c.is_ascii_digit());
            rest = &rest[whole.len()..];
            let mut fraction = "";
            if let Some(after) = rest.strip_prefix('.') {
                fraction = span(after, |c| c.is_ascii_digit());
                rest = &after[fraction.len()..];
            }
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let unit = span(rest, |c| !c.is_ascii_digit() && c != '.');
            rest = &rest[unit.len()..];
            if unit.is_empty() {
                return Err(ParseError::MissingUnit(text.to_owned()));
            }
            let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                let unit = unit.to_owned();
                return Err(ParseError::UnknownUnit { unit, text: text.to_owned() });
            };
            let part = scaled(whole, fraction, *scale).ok_or_else(invalid)?;
            total = total.checked_add(part).ok_or_else(invalid)?;
        }
        let signed =
            if negative { 0_i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() };
        signed.map(Self).ok_or_else(invalid)
    }

    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Whether it is made of whole seconds.
    #[must_use]
    pub fn is_whole_seconds(self) -> bool {
        self.0.unsigned_abs().is_multiple_of(SECOND)
    }

    /// Zero where it is negative.
    #[must_use]
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl From<Duration> for GoDuration {
    /// Saturates at 292 years.
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// `1h0m0s`, `2.5s`, `300ms`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => return write!(f, "{nanos}ns"),
            1_000..1_000_000 => return write!(f, "{}\u{b5}s", decimal(nanos, 1_000)),
            1_000_000..SECOND => return write!(f, "{}ms", decimal(nanos, 1_000_000)),
            SECOND.. => {}
        }
        let minute = 60 * SECOND;
        let (hours, minutes) = (nanos / (60 * minute), nanos / minute % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}s", decimal(nanos % minute, SECOND))
    }
}

/// The leading characters that `accept` accepts.
fn span(text: &str, accept: impl Fn(char) -> bool) -> &str {
    text.find(|c| !accept(c)).map_or(text, |end| &text[..end])
}

/// `whole.fraction` times `scale`; what is finer than a nanosecond is cut off.
fn scaled(whole: &str, fraction: &str, scale: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Eighteen digits of a fraction are finer than a nanosecond of an hour.
    let fraction = &fraction[..fraction.len().min(18)];
    let divisor = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = u64::try_from(part * u128::from(scale) / divisor).ok()?;
    whole.checked_mul(scale)?.checked_add(part)
}

/// `nanos / unit` with as many decimals as it needs.
fn decimal(nanos: u64, unit: u64) -> String {
    let digits = usize::try_from(unit.ilog10()).unwrap_or(0);
    let text = format!("{}.{:0digits$}", nanos / unit, nanos % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Quoted as Go's package `time` does it: bytes that are not printable ASCII as `\x…`.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: i64 = 1_000_000_000;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        for (text, nanos, shown) in [
            ("60s", 60 * S, "1m0s"),
            ("1h30m", 5400 * S, "1h30m0s"),
            ("2.5s", 2_500_000_000, "2.5s"),
            ("300ms", 300_000_000, "300ms"),
            ("1.5h", 5400 * S, "1h30m0s"),
            ("-3s", -3 * S, "-3s"),
            ("+5s", 5 * S, "5s"),
            (".5s", 500_000_000, "500ms"),
            ("5.s", 5 * S, "5s"),
            ("0", 0, "0s"),
            ("-0", 0, "0s"),
            ("1h0m0.25s", 3_600_250_000_000, "1h0m0.25s"),
            ("3h30m5.5s", 12_605_500_000_000, "3h30m5.5s"),
            ("10.5s4m", 250_500_000_000, "4m10.5s"),
            ("39h9m14.425s", 140_954_425_000_000, "39h9m14.425s"),
            ("52763797000ns", 52_763_797_000, "52.763797s"),
            ("0.100000000000000000000h", 360 * S, "6m0s"),
            ("7us", 7_000, "7\u{b5}s"),
            ("12\u{b5}s", 12_000, "12\u{b5}s"),
            ("12\u{3bc}s", 12_000, "12\u{b5}s"),
            ("1ns", 1, "1ns"),
            ("9223372036854775807ns", i64::MAX, "2562047h47m16.854775807s"),
            ("-9223372036854775808ns", i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            let duration = GoDuration::parse(text).unwrap();
            assert_eq!(duration, GoDuration(nanos), "{text}");
            assert_eq!(duration.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_in_gos_words() {
        for (text, want) in [
            ("", r#"time: invalid duration """#),
            ("-", r#"time: invalid duration "-""#),
            ("10", r#"time: missing unit in duration "10""#),
            ("10y", r#"time: unknown unit "y" in duration "10y""#),
            ("s", r#"time: invalid duration "s""#),
            (".s", r#"time: invalid duration ".s""#),
            ("1.2.3s", r#"time: missing unit in duration "1.2.3s""#),
            ("1\u{e9}", r#"time: unknown unit "\xc3\xa9" in duration "1\xc3\xa9""#),
            ("9999999999h", r#"time: invalid duration "9999999999h""#),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
            ("-9223372036854775809ns", r#"time: invalid duration "-9223372036854775809ns""#),
            ("99999999999999999999s", r#"time: invalid duration "99999999999999999999s""#),
        ] {
            assert_eq!(GoDuration::parse(text).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn conversions_saturate() {
        assert_eq!(GoDuration::from_secs(i64::MAX), GoDuration(i64::MAX));
        assert_eq!(GoDuration::from_secs(i64::MIN), GoDuration(i64::MIN));
        assert_eq!(GoDuration::from(Duration::MAX), GoDuration(i64::MAX));
        assert_eq!(GoDuration(-1).to_std(), Duration::ZERO);
        assert_eq!(GoDuration(90 * S + 1).to_std(), Duration::new(90, 1));
        assert_eq!(GoDuration::from(Duration::new(90, 1)), GoDuration(90 * S + 1));
        assert!(GoDuration(-1).is_negative() && !GoDuration(0).is_negative());
        assert!(GoDuration::from_secs(-7).is_whole_seconds());
        assert!(!GoDuration(1).is_whole_seconds());
    }

    proptest! {
        #[test]
        fn any_duration_is_read_as_it_was_written(nanos in any::<i64>()) {
            let written = GoDuration(nanos).to_string();
            prop_assert_eq!(GoDuration::parse(&written), Ok(GoDuration(nanos)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+]?([0-9]{0,25}[.]?[0-9]{0,25}\\PC{0,2}){0,4}") {
            let _ = GoDuration::parse(&text);
        }
    }
}
