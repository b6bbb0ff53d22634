//! Kubernetes quantities: `250m`, `1.5Gi`, `2e3`.
//!
//! Upstream: `k8s.io/apimachinery/pkg/api/resource` (`ParseQuantity`, `Quantity.String`). An amount is
//! exact to a billionth; finer amounts are rounded away from zero, so that a small request is never
//! zero. Amounts with a binary suffix saturate at 2^63-1 as upstream; all others saturate at about
//! 1.7e29, where upstream goes on.

use std::cmp::Ordering;
use std::fmt;

use k8s_openapi::apimachinery::pkg::api::resource;

/// An amount, and the family of suffixes it was written with. Two quantities are equal if their
/// amounts are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    /// Billionths.
    nanos: i128,
    format: Format,
}

/// A family of suffixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    /// `n`, `u`, `m`, none, `k`, `M`, `G`, `T`, `P`, `E`.
    #[default]
    DecimalSi,
    /// `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei`.
    BinarySi,
    /// `e3`, `E-6`.
    DecimalExponent,
}

/// The error for text that is not a quantity, in upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

const NANOS: i128 = 1_000_000_000;
/// The power of ten of a billionth.
const NANO: i64 = -9;
/// 2^63-1, where amounts with a binary suffix saturate.
const BINARY_MAX: i128 = i64::MAX as i128 * NANOS;
const SUFFIX_CHARACTERS: &str = "eEinumkKMGTP";
const DECIMAL_SUFFIXES: [(i64, &str); 10] = [
    (-9, "n"),
    (-6, "u"),
    (-3, "m"),
    (0, ""),
    (3, "k"),
    (6, "M"),
    (9, "G"),
    (12, "T"),
    (15, "P"),
    (18, "E"),
];
/// By power of 1024.
const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl Quantity {
    /// Reads a quantity as upstream does, which takes a number without digits for zero.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Err(ParseError::Format);
        }
        let (negative, rest) = match text.as_bytes()[0] {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, rest) = split(rest, |c| c.is_ascii_digit());
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split(rest, |c| c.is_ascii_digit()),
            None => ("", rest),
        };
        let (mut format, power) = scale(suffix)?;
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|d| d - b'0').collect();
        let mut ten = i64::try_from(fraction.len()).unwrap_or(i64::MAX).saturating_neg();
        match format {
            Format::BinarySi => (0..power).for_each(|_| multiply(&mut digits, 1024)),
            Format::DecimalSi | Format::DecimalExponent => ten = ten.saturating_add(power),
        }
        let mut nanos = shifted(&digits, ten.saturating_sub(NANO));
        if format == Format::BinarySi {
            nanos = nanos.min(BINARY_MAX);
            if nanos > 0 && nanos < NANOS {
                format = Format::DecimalSi;
            }
        }
        Ok(Self { nanos: if negative { -nanos } else { nanos }, format })
    }

    /// Whole units, rounded away from zero: bytes of memory. Upstream: `Value`.
    #[must_use]
    pub fn value(self) -> i128 {
        divide_away_from_zero(self.nanos, NANOS)
    }

    /// Thousandths, rounded away from zero: millicores. Upstream: `MilliValue`.
    #[must_use]
    pub fn milli_value(self) -> i128 {
        divide_away_from_zero(self.nanos, NANOS / 1000)
    }

    #[must_use]
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }
}

/// Canonical form: no fraction, the largest suffix of the family that loses nothing. An amount that a
/// binary suffix cannot show exactly has a decimal one. Upstream: `CanonicalizeBytes`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let binary = self.nanos.abs() >= 1024 * NANOS && self.nanos % NANOS == 0;
        if self.format == Format::BinarySi && binary {
            let (mantissa, power) = reduced(self.nanos / NANOS, 1024);
            return write!(f, "{mantissa}{}", BINARY_SUFFIXES[power]);
        }
        let (mantissa, power) = reduced(self.nanos, 1000);
        let ten = NANO + 3 * i64::try_from(power).unwrap_or(0);
        write!(f, "{mantissa}")?;
        let suffix = DECIMAL_SUFFIXES.iter().find(|(of, _)| *of == ten).map(|(_, suffix)| suffix);
        match (self.format, suffix) {
            (Format::DecimalExponent, _) if ten == 0 => Ok(()),
            (Format::DecimalSi | Format::BinarySi, Some(suffix)) => f.write_str(suffix),
            // There is no suffix beyond `E`.
            (_, _) => write!(f, "e{ten}"),
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As an object holds it: spaces around it do not count. Upstream: `Quantity.UnmarshalJSON`.
impl TryFrom<&resource::Quantity> for Quantity {
    type Error = ParseError;

    fn try_from(quantity: &resource::Quantity) -> Result<Self, ParseError> {
        Self::parse(quantity.0.trim())
    }
}

/// The leading characters that `accept` accepts, and the rest.
fn split(text: &str, accept: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !accept(c)).unwrap_or(text.len()))
}

/// The family of a suffix, and its power of ten, or of 1024 if it is a binary one.
fn scale(suffix: &str) -> Result<(Format, i64), ParseError> {
    let (letters, exponent) = split(suffix, |c| SUFFIX_CHARACTERS.contains(c));
    if !exponent.strip_prefix(['+', '-']).unwrap_or(exponent).bytes().all(|c| c.is_ascii_digit()) {
        return Err(ParseError::Format);
    }
    if let Some((power, _)) = DECIMAL_SUFFIXES.iter().find(|(_, known)| *known == suffix) {
        return Ok((Format::DecimalSi, *power));
    }
    if let Some(power) = BINARY_SUFFIXES.iter().position(|known| *known == suffix) {
        return Ok((Format::BinarySi, i64::try_from(power).unwrap_or(0)));
    }
    match letters {
        "e" | "E" => exponent
            .parse()
            .map_or(Err(ParseError::Suffix), |power| Ok((Format::DecimalExponent, power))),
        _ => Err(ParseError::Suffix),
    }
}

/// Multiplies a number by a small one. Its digits are decimal, most significant first.
fn multiply(digits: &mut Vec<u8>, by: u32) {
    let mut carry = 0;
    for digit in digits.iter_mut().rev() {
        carry += u32::from(*digit) * by;
        *digit = (carry % 10) as u8;
        carry /= 10;
    }
    while carry > 0 {
        digits.insert(0, (carry % 10) as u8);
        carry /= 10;
    }
}

/// The number times ten to the power `ten`, rounded up; `i128::MAX` if it is larger.
fn shifted(digits: &[u8], ten: i64) -> i128 {
    let first = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
    let digits = &digits[first..];
    if digits.is_empty() {
        return 0;
    }
    let cut = usize::try_from(ten.saturating_neg()).unwrap_or(0).min(digits.len());
    let (kept, lost) = digits.split_at(digits.len() - cut);
    let mut amount: i128 = 0;
    for digit in kept {
        amount = amount.saturating_mul(10).saturating_add(i128::from(*digit));
    }
    let zeros = u32::try_from(ten.max(0)).unwrap_or(u32::MAX);
    let amount = amount.saturating_mul(10_i128.saturating_pow(zeros));
    amount.saturating_add(i128::from(lost.iter().any(|digit| *digit != 0)))
}

fn divide_away_from_zero(value: i128, by: i128) -> i128 {
    value / by + if value % by == 0 { 0 } else { value.signum() }
}

/// `value`, which is not zero, divided by `by` as often as there is no remainder, and how often.
fn reduced(mut value: i128, by: i128) -> (i128, usize) {
    let mut times = 0;
    while value % by == 0 {
        value /= by;
        times += 1;
    }
    (value, times)
}

#[cfg(test)]
mod tests;
