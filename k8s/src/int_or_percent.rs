//! Fields that hold a number or a percentage of one: `maxSurge`, `maxUnavailable`.
//!
//! Upstream: `k8s.io/apimachinery/pkg/util/intstr` (`GetScaledValueFromIntOrPercent`).

use std::num::{IntErrorKind, ParseIntError};

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// How a share that is not a whole number is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Up,
    Down,
}

/// The error for text that is not a percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value for IntOrString: invalid value {0:?}: string is not a percentage")]
pub struct NotAPercentage(String);

/// The number, or that percentage of `total`; saturates at the bounds of `i32`.
pub fn scaled(value: &IntOrString, total: i32, round: Round) -> Result<i32, NotAPercentage> {
    let percent = match value {
        IntOrString::Int(number) => return Ok(*number),
        IntOrString::String(text) => percentage(text)?,
    };
    let hundredfold = i128::from(percent) * i128::from(total);
    let up = round == Round::Up && hundredfold.rem_euclid(100) > 0;
    let share = hundredfold.div_euclid(100) + i128::from(up);
    Ok(i32::try_from(share).unwrap_or(if share < 0 { i32::MIN } else { i32::MAX }))
}

/// Parses a percentage. Validation allows any number of digits, so a number beyond `i64` saturates.
fn percentage(text: &str) -> Result<i64, NotAPercentage> {
    let number = text.strip_suffix('%').map(str::parse);
    match number.as_ref().map(|read| read.as_ref().map_err(ParseIntError::kind)) {
        Some(Ok(number)) => Ok(*number),
        Some(Err(IntErrorKind::PosOverflow)) => Ok(i64::MAX),
        Some(Err(IntErrorKind::NegOverflow)) => Ok(i64::MIN),
        Some(Err(_)) | None => Err(NotAPercentage(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> IntOrString {
        IntOrString::String(text.to_owned())
    }

    #[test]
    fn a_percentage_is_of_the_total_and_a_number_is_itself() {
        for (value, total, up, down) in [
            (IntOrString::Int(3), 10, 3, 3),
            (percent("25%"), 10, 3, 2),
            (percent("90%"), 10, 9, 9),
            (percent("1%"), 1, 1, 0),
            (percent("100%"), i32::MAX, i32::MAX, i32::MAX),
            (percent("200%"), i32::MAX, i32::MAX, i32::MAX),
            (percent("-200%"), i32::MAX, i32::MIN, i32::MIN),
            (percent("2147483647%"), i32::MAX, i32::MAX, i32::MAX),
            (percent("2147483648%"), 1, 21_474_837, 21_474_836),
            (percent("99999999999999999999%"), 1, i32::MAX, i32::MAX),
            (percent("-99999999999999999999%"), i32::MIN, i32::MAX, i32::MAX),
            (percent("-99999999999999999999%"), i32::MAX, i32::MIN, i32::MIN),
            (percent("99999999999999999999%"), 0, 0, 0),
            (percent("25%"), 0, 0, 0),
        ] {
            assert_eq!(scaled(&value, total, Round::Up), Ok(up), "{value:?} of {total}");
            assert_eq!(scaled(&value, total, Round::Down), Ok(down), "{value:?} of {total}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "%", "10", "ten%", "10%%", "1.5%", "%99", "9%9"] {
            let refused = scaled(&percent(text), 10, Round::Up);
            assert_eq!(refused, Err(NotAPercentage(text.to_owned())));
        }
    }
}
