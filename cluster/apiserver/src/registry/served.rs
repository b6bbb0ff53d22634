//! The resources that a CRD serves.

use rouse_schema::kinds::Resource;

/// A resource per served version; none while the CRD's names conflict with another's.
pub(crate) struct Served {
    pub(super) group: String,
    pub(super) plural: String,
    pub(super) resources: Vec<Resource>,
}
