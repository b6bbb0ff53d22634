//! Values of options: what is accepted, and the right spelling of what is not. Pure.

use std::str::FromStr;

use rouse_k8s::{GoDuration, Quantity, form};

/// Most characters of a Service's name.
const NAME_MAX: usize = 63;

/// The name of a Service: a DNS label, as Knative wants it.
pub(crate) fn service_name(text: &str) -> Result<String, String> {
    if form::dns_1035_label(text).is_empty() {
        return Ok(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let fitting = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let right: String = lower.chars().map(fitting).collect();
    let right = right.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let right: String = right.chars().take(NAME_MAX).collect();
    let rule = "a name has small letters, digits and dashes, begins with a letter, and has at most 63 characters";
    match right.trim_end_matches('-') {
        "" => Err(rule.to_owned()),
        right => Err(format!("write {right}: {rule}")),
    }
}

/// A quantity of Kubernetes.
pub(crate) fn quantity(text: &str) -> Result<String, String> {
    if Quantity::parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let any = || "write for example 500m or 2, 256Mi or 1Gi".to_owned();
    Err(match text[number.len()..].to_ascii_lowercase().as_str() {
        _ if number.parse::<f64>().is_err() => any(),
        "kb" | "k" => format!("write {number}k or {number}Ki"),
        "mb" => format!("write {number}M or {number}Mi"),
        "gb" | "g" => format!("write {number}G or {number}Gi"),
        "tb" | "t" => format!("write {number}T or {number}Ti"),
        "kib" | "ki" => format!("write {number}Ki"),
        "mib" | "mi" => format!("write {number}Mi"),
        "gib" | "gi" => format!("write {number}Gi"),
        _ => any(),
    })
}

/// Whole seconds, or a time such as `5m`.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => GoDuration::parse(text).ok().and_then(|time| {
            let whole = time.to_std().as_secs();
            i64::try_from(whole).ok().filter(|_| time.to_std().subsec_nanos() == 0)
        }),
    };
    seconds
        .filter(|seconds| *seconds >= 0)
        .ok_or_else(|| "write seconds, as 300, or a time, as 5m".to_owned())
}

/// From where a service is reached, in Cloud Run's words or those of Cloud Functions.
pub(crate) fn ingress(text: &str) -> Result<String, String> {
    let text = match text {
        "internal-only" => "internal",
        "internal-and-gclb" => "internal-and-cloud-load-balancing",
        other => other,
    };
    match rouse_api::callers::Ingress::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write all, internal or internal-and-cloud-load-balancing".to_owned()),
    }
}

/// A port, and the name that says its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) name: Option<String>,
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = match text.split_once(':') {
            Some((name @ ("h2c" | "http1"), number)) => (Some(name.to_owned()), number),
            Some((name, _)) => return Err(format!("{name:?} is neither h2c nor http1")),
            None => (None, text),
        };
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self { number, name }),
            _ => Err(format!("{number:?} is no port: write a number of 1 to 65535")),
        }
    }
}

/// The fewest and the most pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) min: Option<u32>,
    pub(crate) max: Option<u32>,
}

impl FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "write a number, as 3, or a range, as 1..5, 1.. or ..5".to_owned();
        let number = |text: &str| text.parse::<u32>().map_err(|_| bad());
        let end = |text: &str| if text.is_empty() { Ok(None) } else { number(text).map(Some) };
        let Some((min, max)) = text.split_once("..") else {
            let both = number(text)?;
            return Ok(Self { min: Some(both), max: Some(both) });
        };
        let scale = Self { min: end(min)?, max: end(max)? };
        let upside_down = scale.min.zip(scale.max).is_some_and(|(min, max)| min > max && max != 0);
        if upside_down || scale == (Self { min: None, max: None }) { Err(bad()) } else { Ok(scale) }
    }
}

/// The items of gcloud's lists: `a,b`, or with another separator `^;^a;b`.
pub(crate) fn items(lists: &[String]) -> Vec<String> {
    let split = |list: &String| -> Vec<String> {
        let own = list.strip_prefix('^').and_then(|rest| rest.split_once('^'));
        let (separator, list) = own.filter(|(s, _)| !s.is_empty()).unwrap_or((",", list));
        list.split(separator).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    lists.iter().flat_map(split).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_comes_with_its_right_spelling() {
        for (memory, says) in [
            ("2GB", "write 2G or 2Gi"),
            ("512mb", "write 512M or 512Mi"),
            ("1gib", "write 1Gi"),
            ("lots", "256Mi"),
        ] {
            assert!(quantity(memory).unwrap_err().contains(says), "{memory}");
        }
        for (name, says) in [
            ("Shop_1", "write shop-1: "),
            ("1shop", "write shop: "),
            ("über", "write ber: "),
            ("42", "a name has"),
        ] {
            assert!(service_name(name).unwrap_err().starts_with(says), "{name}");
        }
        assert!(service_name(&"a".repeat(64)).unwrap_err().contains(&"a".repeat(63)));
        assert_eq!(service_name("shop-1").as_deref(), Ok("shop-1"));
    }

    #[test]
    fn times_and_ranges_are_read_as_gcloud_and_kn_write_them() {
        for (text, expected) in [
            ("300", Some(300)),
            ("5m", Some(300)),
            ("1h30m", Some(5400)),
            ("1500ms", None),
            ("-1", None),
            ("x", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
        let scale = |text: &str| text.parse::<Scale>().ok().map(|s| (s.min, s.max));
        for (text, expected) in [
            ("3", Some((Some(3), Some(3)))),
            ("1..5", Some((Some(1), Some(5)))),
            ("1..", Some((Some(1), None))),
            ("..5", Some((None, Some(5)))),
            ("5..1", None),
            ("..", None),
            ("x", None),
        ] {
            assert_eq!(scale(text), expected, "{text}");
        }
    }

    #[test]
    fn a_list_may_name_its_separator() {
        let items = |list: &str| items(&[list.to_owned()]);
        assert_eq!(items("A=1,B=2"), ["A=1", "B=2"]);
        assert_eq!(items("^;^A=1,2;B=3"), ["A=1,2", "B=3"]);
        assert_eq!(items(""), [""; 0]);
    }
}
