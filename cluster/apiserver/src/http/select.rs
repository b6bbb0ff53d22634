//! Selectors asked about stored objects.

use crate::selector::{Selected, Selector};
use crate::store::Object;

/// Whether a stored object is among those that the selector selects.
pub(super) fn selects(selector: &Selector, object: &Object) -> bool {
    selector.matches(Selected {
        name: &object.key.name,
        namespace: &object.key.namespace,
        labels: &object.labels,
        fields: &object.fields,
    })
}
