//! Selectors matched against stored objects.

use crate::selector::{Selected, Selector};
use crate::store::Object;

/// Whether the selector selects a stored object.
pub(super) fn selects(selector: &Selector, object: &Object) -> bool {
    selector.matches(Selected {
        name: &object.key.name,
        namespace: &object.key.namespace,
        labels: &object.labels,
        fields: &object.fields,
    })
}
