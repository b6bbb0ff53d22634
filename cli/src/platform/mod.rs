//! `rouse up`: the embedded Kubernetes and all components in one process.

pub(crate) mod kubeconfig;
pub(crate) mod pki;
pub(crate) mod ports;
