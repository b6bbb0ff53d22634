//! The platform and the ledger after tasks end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

fn tasks() -> (Tasks, Ledger, Shutdown) {
    let (shutdown, ledger) = (Shutdown::new(), Ledger::default());
    (Tasks::new("owner", shutdown.clone(), ledger.clone()), ledger, shutdown)
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_vital_task_ends_the_platform_with_a_reason() {
    let (tasks, ledger, _shutdown) = tasks();
    tasks.vital("steady", std::future::pending());
    tasks.vital("broken", async { panic!("an invariant is broken") });
    let reason = ledger.must_end().await;
    assert_eq!(reason, "owner: the task \"broken\" panicked: an invariant is broken");
    tasks.vital("later", async {});
    tokio::task::yield_now().await;
    assert_eq!(ledger.ends_because(), Some(reason), "the first reason stands");
}

#[tokio::test(start_paused = true)]
async fn a_vital_task_may_end_at_shutdown() {
    let (tasks, ledger, shutdown) = tasks();
    let end = shutdown.clone();
    tasks.vital("steady", async move { end.cancelled().await });
    shutdown.cancel();
    tasks.finish().await;
    assert_eq!(ledger.ends_because(), None);
}

#[tokio::test(start_paused = true)]
async fn a_restarting_task_comes_back_after_growing_pauses() {
    let (tasks, ledger, shutdown) = tasks();
    let starts = Arc::new(AtomicU32::new(0));
    let (count, end) = (Arc::clone(&starts), shutdown.clone());
    let began = Instant::now();
    tasks.restarting("flaky", move || {
        let (start, end) = (count.fetch_add(1, Ordering::Relaxed), end.clone());
        async move {
            match start {
                0 => panic!("once"),
                1 | 2 => {}
                _ => end.cancelled().await,
            }
        }
    });
    while starts.load(Ordering::Relaxed) < 4 {
        assert!(began.elapsed() < Duration::from_secs(5), "it is not started again");
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    tokio::task::yield_now().await;
    // 100, 200 and 400 ms.
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
    let [row] = ledger.report().try_into().unwrap();
    assert_eq!((row.restarts, row.panics, row.running, row.down), (3, 1, 1, false));
    assert_eq!(row.last_failure.as_deref(), Some("ended"));
    assert_eq!(ledger.ends_because(), None);
    shutdown.cancel();
    tasks.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_restarting_task_is_down_until_it_runs_again() {
    let (tasks, ledger, _shutdown) = tasks();
    let mut starts = 0;
    tasks.restarting("flaky", move || {
        starts += 1;
        assert!(starts > 1, "cannot be made yet");
        std::future::pending()
    });
    tokio::task::yield_now().await;
    let [row] = ledger.report().try_into().unwrap();
    assert!(row.down && row.running == 0, "{row:?}");
    assert_eq!(row.last_failure.as_deref(), Some("panicked: cannot be made yet"));
    tokio::time::sleep(FIRST_PAUSE * 2).await;
    let [row] = ledger.report().try_into().unwrap();
    assert!(!row.down && row.running == 1, "{row:?}");
}

#[tokio::test]
async fn a_detached_task_that_panics_is_counted_and_let_go() {
    let (tasks, ledger, shutdown) = tasks();
    tasks.detached("connection", async { panic!("a bad frame") });
    tasks.detached("connection", async {});
    shutdown.cancel();
    tasks.finish_all().await;
    let [row] = ledger.report().try_into().unwrap();
    assert_eq!((row.started, row.panics, row.running), (2, 1, 0));
    assert_eq!(ledger.ends_because(), None);
}

#[tokio::test]
async fn an_attached_task_gives_its_value_or_says_why_not() {
    let (tasks, _ledger, _shutdown) = tasks();
    assert_eq!(tasks.attached("lookup", async { 7 }).await.unwrap(), 7);
    assert_eq!(tasks.blocking("read", || 8).await.unwrap(), 8);
    let broken = tasks.attached("lookup", async { panic!("no") }).await.unwrap_err();
    assert_eq!(broken.to_string(), "panicked: no");
    let aborted = tasks.attached("lookup", std::future::pending::<()>());
    aborted.abort();
    assert!(matches!(aborted.await, Err(TaskError::Cancelled)));
}

#[tokio::test]
async fn dropping_the_handle_of_an_attached_task_ends_it() {
    let (tasks, ledger, shutdown) = tasks();
    drop(tasks.attached("lookup", std::future::pending::<()>()));
    shutdown.cancel();
    tasks.finish_all().await;
    assert!(ledger.report().iter().all(|row| row.running == 0));
}

#[test]
fn the_panic_of_a_vital_thread_ends_the_platform() {
    let (tasks, ledger, _shutdown) = tasks();
    let thread = tasks.thread("data", "data-0".to_owned(), || panic!("no table")).unwrap();
    thread.join().unwrap();
    let reason = ledger.ends_because().unwrap();
    assert_eq!(reason, "owner: the thread \"data\" panicked: no table");
}
