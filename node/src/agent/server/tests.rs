//! The kubelet's paths, asked as the API server asks.

use super::*;
use crate::logs::LogStream;
use crate::runtime::PodRef;
use crate::runtime::fake::FakeRuntime;
use crate::testing;
use rouse_kit::Component;

async fn get(service: &KubeletService, path: &str) -> (u16, String) {
    let request = Request::get(path).body(Bytes::new()).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn served() -> (tempfile::TempDir, KubeletService) {
    served_with(Pod::default())
}

fn served_with(pod: Pod) -> (tempfile::TempDir, KubeletService) {
    let pods = Store::from_iter([pod]);
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::of_tokio();
    let component = Component::alone("node");
    let logs = Logs::new(dir.path().to_owned(), clock, component.tasks.clone());
    let pod = PodRef { namespace: "demo".into(), name: "p-1".into(), uid: "u".into() };
    let writer = logs.writer(&pod, "user", 0);
    for line in ["one", "two"] {
        writer.line(LogStream::Stdout, true, line.as_bytes());
    }
    let runtime = Arc::new(FakeRuntime::default());
    let (shared, _) = testing::shared(dir.path(), runtime, &component);
    (dir, service(logs, pods, Arc::new(Usages::new(shared)), clock))
}

#[tokio::test]
async fn container_logs_are_served_with_their_options() {
    let (_dir, service) = served();
    let path = "/containerLogs/demo/p-1/user";
    assert_eq!(get(&service, path).await, (200, "one\ntwo\n".to_owned()));
    let last = format!("{path}?tailLines=1&unknown=1");
    assert_eq!(get(&service, &last).await, (200, "two\n".to_owned()));
    let (status, text) = get(&service, &format!("{path}?tailLines=x")).await;
    assert_eq!((status, text.as_str()), (400, r#"invalid value "x" for tailLines"#));
    let (status, text) = get(&service, &format!("{path}?previous=true")).await;
    assert_eq!(status, 400);
    assert!(text.contains("previous terminated container"), "{text}");
}

#[tokio::test]
async fn the_previous_run_of_a_container_that_waits_after_a_crash_is_the_crashed_one() {
    let pod = serde_json::from_value(json!({
        "metadata": { "namespace": "demo", "name": "p-1" },
        "status": { "containerStatuses": [{ "name": "user", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "exitCode": 1 } } }] }
    }));
    let (_dir, service) = served_with(pod.unwrap());
    let path = "/containerLogs/demo/p-1/user?previous=true";
    assert_eq!(get(&service, path).await, (200, "one\ntwo\n".to_owned()));
}

#[tokio::test]
async fn unsupported_paths_are_refused_by_name() {
    let (_dir, service) = served();
    for verb in ["exec", "attach", "portForward"] {
        let (status, text) = get(&service, &format!("/{verb}/demo/p-1/user")).await;
        assert_eq!(status, 501);
        assert!(text.starts_with(verb), "{text}");
    }
    assert_eq!(get(&service, "/nothing").await.0, 404);
}

#[tokio::test]
async fn pods_are_listed() {
    let (_dir, service) = served();
    let (status, text) = get(&service, "/pods").await;
    assert_eq!(status, 200);
    assert!(text.contains(r#""kind":"PodList""#), "{text}");
}
