//! The budget of unpacking: entries, bytes, time; and a reader that enforces it.

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::rc::Rc;
use std::time::Instant;

use super::settings::Limits;
use crate::formats::bound::Bound;

/// Names, attributes and sparse maps of one file, which the tar library keeps in memory.
const HEADER_BYTES_MAX: u64 = 1 << 20;
/// The block size of tar.
const BLOCK_BYTES: u64 = 512;

/// The budget left for an image.
pub(super) struct Budget {
    limits: Limits,
    entries: u64,
    bytes: u64,
    until: Instant,
}

impl Budget {
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        let until = now.checked_add(limits.time).unwrap_or(now);
        Self { limits, entries: limits.entries, bytes: limits.bytes, until }
    }

    /// One more file, folder or whiteout, or one file that an opaque whiteout looks at.
    pub(super) fn take_entry(&mut self) -> Result<(), Bound> {
        let left = self.entries.checked_sub(1);
        self.entries = left.ok_or(Bound::Entries { max: self.limits.entries })?;
        Ok(())
    }

    /// The budget of a layer whose blob has this size.
    pub(super) fn layer(&mut self, blob_bytes: u64) -> LayerBudget<'_> {
        let bytes = self.limits.ratio.saturating_mul(blob_bytes).max(self.limits.ratio_free_bytes);
        LayerBudget { image: self, bytes }
    }
}

/// The budget left for a layer, and for its image.
pub(super) struct LayerBudget<'a> {
    image: &'a mut Budget,
    bytes: u64,
}

impl LayerBudget<'_> {
    pub(super) fn take_entry(&mut self) -> Result<(), Bound> {
        self.image.take_entry()
    }

    /// Called before the bytes are written.
    pub(super) fn take_bytes(&mut self, bytes: u64) -> Result<(), Bound> {
        let left = self.image.bytes.checked_sub(bytes);
        self.image.bytes = left.ok_or(Bound::Unpacked { max: self.image.limits.bytes })?;
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or(Bound::Ratio { times: self.image.limits.ratio })?;
        Ok(())
    }

    /// A reader that fails once the layer's bytes or the time for unpacking are used up.
    pub(super) fn meter<R: Read>(&self, inner: R) -> (Meter<R>, Gauge) {
        let gauge = Gauge(Rc::new(Reading {
            total: Cell::new(self.bytes),
            ahead: Cell::new(u64::MAX),
            passed: Cell::new(0),
            times: self.image.limits.ratio,
            until: self.image.until,
            seconds: self.image.limits.time.as_secs(),
            breach: RefCell::new(None),
        }));
        (Meter { inner, gauge: gauge.clone() }, gauge)
    }
}

struct Reading {
    /// Bytes that the whole stream may still have.
    total: Cell<u64>,
    /// Bytes that may still be read before the next entry begins.
    ahead: Cell<u64>,
    /// Bytes that were read of this entry.
    passed: Cell<u64>,
    times: u64,
    until: Instant,
    seconds: u64,
    breach: RefCell<Option<Bound>>,
}

/// The handle on a [`Meter`] that the tar library owns.
#[derive(Clone)]
pub(super) struct Gauge(Rc<Reading>);

impl Gauge {
    /// Called before the next entry is read: allows for headers, and for the unread rest of the
    /// entry before, which has `content` bytes.
    pub(super) fn advance(&self, content: u64) {
        let left = content.saturating_sub(self.0.passed.get());
        let blocks = left.saturating_add(BLOCK_BYTES).saturating_add(HEADER_BYTES_MAX);
        self.0.ahead.set(blocks);
    }

    /// Called when an entry has begun, before its content is read.
    pub(super) fn content(&self) {
        self.0.passed.set(0);
        self.0.ahead.set(u64::MAX);
    }

    /// The limit at which reading ended, if it ended at one.
    pub(super) fn breach(&self) -> Option<Bound> {
        self.0.breach.borrow_mut().take()
    }

    fn read(&self, bytes: u64, now: Instant) -> Result<(), Bound> {
        let Reading { total, ahead, passed, times, until, seconds, .. } = &*self.0;
        if now >= *until {
            return Err(Bound::UnpackTime { seconds: *seconds });
        }
        let left = total.get().checked_sub(bytes).ok_or(Bound::Ratio { times: *times })?;
        total.set(left);
        passed.set(passed.get().saturating_add(bytes));
        let left = ahead.get().checked_sub(bytes);
        ahead.set(left.ok_or(Bound::Headers { max: HEADER_BYTES_MAX })?);
        Ok(())
    }
}

/// Ends a stream at a limit, with an error; the [`Gauge`] knows which limit it was.
pub(super) struct Meter<R> {
    inner: R,
    gauge: Gauge,
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.gauge.read(read as u64, Instant::now()).map_err(|bound| {
            let error = io::Error::other(bound.to_string());
            self.gauge.0.breach.replace(Some(bound));
            error
        })?;
        Ok(read)
    }
}
