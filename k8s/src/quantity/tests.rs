//! The values are upstream's: `quantity_test.go` (`TestQuantityParse`, `TestQuantityString`,
//! `TestQuantityParseEmit`, `TestQuantityRoundUp`).

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `mantissa` × ten to the power `ten` in billionths.
fn nanos(mantissa: i128, ten: i32) -> i128 {
    let shift = u32::try_from(ten + 9).unwrap();
    mantissa * 10_i128.pow(shift)
}

#[test]
fn amounts_are_upstreams() {
    let (si, binary, exponent) = (Format::DecimalSi, Format::BinarySi, Format::DecimalExponent);
    let max = i128::from(i64::MAX);
    for (text, amount, format) in [
        ("0", 0, si),
        ("0n", 0, si),
        ("0Ki", 0, binary),
        ("0T", 0, si),
        ("1", nanos(1, 0), si),
        ("1Ki", nanos(1024, 0), binary),
        ("7Mi", nanos(7 << 20, 0), binary),
        ("6Gi", nanos(6 << 30, 0), binary),
        ("5Ti", nanos(5 << 40, 0), binary),
        ("4Pi", nanos(4 << 50, 0), binary),
        ("3Ei", nanos(3 << 60, 0), binary),
        ("5n", nanos(5, -9), si),
        ("4u", nanos(4, -6), si),
        ("3m", nanos(3, -3), si),
        ("50k", nanos(5, 4), si),
        ("7M", nanos(7, 6), si),
        ("6G", nanos(6, 9), si),
        ("300T", nanos(3, 14), si),
        ("2P", nanos(2, 15), si),
        ("1E", nanos(1, 18), si),
        ("1E-3", nanos(1, -3), exponent),
        ("1e3", nanos(1, 3), exponent),
        ("1E18", nanos(1, 18), exponent),
        ("1.3E+6", nanos(13, 5), exponent),
        ("1.7E18", nanos(17, 17), exponent),
        ("100.035k", nanos(100_035, 0), si),
        ("0.0005k", nanos(5, -1), si),
        ("0.50000", nanos(5, -1), si),
        ("0.5e-2", nanos(5, -3), exponent),
        ("6.987654321G", nanos(6_987_654_321, 0), si),
        ("1.01E", nanos(101, 16), si),
        // What is finer than a billionth is rounded away from zero.
        ("3.001n", nanos(4, -9), si),
        ("1.1E-9", nanos(2, -9), exponent),
        ("0.0000000001", nanos(1, -9), si),
        ("0.5e-9", nanos(1, -9), exponent),
        ("0.00000012345", nanos(124, -9), si),
        ("1e-99", nanos(1, -9), exponent),
        // Binary amounts end at 2^63-1, decimal ones do not.
        ("8Ei", nanos(max, 0), binary),
        ("9223372036854775807Ki", nanos(max, 0), binary),
        ("12E", nanos(12, 18), si),
        ("18446744073709551616", nanos(1 << 64, 0), si),
        // Fractions of binary units.
        ("100.035Ki", nanos(10_243_584, -2), binary),
        ("0.5Mi", nanos(1 << 19, 0), binary),
        ("0.025Ti", nanos(274_877_906_944, -1), binary),
        ("0.000000000001Ki", nanos(2, -9), si),
        ("0.0009765625Ki", nanos(1, 0), binary),
        // Unusual forms.
        (".001", nanos(1, -3), si),
        (".0001k", nanos(100, -3), si),
        ("1.", nanos(1, 0), si),
        ("1.G", nanos(1, 9), si),
        (".", 0, si),
        ("m", 0, si),
    ] {
        for (sign, factor) in [("", 1), ("+", 1), ("-", -1)] {
            let text = format!("{sign}{text}");
            let got = read(&text);
            assert_eq!((got.nanos, got.format), (factor * amount, format), "{text}");
        }
    }
}

#[test]
fn a_number_that_no_machine_holds_is_the_greatest_amount() {
    for text in
        ["1e99", "1e9223372036854775807", "170141183460469231732e9", "99999999999999999999E"]
    {
        assert_eq!(read(text).nanos, i128::MAX, "{text}");
        assert_eq!(read(&format!("-{text}")).nanos, -i128::MAX, "{text}");
        assert!(read(text) > read("9E") && read(&format!("-{text}")).is_negative());
    }
    assert_eq!(read(&"9".repeat(1000)).nanos, i128::MAX);
    assert_eq!(read(&format!("0.{}1", "0".repeat(1000))).nanos, 1);
    assert_eq!(read("1e-9223372036854775808").nanos, 1);
}

#[test]
fn what_is_no_quantity_is_refused_in_upstreams_words() {
    for (text, error) in [
        ("", ParseError::Format),
        ("1.1.M", ParseError::Format),
        ("1+1.0M", ParseError::Format),
        ("0.1mi", ParseError::Suffix),
        ("0.1am", ParseError::Format),
        ("aoeu", ParseError::Format),
        (".5i", ParseError::Suffix),
        ("1i", ParseError::Suffix),
        ("-3.01e-", ParseError::Suffix),
        (" 1", ParseError::Format),
        ("1 ", ParseError::Format),
        ("1 Gi", ParseError::Format),
        ("1gi", ParseError::Format),
        ("1X", ParseError::Format),
        ("1e", ParseError::Suffix),
        ("1Ki3", ParseError::Suffix),
        ("1e99999999999999999999", ParseError::Suffix),
        ("1٣", ParseError::Format),
    ] {
        assert_eq!(Quantity::parse(text), Err(error), "{text}");
    }
}

#[test]
fn the_canonical_form_has_no_fraction_and_the_largest_suffix() {
    for (text, want) in [
        ("1024Mi", "1Gi"),
        ("307200Ki", "300Mi"),
        ("6Ki", "6Ki"),
        ("1025024Mi", "1001Gi"),
        ("1024Gi", "1Ti"),
        ("1.5Gi", "1536Mi"),
        ("1024Ei", "9223372036854775807"),
        ("1000M", "1G"),
        ("0.001T", "1G"),
        ("1000000000", "1G"),
        ("1000u", "1m"),
        ("1.08", "1080m"),
        ("0.5", "500m"),
        ("5000m", "5"),
        ("1000m", "1"),
        ("1234567M", "1234567M"),
        ("1.2345", "1234500u"),
        ("1025", "1025"),
        (".001e12", "1e9"),
        ("0.001e0", "1e-3"),
        ("1000e-12", "1e-9"),
        ("1e0", "1"),
        ("0e3", "0"),
        ("00", "0"),
        ("1000E", "1e21"),
        ("5000E", "5e21"),
        ("1080000000n", "1080m"),
        // A binary suffix cannot show these.
        (".001Ki", "1024m"),
        ("1.0005Ki", "1024512m"),
        ("0.9765625Ki", "1k"),
        ("8Ei", "9223372036854775807"),
        ("4Ei", "4Ei"),
        (".000001Ki", "1024u"),
        (".000000000001Ki", "2n"),
    ] {
        assert_eq!(read(text).to_string(), want, "{text}");
        if want != "0" {
            assert_eq!(read(&format!("-{text}")).to_string(), format!("-{want}"));
        }
    }
}

#[test]
fn whole_units_and_thousandths_are_rounded_away_from_zero() {
    for (text, value, milli) in [
        ("9.01", 10, 9010),
        ("-9.01", -10, -9010),
        ("100m", 1, 100),
        ("250u", 1, 1),
        ("-250u", -1, -1),
        ("1500m", 2, 1500),
        ("128Mi", 134_217_728, 134_217_728_000),
        ("0", 0, 0),
    ] {
        assert_eq!((read(text).value(), read(text).milli_value()), (value, milli), "{text}");
    }
}

#[test]
fn amounts_are_compared_whatever_their_suffix() {
    assert_eq!(read("1"), read("1000m"));
    assert_eq!(read("1Ki"), read("1024"));
    assert!(read("100m") > read("50m"));
    assert!(read("10000T") > read("100Gi"));
    assert!(read("1Gi") > read("1G"));
    assert!(read("-1") < read("0"));
    assert!(read("-1n").is_negative() && !read("0").is_negative() && !read("1n").is_negative());
}

#[test]
fn a_quantity_in_an_object_may_have_spaces_around_it() {
    let of = |text: &str| Quantity::try_from(&resource::Quantity(text.to_owned()));
    assert_eq!(of(" 1 "), Ok(read("1")));
    assert_eq!(of(""), Err(ParseError::Format));
}

fn suffix() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["", "n", "u", "m", "k", "M", "G", "T", "P", "E"])
            .prop_map(str::to_owned),
        prop::sample::select(vec!["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]).prop_map(str::to_owned),
        any::<i64>().prop_map(|power| format!("e{power}")),
        (-40_i64..40).prop_map(|power| format!("E{power}")),
    ]
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        let _ = Quantity::parse(&text);
    }

    #[test]
    fn any_number_with_any_suffix_is_read(
        whole in "[0-9]{0,60}", fraction in "[0-9]{0,60}", suffix in suffix(),
    ) {
        let quantity = read(&format!("{whole}.{fraction}{suffix}"));
        prop_assert!(!quantity.is_negative());
        let zero = whole.bytes().chain(fraction.bytes()).all(|digit| digit == b'0');
        prop_assert_eq!(quantity == Quantity::default(), zero);
        prop_assert_eq!(quantity.value() == 0, zero);
        prop_assert!(quantity.milli_value() >= quantity.value());
    }

    #[test]
    fn the_canonical_form_is_the_same_amount_and_its_own_canonical_form(
        mantissa in any::<i64>(), suffix in suffix(),
    ) {
        let quantity = read(&format!("{mantissa}{suffix}"));
        let text = quantity.to_string();
        prop_assert_eq!(read(&text), quantity, "{}", text);
        prop_assert_eq!(read(&text).to_string(), text);
    }

    #[test]
    fn more_is_more(a in any::<u32>(), b in any::<u32>(), suffix in suffix()) {
        let (more, less) = (a.max(b), a.min(b));
        let (more, less) = (format!("{more}{suffix}"), format!("{less}{suffix}"));
        prop_assert!(read(&more) >= read(&less));
    }
}
