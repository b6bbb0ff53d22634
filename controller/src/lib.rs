//! Objects -> objects: the reconcilers of Knative Serving, and its admission.

pub mod admission;
