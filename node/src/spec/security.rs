//! Security contexts of a pod's containers: the container's fields override the pod's.

use k8s_openapi::api::core::v1::{Container, Pod};

/// The seccomp profile that forbids nothing.
pub(crate) const UNCONFINED: &str = "Unconfined";
/// The one of a file on the node.
const LOCALHOST: &str = "Localhost";

/// The security context of one container. Absent fields mean the defaults of image and engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    pub user: Option<i64>,
    pub group: Option<i64>,
    pub non_root: bool,
    pub read_only_root: bool,
    pub no_new_privileges: bool,
    pub add_capabilities: Vec<String>,
    pub drop_capabilities: Vec<String>,
    /// Groups that its processes have besides.
    pub supplemental_groups: Vec<i64>,
    /// The group of its volumes' files, which its processes have too.
    pub fs_group: Option<i64>,
    /// The kind of its profile of system calls.
    pub seccomp: Option<String>,
}

impl Security {
    pub(crate) fn of(pod: &Pod, container: &Container) -> Self {
        let of_pod = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
        let own = container.security_context.as_ref();
        let capabilities = own.and_then(|own| own.capabilities.clone()).unwrap_or_default();
        let seccomp = own.and_then(|own| own.seccomp_profile.as_ref());
        let seccomp = seccomp.or(of_pod.and_then(|pod| pod.seccomp_profile.as_ref()));
        Self {
            user: own.and_then(|own| own.run_as_user).or(of_pod.and_then(|pod| pod.run_as_user)),
            group: own.and_then(|own| own.run_as_group).or(of_pod.and_then(|pod| pod.run_as_group)),
            non_root: own
                .and_then(|own| own.run_as_non_root)
                .or(of_pod.and_then(|pod| pod.run_as_non_root))
                .unwrap_or(false),
            read_only_root: own.and_then(|own| own.read_only_root_filesystem).unwrap_or(false),
            no_new_privileges: own.and_then(|own| own.allow_privilege_escalation) == Some(false),
            add_capabilities: capabilities.add.unwrap_or_default(),
            drop_capabilities: capabilities.drop.unwrap_or_default(),
            supplemental_groups: of_pod
                .and_then(|pod| pod.supplemental_groups.clone())
                .unwrap_or_default(),
            fs_group: of_pod.and_then(|pod| pod.fs_group),
            seccomp: seccomp.map(|profile| profile.type_.clone()),
        }
    }

    /// The fields that are set, by the names that users write; those that every runtime gives apart.
    pub(crate) fn named(&self) -> Vec<&'static str> {
        let Self { user, group, non_root, read_only_root, .. } = self;
        let capabilities = [&self.add_capabilities, &self.drop_capabilities];
        let restricted = self.seccomp.as_deref().is_some_and(|kind| kind != UNCONFINED);
        [
            (user.is_some(), "runAsUser"),
            (group.is_some(), "runAsGroup"),
            (*non_root, "runAsNonRoot"),
            (*read_only_root, "readOnlyRootFilesystem"),
            (capabilities.iter().any(|some| !some.is_empty()), "capabilities"),
            (!self.supplemental_groups.is_empty(), "supplementalGroups"),
            (restricted, "seccompProfile"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect()
    }

    /// Why `runAsNonRoot` forbids an image that says `image_user`, in the kubelet's words.
    pub(crate) fn refusal(&self, image_user: &str) -> Option<String> {
        if self.seccomp.as_deref() == Some(LOCALHOST) {
            let why = "a seccompProfile of the node's own files (Localhost) is not given here; use \
                       RuntimeDefault";
            return Some(why.to_owned());
        }
        if !self.non_root {
            return None;
        }
        let name = image_user.split(':').next().unwrap_or_default();
        match (self.user, name) {
            (Some(0), _) => Some("container's runAsUser breaks non-root policy".to_owned()),
            (Some(_), _) => None,
            (None, "" | "0" | "root") => {
                Some("container has runAsNonRoot and image will run as root".to_owned())
            }
            (None, name) if name.parse::<u32>().is_ok() => None,
            (None, name) => Some(format!(
                "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify \
                 user is non-root"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_containers_fields_override_the_pods() {
        let pod = serde_json::from_value(json!({"spec": {
            "containers": [], "securityContext": {"runAsUser": 7, "runAsGroup": 8, "runAsNonRoot": true,
                "fsGroup": 3, "supplementalGroups": [4, 5], "seccompProfile": {"type": "RuntimeDefault"}},
        }}))
        .unwrap();
        let container = serde_json::from_value(json!({"name": "user", "securityContext": {
            "runAsUser": 9, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        }}))
        .unwrap();
        let security = Security::of(&pod, &container);
        assert_eq!((security.user, security.group), (Some(9), Some(8)));
        assert!(security.no_new_privileges && !security.read_only_root);
        assert_eq!(
            security.named(),
            [
                "runAsUser",
                "runAsGroup",
                "runAsNonRoot",
                "capabilities",
                "supplementalGroups",
                "seccompProfile"
            ]
        );
        assert_eq!((security.fs_group, security.supplemental_groups), (Some(3), vec![4, 5]));
    }

    #[test]
    fn an_image_that_runs_as_root_is_refused_where_that_was_asked() {
        let of = |user, non_root| Security { user, non_root, ..Security::default() };
        for (security, image, refused) in [
            (of(None, false), "", false),
            (of(None, true), "", true),
            (of(None, true), "0:0", true),
            (of(None, true), "1000", false),
            (of(None, true), "app", true),
            (of(Some(5), true), "", false),
            (of(Some(0), true), "5", true),
        ] {
            assert_eq!(security.refusal(image).is_some(), refused, "{security:?} {image:?}");
        }
    }
}
