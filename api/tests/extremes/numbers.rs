//! The extreme numbers.

use serde_json::{Value, json};

/// As text: settings and annotations.
pub(crate) const TEXTS: [&str; 66] = [
    "",
    " ",
    "-",
    "+",
    ".",
    "0",
    "-0",
    "1",
    "2",
    "-1",
    "0.5",
    "-0.5",
    "1.5",
    "100",
    "101",
    "65535",
    "65536",
    "2147483646",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "170141183460469231731687303715884105727",
    "340282366920938463463374607431768211456",
    "1e308",
    "-1e308",
    "1e309",
    "-1e309",
    "1e-308",
    "1e-400",
    "1e9223372036854775807",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "infinity",
    "0x7f",
    "1_000",
    "\u{661}",
    "1 ",
    "0s",
    "1ns",
    "-1ns",
    "1s",
    "-1s",
    "1500ms",
    "1h",
    "2147483647s",
    "2147483648s",
    "2562047h47m16s",
    "2562047h47m16.854775807s",
    "-2562047h47m16.854775808s",
    "2562048h",
    "9223372036854775807ns",
    "1n",
    "9Ei",
    "-9Ei",
];

/// As JSON: fields of objects.
pub(crate) fn json_numbers() -> Vec<Value> {
    let whole = [
        i64::MIN,
        i64::MIN + 1,
        -(1 << 53) - 1,
        i64::from(i32::MIN) - 1,
        i64::from(i32::MIN),
        -65536,
        -1,
        0,
        1,
        2,
        65535,
        65536,
        i64::from(i32::MAX) - 1,
        i64::from(i32::MAX),
        i64::from(i32::MAX) + 1,
        i64::from(u32::MAX),
        i64::from(u32::MAX) + 1,
        (1 << 53) + 1,
        i64::MAX - 1,
        i64::MAX,
    ];
    let mut numbers: Vec<Value> = whole.map(Value::from).to_vec();
    numbers.extend([json!(u64::MAX), json!(i64::MAX.unsigned_abs() + 1)]);
    numbers
}

/// Numbers that are not whole, or that no integer type holds: the schema refuses them where it asks for
/// integers, so all that is asked here is that nothing panics.
pub(crate) fn json_floats() -> Vec<Value> {
    [0.5, -0.5, 1e-308, 1.5e300, -1.5e300, f64::MAX, f64::MIN].map(Value::from).to_vec()
}
