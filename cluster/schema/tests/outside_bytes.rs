//! Input of any form is decoded or refused: none makes a decoder panic, or its result larger than
//! the limits.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use proptest::prelude::*;
use rouse_schema::jsonpath::Path;
use rouse_schema::kinds::{Kinds, Resource, defaults, validate, versions};
use rouse_schema::selector::{Selected, Selector};
use rouse_schema::structure::{Envelope, duplicates};
use rouse_schema::{patch, table};
use serde_json::{Map, Value, json};

static KINDS: LazyLock<Vec<Arc<Resource>>> = LazyLock::new(|| Kinds::new().all());

/// Field names that decoders know, and one that they do not.
const NAMES: [&str; 34] = [
    "$deleteFromPrimitiveList/finalizers",
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "$setElementOrder/ports",
    "annotations",
    "conditions",
    "containerPort",
    "containers",
    "count",
    "creationTimestamp",
    "data",
    "deletionTimestamp",
    "finalizers",
    "involvedObject",
    "items",
    "labels",
    "lastTimestamp",
    "limits",
    "metadata",
    "name",
    "namespace",
    "ownerReferences",
    "ports",
    "properties",
    "replicas",
    "resources",
    "selector",
    "series",
    "spec",
    "status",
    "strategy",
    "template",
    "x~/y",
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![i64::MIN, -1, 0, 1, i64::from(i32::MAX), i64::MAX])
            .prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "a",
            "merge",
            "replace",
            "delete",
            "100m",
            "1e99",
            "25%",
            "2026-01-01T00:00:00Z",
            "-292277022657-01-27T08:29:52Z",
            "\u{0}",
            "é"
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![9 => prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn document() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            3 => prop::collection::vec((name(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A document with the top-level fields that all kinds have.
fn object() -> impl Strategy<Value = Value> {
    (document(), document(), document(), document()).prop_map(|(meta, spec, status, more)| {
        let mut object = json!({ "metadata": meta, "spec": spec, "status": status });
        if let Value::Object(fields) = more {
            object.as_object_mut().unwrap().extend(fields);
        }
        object
    })
}

fn pointer() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        4 => name().prop_map(|name| name.replace('~', "~0").replace('/', "~1")),
        2 => (0_usize..4).prop_map(|index| index.to_string()),
        1 => prop::sample::select(vec!["-", "", "~", "01", "-1", "18446744073709551616"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(step, 0..5)
        .prop_map(|steps| steps.iter().map(|step| format!("/{step}")).collect())
}

fn operation() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test", "jump"]);
    (op, pointer(), pointer(), document()).prop_map(
        |(op, from, path, value)| json!({ "op": op, "from": from, "path": path, "value": value }),
    )
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(map) => map.values().map(nodes).sum(),
        _ => 0,
    }
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_json_patch_makes_a_document_that_can_be_read(
        before in document(),
        operations in prop::collection::vec(operation(), 0..12),
    ) {
        let operations = Value::from(operations);
        if let Ok(after) = patch::json(&before, &operations) {
            prop_assert!(size(&after) <= size(&before) + size(&operations) + (3 << 20));
            prop_assert!(serde_json::from_str::<Value>(&after.to_string()).is_ok());
        }
    }

    #[test]
    fn copies_never_exceed_their_limit(
        before in document(),
        paths in prop::collection::vec(name(), 1..40),
    ) {
        let copies: Value = paths
            .iter()
            .enumerate()
            .map(|(n, path)| {
                let path = path.replace('~', "~0").replace('/', "~1");
                json!({ "op": "copy", "from": "", "path": format!("/{path}{n}") })
            })
            .collect();
        if let Ok(after) = patch::json(&before, &copies) {
            prop_assert!(size(&after) <= size(&before) + size(&copies) + (3 << 20));
        }
    }

    #[test]
    fn any_json_is_a_json_patch_or_is_refused(before in document(), patch in document()) {
        let _refused = patch::json(&before, &patch);
    }

    #[test]
    fn a_merge_patch_adds_no_more_than_it_holds(before in document(), patch in document()) {
        match patch::merge(&before, &patch) {
            Ok(after) => {
                prop_assert!(size(&after) <= size(&before) + size(&patch));
                for (name, value) in patch.as_object().unwrap() {
                    prop_assert_eq!(after.get(name).is_some(), !value.is_null(), "{}", name);
                }
            }
            Err(error) => prop_assert!(!patch.is_object() && error.status() == 400),
        }
    }

    #[test]
    fn a_strategic_patch_adds_no_more_than_it_holds(
        kind in 0..KINDS.len(),
        before in object(),
        patch in object(),
    ) {
        if let Ok(after) = patch::strategic(&KINDS[kind].schema, &before, &patch) {
            prop_assert!(size(&after) <= size(&before) + size(&patch));
        }
    }

    #[test]
    fn an_object_of_any_kind_is_refused_or_defaulted_and_checked(
        kind in 0..KINDS.len(),
        mut object in object(),
    ) {
        let resource = &KINDS[kind];
        let _named = resource.schema.unknown_fields(&object);
        let shown = table::row(resource, &object, Timestamp::UNIX_EPOCH);
        let columns = table::columns(resource);
        prop_assert_eq!(shown.len(), columns.as_array().unwrap().len());
        let stored = versions::to_stored(resource, object.clone());
        prop_assert_eq!(versions::to_stored(resource, stored.clone()), stored);
        if resource.schema.type_error(&object).is_none() {
            resource.schema.prune(&mut object);
            resource.schema.default(&mut object);
            defaults::apply(resource, &mut object);
            let once = object.clone();
            defaults::apply(resource, &mut object);
            prop_assert_eq!(&object, &once, "defaults are given once");
            let _problems = validate::check(resource, &object, Some(&once));
        }
    }

    #[test]
    fn any_text_is_a_selector_or_is_refused(
        labels in prop_oneof![any::<String>(), "[a-c!=,() intoxs./-]{0,40}"],
        fields in prop_oneof![any::<String>(), "(metadata.name|spec.nodeName|x)(=|==|!=)[a-c,=!]{0,12}"],
    ) {
        let pod = KINDS.iter().find(|r| r.kind == "Pod").unwrap();
        if let Ok(selector) = Selector::parse(pod, &labels, &fields) {
            let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
            let fields = BTreeMap::new();
            let _selected = selector.matches(Selected { name: "a", namespace: "d", labels: &labels, fields: &fields });
        }
    }

    #[test]
    fn any_text_is_a_path_or_is_refused_and_finds_each_value_once(
        text in prop_oneof![any::<String>(), r#"(\.[a-z]{1,8}|\[\*\]|\[-?[0-9]{1,20}\]|\.\*|\[\?\(@\.name=="a"\)\]|['"\\{}$@.]){0,8}"#],
        document in document(),
    ) {
        if let Some(path) = Path::parse(&text) {
            prop_assert!(path.find(&document).len() <= nodes(&document));
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_are_refused(
        kind in 0..KINDS.len(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        fields in prop::collection::vec((1_u8..16, 0_u8..8, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
    ) {
        let mut message = Vec::new();
        for (number, wire, payload) in &fields {
            message.push(number << 3 | wire);
            message.push(u8::try_from(payload.len()).unwrap());
            message.extend(payload);
        }
        let raw = [&[0x12, u8::try_from(message.len() % 128).unwrap()][..], &message].concat();
        for body in [bytes.clone(), [b"k8s\0", bytes.as_slice()].concat(), [b"k8s\0", raw.as_slice()].concat()] {
            if let Ok(envelope) = Envelope::open(&body) {
                let _object = envelope.object(KINDS[kind].schema.root());
            }
        }
    }

    #[test]
    fn any_schema_is_served_or_refused(schema in document(), columns in document(), object in object()) {
        let crd = json!({ "metadata": { "name": "tests.x.io" }, "spec": { "group": "x.io", "scope": "Namespaced",
            "names": { "plural": "tests", "kind": "Test" }, "versions": [{ "name": "v1", "served": true,
                "storage": true, "additionalPrinterColumns": columns,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": schema } } } }] } });
        if let Ok(resource) = Resource::from_crd(&crd, "v1") {
            let mut object = object;
            resource.schema.prune(&mut object);
            resource.schema.default(&mut object);
            let _problems = resource.schema.validate(&object);
            let _row = table::row(&resource, &object, Timestamp::UNIX_EPOCH);
        }
    }

    #[test]
    fn any_bytes_are_searched_for_duplicates(bytes in prop::collection::vec(any::<u8>(), 0..200), document in document()) {
        let _found = duplicates(&bytes);
        prop_assert_eq!(duplicates(document.to_string().as_bytes()), Vec::<String>::new());
    }
}
