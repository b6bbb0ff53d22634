//! Circles that are still there: folder, and the names in it. The list only ever gets shorter.

#[rustfmt::skip]
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("cli/src/platform", "compose mod"),
    ("cluster/src", "cluster http"),
    ("cluster/src", "kinds schema table"),
    ("cluster/src/http", "discovery events list logs route watch write"),
    ("cluster/src/kinds", "builtin crd mod types"),
    ("cluster/src/kinds/defaults", "mod pod workload"),
    ("cluster/src/patch", "mod strategic"),
    ("cluster/src/schema", "decode formats validate"),
    ("cluster/src/schema/protobuf", "mod special wire"),
    ("cluster/src/store", "head object"),
    ("cluster/src/store", "mod watch"),
    ("cluster/src/table", "events mod network objects workloads"),
];
