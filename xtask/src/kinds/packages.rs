//! The packages of Kubernetes whose types the table holds.

/// Where each package's sources stand under the folder, its name in the table, and its name in OpenAPI.
pub(super) const PACKAGES: [(&str, &str, &str); 17] = [
    ("k8s.io/api/core/v1", "core.v1", "io.k8s.api.core.v1"),
    ("k8s.io/api/apps/v1", "apps.v1", "io.k8s.api.apps.v1"),
    ("k8s.io/api/autoscaling/v1", "autoscaling.v1", "io.k8s.api.autoscaling.v1"),
    ("k8s.io/api/autoscaling/v2", "autoscaling.v2", "io.k8s.api.autoscaling.v2"),
    ("k8s.io/api/batch/v1", "batch.v1", "io.k8s.api.batch.v1"),
    ("k8s.io/api/networking/v1", "networking.v1", "io.k8s.api.networking.v1"),
    ("k8s.io/api/policy/v1", "policy.v1", "io.k8s.api.policy.v1"),
    ("k8s.io/api/rbac/v1", "rbac.v1", "io.k8s.api.rbac.v1"),
    ("k8s.io/api/scheduling/v1", "scheduling.v1", "io.k8s.api.scheduling.v1"),
    ("k8s.io/api/storage/v1", "storage.v1", "io.k8s.api.storage.v1"),
    ("k8s.io/api/authentication/v1", "authentication.v1", "io.k8s.api.authentication.v1"),
    ("k8s.io/api/authorization/v1", "authorization.v1", "io.k8s.api.authorization.v1"),
    ("k8s.io/api/coordination/v1", "coordination.v1", "io.k8s.api.coordination.v1"),
    ("k8s.io/api/discovery/v1", "discovery.v1", "io.k8s.api.discovery.v1"),
    ("k8s.io/api/events/v1", "events.v1", "io.k8s.api.events.v1"),
    (
        "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1",
        "apiextensions.v1",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
    ),
    ("k8s.io/apimachinery/pkg/apis/meta/v1", "meta.v1", "io.k8s.apimachinery.pkg.apis.meta.v1"),
];
