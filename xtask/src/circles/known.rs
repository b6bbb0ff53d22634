//! Circles that are still there: folder, and the names in it. The list only ever gets shorter.

#[rustfmt::skip]
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("cli/src/platform", "compose mod"),
    ("cluster/apiserver/src", "cluster http"),
    ("cluster/apiserver/src/http", "discovery events list logs route watch write"),
    ("cluster/controllers/src", "adopt deployment endpoints event feed gc graph lib namespace objects replicaset scheduler"),
    ("cluster/schema/src", "kinds schema table"),
    ("cluster/schema/src/kinds", "builtin crd mod types"),
    ("cluster/schema/src/kinds/defaults", "mod pod workload"),
    ("cluster/schema/src/patch", "mod strategic"),
    ("cluster/schema/src/schema", "decode formats validate"),
    ("cluster/schema/src/schema/protobuf", "mod special wire"),
    ("cluster/schema/src/table", "events mod network objects workloads"),
    ("cluster/store/src", "head object"),
    ("cluster/store/src", "lib watch"),
];
