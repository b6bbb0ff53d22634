//! Resources that an answer holds until its end.

use crate::admission::revision::Slot;
use crate::observe::record::Record;
use crate::transport::forward::Carrier;

/// The connection, the slot and the record of a request whose answer is being sent. However it
/// ends, the request is counted and the slot given back.
#[derive(Debug)]
pub(crate) struct Held {
    carrier: Option<Carrier>,
    slot: Slot,
    record: Option<Record>,
}

impl Held {
    pub(crate) fn new(carrier: Carrier, slot: Slot, record: Option<Record>) -> Self {
        Self { carrier: Some(carrier), slot, record }
    }

    /// The answer was read whole: the connection can carry another.
    pub(crate) fn give_back(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            carrier.give_back(&self.slot.pod);
        }
    }

    /// Bytes of the answer are sent.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        if let Some(record) = &mut self.record {
            record.wrote(bytes);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            record.finish(&self.slot.revision.recorder);
        }
    }
}
