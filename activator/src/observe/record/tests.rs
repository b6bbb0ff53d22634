//! Counters and lines of a request. Its spans are tested in `tests/requests/observe.rs`.

use super::*;
use crate::observe::go_template::Template;
use crate::observe::request_log::Format;
use http::Request;

const SECOND: Duration = Duration::from_secs(1);

fn observers(log: RequestLog) -> Observers {
    Observers { thread: 0, log: Arc::new(log), traces: Traces::default(), clock: Clock::of_tokio() }
}

fn begin(observers: &Observers) -> Record {
    let parts = Request::get("/").body(()).expect("a request").into_parts().0;
    let host = HeaderValue::from_static("hello.example.com");
    let remote = ([10, 0, 0, 7], 4711).into();
    let arrival = Arrival { at: Instant::now(), parts: &parts, host: &host, remote };
    let settings = Arc::new(Settings { service: "hello".into(), ..Settings::default() });
    Record::begin(observers, &arrival, &ObjectKey::new("default", "hello-00001"), &settings)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_counted_by_its_answer_or_as_one_whose_client_went_away() {
    let observers = observers(RequestLog::new().0);
    let recorder = Recorder::new(1);
    let mut answered = begin(&observers);
    answered.answered(StatusCode::OK);
    answered.wrote(5);
    answered.retried(&recorder, Retry::Closed);
    let gone = begin(&observers);
    tokio::time::advance(SECOND * 2).await;
    answered.finish(&recorder);
    gone.finish(&recorder);
    let totals = recorder.totals();
    let seen: Vec<_> = totals.requests.iter().map(|(c, _, took)| (c.label(), took.sum())).collect();
    assert_eq!(seen, [("200".to_owned(), 2.0), ("499".to_owned(), 2.0)]);
    let retries: Vec<_> = Retry::ALL.map(Retry::label).into_iter().zip(totals.retries).collect();
    assert_eq!(retries, [("unreachable", 0), ("closed", 1)]);
}

#[test]
fn the_phases_of_a_cold_start_lie_between_its_moments() {
    let observers = observers(RequestLog::new().0);
    let recorder = Recorder::new(1);
    let start = Instant::now();
    let moments = [0, 1, 3, 6, 10].map(|seconds| start + SECOND * seconds);
    begin(&observers).cold_start(&recorder, moments);
    let phases = recorder.totals().phases.expect("one cold start");
    assert_eq!(phases.map(|phase| phase.sum()), [1.0, 2.0, 3.0, 4.0]);
}

#[tokio::test(start_paused = true)]
async fn a_line_says_how_a_request_ended_and_in_which_pod() {
    let template = "{{.Response.Code}} {{.Response.Size}} {{.Response.Latency}} \
                    {{.Revision.Namespace}}/{{.Revision.Name}} {{.Revision.Service}} \
                    {{.Revision.PodName}}";
    let (log, mut lines) = RequestLog::new();
    let template = Template::parse(template).expect("a template");
    log.set(Some(Format { template, probes: false }));
    let observers = observers(log);
    let recorder = Recorder::new(1);
    let mut answered = begin(&observers);
    answered.sent_to(&Arc::new(Pod::named("p")));
    answered.answered(StatusCode::ACCEPTED);
    answered.wrote(5);
    answered.wrote(7);
    assert_eq!(answered.traceparent(), None, "nothing is traced");
    tokio::time::advance(SECOND).await;
    answered.finish(&recorder);
    begin(&observers).finish(&recorder);
    let mut line = || lines.try_recv().expect("a line");
    assert_eq!(line(), "202 12 1 default/hello-00001 hello p\n");
    assert_eq!(line(), "499 0 0 default/hello-00001 hello \n");
}
