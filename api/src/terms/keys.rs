//! Every label, annotation and header name on the wire, and the names of the system's own objects.
//!
//! Upstream: `pkg/apis/serving/register.go`, `pkg/apis/autoscaling/register.go`.

/// Namespace of the platform's own objects and of Knative's ConfigMaps.
pub const SYSTEM_NAMESPACE: &str = "knative-serving";

/// The core Services in front of the activators: the public listener, and the cluster-local one.
pub const GATEWAY: &str = "gateway";
pub const GATEWAY_LOCAL: &str = "gateway-local";

pub const SERVING_GROUP: &str = "serving.knative.dev";

/// Labels.
pub const SERVICE: &str = "serving.knative.dev/service";
pub const SERVICE_UID: &str = "serving.knative.dev/serviceUID";
pub const CONFIGURATION: &str = "serving.knative.dev/configuration";
pub const CONFIGURATION_UID: &str = "serving.knative.dev/configurationUID";
pub const CONFIGURATION_GENERATION: &str = "serving.knative.dev/configurationGeneration";
pub const REVISION: &str = "serving.knative.dev/revision";
pub const REVISION_UID: &str = "serving.knative.dev/revisionUID";
pub const ROUTE: &str = "serving.knative.dev/route";
pub const ROUTING_STATE: &str = "serving.knative.dev/routingState";
pub const VISIBILITY: &str = "networking.knative.dev/visibility";
pub const VISIBILITY_CLUSTER_LOCAL: &str = "cluster-local";
pub const APP: &str = "app";

/// Annotations.
pub const ROUTES: &str = "serving.knative.dev/routes";
pub const ROUTING_STATE_MODIFIED: &str = "serving.knative.dev/routingStateModified";
pub const CREATOR: &str = "serving.knative.dev/creator";
pub const LAST_MODIFIER: &str = "serving.knative.dev/lastModifier";
pub const NO_GC: &str = "serving.knative.dev/no-gc";
pub const LAST_PINNED: &str = "serving.knative.dev/lastPinned";
pub const ROLLOUT_DURATION: &str = "serving.knative.dev/rollout-duration";
pub const PROGRESS_DEADLINE: &str = "serving.knative.dev/progress-deadline";
pub use rouse_k8s::keys::{DEFAULT_CONTAINER, LAST_APPLIED, POD_DELETION_COST};

/// Autoscaling annotations, on a revision's template.
pub const AUTOSCALING_PREFIX: &str = "autoscaling.knative.dev/";
pub const CLASS: &str = "autoscaling.knative.dev/class";
pub const METRIC: &str = "autoscaling.knative.dev/metric";
pub const TARGET: &str = "autoscaling.knative.dev/target";
pub const TARGET_UTILIZATION: &str = "autoscaling.knative.dev/target-utilization-percentage";
pub const TARGET_BURST_CAPACITY: &str = "autoscaling.knative.dev/target-burst-capacity";
pub const MIN_SCALE: &str = "autoscaling.knative.dev/min-scale";
pub const MAX_SCALE: &str = "autoscaling.knative.dev/max-scale";
pub const INITIAL_SCALE: &str = "autoscaling.knative.dev/initial-scale";
pub const ACTIVATION_SCALE: &str = "autoscaling.knative.dev/activation-scale";
pub const WINDOW: &str = "autoscaling.knative.dev/window";
pub const PANIC_WINDOW_PERCENTAGE: &str = "autoscaling.knative.dev/panic-window-percentage";
pub const PANIC_THRESHOLD_PERCENTAGE: &str = "autoscaling.knative.dev/panic-threshold-percentage";
pub const SCALE_DOWN_DELAY: &str = "autoscaling.knative.dev/scale-down-delay";
pub const SCALE_TO_ZERO_RETENTION: &str =
    "autoscaling.knative.dev/scale-to-zero-pod-retention-period";
pub const METRIC_AGGREGATION: &str = "autoscaling.knative.dev/metric-aggregation-algorithm";
pub const CLASS_HPA: &str = "hpa.autoscaling.knative.dev";
pub const CLASS_KPA: &str = "kpa.autoscaling.knative.dev";

/// `enabled` or `strict`: the pod is tried when the Service is applied.
pub const POD_SPEC_DRY_RUN: &str = "features.knative.dev/podspec-dryrun";
/// Cloud Run's own settings, which its exported manifests carry.
pub const CLOUD_RUN_PREFIX: &str = "run.googleapis.com/";
pub const OWN_PREFIX: &str = "rouse.dev/";
/// Rouse's own: marks a pod that the autoscaler is to remove. Activators send it no new requests.
pub const DRAINING: &str = "rouse.dev/draining";
/// Rouse's own: how many requests may wait for one revision, on the revision's template.
pub const QUEUE_LIMIT: &str = "rouse.dev/queue-limit";
/// Rouse's own: who may call a Service, whose identity tokens count, and from which addresses; on the Service.
pub const INVOKERS: &str = "rouse.dev/invokers";
pub const ISSUERS: &str = "rouse.dev/issuers";
pub const ALLOWED_NETWORKS: &str = "rouse.dev/allowed-networks";
/// Cloud Run's, on the Service.
pub const INGRESS: &str = "run.googleapis.com/ingress";
pub const INVOKER_IAM_DISABLED: &str = "run.googleapis.com/invoker-iam-disabled";
pub const CUSTOM_AUDIENCES: &str = "run.googleapis.com/custom-audiences";

/// Environment variables of the Knative runtime contract.
pub const ENV_PORT: &str = "PORT";
pub const ENV_SERVICE: &str = "K_SERVICE";
pub const ENV_REVISION: &str = "K_REVISION";
pub const ENV_CONFIGURATION: &str = "K_CONFIGURATION";

/// Default name of the serving container, and of its port.
pub const USER_CONTAINER: &str = "user-container";
pub const USER_PORT: &str = "user-port";
