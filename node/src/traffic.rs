//! Whoever sends requests to the pods of this node, asked before a pod is told to end.

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;

/// Whoever sends requests to pods.
pub trait Traffic: Send + Sync + 'static {
    /// Sends nothing more to `pod`, and is done once no request is in it. Asked once a pod, when its
    /// deletion is seen; given up at the end of its grace period.
    fn drained(&self, pod: &Pod) -> BoxFuture<'static, ()>;
}

/// Nobody sends requests to pods, or nobody who can be asked.
#[derive(Clone, Copy, Debug)]
pub struct NoTraffic;

impl Traffic for NoTraffic {
    fn drained(&self, _: &Pod) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}
