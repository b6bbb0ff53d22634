//! The formats that a CRD's schema may name, checked as `apiextensions` checks them.
//!
//! A format that is not listed here is not checked, as upstream.

use std::net::IpAddr;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::node::Type;
use super::values::{amount, is_integer};

/// Whether a value is valid for its format.
pub(super) fn fits(kind: Type, format: &str, value: &Value) -> bool {
    match (kind, value) {
        (Type::String | Type::Any | Type::IntOrString, Value::String(text)) => {
            // Kubernetes looks formats up without their dashes.
            text_fits(&format.replace('-', ""), text)
        }
        (Type::Integer, Value::Number(_)) => whole_fits(format, value),
        (Type::Number, Value::Number(number)) if format == "float" => {
            number.as_f64().is_none_or(|n| n.abs() <= f64::from(f32::MAX))
        }
        _ => true,
    }
}

fn whole_fits(format: &str, value: &Value) -> bool {
    if !matches!(format, "int32" | "int64") || !is_integer(value) {
        return true;
    }
    // `1.0` is an integer as well; beyond 2^53 a float is not exact anyway.
    let whole = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    match (format, whole) {
        ("int32", Some(n)) => i32::try_from(n).is_ok(),
        ("int32", None) => value.as_f64().is_some_and(|n| n.abs() <= f64::from(i32::MAX)),
        (_, Some(n)) => i64::try_from(n).is_ok(),
        (_, None) => value.as_f64().is_some_and(|n| n.abs() < 9.3e18),
    }
}

fn text_fits(format: &str, text: &str) -> bool {
    match format {
        "datetime" => is_date_time(text),
        "date" => is_date(text),
        "duration" => is_duration(text),
        "byte" => pattern(&BASE64, text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some('3')),
        "uuid4" => is_uuid(text, Some('4')),
        "uuid5" => is_uuid(text, Some('5')),
        "ipv4" => text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4()),
        "ipv6" => text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "hostname" => is_hostname(text),
        "email" => is_email(text),
        "uri" => is_uri(text),
        "quantity" => amount(&text.into()).is_some(),
        "hexcolor" => pattern(&HEX_COLOR, text),
        "rgbcolor" => pattern(&RGB_COLOR, text),
        "ssn" => pattern(&SSN, text),
        "bsonobjectid" => text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "creditcard" => is_credit_card(text),
        "k8sshortname" => is_name(text, 63, false),
        "k8slongname" => is_name(text, 253, true),
        _ => true,
    }
}

type Lazy = LazyLock<Regex>;

fn compiled(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of this file is well-formed")
}

fn pattern(regex: &Lazy, text: &str) -> bool {
    regex.is_match(text)
}

static TIME: Lazy = LazyLock::new(|| {
    compiled(
        r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:z|[+-][0-9]{2}:[0-9]{2})$",
    )
});
static DATE: Lazy = LazyLock::new(|| compiled("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"));
static BASE64: Lazy = LazyLock::new(|| {
    compiled(r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$")
});
static UUID: Lazy = LazyLock::new(|| {
    compiled(
        "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?([0-9a-f])[0-9a-f]{3}-?([0-9a-f])[0-9a-f]{3}-?[0-9a-f]{12}$",
    )
});
/// As Go writes a duration: a sign, and numbers with units.
static GO_DURATION: Lazy = LazyLock::new(|| {
    compiled(r"^[+-]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)$")
});
static WORDS: Lazy = LazyLock::new(|| compiled(r"^\s*(?:[0-9]+\s*[A-Za-zµ]+\s*)+$"));
static WORD: Lazy = LazyLock::new(|| compiled(r"[0-9]+\s*([A-Za-zµ]+)"));
static HOST: Lazy = LazyLock::new(|| {
    compiled(r"^[a-zA-Z0-9\p{S}\p{L}](?:[a-zA-Z0-9\-\p{S}\p{L}]*[a-zA-Z0-9\p{S}\p{L}])?$")
});
static HEX_COLOR: Lazy = LazyLock::new(|| compiled("^#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"));
static RGB_COLOR: Lazy = LazyLock::new(|| {
    let byte = "(?:0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])";
    compiled(&format!(r"^rgb\(\s*{byte}\s*,\s*{byte}\s*,\s*{byte}\s*\)$"))
});
static SSN: Lazy = LazyLock::new(|| compiled("^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$"));
static CARD: Lazy = LazyLock::new(|| {
    compiled(
        "^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$",
    )
});

fn is_date(text: &str) -> bool {
    pattern(&DATE, text) && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    let text = text.to_lowercase();
    text.split_once('t').is_some_and(|(date, time)| is_date(date) && pattern(&TIME, time))
}

/// Go's form, or words as `2 days`.
fn is_duration(text: &str) -> bool {
    const WHOLE: [&str; 11] = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"];
    const STARTS: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
    if pattern(&GO_DURATION, text) {
        return true;
    }
    pattern(&WORDS, text)
        && WORD.captures_iter(text).any(|found| {
            let unit = found[1].to_lowercase();
            WHOLE.contains(&unit.as_str()) || STARTS.iter().any(|s| unit.starts_with(s))
        })
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let Some(found) = UUID.captures(text) else { return false };
    let variant = found[2].to_ascii_lowercase();
    match version {
        None => true,
        // Version 3 (the MD5 of a name) may have any variant.
        Some('3') => &found[1] == "3",
        Some(version) => {
            found[1].starts_with(version) && matches!(variant.as_str(), "8" | "9" | "a" | "b")
        }
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((ip, bits)) = text.split_once('/') else { return false };
    let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
    let most = match ip.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    digits && bits.parse::<u32>().is_ok_and(|n| n <= most)
}

/// 6, 8 or 20 bytes: in pairs with colons or dashes, or in fours with dots.
fn is_mac(text: &str) -> bool {
    let parts = |separator: char, width: usize, counts: [usize; 3]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len())
            && parts.iter().all(|p| p.len() == width && p.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    parts(':', 2, [6, 8, 20]) || parts('-', 2, [6, 8, 20]) || parts('.', 4, [3, 4, 10])
}

fn is_hostname(text: &str) -> bool {
    text.len() <= 255 && text.split('.').all(|label| label.len() <= 63 && pattern(&HOST, label))
}

/// `name@host`, with or without a display name before it.
fn is_email(text: &str) -> bool {
    let address = match (text.rfind('<'), text.trim_end().strip_suffix('>')) {
        (Some(start), Some(body)) => &body[start + 1..],
        (None, None) => text.trim(),
        _ => return false,
    };
    let Some((name, host)) = address.rsplit_once('@') else { return false };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.contains("..")
            && !part.contains(|c: char| {
                c.is_whitespace() || c.is_control() || "@<>,;:\"()\\".contains(c)
            })
    };
    let quoted = name.len() > 2 && name.starts_with('"') && name.ends_with('"');
    (quoted || plain(name)) && plain(host)
}

/// A request target: a URI with a scheme, or an absolute path.
fn is_uri(text: &str) -> bool {
    let bytes = text.as_bytes();
    let escaped =
        |at: usize| bytes.get(at + 1..at + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit));
    let whole = bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => escaped(at),
        other => !other.is_ascii_control(),
    });
    let scheme = text.split_once(':').is_some_and(|(scheme, rest)| {
        let host = rest.strip_prefix("//").and_then(|r| r.split(['/', '?', '#']).next());
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !host.is_some_and(|host| host.contains([' ', '<', '>', '"']))
    });
    whole && (scheme || text.starts_with('/'))
}

fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_digit(10)).collect()
}

fn is_isbn10(text: &str) -> bool {
    let text: String = text.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    let (body, last) = match text.strip_suffix(['X', 'x']) {
        Some(body) => (body.to_owned(), Some(10)),
        None => (text, None),
    };
    let Some(mut all) = digits(&body) else { return false };
    all.extend(last);
    all.len() == 10 && (1..).zip(&all).map(|(n, d): (u32, _)| n * d).sum::<u32>().is_multiple_of(11)
}

fn is_isbn13(text: &str) -> bool {
    let Some(all) = digits(text) else { return false };
    let sum: u32 = [1, 3].iter().cycle().zip(&all).map(|(n, d)| n * d).sum();
    all.len() == 13 && sum.is_multiple_of(10)
}

fn is_credit_card(text: &str) -> bool {
    let number: String = text.chars().filter(char::is_ascii_digit).collect();
    let Some(all) = digits(&number) else { return false };
    let sum: u32 = all
        .iter()
        .rev()
        .enumerate()
        .map(|(at, d)| match (at % 2, d * 2) {
            (0, _) => *d,
            (_, doubled) if doubled >= 10 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    pattern(&CARD, &number) && sum.is_multiple_of(10)
}

fn is_name(text: &str, longest: usize, dotted: bool) -> bool {
    let label = |part: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(part.as_bytes().first())
            && edge(part.as_bytes().last())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= longest && if dotted { text.split('.').all(label) } else { label(text) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_format_accepts_valid_texts_and_no_others() {
        let cases = [
            (
                "date-time",
                "2014-12-15T19:30:20.000Z 2014-12-15t19:30:20+01:00",
                "yesterday 2014-12-15 2014-13-15T19:30:20Z 2014-12-15T24:30:20Z 2014-12-15T19:30:20",
            ),
            ("datetime", "2014-12-15T19:30:20Z", "2014-12-15T19:30Z"),
            ("date", "2024-02-29", "2023-02-29 24-02-01 2024-02-29T00:00:00Z"),
            ("duration", "22ns 1h30m 1.5s 0 -5m 2days 3_wk", "soon 5 1x"),
            ("byte", "aGVsbG8= YWJj", "hello! aGVsbG8"),
            (
                "uuid",
                "6B29FC40-CA47-1067-B31D-00DD010662DA 6b29fc40ca471067b31d00dd010662da",
                "6b29fc40",
            ),
            (
                "uuid4",
                "6b29fc40-ca47-4067-b31d-00dd010662da",
                "6b29fc40-ca47-4067-c31d-00dd010662da 6b29fc40-ca47-1067-b31d-00dd010662da",
            ),
            ("ipv4", "10.0.0.1", "10.0.0 ::1"),
            ("ipv6", "::1", "10.0.0.1 ::g"),
            ("cidr", "10.0.0.0/8 fd00::/64", "10.0.0.0 10.0.0.0/33 10.0.0.0/+8"),
            ("mac", "01:23:45:67:89:ab 0123.4567.89ab", "01:23 01-23:45-67-89-ab"),
            ("hostname", "example.com a-b", "-a a..b a_b"),
            ("email", "a@b.io Ann<a@b.io> \"a_b\"@c", "a b@ @b a@b@c \"\"@c \"a@c a\"@c <a@b a@b>"),
            ("uri", "http://a/b?c=d /path mailto:x /a%4a/%4A", "path http://a/%zz /a%4 /%g1"),
            ("quantity", "10Gi 0.5", "10Gib"),
            ("hexcolor", "#fff 00FF00", "#ff"),
            ("rgbcolor", "rgb(0,10,255)", "rgb(0,10,256)"),
            ("ssn", "111-22-3333", "111-22"),
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f1f77"),
            ("isbn", "0321751043 978-0321751041", "0321751044 978-0321751042"),
            ("isbn10", "080442957X", "978-0321751041"),
            ("isbn13", "978-0321751041", "080442957X 978-0321751042"),
            ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
            ("password", "anything", ""),
            ("k8s-short-name", "a-1", "A a- a.b"),
            ("k8s-long-name", "a.b-c", "a..b"),
            ("made-up", "anything", ""),
        ];
        for (format, good, bad) in cases {
            for text in good.split(' ') {
                let value = json!(text.replace('_', " "));
                assert!(fits(Type::String, format, &value), "{format}: {value}");
            }
            for text in bad.split(' ').filter(|t| !t.is_empty()) {
                assert!(!fits(Type::String, format, &json!(text)), "{format}: {text}");
            }
        }
    }

    #[test]
    fn numbers_stay_in_their_range() {
        assert!(fits(Type::Integer, "int32", &json!(2_147_483_647)));
        assert!(!fits(Type::Integer, "int32", &json!(2_147_483_648_i64)));
        assert!(fits(Type::Integer, "int64", &json!(i64::MIN)));
        assert!(!fits(Type::Integer, "int64", &json!(u64::MAX)));
        assert!(fits(Type::Integer, "int32", &json!(1.0)));
        assert!(
            !fits(Type::Integer, "int32", &json!(3e9)) && fits(Type::Integer, "int64", &json!(3e9))
        );
        assert!(!fits(Type::Integer, "int64", &json!(1e19)));
        assert!(!fits(Type::Number, "float", &json!(1e39)));
        assert!(fits(Type::Number, "double", &json!(1e39)));
    }
}
