//! The rules for writes that a kind may override, and their defaults.

use std::sync::Arc;

use rouse_schema::kinds::Resource;
use serde_json::Value;

use crate::registry::Registry;
use crate::registry::served::Served;
use crate::status::Failure;
use crate::store::Object;

/// One kind's rules. Defaults, types and validation are in `rouse_schema::kinds`.
///
/// Upstream: `rest.RESTCreateStrategy`, `RESTUpdateStrategy`, `RESTDeleteStrategy`.
pub(crate) struct Strategy {
    /// A change outside metadata and status makes a new generation.
    pub(crate) generation: bool,
    /// Names whose objects may not be deleted, and the message.
    pub(crate) permanent: (&'static [&'static str], &'static str),
    /// `spec.finalizers` hold a deleted object as `metadata.finalizers` do.
    pub(crate) finalizers_in_spec: bool,
    /// The path of annotations of pods that node agents alone may set.
    pub(crate) pod_annotations: Option<&'static str>,
    /// The reason for which a new object is forbidden, if it is.
    pub(crate) forbids: fn(&Registry, &str, &Value) -> Option<String>,
    /// Sets the fields that the server alone decides, after admission.
    pub(crate) prepare_for_create: fn(&Registry, &mut Value) -> Result<Followup, Failure>,
    /// The same for an update, with the new state and the old one.
    pub(crate) prepare_for_update: fn(&Registry, &mut Value, &Value) -> Result<Followup, Failure>,
    /// Other changes of an object that is to be deleted. Not called by a dry run.
    pub(crate) prepare_for_delete: fn(&Registry, &mut Value),
    /// The grace period in seconds, by the object and the request's `gracePeriodSeconds`.
    pub(crate) grace_seconds: fn(&Value, Option<i64>) -> i64,
    /// Called when an object has been taken out of the store.
    pub(crate) removed: fn(&Registry, &Arc<Resource>, &Object),
}

/// An action after a write is stored.
#[must_use]
pub(crate) enum Followup {
    Nothing,
    /// Serve the resources of this CRD.
    Serve(Served),
}

/// The rules of kinds that have none of their own.
pub(crate) const PLAIN: Strategy = Strategy {
    generation: false,
    permanent: (&[], ""),
    finalizers_in_spec: false,
    pod_annotations: None,
    forbids: |_, _, _| None,
    prepare_for_create: |_, _| Ok(Followup::Nothing),
    prepare_for_update: |_, _, _| Ok(Followup::Nothing),
    prepare_for_delete: |_, _| (),
    grace_seconds: |_, _| 0,
    removed: |_, _, _| (),
};
