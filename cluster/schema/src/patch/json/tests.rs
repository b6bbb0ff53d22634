//! Patches that would make too much of a small document.

use serde_json::{Value, json};

use super::{MAX_COPIED, MAX_DEPTH, MAX_OPERATIONS, apply};
use crate::patch::Error;

fn copies(count: usize) -> Value {
    (0..count).map(|n| json!({ "op": "copy", "from": "", "path": format!("/c{n}") })).collect()
}

#[test]
fn copies_that_double_the_document_end_at_the_limit() {
    let document = json!({ "data": { "text": "x".repeat(50) } });
    // 80 bytes doubled fifteen times are less than 3 MiB, and more than half of that.
    let made = apply(&document, &copies(15)).unwrap();
    assert!(made.to_string().len() < 2 * MAX_COPIED);
    for count in [17, 20, 30, 10_000] {
        match apply(&document, &copies(count)) {
            Err(Error::TooMuchCopied { limit, size }) => {
                assert_eq!(limit, MAX_COPIED);
                assert!(size > limit && size < limit + 100, "counted no further: {size}");
            }
            other => panic!("{count} copies: {:?}", other.map(|made| made.to_string().len())),
        }
    }
}

#[test]
fn copies_of_one_large_value_are_counted_together() {
    let document = json!({ "a": "x".repeat(1 << 20) });
    let error = apply(
        &document,
        &json!([
            { "op": "copy", "from": "/a", "path": "/b" },
            { "op": "copy", "from": "/a", "path": "/c" },
            { "op": "copy", "from": "/a", "path": "/d" },
        ]),
    )
    .unwrap_err();
    let start = "Unable to complete the copy, the accumulated size increase of copy is ";
    assert!(error.to_string().starts_with(start), "{error}");
    assert!(error.to_string().ends_with("exceeding the limit 3145728"), "{error}");
    assert_eq!(error.status(), 422);
}

#[test]
fn a_patch_has_ten_thousand_operations_and_no_more() {
    let tests = |count| -> Value {
        std::iter::repeat_n(json!({ "op": "test", "path": "", "value": {} }), count).collect()
    };
    assert_eq!(apply(&json!({}), &tests(MAX_OPERATIONS)).unwrap(), json!({}));
    let error = apply(&json!({}), &tests(MAX_OPERATIONS + 1)).unwrap_err();
    assert_eq!(
        (error.status(), error.to_string().as_str()),
        (413, "The allowed maximum operations in a JSON patch is 10000, got 10001")
    );
}

#[test]
fn what_a_patch_nests_can_still_be_read() {
    // Each pair puts all that there is one level deeper, and names short paths alone.
    let wraps = |count: usize| -> Value {
        (0..count)
            .flat_map(|n| {
                let (from, to) = if n % 2 == 0 { ("/a", "/b") } else { ("/b", "/a") };
                [
                    json!({ "op": "add", "path": to, "value": {} }),
                    json!({ "op": "move", "from": from, "path": format!("{to}/x") }),
                ]
            })
            .collect()
    };
    let document = json!({ "a": {} });
    let made = apply(&document, &wraps(MAX_DEPTH - 3)).unwrap();
    assert!(serde_json::from_str::<Value>(&made.to_string()).is_ok());
    let error = apply(&document, &wraps(5_000)).unwrap_err();
    assert!(matches!(error, Error::TooDeep { .. }), "{error}");
    let deep = "/x".repeat(MAX_DEPTH + 1);
    let error = apply(&document, &json!([{ "op": "add", "path": deep, "value": 1 }])).unwrap_err();
    assert!(matches!(error, Error::TooDeep { .. }), "{error}");
}

#[test]
fn a_patch_that_shifts_a_long_list_again_and_again_ends() {
    let document = json!({ "list": vec![0; 100_000] });
    let front: Value = (0..MAX_OPERATIONS)
        .map(|n| json!({ "op": "add", "path": "/list/0", "value": n }))
        .collect();
    let error = apply(&document, &front).unwrap_err();
    assert!(matches!(error, Error::TooMuchWork { .. }), "{error}");
    assert_eq!(error.status(), 413);
    let back: Value =
        (0..100).map(|n| json!({ "op": "add", "path": "/list/-", "value": n })).collect();
    assert_eq!(apply(&document, &back).unwrap()["list"].as_array().unwrap().len(), 100_100);
}

#[test]
fn an_operation_that_fails_is_named_by_its_number() {
    let error = apply(
        &json!({ "a": 1 }),
        &json!([
            { "op": "test", "path": "/a", "value": 1 },
            { "op": "test", "path": "/a", "value": 2 },
        ]),
    )
    .unwrap_err();
    assert!(error.to_string().contains("operation '/1'"), "{error}");
}
