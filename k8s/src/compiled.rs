//! Readers and writers of the kinds that several crates use, compiled here once.
//!
//! A kind has thousands of lines of generic code for each way in which it is read. The compiler makes
//! them in every crate that reads the kind, unless a crate below has made them already: see
//! `docs/decisions/first-build.md`.

use std::hint::black_box;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, Node, Pod, Secret, Service};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Built-in kinds. Never called: its existence makes the compiler generate the code.
pub fn kinds() {
    read_and_written::<ConfigMap>();
    read_and_written::<Deployment>();
    read_and_written::<Event>();
    read_and_written::<Namespace>();
    read_and_written::<Node>();
    read_and_written::<Pod>();
    read_and_written::<Secret>();
    read_and_written::<Service>();
}

/// Makes the compiler generate all code by which a client reads, lists, watches and writes objects
/// of this kind.
pub fn read_and_written<K: Serialize + DeserializeOwned>() {
    black_box(serde_json::from_str::<K> as fn(_) -> _);
    black_box(serde_json::from_str::<Vec<K>> as fn(_) -> _);
    black_box(serde_json::from_str::<Watched<K>> as fn(_) -> _);
    black_box(serde_json::from_value::<K> as fn(_) -> _);
    black_box(serde_json::to_vec::<K> as fn(_) -> _);
    black_box(serde_json::to_value::<K> as fn(_) -> _);
}

/// The form of `kube::api::WatchEvent`: its object is deserialized directly, or from a buffer.
#[derive(Deserialize)]
#[serde(tag = "type", content = "object")]
enum Watched<K> {
    Added(K),
}
