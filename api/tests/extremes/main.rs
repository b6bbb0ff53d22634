//! Extreme numbers, in every place where users write one.
//!
//! Whatever the number, nothing panics; it is refused by the name of its field, or what is read of it is
//! in the range that the rest of the platform computes with.

#![expect(clippy::unwrap_used, reason = "in a test a failed step is the failure")]

mod annotations;
mod config;
mod kinds;
mod numbers;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// A Service with required fields only.
fn minimal() -> Value {
    json!({
        "metadata": { "name": "hello", "namespace": "prod" },
        "spec": { "template": { "spec": { "containers": [{ "image": "dev.local/hello" }] } } },
    })
}

/// The documents of a folder under `manifests/`.
fn manifests(folder: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests").join(folder);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path| serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    paths.iter().map(read).collect()
}
