//! The fields that an applier has set before and no longer lists: they go, unless another owns them.

use serde_json::Value;

use super::contents::contents;
use super::reconcile::with_structs;
use super::remove::remove;
use super::set::Set;
use super::shape::Place;

/// The merged object without what was in `last` and is owned by nobody now (`owned`).
pub(super) fn prune(root: Place<'_>, merged: Value, last: &Set, owned: &Set) -> Value {
    if last.is_empty() {
        return merged;
    }
    let last = with_structs(root, last);
    let of = |object: &Value| with_structs(root, &contents(root, object));
    let all = of(&merged);
    // What others own inside of what goes comes back, and only what this applier owned may go.
    let pruned = remove(root, &merged, &last);
    let kept = of(&pruned).union(&with_structs(root, owned));
    let pruned = remove(root, &merged, &all.difference(&kept));
    remove(root, &merged, &all.difference(&of(&pruned)).intersection(&last))
}
