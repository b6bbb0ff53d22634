//! Fields that hold a number or a percentage of one: `maxSurge`, `maxUnavailable`.
//!
//! Upstream: `k8s.io/apimachinery/pkg/util/intstr` (`GetScaledValueFromIntOrPercent`).

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Which way a share that is no whole number goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Up,
    Down,
}

/// Text that is no percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value for IntOrString: invalid value {0:?}: string is not a percentage")]
pub struct NotAPercentage(String);

/// The number, or that percentage of `total`; beyond `i32` the number at its end.
pub fn scaled(value: &IntOrString, total: i32, round: Round) -> Result<i32, NotAPercentage> {
    let percent = match value {
        IntOrString::Int(number) => return Ok(*number),
        IntOrString::String(text) => percentage(text)?,
    };
    let hundredfold = i64::from(percent) * i64::from(total);
    let up = round == Round::Up && hundredfold.rem_euclid(100) > 0;
    let share = hundredfold.div_euclid(100) + i64::from(up);
    Ok(i32::try_from(share).unwrap_or(if share < 0 { i32::MIN } else { i32::MAX }))
}

fn percentage(text: &str) -> Result<i32, NotAPercentage> {
    let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
    number.ok_or_else(|| NotAPercentage(text.to_owned()))
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
            (percent("25%"), 0, 0, 0),
        ] {
            assert_eq!(scaled(&value, total, Round::Up), Ok(up), "{value:?} of {total}");
            assert_eq!(scaled(&value, total, Round::Down), Ok(down), "{value:?} of {total}");
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "%", "10", "ten%", "10%%", "1.5%", "99999999999%"] {
            let refused = scaled(&percent(text), 10, Round::Up);
            assert_eq!(refused, Err(NotAPercentage(text.to_owned())));
        }
    }
}
