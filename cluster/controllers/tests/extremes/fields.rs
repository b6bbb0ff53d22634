//! The fields of a kind that hold a number, a quantity or a time, found by its schema; and extreme values for them.

use rouse_schema::kinds::Resource;
use rouse_schema::structure::{Node, Type, types};
use serde_json::{Map, Value, json};

/// Placeholder of the extreme value in a body: values that `serde_json` does not write are tried too.
pub(crate) const PLACE: &str = "@extreme@";

/// The type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Number,
    Quantity,
    NumberOrText,
    Time,
    /// Text that is parsed as a number, such as the value of an annotation.
    Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    /// The first item of a list.
    First,
}

/// A field of a kind, in the object itself or in one of its subresources.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) path: Vec<Step>,
    pub(crate) of: Of,
    pub(crate) subresource: Option<&'static str>,
}

const NUMBERS: [&str; 22] = [
    "-9223372036854775808",
    "9223372036854775807",
    "-9223372036854775809",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-2147483648",
    "-2147483649",
    "2147483647",
    "2147483648",
    "4294967295",
    "4294967296",
    "-1",
    "0",
    "-0.0",
    "65535",
    "65536",
    "1.5",
    "1e18",
    "1e99",
    "-1e-99",
    "1e999",
];
const QUANTITIES: [&str; 17] = [
    "\"1e99\"",
    "\"-1e99\"",
    "\"1e-99\"",
    "\"1e9223372036854775807\"",
    "\"1e-9223372036854775808\"",
    "\"9223372036854775808Gi\"",
    "\"-9223372036854775808Ei\"",
    "\"99999999999999999999999999999999999999999999Ei\"",
    "\"9223372036854775807\"",
    "\"1n\"",
    "\"0\"",
    "\"-1\"",
    "\"0.00000000000000000000000000000000000000000001Ki\"",
    "\"NaN\"",
    "\"1Zi\"",
    "9223372036854775807",
    "1e308",
];
const PERCENTAGES: [&str; 12] = [
    "\"100%\"",
    "\"2147483647%\"",
    "\"2147483648%\"",
    "\"9223372036854775808%\"",
    "\"99999999999999999999%\"",
    "\"-1%\"",
    "\"0%\"",
    "\"1.5%\"",
    "\"%\"",
    "\"65536\"",
    "\"9223372036854775808\"",
    "\"\"",
];
const TIMES: [&str; 13] = [
    "\"9999-12-31T23:59:59Z\"",
    "\"9999-12-31T23:59:59.999999999Z\"",
    "\"9999-12-31T23:59:59-23:59\"",
    "\"0001-01-01T00:00:00Z\"",
    "\"0000-01-01T00:00:00Z\"",
    "\"0000-01-01T00:00:00+23:59\"",
    "\"-009999-01-01T00:00:00Z\"",
    "\"-009999-01-02T01:59:59Z\"",
    "\"+010000-01-01T00:00:00Z\"",
    "\"2262-04-11T23:47:17Z\"",
    "\"1677-09-21T00:12:43Z\"",
    "\"2016-12-31T23:59:60Z\"",
    "9223372036854775807",
];
const TEXTS: [&str; 10] = [
    "\"9223372036854775807\"",
    "\"-9223372036854775808\"",
    "\"9223372036854775808\"",
    "\"2147483647\"",
    "\"-2147483648\"",
    "\"2147483648\"",
    "\"-1\"",
    "\"0\"",
    "\"1e99\"",
    "\"\"",
];
/// Annotations that the built-in controllers read or write as numbers.
const ANNOTATIONS: [&str; 4] = [
    "controller.kubernetes.io/pod-deletion-cost",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deployment.kubernetes.io/revision",
];

/// Fields that the built-in controllers calculate with. Replicas are drawn as seldom as other fields: each large
/// number of them makes hundreds of pods.
const COUNTED: [&str; 6] = [
    "maxSurge",
    "maxUnavailable",
    "progressDeadlineSeconds",
    "minReadySeconds",
    "revisionHistoryLimit",
    "collisionCount",
];

impl Field {
    /// Whether more of its extremes are tried.
    pub(crate) fn is_counted(&self) -> bool {
        self.of == Of::Text
            || matches!(self.path.last(), Some(Step::Field(name)) if COUNTED.contains(&name.as_str()))
    }
}

/// The extremes of what a field holds, as JSON.
pub(crate) fn values(of: Of) -> Vec<&'static str> {
    match of {
        Of::Number => NUMBERS.to_vec(),
        Of::Quantity => QUANTITIES.to_vec(),
        Of::NumberOrText => [&NUMBERS[..], &PERCENTAGES, &QUANTITIES].concat(),
        Of::Time => TIMES.to_vec(),
        Of::Text => TEXTS.to_vec(),
    }
}

/// All such fields of a kind, those of its subresources included.
pub(crate) fn of(resource: &Resource) -> Vec<Field> {
    let mut found = Vec::new();
    walk(resource.schema.root(), &mut Vec::new(), &mut Vec::new(), &mut found);
    if resource.inert {
        // Of the same type as a Deployment's, and no controller reads it.
        found.retain(|field: &Field| {
            !field.path.iter().any(|step| *step == self::field("template"))
        });
    }
    let metadata = Step::Field("metadata".to_owned());
    if resource.custom {
        walk(types::object_meta(), &mut vec![metadata.clone()], &mut Vec::new(), &mut found);
    }
    let workload = matches!(resource.kind.as_str(), "Pod" | "Deployment" | "ReplicaSet");
    for name in ANNOTATIONS.iter().filter(|_| workload) {
        let path = [metadata.clone(), field("annotations"), field(name)].to_vec();
        found.push(Field { path, of: Of::Text, subresource: None });
    }
    for found in &mut found {
        if resource.status && found.path.first() == Some(&field("status")) {
            found.subresource = Some("status");
        }
    }
    if resource.scale.is_some() {
        for part in ["spec", "status"] {
            let path = vec![field(part), field("replicas")];
            found.push(Field { path, of: Of::Number, subresource: Some("scale") });
        }
    }
    found
}

fn field(name: &str) -> Step {
    Step::Field(name.to_owned())
}

fn walk(node: &Node, path: &mut Vec<Step>, inside: &mut Vec<String>, found: &mut Vec<Field>) {
    let of = match (node.kind, node.format.as_deref()) {
        (Type::Integer | Type::Number, _) => Some(Of::Number),
        (Type::Quantity, _) => Some(Of::Quantity),
        (Type::IntOrString, _) => Some(Of::NumberOrText),
        (Type::String, Some("date-time")) => Some(Of::Time),
        _ => None,
    };
    if let Some(of) = of {
        found.push(Field { path: path.clone(), of, subresource: None });
        return;
    }
    if let Some(name) = &node.reference {
        // A recursive schema, such as that of a CRD, is entered once.
        if inside.contains(name) {
            return;
        }
        inside.push(name.clone());
    }
    let resolved = node.resolve();
    for (name, child) in &resolved.properties {
        path.push(field(name));
        walk(child, path, inside, found);
        path.pop();
    }
    if let Some(child) = &resolved.additional {
        path.push(field("cpu"));
        walk(child, path, inside, found);
        path.pop();
    }
    if let Some(child) = &resolved.items {
        path.push(Step::First);
        walk(child, path, inside, found);
        path.pop();
    }
    if node.reference.is_some() {
        inside.pop();
    }
}

/// Puts the placeholder at `path`; missing parents are created as their schema requires.
pub(crate) fn place(node: &Node, object: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else {
        *object = json!(PLACE);
        return;
    };
    let node = node.resolve();
    let none = Node::default();
    match step {
        Step::Field(name) => {
            if !object.is_object() {
                *object = json!({});
            }
            let child = match node.field(name) {
                Some(child) if name != "metadata" || child.reference.is_some() => child,
                _ if name == "metadata" => types::object_meta(),
                _ => &none,
            };
            let there = &mut object[name.as_str()];
            if there.is_null() {
                *there = least(child, 0);
            }
            place(child, there, rest);
        }
        Step::First => {
            let child = node.items.as_deref().unwrap_or(&none);
            if object.as_array().is_none_or(Vec::is_empty) {
                *object = json!([least(child, 0)]);
            }
            place(child, &mut object[0], rest);
        }
    }
}

/// The smallest value that a schema allows.
fn least(node: &Node, depth: usize) -> Value {
    let node = node.resolve();
    let allowed = node.limits.as_ref().and_then(|limits| limits.allowed.first().cloned());
    match (node.kind, allowed) {
        (_, Some(value)) => value,
        (Type::Object | Type::Any, None) => {
            let required = node.required.iter().filter(|_| depth < 8);
            let fields = required.filter_map(|name| {
                Some((name.clone(), least(node.properties.get(name)?, depth + 1)))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        (Type::Array, None) => json!([]),
        (Type::String, None) if node.format.as_deref() == Some("date-time") => {
            json!("2025-01-01T00:00:00Z")
        }
        (Type::String, None) => json!("x"),
        (Type::Integer | Type::Number | Type::IntOrString, None) => json!(1),
        (Type::Quantity, None) => json!("1"),
        (Type::Boolean, None) => json!(true),
    }
}

/// A merge patch that sets `path` of `before` to its value in `after`. Lists are replaced whole.
pub(crate) fn patch(before: &Value, after: &Value, path: &[Step]) -> Value {
    match path {
        [Step::Field(name), rest @ ..] if before.is_object() => {
            let inner = patch(&before[name.as_str()], &after[name.as_str()], rest);
            json!({ name.as_str(): inner })
        }
        _ => after.clone(),
    }
}

/// `spec.containers[0].ports[0].hostPort`.
pub(crate) fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(name) if text.is_empty() => text.push_str(name),
            Step::Field(name) => text.push_str(&format!(".{name}")),
            Step::First => text.push_str("[0]"),
        }
    }
    text
}
