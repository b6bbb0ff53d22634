//! Benchmarks: each prints its figures; none asserts them.
fn main() {}
