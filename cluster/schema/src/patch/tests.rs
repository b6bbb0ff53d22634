//! Patches by example, and what holds of every merge.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{json as json_patch, merge, strategic};
use crate::kinds::Kinds;
use crate::structure::Schema;

fn schema(group: &str, kind: &str) -> std::sync::Arc<Schema> {
    Kinds::new().by_kind(group, "v1", kind).expect("a built-in kind").schema.clone()
}

fn pod(containers: Value) -> Value {
    json!({"spec": {"containers": containers}})
}

#[test]
fn a_strategic_patch_merges_by_key_and_obeys_directives() {
    let two = || pod(json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]));
    let cases = [
        (
            "merges an item by its key",
            pod(json!([{"name": "b", "image": "3"}])),
            json!([{"name": "a", "image": "1"}, {"name": "b", "image": "3"}]),
        ),
        (
            "adds an item that is new",
            pod(json!([{"name": "c"}])),
            json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c"}]),
        ),
        (
            "deletes an item",
            pod(json!([{"name": "a", "$patch": "delete"}])),
            json!([{"name": "b", "image": "2"}]),
        ),
        (
            "replaces the list",
            pod(json!([{"$patch": "replace"}, {"name": "z"}])),
            json!([{"name": "z"}]),
        ),
        (
            "removes a field with null",
            pod(json!([{"name": "a", "image": null}])),
            json!([{"name": "a"}, {"name": "b", "image": "2"}]),
        ),
        (
            "drops nulls of what is new",
            pod(json!([{"name": "c", "image": null}])),
            json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c"}]),
        ),
        (
            "brings in an atomic list",
            pod(json!([{"name": "a", "command": ["x", "x"]}])),
            json!([{"name": "a", "image": "1", "command": ["x", "x"]}, {"name": "b", "image": "2"}]),
        ),
    ];
    for (what, patch, want) in cases {
        let got = strategic(&schema("", "Pod"), &two(), &patch).expect(what);
        assert_eq!(got["spec"]["containers"], want, "{what}");
    }
}

#[test]
fn an_atomic_list_takes_the_place_of_the_one_before() {
    let before = pod(json!([{"name": "a", "command": ["old"]}]));
    let patch = pod(json!([{"name": "a", "command": ["x", "x"]}]));
    let got = strategic(&schema("", "Pod"), &before, &patch).expect("a patch");
    assert_eq!(got, patch);
}

#[test]
fn an_object_that_is_only_deleted_from_does_not_come_into_being() {
    let before = json!({"data": {}});
    for (patch, want) in [
        (json!({"binaryData": {"$patch": "delete"}}), json!({"data": {}})),
        (json!({"binaryData": {}}), json!({"data": {}, "binaryData": {}})),
        (json!({"binaryData": {"a": null}}), json!({"data": {}, "binaryData": {}})),
    ] {
        let got = strategic(&schema("", "ConfigMap"), &before, &patch).expect("a patch");
        assert_eq!(got, want, "{patch}");
    }
}

#[test]
fn an_order_moves_items_and_leaves_others_where_they_were() {
    let before = pod(json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]));
    let cases = [
        (json!([{"name": "c"}, {"name": "a"}]), json!(["b", "c", "a"])),
        (json!([{"name": "b"}, {"name": "a"}, {"name": "c"}]), json!(["b", "a", "c"])),
        (json!([{"name": "a"}, {"name": "c"}]), json!(["a", "b", "c"])),
    ];
    for (order, want) in cases {
        let patch = json!({"spec": {"$setElementOrder/containers": order}});
        let got = strategic(&schema("", "Pod"), &before, &patch).expect("an order is a patch");
        let names: Vec<&Value> = got["spec"]["containers"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|c| &c["name"])
            .collect();
        assert_eq!(json!(names), want, "{order}");
    }
}

#[test]
fn scalars_merge_as_a_set_and_can_be_taken_out() {
    let before = json!({"metadata": {"finalizers": ["a", "b"]}});
    let cases = [
        (json!({"metadata": {"finalizers": ["b", "c"]}}), json!(["a", "b", "c"])),
        (json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}), json!(["b"])),
        (json!({"metadata": {"$setElementOrder/finalizers": ["b", "a"]}}), json!(["b", "a"])),
    ];
    for (patch, want) in cases {
        let got = strategic(&schema("", "ConfigMap"), &before, &patch).expect("a patch");
        assert_eq!(got["metadata"]["finalizers"], want, "{patch}");
    }
}

#[test]
fn retained_keys_are_the_only_ones_that_stay() {
    let before =
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let got = strategic(&schema("apps", "Deployment"), &before, &patch).expect("a patch");
    assert_eq!(got["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn objects_are_replaced_or_emptied_by_directive() {
    let before = json!({"data": {"a": "1"}, "metadata": {"labels": {"x": "y"}}});
    let cases = [
        (json!({"data": {"$patch": "replace", "b": "2"}}), json!({"b": "2"})),
        (json!({"data": {"$patch": "delete"}}), json!({})),
        (json!({"data": {"b": "2"}}), json!({"a": "1", "b": "2"})),
    ];
    for (patch, want) in cases {
        let got = strategic(&schema("", "ConfigMap"), &before, &patch).expect("a patch");
        assert_eq!(got["data"], want, "{patch}");
    }
}

#[test]
fn what_cannot_be_merged_is_an_error_that_says_why() {
    let before = pod(json!([{"name": "a"}]));
    let cases = [
        (
            pod(json!([{"image": "x"}])),
            r#"map: {"image":"x"} does not contain declared merge key: name"#,
        ),
        (
            pod(json!([{"name": "a", "$patch": "explode"}])),
            r#"unknown patch type "explode": only delete, merge and replace are known"#,
        ),
        (
            json!({"spec": {"$setElementOrder/containers": 1}}),
            "unable to merge $setElementOrder/containers: expected a list",
        ),
        (json!([]), "error decoding patch: a strategic merge patch is a JSON object"),
    ];
    for (patch, want) in cases {
        let error = strategic(&schema("", "Pod"), &before, &patch).expect_err("no patch");
        assert_eq!(error.to_string(), want);
        assert_eq!(error.status(), 400);
    }
}

#[test]
fn a_json_patch_that_fails_its_test_does_not_fit() {
    let patch = json!([{"op": "test", "path": "/a", "value": 2}]);
    let error = json_patch(&json!({"a": 1}), &patch).expect_err("1 is not 2");
    assert_eq!(error.status(), 422);
    let error = json_patch(&json!({}), &json!([{"op": "jump"}])).expect_err("no such operation");
    assert_eq!(error.status(), 400);
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!("x")), Just(json!(1)), Just(json!(true)), Just(json!(["l"]))];
    let keys = prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just("c".to_owned())];
    let tree = leaf.prop_recursive(3, 24, 3, move |inner| {
        prop::collection::btree_map(keys.clone(), inner, 0..3).prop_map(|m| json!(m))
    });
    prop::collection::btree_map("[abc]", tree, 0..3).prop_map(|m| json!(m))
}

proptest! {
    #[test]
    fn merging_a_patch_twice_is_merging_it_once(old in document(), patch in document()) {
        let once = merge(&old, &patch).expect("objects merge");
        prop_assert_eq!(merge(&once, &patch).expect("objects merge"), once);
    }

    #[test]
    fn without_a_schema_a_strategic_patch_is_a_merge_patch(old in document(), patch in document()) {
        let schema = schema("", "ConfigMap");
        let strategic = strategic(&schema, &old, &patch).expect("objects merge");
        prop_assert_eq!(strategic, merge(&old, &patch).expect("objects merge"));
    }

    #[test]
    fn an_empty_patch_changes_nothing(old in document()) {
        let strategic = strategic(&schema("", "Pod"), &old, &json!({})).expect("empty");
        prop_assert_eq!(&strategic, &old);
        prop_assert_eq!(&merge(&old, &json!({})).expect("empty"), &old);
    }
}

#[test]
fn a_strategic_patch_that_compares_too_much_is_refused() {
    let named = |count: usize, from: usize| -> Value {
        (from..from + count).map(|n| json!({"name": format!("c{n}"), "image": "i"})).collect()
    };
    let schema = schema("", "Pod");
    let many = pod(named(20_000, 0));
    for patch in [
        pod(named(20_000, 10_000)),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": vec!["x"; 20_000]}}),
        json!({"spec": {"$setElementOrder/containers": named(20_000, 0), "containers": named(1, 0)}}),
    ] {
        let mut document = many.clone();
        document["metadata"]["finalizers"] = json!(vec!["y"; 20_000]);
        let error = strategic(&schema, &document, &patch).expect_err("too much to compare");
        assert_eq!(error.status(), 413, "{error}");
    }
    let merged = strategic(&schema, &many, &pod(named(100, 19_950))).expect("it is little work");
    assert_eq!(merged["spec"]["containers"].as_array().map(Vec::len), Some(20_050));
}
