//! The events that the file holds for watches that resume after a restart: by number and by size.

use std::collections::VecDeque;

/// Events that are kept, and their bytes.
pub(super) const COUNT: usize = 4096;
const BYTES: usize = 16 << 20;

/// Version and size of each event in the file, oldest first.
#[derive(Debug, Default)]
pub(super) struct Kept {
    events: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl Kept {
    pub(super) fn push(&mut self, version: u64, bytes: usize) {
        self.events.push_back((version, bytes));
        self.bytes += bytes;
    }

    /// The version up to which events exceed the limits, if any do.
    pub(super) fn spare(&self) -> Option<u64> {
        let (mut count, mut bytes, mut spare) = (self.events.len(), self.bytes, None);
        for (version, size) in &self.events {
            if count <= COUNT && bytes <= BYTES {
                break;
            }
            count -= 1;
            bytes -= size;
            spare = Some(*version);
        }
        spare
    }

    /// Drops the events up to `version`.
    pub(super) fn forget(&mut self, version: u64) {
        let gone = self.events.partition_point(|(held, _)| *held <= version);
        self.bytes -= self.events.drain(..gone).map(|(_, size)| size).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of these sizes, with the versions 1, 2, 3 and so on.
    fn kept(sizes: &[usize]) -> Kept {
        let mut kept = Kept::default();
        for (version, size) in (1..).zip(sizes) {
            kept.push(version, *size);
        }
        kept
    }

    #[test]
    fn the_oldest_events_are_spare_beyond_a_number_or_a_size() {
        for (sizes, spare) in [
            (vec![], None),
            (vec![0; COUNT], None),
            (vec![0; COUNT + 2], Some(2)),
            (vec![BYTES / 2; 2], None),
            (vec![BYTES / 2, BYTES / 2, 1], Some(1)),
            (vec![1, BYTES / 2, BYTES, 1], Some(3)),
            (vec![BYTES + 1], Some(1)),
        ] {
            let (last, count) = (sizes.last().copied(), sizes.len());
            assert_eq!(kept(&sizes).spare(), spare, "{count} events, the last of {last:?} bytes");
        }
    }

    #[test]
    fn there_is_room_again_for_what_was_forgotten() {
        let mut kept = kept(&[BYTES / 4; 6]);
        assert_eq!(kept.spare(), Some(2));
        kept.forget(2);
        assert_eq!(kept.spare(), None);
        kept.push(7, BYTES / 4);
        assert_eq!(kept.spare(), Some(3));
        kept.forget(99);
        kept.push(100, BYTES);
        assert_eq!(kept.spare(), None);
        kept.push(101, 1);
        assert_eq!(kept.spare(), Some(100));
    }
}
