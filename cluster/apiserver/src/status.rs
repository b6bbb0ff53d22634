//! Failures as Kubernetes words them: the one place where they become a `Status` document.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::kinds::Resource;
use crate::managed;
use crate::patch;
use crate::selector;
use crate::store::Unwritable;
use crate::structure::{Invalid, aggregate};

/// A failed request.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub code: StatusCode,
    /// The `reason` of the `Status`; empty if Kubernetes has none.
    pub reason: &'static str,
    pub message: String,
    details: Option<Value>,
    metadata: Value,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The resource's name and group, as `details` has them.
fn details(resource: &Resource, name: &str, kind: &str) -> Value {
    let mut details = Map::new();
    if !name.is_empty() {
        details.insert("name".to_owned(), name.into());
    }
    if !resource.group.is_empty() {
        details.insert("group".to_owned(), resource.group.clone().into());
    }
    details.insert("kind".to_owned(), kind.into());
    Value::Object(details)
}

impl Failure {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, metadata: json!({}) }
    }

    fn with(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            format!("{} \"{name}\" not found", resource.qualified()),
        )
        .with(details(resource, name, &resource.plural))
    }

    /// A path under a known group version where nothing is served.
    pub(crate) fn unknown_resource() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            "the server could not find the requested resource",
        )
        .with(json!({}))
    }

    pub(crate) fn exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", resource.qualified());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", message).with(details(
            resource,
            name,
            &resource.plural,
        ))
    }

    pub(crate) fn changed(resource: &Resource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message =
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Self::new(StatusCode::CONFLICT, "Conflict", message).with(details(
            resource,
            name,
            &resource.plural,
        ))
    }

    /// A Pod that cannot be placed on a node.
    pub(crate) fn binding_conflict(name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on pods/binding \"{name}\": {why}");
        Self::new(StatusCode::CONFLICT, "Conflict", message)
            .with(json!({ "name": name, "kind": "pods/binding" }))
    }

    /// A failed precondition of a deletion. The real server names the kind here.
    pub(crate) fn precondition(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            resource.qualified_kind()
        );
        Self::new(StatusCode::CONFLICT, "Conflict", message).with(details(
            resource,
            name,
            &resource.kind,
        ))
    }

    /// A write of a custom resource without the version that it is to replace.
    pub(crate) fn version_missing(resource: &Resource, name: &str) -> Self {
        let missing = Invalid::value(
            "metadata.resourceVersion",
            &0.into(),
            "must be specified for an update",
        );
        let failure = Self::invalid(resource, name, &[missing]);
        let message =
            failure.message.replacen(&resource.qualified_kind(), &resource.qualified(), 1);
        let mut details = failure.details.clone().unwrap_or_default();
        details["kind"] = resource.plural.clone().into();
        Self { message, details: Some(details), ..failure }
    }

    pub(crate) fn invalid(resource: &Resource, name: &str, problems: &[Invalid]) -> Self {
        let message =
            format!("{} \"{name}\" is invalid: {}", resource.qualified_kind(), aggregate(problems));
        let cause = |p: &Invalid| json!({ "reason": p.reason.as_str(), "message": p.message, "field": p.path });
        let mut details = details(resource, name, &resource.kind);
        details["causes"] = problems.iter().map(cause).collect();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).with(details)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn strict(resource: &Resource, problems: &[String]) -> Self {
        Self::decoding(resource, &format!("strict decoding error: {}", problems.join(", ")))
    }

    pub(crate) fn decoding(resource: &Resource, why: &str) -> Self {
        Self::bad_request(format!(
            "{kind} in version \"{}\" cannot be handled as a {kind}: {why}",
            resource.version,
            kind = resource.kind
        ))
    }

    pub(crate) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", resource.qualified());
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).with(details(
            resource,
            name,
            &resource.plural,
        ))
    }

    /// A user may not ask for a resource, by its group and its plural.
    pub(crate) fn forbidden_resource((group, plural): (&str, &str), name: &str, why: &str) -> Self {
        let mut details = json!({ "kind": plural });
        for (field, value) in [("name", name), ("group", group)] {
            if !value.is_empty() {
                details[field] = value.into();
            }
        }
        let qualified =
            if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        let named = if name.is_empty() { qualified } else { format!("{qualified} \"{name}\"") };
        let message = format!("{named} is forbidden: {why}");
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).with(details)
    }

    /// A user may not ask for a path that is no resource.
    pub(crate) fn forbidden_path(user: &str, verb: &str, path: &str) -> Self {
        let message = format!("forbidden: User {user:?} cannot {verb} path {path:?}");
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message).with(json!({}))
    }

    /// An invalid object of a kind that is no resource.
    /// A creation in a namespace that is being terminated.
    pub(crate) fn terminating(resource: &Resource, name: &str, namespace: &str) -> Self {
        let mut failure = Self::forbidden(
            resource,
            name,
            &format!(
                "unable to create new content in namespace {namespace} because it is being terminated"
            ),
        );
        let cause = json!({ "reason": "NamespaceTerminating", "field": "metadata.namespace",
            "message": format!("namespace {namespace} is being terminated") });
        if let Some(details) = &mut failure.details {
            details["causes"] = json!([cause]);
        }
        failure
    }

    /// A creation of a kind whose CRD is being deleted.
    pub(crate) fn definition_terminating(resource: &Resource) -> Self {
        let message = "create not allowed while custom resource definition is terminating";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message).with(details(
            resource,
            "",
            &resource.plural,
        ))
    }

    /// An admission webhook denied the request.
    pub(crate) fn denied(hook: &str, code: u16, reason: &str, message: &str) -> Self {
        let code = StatusCode::from_u16(code)
            .ok()
            .filter(|c| c.as_u16() >= 400)
            .unwrap_or(StatusCode::BAD_REQUEST);
        let reason = match (reason, code) {
            ("Invalid", _) => "Invalid",
            ("Forbidden", _) | (_, StatusCode::FORBIDDEN) => "Forbidden",
            _ => "BadRequest",
        };
        let message = if message.is_empty() {
            format!("admission webhook \"{hook}\" denied the request without explanation")
        } else {
            format!("admission webhook \"{hook}\" denied the request: {message}")
        };
        Self::new(code, reason, message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message).with(json!({}))
    }

    pub(crate) fn unsupported_media(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// A patch of an unknown media type.
    pub(crate) fn unsupported_patch() -> Self {
        Self::unsupported_media("415: Unsupported Media Type").with(json!({}))
    }

    pub(crate) fn not_acceptable() -> Self {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json, application/json;stream=watch";
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::entity_too_large(&format!("limit is {limit}"))
    }

    fn entity_too_large(why: &str) -> Self {
        let message = format!("Request entity too large: {why}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// Events or a list snapshot that are no longer kept.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    pub(crate) fn options(field: &str, why: &str) -> Self {
        let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {field}: Forbidden: {why}");
        let causes = json!([{ "reason": "FieldValueForbidden", "message": format!("Forbidden: {why}"), "field": field }]);
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
            .with(json!({ "group": "meta.k8s.io", "kind": "ListOptions", "causes": causes }))
    }

    /// An invalid option of a request.
    pub(crate) fn invalid_options(kind: &str, problem: &Invalid) -> Self {
        let message = format!("{kind}.meta.k8s.io \"\" is invalid: {problem}");
        let causes = json!([{ "reason": problem.reason.as_str(), "message": problem.message, "field": problem.path }]);
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
            .with(json!({ "group": "meta.k8s.io", "kind": kind, "causes": causes }))
    }

    pub(crate) fn from_patch(error: &patch::Error) -> Self {
        match error.status() {
            400 => return Self::bad_request(error.to_string()),
            413 => return Self::entity_too_large(&error.to_string()),
            _ => {}
        }
        let message =
            format!("the server rejected our request due to an error in our request: {error}");
        // kubectl shows the message only if no name stands in the details.
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message).with(json!({}))
    }

    /// A configuration that cannot be applied.
    pub(crate) fn from_apply(error: &managed::Error) -> Self {
        let message = error.to_string();
        match error {
            managed::Error::TooLarge { .. } => Self::entity_too_large(&message),
            managed::Error::HasManagedFields => Self::bad_request(message),
            managed::Error::Untyped { .. } | managed::Error::Undecodable(_) => {
                Self::plain_internal(message)
            }
            managed::Error::Conflicts(conflicts) => {
                let cause = |c: &managed::Conflict| {
                    json!({ "reason": "FieldManagerConflict", "field": c.field,
                        "message": format!("conflict with {}", c.manager) })
                };
                let causes: Vec<Value> = conflicts.iter().map(cause).collect();
                Self::new(StatusCode::CONFLICT, "Conflict", message)
                    .with(json!({ "causes": causes }))
            }
        }
    }

    pub(crate) fn strict_patch(problems: &[String]) -> Self {
        let why = format!("strict decoding error: {}", problems.join(", "));
        let message = format!("The request is invalid: patch: Invalid value: {why}");
        let causes = json!([{ "reason": "FieldValueInvalid", "message": format!("Invalid value: {why}"), "field": "patch" }]);
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
            .with(json!({ "causes": causes }))
    }

    pub(crate) fn too_large_version(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let causes = json!([{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }]);
        Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message)
            .with(json!({ "causes": causes, "retryAfterSeconds": 1 }))
    }

    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// An internal error without a reason, as some old errors of Kubernetes are.
    pub(crate) fn plain_internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    /// A feature that is not served yet, by name.
    pub(crate) fn not_yet(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            format!("{what} is not served by Rouse yet"),
        )
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// Seconds after which a retry may succeed, if known.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.details.as_ref()?["retryAfterSeconds"].as_u64()
    }

    /// Whether the object is in another state than the request expects.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.reason == "Conflict"
    }

    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.reason == "Forbidden"
    }

    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.reason == "NotFound"
    }

    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    /// The `Status` document.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut document = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure",
            "message": self.message, "code": self.code.as_u16()
        });
        if !self.reason.is_empty() {
            document["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            document["details"] = details.clone();
        }
        document
    }
}

impl From<selector::Error> for Failure {
    fn from(error: selector::Error) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<Unwritable> for Failure {
    fn from(error: Unwritable) -> Self {
        Self::internal(error.to_string())
    }
}

/// The `Status` that answers a creation that has no object to return.
pub(crate) fn created() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "code": StatusCode::CREATED.as_u16() })
}

/// The `Status` that answers a completed deletion.
pub(crate) fn deleted(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = details(resource, name, &resource.plural);
    details["uid"] = uid.into();
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}
