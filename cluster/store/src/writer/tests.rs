//! The writer's thread while its disk takes nothing.

use std::sync::mpsc;

use super::*;
use crate::ring::Change;
use crate::testing::{Disk, map};

/// What the writer says.
#[derive(Debug, PartialEq)]
enum Said {
    Failing,
    Works,
    Committed(usize),
    Reached(u64),
}

/// A writer on a disk that is full, what it says, and when it failed first.
fn failing(disk: &Disk) -> (Writer, mpsc::Receiver<(Instant, Said)>, Instant) {
    let (file, _) = disk.open();
    disk.fill(true);
    let (sender, said) = mpsc::channel();
    let say = move |what| {
        // Nobody listens any more at the end of a test.
        let _ = sender.send((Instant::now(), what));
    };
    let (reached, failing, committed) = (say.clone(), say.clone(), say);
    let writer = Writer::start(
        file,
        Report {
            reached: Box::new(move |version| reached(Said::Reached(version))),
            failing: Box::new(move |why| {
                failing(if why.is_some() { Said::Failing } else { Said::Works });
            }),
            committed: Box::new(move |commit| committed(Said::Committed(commit.writes))),
        },
    );
    writer.push(op(2));
    let (first, what) = said.recv().unwrap();
    assert_eq!(what, Said::Failing);
    (writer, said, first)
}

fn op(version: u64) -> Op {
    Op { version, change: Change::Added, object: Arc::new(map("a", 1).number(version)) }
}

#[test]
fn a_batch_that_was_not_written_is_tried_again_after_a_while() {
    let disk = Disk::default();
    let (mut writer, said, first) = failing(&disk);
    // What comes meanwhile does not hurry it.
    writer.push(op(3));
    let (second, what) = said.recv().unwrap();
    assert_eq!(what, Said::Failing);
    assert!(second.duration_since(first) > RETRY_INTERVAL / 2);
    disk.fill(false);
    let told = said.iter().map(|(_, what)| what).filter(|what| *what != Said::Failing);
    let told: Vec<_> = told.take(5).collect();
    let (one, two) = (Said::Reached(2), Said::Reached(3));
    assert_eq!(told, [Said::Committed(1), Said::Works, one, Said::Committed(1), two]);
    writer.close().unwrap().join().unwrap();
}

#[test]
fn a_writer_that_is_closed_tells_only_of_what_it_could_save() {
    for room in [false, true] {
        let disk = Disk::default();
        let (mut writer, said, _) = failing(&disk);
        disk.fill(!room);
        writer.close().unwrap().join().unwrap();
        let told: Vec<_> = said.iter().map(|(_, what)| what).collect();
        assert_eq!(told.contains(&Said::Reached(2)), room, "{told:?}");
        disk.fill(false);
        assert_eq!(disk.open().1.objects.len(), usize::from(room));
    }
}
