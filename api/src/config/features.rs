//! `config-features`: which optional fields and behaviours are on.
//!
//! Upstream: `pkg/apis/config/features.go`. An unknown value means the default.

use std::collections::BTreeMap;

use super::settings::{ConfigError, Data, Settings};

/// The state of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    Enabled,
    /// A field passes validation; nothing else changes.
    Allowed,
    Disabled,
    /// Of `secure-pod-defaults` only: secure defaults, but root is not forbidden.
    AllowRootBounded,
}

pub const MULTI_CONTAINER: &str = "multi-container";
pub const MULTI_CONTAINER_PROBING: &str = "multi-container-probing";
pub const AUTODETECT_HTTP2: &str = "autodetect-http2";
pub const TAG_HEADER_BASED_ROUTING: &str = "tag-header-based-routing";
pub const SECURE_POD_DEFAULTS: &str = "secure-pod-defaults";
pub const POD_SPEC_FIELD_REF: &str = "kubernetes.podspec-fieldref";
pub const POD_SPEC_SECURITY_CONTEXT: &str = "kubernetes.podspec-securitycontext";
pub const POD_SPEC_INIT_CONTAINERS: &str = "kubernetes.podspec-init-containers";
pub const VOLUMES_EMPTY_DIR: &str = "kubernetes.podspec-volumes-emptydir";
pub const VOLUMES_MOUNT_PROPAGATION: &str = "kubernetes.podspec-volumes-mount-propagation";
pub const VOLUMES_HOST_PATH: &str = "kubernetes.podspec-volumes-hostpath";
pub const VOLUMES_CSI: &str = "kubernetes.podspec-volumes-csi";
pub const VOLUMES_EPHEMERAL: &str = "kubernetes.podspec-volumes-ephemeral";
pub const VOLUMES_IMAGE: &str = "kubernetes.podspec-volumes-image";
pub const PERSISTENT_VOLUME_CLAIM: &str = "kubernetes.podspec-persistent-volume-claim";
pub const PERSISTENT_VOLUME_WRITE: &str = "kubernetes.podspec-persistent-volume-write";
/// Tries the pod of a template when it is applied.
pub const POD_SPEC_DRY_RUN: &str = "kubernetes.podspec-dryrun";
pub const ADD_CAPABILITIES: &str = "kubernetes.containerspec-addcapabilities";

/// Features whose field or volume is refused although they are on: nothing here acts on it.
pub const REFUSED: [&str; 15] = [
    VOLUMES_MOUNT_PROPAGATION,
    VOLUMES_CSI,
    VOLUMES_EPHEMERAL,
    VOLUMES_IMAGE,
    "kubernetes.podspec-topologyspreadconstraints",
    "kubernetes.podspec-hostaliases",
    "kubernetes.podspec-runtimeclassname",
    "kubernetes.podspec-dnspolicy",
    "kubernetes.podspec-dnsconfig",
    "kubernetes.podspec-shareprocessnamespace",
    "kubernetes.podspec-hostipc",
    "kubernetes.podspec-hostpid",
    "kubernetes.podspec-hostnetwork",
    "kubernetes.podspec-priorityclassname",
    "kubernetes.podspec-schedulername",
];

/// Every feature and its default.
pub const DEFAULTS: [(&str, Flag); 34] = [
    (MULTI_CONTAINER, Flag::Enabled),
    (MULTI_CONTAINER_PROBING, Flag::Disabled),
    (AUTODETECT_HTTP2, Flag::Disabled),
    (TAG_HEADER_BASED_ROUTING, Flag::Disabled),
    ("queueproxy.mount-podinfo", Flag::Disabled),
    ("queueproxy.resource-defaults", Flag::Disabled),
    (SECURE_POD_DEFAULTS, Flag::Disabled),
    (POD_SPEC_FIELD_REF, Flag::Disabled),
    (POD_SPEC_SECURITY_CONTEXT, Flag::Disabled),
    (POD_SPEC_INIT_CONTAINERS, Flag::Disabled),
    (VOLUMES_EMPTY_DIR, Flag::Enabled),
    (VOLUMES_MOUNT_PROPAGATION, Flag::Disabled),
    (VOLUMES_HOST_PATH, Flag::Disabled),
    (VOLUMES_CSI, Flag::Disabled),
    (VOLUMES_EPHEMERAL, Flag::Disabled),
    (VOLUMES_IMAGE, Flag::Disabled),
    (PERSISTENT_VOLUME_CLAIM, Flag::Disabled),
    (PERSISTENT_VOLUME_WRITE, Flag::Disabled),
    (ADD_CAPABILITIES, Flag::Disabled),
    (POD_SPEC_DRY_RUN, Flag::Allowed),
    ("kubernetes.podspec-affinity", Flag::Disabled),
    ("kubernetes.podspec-topologyspreadconstraints", Flag::Disabled),
    ("kubernetes.podspec-hostaliases", Flag::Disabled),
    ("kubernetes.podspec-nodeselector", Flag::Disabled),
    ("kubernetes.podspec-tolerations", Flag::Disabled),
    ("kubernetes.podspec-runtimeclassname", Flag::Disabled),
    ("kubernetes.podspec-dnspolicy", Flag::Disabled),
    ("kubernetes.podspec-dnsconfig", Flag::Disabled),
    ("kubernetes.podspec-shareprocessnamespace", Flag::Disabled),
    ("kubernetes.podspec-hostipc", Flag::Disabled),
    ("kubernetes.podspec-hostpid", Flag::Disabled),
    ("kubernetes.podspec-hostnetwork", Flag::Disabled),
    ("kubernetes.podspec-priorityclassname", Flag::Disabled),
    ("kubernetes.podspec-schedulername", Flag::Disabled),
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features(BTreeMap<&'static str, Flag>);

impl Default for Features {
    fn default() -> Self {
        Self(DEFAULTS.into())
    }
}

impl Settings for Features {
    const NAME: &'static str = "config-features";

    fn from_data(data: &Data) -> Result<Self, ConfigError> {
        let mut features = Self::default();
        for (feature, flag) in &mut features.0 {
            let known: &[Flag] = if *feature == SECURE_POD_DEFAULTS {
                &[Flag::Disabled, Flag::AllowRootBounded, Flag::Enabled]
            } else {
                &[Flag::Disabled, Flag::Allowed, Flag::Enabled]
            };
            let written = data.get(*feature);
            let value =
                written.and_then(|w| known.iter().find(|f| w.eq_ignore_ascii_case(f.name())));
            *flag = value.copied().unwrap_or(*flag);
        }
        Ok(features)
    }
}

impl Flag {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Allowed => "Allowed",
            Self::Disabled => "Disabled",
            Self::AllowRootBounded => "AllowRootBounded",
        }
    }
}

impl Features {
    /// The state of a feature; one that does not exist is disabled.
    #[must_use]
    pub fn get(&self, feature: &str) -> Flag {
        self.0.get(feature).copied().unwrap_or(Flag::Disabled)
    }

    #[must_use]
    pub fn is_enabled(&self, feature: &str) -> bool {
        self.get(feature) == Flag::Enabled
    }

    /// Whether the field that a feature is about may be set.
    #[must_use]
    pub fn permits(&self, feature: &str) -> bool {
        self.get(feature) != Flag::Disabled
    }
}
