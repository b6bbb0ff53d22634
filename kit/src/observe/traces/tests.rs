//! Sampling, and the bytes that a collector gets.

use http::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn headers(traceparent: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(TRACEPARENT, traceparent.parse().unwrap());
    headers
}

#[test]
fn a_traceparent_is_read_as_w3c_says() {
    let read = |text: &str| read_parent(&text.parse().unwrap());
    let parent = read(PARENT).unwrap();
    assert_eq!(parent.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert!(parent.is_sampled() && parent.is_remote());
    assert!(!read(&PARENT.replace("-01", "-00")).unwrap().is_sampled());
    assert!(read(&PARENT.replacen("00", "cc", 1)).is_some(), "a later version");
    assert!(read(&format!("{}-more", PARENT.replacen("00", "cc", 1))).is_some());
    for wrong in [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-+1",
    ] {
        assert!(read(wrong).is_none(), "{wrong}");
    }
}

/// A collector that gives the bodies it was sent.
async fn collector() -> (String, mpsc::Receiver<Bytes>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let sender = sender.clone();
                async move {
                    assert_eq!(request.uri().path(), "/v1/traces");
                    let body = request.into_body().collect().await?.to_bytes();
                    sender.send(body).await.unwrap();
                    Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::new())))
                }
            });
            let _ended =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    });
    (endpoint, bodies)
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|window| window == text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_the_request_and_its_phases_in_the_clients_trace() {
    let (endpoint, mut bodies) = collector().await;
    let traces = Traces::default();
    traces.export(&Destination::Otlp { endpoint }, 0.0, &Handle::current()).unwrap();
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let at = |millis| start + Duration::from_millis(millis);
    let mut span = traces.request("GET hello".to_owned(), &headers(PARENT), start).unwrap();
    assert_eq!(span.trace_id(), "0af7651916cd43dd8448eb211c80319c");
    let onward = span.traceparent().unwrap();
    let onward = onward.to_str().unwrap();
    assert!(onward.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && onward.ends_with("-01"));
    assert!(!onward.contains("b7ad6b7169203331"), "the next hop's parent is this span");
    span.set_text("kn.revision.name", "hello-00001".to_owned());
    span.set_number("http.response.status_code", 200);
    span.child("wake", at(0), at(3));
    span.child("ready", at(3), at(9));
    span.end(at(12));
    // Exports the spans that are still buffered.
    tokio::task::spawn_blocking(move || traces.stop()).await.unwrap();
    let body = tokio::time::timeout(Duration::from_secs(5), bodies.recv()).await.unwrap().unwrap();
    for text in ["GET hello", "wake", "ready", "hello-00001", "service.name"] {
        assert!(holds(&body, text.as_bytes()), "no {text} in what was exported");
    }
    let trace = TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap().to_bytes();
    let spans = body.windows(16).filter(|window| *window == trace).count();
    assert_eq!(spans, 3, "the request and two phases");
    let phase_start =
        u64::try_from(at(3).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos());
    assert!(holds(&body, &phase_start.unwrap().to_le_bytes()), "phases keep their own times");
}

#[tokio::test]
async fn nothing_is_traced_unless_asked_for() {
    let traces = Traces::default();
    let now = SystemTime::UNIX_EPOCH;
    assert!(traces.request("GET".to_owned(), &headers(PARENT), now).is_none(), "off");
    traces.export(&Destination::Stderr, 0.0, &Handle::current()).unwrap();
    assert!(traces.request("GET".to_owned(), &HeaderMap::new(), now).is_none(), "rate 0");
    let unsampled = headers(&PARENT.replace("-01", "-00"));
    traces.export(&Destination::Stderr, 1.0, &Handle::current()).unwrap();
    assert!(traces.request("GET".to_owned(), &unsampled, now).is_none(), "the client decided");
    assert!(traces.request("GET".to_owned(), &HeaderMap::new(), now).is_some(), "rate 1");
    traces.stop();
    assert!(traces.request("GET".to_owned(), &headers(PARENT), now).is_none(), "off again");
}
