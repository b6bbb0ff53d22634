//! Plans of reconcilers: plain data, in order, printable, comparable.
//!
//! A decision function makes a `Plan` from what it observed; only `apply` carries it out. A write
//! that would change nothing is not in the plan, so that "nothing to do" is an empty plan.

use std::fmt;
use std::time::Duration;

use kube::Resource;
use kube::core::{ApiResource, ObjectMeta};
use serde::Serialize;
use serde_json::{Value, json};

use crate::events::Notice;

/// One write to one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub resource: ApiResource,
    /// None for a kind without namespaces.
    pub namespace: Option<String>,
    pub name: String,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Create(Value),
    /// The whole object, with the `resourceVersion` it was read at.
    Replace(Value),
    /// A JSON merge patch, with the `resourceVersion` the object was read at.
    Patch(Value),
    /// Only the object with this UID, not a newer one of the same name.
    Delete {
        uid: Option<String>,
    },
}

impl Action {
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Replace(_) => "update",
            Self::Patch(_) => "patch",
            Self::Delete { .. } => "delete",
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.action.verb(), self.resource.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// Writes in order, then the status, then the Events; and when to reconcile again.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    pub writes: Vec<Write>,
    /// The whole new status; `None` if it stays as it is.
    pub status: Option<S>,
    pub notices: Vec<Notice>,
    /// Set only if the passing of time alone changes the plan.
    pub wake: Option<Duration>,
}

impl<S> Default for Plan<S> {
    fn default() -> Self {
        Self { writes: Vec::new(), status: None, notices: Vec::new(), wake: None }
    }
}

impl<S> Plan<S> {
    pub fn create<K>(&mut self, object: &K)
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        self.push(object.meta(), Action::Create(to_value(object)), object);
    }

    /// Replaces `seen` by `want`; plans nothing if they mean the same.
    pub fn replace<K>(&mut self, seen: &K, want: &K)
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let (before, mut after) = (to_value(seen), to_value(want));
        if same(&before, &after) {
            return;
        }
        after["metadata"]["resourceVersion"] = json!(seen.meta().resource_version);
        self.push(seen.meta(), Action::Replace(after), seen);
    }

    /// A merge patch to `seen`, refused by the server if `seen` is out of date.
    pub fn patch<K>(&mut self, seen: &K, mut patch: Value)
    where
        K: Resource<DynamicType = ()>,
    {
        patch["metadata"]["resourceVersion"] = json!(seen.meta().resource_version);
        self.push(seen.meta(), Action::Patch(patch), seen);
    }

    pub fn delete<K>(&mut self, seen: &K)
    where
        K: Resource<DynamicType = ()>,
    {
        self.push(seen.meta(), Action::Delete { uid: seen.meta().uid.clone() }, seen);
    }

    pub fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    /// Reconciles again after `delay`, or earlier if something else asked for that.
    pub fn wake_after(&mut self, delay: Duration) {
        self.wake = Some(self.wake.map_or(delay, |wake| wake.min(delay)));
    }

    fn push<K>(&mut self, meta: &ObjectMeta, action: Action, _: &K)
    where
        K: Resource<DynamicType = ()>,
    {
        self.writes.push(Write {
            resource: ApiResource::erase::<K>(&()),
            namespace: meta.namespace.clone(),
            name: meta.name.clone().unwrap_or_default(),
            action,
        });
    }
}

impl<S> fmt::Display for Plan<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for write in &self.writes {
            writeln!(f, "{write}")?;
        }
        for notice in &self.notices {
            writeln!(f, "{notice}")?;
        }
        if let Some(wake) = self.wake {
            writeln!(f, "wake in {wake:?}")?;
        }
        Ok(())
    }
}

/// Whether two objects mean the same: fields that the server sets do not count, nor does the
/// difference between an absent field and an empty one.
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    meaning(a.clone()) == meaning(b.clone())
}

fn meaning(mut object: Value) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for servers in
            ["resourceVersion", "managedFields", "generation", "creationTimestamp", "uid"]
        {
            metadata.remove(servers);
        }
    }
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    without_empty(object)
}

fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| (key, without_empty(value)))
                .filter(|(_, value)| !is_empty(value))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_empty).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn to_value<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Value {
    let mut value =
        serde_json::to_value(object).expect("a Kubernetes object has string keys and serializes");
    value["apiVersion"] = json!(K::api_version(&()));
    value["kind"] = json!(K::kind(&()));
    value
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn config_map(value: &str, version: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some("settings".to_owned()),
                namespace: Some("shop".to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            data: Some([("color".to_owned(), value.to_owned())].into()),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn a_replacement_that_changes_nothing_is_not_planned() {
        let mut plan = Plan::<()>::default();
        plan.replace(&config_map("red", "7"), &config_map("red", "9"));
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn a_replacement_is_guarded_by_the_version_that_was_read() {
        let mut plan = Plan::<()>::default();
        plan.replace(&config_map("red", "7"), &config_map("blue", "9"));
        assert_eq!(plan.to_string(), "update ConfigMap shop/settings\n");
        let Action::Replace(body) = &plan.writes[0].action else { panic!("{plan}") };
        assert_eq!(body["metadata"]["resourceVersion"], "7");
    }

    #[test]
    fn an_absent_field_means_the_same_as_an_empty_one() {
        assert!(same(&json!({"spec": {"a": {}, "b": []}}), &json!({"spec": {}})));
        assert!(!same(&json!({"spec": {"a": 0}}), &json!({"spec": {}})));
    }

    #[test]
    fn the_earliest_wake_wins() {
        let mut plan = Plan::<()>::default();
        plan.wake_after(Duration::from_secs(9));
        plan.wake_after(Duration::from_secs(4));
        plan.wake_after(Duration::from_secs(7));
        assert_eq!(plan.wake, Some(Duration::from_secs(4)));
    }
}
