//! The ends of the times of HTTP/2 answers, for clients that do not read them.
//!
//! hyper asks for the next part of an answer once its stream may send. A client that gives a stream
//! no window keeps its answer from being asked for, and so from seeing that its time is over. The
//! connection watches the times of all its answers, and lets each go that is over: the pod's
//! connection and the slot are given back, the stream waits on for its client.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::{Rc, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::transport::due::GRACE;

/// An answer that can be let go of from outside.
pub(crate) trait Overdue {
    fn let_go(&self);
}

/// The end of an answer's time, and a number that tells apart answers with the same.
type Key = (Instant, u64);

/// The answers of one HTTP/2 connection.
#[derive(Default)]
pub(crate) struct StreamEnds {
    answers: RefCell<BTreeMap<Key, Weak<dyn Overdue>>>,
    next: Cell<u64>,
    /// When the watch looks next, unless it waits for the first answer.
    armed: Cell<Option<Instant>>,
    earlier: Notify,
}

/// The place of an answer; given up when dropped.
pub(crate) struct StreamEnd {
    ends: Rc<StreamEnds>,
    key: Key,
}

impl StreamEnds {
    /// Has `answer` let go some time after `end`, unless the result is dropped before.
    pub(crate) fn add(self: &Rc<Self>, end: Instant, answer: Weak<dyn Overdue>) -> StreamEnd {
        let number = self.next.replace(self.next.get().wrapping_add(1));
        let key = (end.checked_add(GRACE).unwrap_or(end), number);
        self.answers.borrow_mut().insert(key, answer);
        if self.armed.get().is_none_or(|armed| key.0 < armed) {
            self.earlier.notify_one();
        }
        StreamEnd { ends: Rc::clone(self), key }
    }

    /// Lets answers go whose time is over. The timer is set anew only when it fires, or for an
    /// answer that ends before it does.
    pub(crate) async fn watch(&self) -> Infallible {
        loop {
            let first = self.answers.borrow().first_key_value().map(|((at, _), _)| *at);
            self.armed.set(first);
            match first {
                None => self.earlier.notified().await,
                Some(at) => tokio::select! {
                    () = sleep_until(at) => self.let_go_until(Instant::now()),
                    () = self.earlier.notified() => {}
                },
            }
        }
    }

    fn let_go_until(&self, now: Instant) {
        let over = |map: &BTreeMap<Key, _>| map.first_key_value().is_some_and(|(k, _)| k.0 <= now);
        loop {
            let mut answers = self.answers.borrow_mut();
            if !over(&answers) {
                return;
            }
            let first = answers.pop_first();
            // An answer that goes gives up its place.
            drop(answers);
            if let Some(answer) = first.and_then(|(_, answer)| answer.upgrade()) {
                answer.let_go();
            }
        }
    }
}

impl std::fmt::Debug for StreamEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StreamEnd").field(&self.key).finish()
    }
}

impl Drop for StreamEnd {
    fn drop(&mut self) {
        self.ends.answers.borrow_mut().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use tokio::time::{advance, timeout};

    const SECOND: Duration = Duration::from_secs(1);

    #[derive(Default)]
    struct Answer(Cell<Option<Instant>>);

    impl Overdue for Answer {
        fn let_go(&self) {
            self.0.set(Some(Instant::now()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_answer_is_let_go_after_its_own_time_and_none_that_ended() {
        let ends = Rc::new(StreamEnds::default());
        let start = Instant::now();
        let add = |seconds: u32| {
            let answer = Rc::new(Answer::default());
            let weak: Weak<Answer> = Rc::downgrade(&answer);
            let end = ends.add(start + SECOND * seconds, weak);
            (answer, end)
        };
        let let_go =
            |answer: &(Rc<Answer>, StreamEnd)| answer.0.0.get().map(|at| (at - start).as_secs());
        let watch = ends.watch();
        let mut watch = std::pin::pin!(watch);
        assert!(timeout(SECOND, watch.as_mut()).await.is_err(), "there is none");
        let (late, ended, early) = (add(60), add(20), add(10));
        drop(ended.1);
        assert!(timeout(SECOND * 4, watch.as_mut()).await.is_err());
        let soon = add(6);
        assert!(timeout(SECOND * 30, watch.as_mut()).await.is_err());
        assert_eq!([&late, &early, &soon].map(let_go), [None, Some(11), Some(7)]);
        assert_eq!(ended.0.0.get(), None);
        advance(SECOND * 30).await;
        assert!(timeout(SECOND, watch.as_mut()).await.is_err());
        assert!(let_go(&late).is_some());
        assert!(ends.answers.borrow().is_empty());
    }
}
