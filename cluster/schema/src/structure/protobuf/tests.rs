//! Messages by hand, for the types that are not what they look like.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::kinds::Kinds;

/// A field with bytes, text or a message in it.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let (number, length) = (u32::from(number), u8::try_from(content.len()).unwrap());
    let tag = number << 3 | 2;
    let mut out = if tag < 128 {
        vec![u8::try_from(tag).unwrap()]
    } else {
        vec![u8::try_from(tag & 127 | 128).unwrap(), u8::try_from(tag >> 7).unwrap()]
    };
    assert!(length < 128);
    out.push(length);
    out.extend_from_slice(content);
    out
}

fn varint(number: u8, value: u8) -> Vec<u8> {
    assert!(number < 16 && value < 128);
    vec![number << 3, value]
}

/// A schema's `maximum`, in one of the two forms of a fixed width.
fn fixed(form: u8, bytes: &[u8]) -> Vec<u8> {
    [&[9 << 3 | form], bytes].concat()
}

fn maximum(number: f64) -> Value {
    json!({ "maximum": number })
}

fn read(type_name: &str, message: &[u8]) -> Result<Value, Error> {
    let envelope = Envelope { api_version: String::new(), kind: String::new(), message };
    envelope.object(crate::structure::Schema::of_type(type_name).root())
}

#[test]
fn values_take_the_form_that_json_has_for_them() {
    let minus_one = [vec![1 << 3], vec![0xff; 9], vec![1]].concat();
    let cases = [
        (
            "core.v1.ConfigMap",
            field(3, &[field(1, b"k"), field(2, b"\x00\xff")].concat()),
            json!({"binaryData": {"k": "AP8="}}),
        ),
        (
            "core.v1.ResourceRequirements",
            field(1, &[field(1, b"cpu"), field(2, &field(1, b"100m"))].concat()),
            json!({"limits": {"cpu": "100m"}}),
        ),
        (
            "core.v1.TCPSocketAction",
            field(1, &[varint(1, 0), varint(2, 80), field(3, b"")].concat()),
            json!({"port": 80}),
        ),
        (
            "core.v1.TCPSocketAction",
            field(1, &[varint(1, 1), field(3, b"http")].concat()),
            json!({"port": "http"}),
        ),
        (
            "meta.v1.ObjectMeta",
            field(8, &varint(1, 9)),
            json!({"creationTimestamp": "1970-01-01T00:00:09Z"}),
        ),
        ("meta.v1.ObjectMeta", field(8, b""), json!({})),
        (
            "coordination.v1.LeaseSpec",
            field(4, &[varint(1, 1), vec![2 << 3, 0x80, 0xad, 0xe2, 0x04]].concat()),
            json!({"renewTime": "1970-01-01T00:00:01.010000Z"}),
        ),
        (
            "meta.v1.ManagedFieldsEntry",
            field(7, &field(1, b"{\"f:a\":{}}")),
            json!({"fieldsV1": {"f:a": {}}}),
        ),
        (
            "authentication.v1.UserInfo",
            field(
                4,
                &[field(1, b"k"), field(2, &[field(1, b"a"), field(1, b"b")].concat())].concat(),
            ),
            json!({"extra": {"k": ["a", "b"]}}),
        ),
        // A source of a volume is inlined, and so is the name in a reference to a key.
        (
            "core.v1.Volume",
            [field(1, b"v"), field(2, &field(2, b""))].concat(),
            json!({"name": "v", "emptyDir": {}}),
        ),
        (
            "core.v1.SecretKeySelector",
            [field(1, &field(1, b"s")), field(2, b"k")].concat(),
            json!({"name": "s", "key": "k"}),
        ),
        // A zero is a value where the field is a pointer or must be there.
        ("apps.v1.DeploymentSpec", varint(1, 0), json!({"replicas": 0})),
        ("apps.v1.DeploymentSpec", minus_one, json!({"replicas": -1})),
        (
            "core.v1.PodSpec",
            [varint(11, 0), varint(4, 0)].concat(),
            json!({"terminationGracePeriodSeconds": 0}),
        ),
        ("core.v1.ContainerPort", varint(3, 0), json!({"containerPort": 0})),
        ("core.v1.PodSecurityContext", field(4, &[1, 2]), json!({"supplementalGroups": [1, 2]})),
        (
            "core.v1.PodSecurityContext",
            [varint(4, 1), varint(4, 2)].concat(),
            json!({"supplementalGroups": [1, 2]}),
        ),
        (
            "apiextensions.v1.JSONSchemaProps",
            field(30, &[varint(1, 1), field(2, &field(5, b"string"))].concat()),
            json!({"additionalProperties": {"type": "string"}}),
        ),
        (
            "apiextensions.v1.JSONSchemaProps",
            field(30, &varint(1, 0)),
            json!({"additionalProperties": false}),
        ),
        (
            "apiextensions.v1.JSONSchemaProps",
            field(24, &field(1, &field(5, b"string"))),
            json!({"items": {"type": "string"}}),
        ),
        (
            "apiextensions.v1.JSONSchemaProps",
            field(24, &[field(2, &field(5, b"string")), field(2, &field(5, b"object"))].concat()),
            json!({"items": [{"type": "string"}, {"type": "object"}]}),
        ),
        ("apiextensions.v1.JSONSchemaProps", fixed(1, &1.5_f64.to_le_bytes()), maximum(1.5)),
        ("apiextensions.v1.JSONSchemaProps", fixed(5, &2.5_f32.to_le_bytes()), maximum(2.5)),
        (
            "apiextensions.v1.JSONSchemaProps",
            field(8, &field(1, b"{\"a\":1}")),
            json!({"default": {"a": 1}}),
        ),
        // What nobody knows is skipped, in every form.
        (
            "core.v1.ConfigMap",
            [
                field(99, b"x"),
                vec![15 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0],
                vec![15 << 3 | 5, 0, 0, 0, 0],
            ]
            .concat(),
            json!({}),
        ),
    ];
    for (type_name, message, want) in cases {
        assert_eq!(read(type_name, &message), Ok(want), "{type_name}");
    }
}

#[test]
fn what_cannot_be_read_is_said_by_field() {
    let cases = [
        ("core.v1.ConfigMap", field(2, &field(1, b"\xff")), Error::Text("data".to_owned())),
        ("core.v1.ConfigMap", varint(2, 1), Error::Form("data".to_owned())),
        (
            "meta.v1.ManagedFieldsEntry",
            field(7, &field(1, b"{")),
            Error::Json("fieldsV1".to_owned()),
        ),
        (
            "apiextensions.v1.JSONSchemaProps",
            fixed(1, &f64::NAN.to_le_bytes()),
            Error::Form("maximum".to_owned()),
        ),
        ("core.v1.ConfigMap", vec![0x0a, 0x7f], Error::Broken),
        ("core.v1.ConfigMap", vec![0x0b], Error::Broken),
    ];
    for (type_name, message, want) in cases {
        assert_eq!(read(type_name, &message), Err(want), "{type_name}");
    }
    // `not` in `not` in `not` …
    let nested = (0..30).fold(Vec::new(), |inner, _| field(28, &inner));
    assert!(read("apiextensions.v1.JSONSchemaProps", &nested).is_ok());
    let mut deep = Vec::new();
    for _ in 0..DEPTH {
        let length = u32::try_from(deep.len()).unwrap();
        let head = [0xe2, 0x01, (length & 127 | 128) as u8, (length >> 7) as u8];
        deep = [&head[..], &deep].concat();
    }
    assert_eq!(read("apiextensions.v1.JSONSchemaProps", &deep), Err(Error::Deep));
    let encoded = [b"k8s\0".as_slice(), &field(3, b"gzip")].concat();
    assert_eq!(Envelope::open(&encoded), Err(Error::Encoding("gzip".to_owned())));
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let body = [b"k8s\0".as_slice(), &bytes].concat();
        let _either = Envelope::open(&body);
        for kind in Kinds::new().all() {
            let _either = read(&kind.schema.root().reference.clone().unwrap(), &bytes);
        }
    }
}
