//! Settings of a pod that its runtime does not enforce.
//!
//! They are the same for all who say it: admission warns by the fields, an Event and a condition of the pod
//! in a sentence.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use super::interface::{Capabilities, NO_MOUNTS};
use crate::spec::{Security, resources};

/// Where a program's last words are by default.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// One setting, or several of one context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// Their paths below the pod's `spec`.
    pub fields: Vec<String>,
    /// A sentence without the container's name.
    pub message: String,
}

impl Capabilities {
    /// The settings of `spec` that this runtime, called `runtime`, does not enforce.
    #[must_use]
    pub fn unmet(self, runtime: &str, spec: &PodSpec) -> Vec<Unmet> {
        let pod = Pod { spec: Some(spec.clone()), ..Pod::default() };
        let init = spec.init_containers.iter().flatten().enumerate();
        let init = init.map(|(at, one)| (format!("initContainers[{at}]"), one));
        let app = spec.containers.iter().enumerate();
        let app = app.map(|(at, one)| (format!("containers[{at}]"), one));
        let of_each = init.chain(app).flat_map(|(path, container)| {
            let below = move |field| format!("{path}.{field}");
            let located = move |mut one: Unmet| {
                one.fields = one.fields.into_iter().map(&below).collect();
                one
            };
            // The pod's context is told of once, below.
            self.of_container(runtime, &Pod::default(), container).into_iter().map(located)
        });
        let of_pod = self.security(runtime, &Security::of(&pod, &Container::default()));
        of_each.chain(of_pod).chain(self.of_whole(runtime, &pod)).collect()
    }

    /// Fields of the pod as a whole that mean nothing to these runtimes.
    pub(crate) fn of_whole(self, runtime: &str, pod: &Pod) -> Vec<Unmet> {
        let Some(spec) = &pod.spec else { return Vec::new() };
        let unmet = |field: &str, message| Unmet { fields: vec![field.to_owned()], message };
        let class = spec.runtime_class_name.as_deref().filter(|class| !class.is_empty());
        let class = class.map(|class| {
            let message = format!(
                "the {runtime} runtime runs pods of the class {class:?} as it runs all others"
            );
            unmet("runtimeClassName", message)
        });
        let users = (spec.host_users == Some(false)).then(|| {
            let message =
                format!("the {runtime} runtime gives pods no user namespace of their own");
            unmet("hostUsers", message)
        });
        class.into_iter().chain(users).collect()
    }

    /// The settings of one container of `pod`, its paths below the container.
    pub(crate) fn of_container(
        self,
        runtime: &str,
        pod: &Pod,
        container: &Container,
    ) -> Vec<Unmet> {
        let unmet = |field: &str, message| Unmet { fields: vec![field.to_owned()], message };
        let cpu =
            resources::cpu_limit_millis(container).filter(|_| !self.cpu_limit).map(|millis| {
                let message =
                    format!("the CPU limit of {millis}m is not enforced by the {runtime} runtime");
                unmet("resources.limits.cpu", message)
            });
        let storage = resources::limits_storage(container).then(|| {
            let message =
                "the limit of ephemeral storage is not enforced; sizeLimit of an emptyDir is";
            unmet("resources.limits.ephemeral-storage", message.to_owned())
        });
        let last = container.termination_message_path.as_deref();
        let last = last.filter(|path| !path.is_empty() && *path != TERMINATION_LOG).map(|path| {
            let message = format!(
                "{path:?} is not read when the program ends; terminationMessagePolicy \
                 FallbackToLogsOnError takes the end of its log"
            );
            unmet("terminationMessagePath", message)
        });
        let security = self.security(runtime, &Security::of(pod, container));
        [cpu, storage, last, security].into_iter().flatten().collect()
    }

    fn security(self, runtime: &str, security: &Security) -> Option<Unmet> {
        let named = security.named();
        (!self.security_context && !named.is_empty()).then(|| Unmet {
            fields: named.iter().map(|name| format!("securityContext.{name}")).collect(),
            message: format!(
                "securityContext ({}) is not enforced by the {runtime} runtime; the program runs as \
                 the user who runs the node, with that user's rights",
                named.join(", ")
            ),
        })
    }

    /// Why a pod of `spec` could never start: the field, and a sentence.
    #[must_use]
    pub fn refusal(self, spec: &PodSpec) -> Option<(&'static str, String)> {
        let volume = spec.volumes.as_ref().and_then(|all| all.first()).filter(|_| !self.volumes)?;
        Some(("volumes", format!("volume {:?} cannot be mounted: {NO_MOUNTS}", volume.name)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runtime::{docker, process};

    fn spec() -> PodSpec {
        serde_json::from_value(json!({
            "securityContext": {"runAsGroup": 3},
            "volumes": [{"name": "v", "emptyDir": {}}],
            "initContainers": [{"name": "first", "securityContext": {"runAsNonRoot": true}}],
            "containers": [
                {"name": "user", "resources": {"limits": {"cpu": "250m", "memory": "1Gi"}}},
                {"name": "other", "terminationMessagePath": "/tmp/why", "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"add": ["CHOWN"], "drop": ["ALL"]},
                }, "resources": {"limits": {"ephemeral-storage": "1Gi"}}},
            ],
        }))
        .unwrap()
    }

    fn fields(unmet: &[Unmet]) -> Vec<&str> {
        unmet.iter().flat_map(|one| &one.fields).map(String::as_str).collect()
    }

    #[test]
    fn each_runtime_names_the_fields_that_it_does_not_enforce() {
        let neither = [
            "containers[1].resources.limits.ephemeral-storage",
            "containers[1].terminationMessagePath",
        ];
        assert_eq!(fields(&docker::CAPABILITIES.unmet("docker", &spec())), neither);
        let of_process = process::CAPABILITIES.unmet("process", &spec());
        assert_eq!(
            fields(&of_process),
            [
                "initContainers[0].securityContext.runAsNonRoot",
                "containers[0].resources.limits.cpu",
                neither[0],
                neither[1],
                "containers[1].securityContext.capabilities",
                "securityContext.runAsGroup",
            ]
        );
        assert_eq!(
            of_process[1].message,
            "the CPU limit of 250m is not enforced by the process runtime"
        );
    }

    #[test]
    fn volumes_are_refused_where_there_are_no_mounts() {
        let without = Capabilities { volumes: false, ..process::CAPABILITIES };
        let (field, why) = without.refusal(&spec()).unwrap();
        assert_eq!(field, "volumes");
        assert!(why.starts_with("volume \"v\" cannot be mounted: this host"), "{why}");
        assert_eq!(without.refusal(&PodSpec::default()), None);
        assert_eq!(process::CAPABILITIES.refusal(&spec()), None);
    }
}
