//! Admission: Knative's webhooks as functions from request to response.
//!
//! | hook | phase | does |
//! |---|---|---|
//! | `webhook.serving.knative.dev` | mutating | sets defaults, creator and last modifier |
//! | `validation.webhook.serving.knative.dev` | validating | Knative's rules, with its messages; tries the pod |
//! | `inferenceservice.rouse.dev` | validating | says what to write in place of KServe's kind |
//! | `config.webhook.serving.knative.dev` | validating | the ConfigMaps of the system namespace |
//!
//! The embedded cluster calls the functions directly; the HTTPS webhook of a real cluster wraps
//! them. A denial is the text after `denied the request: `.
//!
//! Upstream: `vendor/knative.dev/pkg/webhook/{resourcesemantics,configmaps}`.

mod culprit;
mod dry_run;
mod refusal;

use std::fmt;
use std::sync::Arc;

use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, Operation};
use rouse_api::config::effects;
use rouse_api::config::{ApiConfig, Data, EXAMPLE_CHECKSUM, EXAMPLE_KEY, example_checksum};
use rouse_api::{defaults, keys, validation};
use serde_json::Value;

pub use self::dry_run::TryPod;
use self::refusal::refuse;

/// Returns the settings in force at the time of the call.
pub type LiveConfig = Arc<dyn Fn() -> Arc<ApiConfig> + Send + Sync>;

/// A hook's function, from request to response.
pub type Review = Arc<dyn Fn(&AdmissionRequest<DynamicObject>) -> AdmissionResponse + Send + Sync>;

/// One webhook.
#[derive(Clone)]
pub struct Hook {
    pub name: &'static str,
    pub phase: Phase,
    /// The hook is called for requests that match one of these.
    pub rules: Vec<Rule>,
    pub review: Review,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// May change the object, by a JSON patch.
    Mutating,
    Validating,
}

/// Requests that a hook is called for: creations and updates of these resources, not of their
/// subresources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub group: &'static str,
    pub versions: &'static [&'static str],
    pub resources: &'static [&'static str],
    /// `CREATE`, `UPDATE`, as the API writes them.
    pub operations: &'static [&'static str],
}

/// What to do with an InferenceService of KServe.
const NO_KSERVE: &str = "Rouse has no controller for an InferenceService: write a Service of serving.knative.dev/v1 whose container is the model server (the image of the predictor's runtime, its args and its model as a volume), as docs/coming-from.md shows for KServe";

const WRITES: &[&str] = &["CREATE", "UPDATE"];

/// The hooks, in the order in which they are called.
#[must_use]
pub fn hooks(config: &LiveConfig, try_pod: TryPod) -> Vec<Hook> {
    let (mutating, validating) = (Arc::clone(config), Arc::clone(config));
    vec![
        Hook {
            name: "webhook.serving.knative.dev",
            phase: Phase::Mutating,
            rules: serving_rules(),
            review: Arc::new(move |request| mutate(request, &mutating())),
        },
        Hook {
            name: "validation.webhook.serving.knative.dev",
            phase: Phase::Validating,
            rules: serving_rules(),
            review: Arc::new(move |request| {
                let config = validating();
                let response = validate(request, &config);
                if response.allowed {
                    dry_run::tried(request, response, &config, &try_pod)
                } else {
                    response
                }
            }),
        },
        Hook {
            name: "inferenceservice.rouse.dev",
            phase: Phase::Validating,
            rules: vec![Rule {
                group: "serving.kserve.io",
                versions: &["*"],
                resources: &["inferenceservices"],
                operations: WRITES,
            }],
            review: Arc::new(|request| refuse(AdmissionResponse::from(request), NO_KSERVE)),
        },
        Hook {
            name: "config.webhook.serving.knative.dev",
            phase: Phase::Validating,
            rules: vec![Rule {
                group: "",
                versions: &["v1"],
                resources: &["configmaps"],
                operations: WRITES,
            }],
            review: Arc::new(validate_config),
        },
    ]
}

fn serving_rules() -> Vec<Rule> {
    let rule = |versions, resources| Rule {
        group: keys::SERVING_GROUP,
        versions,
        resources,
        operations: WRITES,
    };
    vec![
        rule(&["v1"], &["services", "configurations", "revisions", "routes"]),
        rule(&["v1beta1"], &["domainmappings"]),
    ]
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("name", &self.name).field("phase", &self.phase).finish()
    }
}

/// The kinds that are defaulted and validated.
#[derive(Clone, Copy)]
enum Kind {
    Service,
    Configuration,
    Revision,
    Route,
    DomainMapping,
}

impl Kind {
    fn of(request: &AdmissionRequest<DynamicObject>) -> Option<Self> {
        if request.kind.group != keys::SERVING_GROUP || request.sub_resource.is_some() {
            return None;
        }
        match request.kind.kind.as_str() {
            "Service" => Some(Self::Service),
            "Configuration" => Some(Self::Configuration),
            "Revision" => Some(Self::Revision),
            "Route" => Some(Self::Route),
            "DomainMapping" => Some(Self::DomainMapping),
            _ => None,
        }
    }

    /// Checks that the object decodes as this kind.
    fn decode(self, object: &Value) -> Result<(), serde_json::Error> {
        use serde::Deserialize;
        match self {
            Self::Service => rouse_api::Service::deserialize(object).map(drop),
            Self::Configuration => rouse_api::Configuration::deserialize(object).map(drop),
            Self::Revision => rouse_api::Revision::deserialize(object).map(drop),
            Self::Route => rouse_api::Route::deserialize(object).map(drop),
            Self::DomainMapping => rouse_api::DomainMapping::deserialize(object).map(drop),
        }
    }
}

/// The message for a document that cannot be decoded, with the field at fault.
fn decode_error(kind: Kind, value: &Value, error: &str) -> String {
    let path = culprit::path(value, error, |value| kind.decode(value));
    let hint = if error.contains("expected a string") { "; write it in quotes" } else { "" };
    match path.as_str() {
        "" => error.to_owned(),
        path => format!("{path}: {error}{hint}"),
    }
}

/// The objects of a request that is defaulted or validated.
struct Subject {
    kind: Kind,
    object: Value,
    old: Option<Value>,
}

/// The objects of a creation or update, or why they cannot be decoded. None admits the request.
fn subject(request: &AdmissionRequest<DynamicObject>) -> Option<Result<Subject, String>> {
    let kind = Kind::of(request)?;
    match request.operation {
        Operation::Create | Operation::Update => {}
        Operation::Delete | Operation::Connect => return None,
    }
    let object = request.object.as_ref()?;
    if object.metadata.deletion_timestamp.is_some() {
        // It is being deleted: a newer validation rule must not block the removal of finalizers.
        return None;
    }
    let json = |object: &DynamicObject, which: &str| {
        serde_json::to_value(object)
            .map_err(|e| e.to_string())
            .and_then(|value| match kind.decode(&value) {
                Ok(()) => Ok(value),
                Err(error) => Err(decode_error(kind, &value, &error.to_string())),
            })
            .map_err(|why| format!("cannot decode incoming {which} object: {why}"))
    };
    let old = request.old_object.as_ref().filter(|_| request.operation == Operation::Update);
    let old = old.map(|old| json(old, "old")).transpose();
    let subject = json(object, "new").and_then(|object| Ok(Subject { kind, object, old: old? }));
    Some(subject)
}

/// Defaults, as a patch.
#[must_use]
pub fn mutate(request: &AdmissionRequest<DynamicObject>, config: &ApiConfig) -> AdmissionResponse {
    let response = AdmissionResponse::from(request);
    let Subject { kind, object, old } = match subject(request) {
        None => return response,
        Some(Err(why)) => return refuse(response, &format!("mutation failed: {why}")),
        Some(Ok(subject)) => subject,
    };
    let user = request.user_info.username.as_deref().unwrap_or_default();
    let asked = defaults::Request { config, user, old: old.as_ref() };
    let mut defaulted = object.clone();
    match kind {
        Kind::Service => defaults::service(&mut defaulted, asked),
        Kind::Configuration => defaults::configuration(&mut defaulted, asked),
        Kind::Revision => defaults::revision(&mut defaulted, asked),
        Kind::Route => defaults::route(&mut defaulted, asked),
        Kind::DomainMapping => defaults::domain_mapping(&mut defaulted, asked),
    }
    let patch = json_patch::diff(&object, &defaulted);
    if patch.is_empty() {
        return response;
    }
    match response.clone().with_patch(patch) {
        Ok(patched) => patched,
        Err(e) => refuse(response, &format!("mutation failed: {e}")),
    }
}

/// Validation by Knative's rules.
#[must_use]
pub fn validate(
    request: &AdmissionRequest<DynamicObject>,
    config: &ApiConfig,
) -> AdmissionResponse {
    let mut response = AdmissionResponse::from(request);
    let Subject { kind, object, old } = match subject(request) {
        None => return response,
        Some(Err(why)) => return refuse(response, &format!("decoding request failed: {why}")),
        Some(Ok(subject)) => subject,
    };
    let asked = validation::Request { config, old: old.as_ref() };
    let found = match kind {
        Kind::Service => validation::service(&object, asked),
        Kind::Configuration => validation::configuration(&object, asked),
        Kind::Revision => validation::revision(&object, asked),
        Kind::Route => validation::route(&object, asked),
        Kind::DomainMapping => validation::domain_mapping(&object, asked),
    };
    let (errors, warnings) = found.split();
    if !warnings.is_empty() {
        response.warnings = Some(warnings.merged().iter().map(ToString::to_string).collect());
    }
    if errors.is_empty() {
        response
    } else {
        refuse(response, &format!("validation failed: {errors}"))
    }
}

/// Validates the settings ConfigMaps: a value that cannot be used is never stored.
#[must_use]
pub fn validate_config(request: &AdmissionRequest<DynamicObject>) -> AdmissionResponse {
    let response = AdmissionResponse::from(request);
    let Some(object) = request.object.as_ref() else { return response };
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let is_ours = request.namespace.as_deref() == Some(keys::SYSTEM_NAMESPACE)
        && request.kind.kind == "ConfigMap"
        && (ApiConfig::NAMES.contains(&name) || effects::unread(name).is_some())
        && object.metadata.deletion_timestamp.is_none();
    if !is_ours {
        return response;
    }
    let data: Data = match object.data.get("data").filter(|data| !data.is_null()) {
        None => Data::new(),
        Some(data) => match serde_json::from_value(data.clone()) {
            Ok(data) => data,
            Err(e) => {
                let why = format!("validation failed: cannot decode incoming new object: {e}");
                return refuse(response, &why);
            }
        },
    };
    let checksum = object.metadata.annotations.as_ref().and_then(|a| a.get(EXAMPLE_CHECKSUM));
    if let (Some(example), Some(checksum)) = (data.get(EXAMPLE_KEY), checksum)
        && *checksum != example_checksum(example)
    {
        let why = format!(
            "validation failed: the update modifies a key in {EXAMPLE_KEY:?} which is probably not what you want. Instead, copy the respective setting to the top-level of the ConfigMap, directly below \"data\""
        );
        return refuse(response, &why);
    }
    match ApiConfig::default().apply(name, &data) {
        Ok(()) => {
            let mut response = response;
            let warnings = effects::warnings(name, &data);
            response.warnings = (!warnings.is_empty()).then_some(warnings);
            response
        }
        Err(e) => refuse(response, &format!("validation failed: {e}")),
    }
}

#[cfg(test)]
mod tests;
