//! The sender of requests to this node's pods, asked to drain a pod before it is ended.

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;

/// The sender of requests to pods.
pub trait Traffic: Send + Sync + 'static {
    /// Stops sending requests to `pod`, and completes once none is in flight. Called once per pod,
    /// when its deletion is observed; dropped at the end of its grace period.
    fn drained(&self, pod: &Pod) -> BoxFuture<'static, ()>;
}

/// No sender of requests, or none that can be asked.
#[derive(Clone, Copy, Debug)]
pub struct NoTraffic;

impl Traffic for NoTraffic {
    fn drained(&self, _: &Pod) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}
