//! Circles that are still there: folder, and the names in it. The list only ever gets shorter.

#[rustfmt::skip]
pub(super) const KNOWN: &[(&str, &str)] = &[
    ("cli/src/platform", "compose mod"),
    ("cluster/controllers/src", "adopt deployment endpoints event feed gc graph lib namespace objects replicaset scheduler"),
];
