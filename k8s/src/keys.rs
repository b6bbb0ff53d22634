//! Labels, annotations and names that Kubernetes itself gives a meaning.
//!
//! Upstream: `k8s.io/api/core/v1/well_known_labels.go`, `k8s.io/api/apps/v1`, kubectl.

/// Label of a Deployment's ReplicaSets and their Pods: the hash of their template.
pub const POD_TEMPLATE_HASH: &str = "pod-template-hash";
/// Annotation of a Deployment and its ReplicaSets: the number of the rollout.
pub const DEPLOYMENT_REVISION: &str = "deployment.kubernetes.io/revision";
/// Annotation of a ReplicaSet: the numbers of rollouts that used it before.
pub const DEPLOYMENT_REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// Annotation of a ReplicaSet: the replicas of its Deployment when it was last scaled.
pub const DEPLOYMENT_DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// Annotation of a ReplicaSet: the most pods that its Deployment allowed when it was last scaled.
pub const DEPLOYMENT_MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// Annotation of a Pod: the lower of two is deleted first.
pub const POD_DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Label of an EndpointSlice: the Service that it belongs to.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label of an EndpointSlice: the controller that keeps it.
pub const ENDPOINT_SLICE_MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Label of the Endpoints and slices of a Service without a cluster IP.
pub const HEADLESS_SERVICE: &str = "service.kubernetes.io/headless";

/// Annotation: the manifest that `kubectl apply` sent last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotation of a Pod: the container that kubectl uses if none is named.
pub const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Finalizer of an object that is deleted after its dependents.
pub const FOREGROUND_DELETION: &str = "foregroundDeletion";
/// Finalizer of an object whose dependents are released first.
pub const ORPHAN_DEPENDENTS: &str = "orphan";
