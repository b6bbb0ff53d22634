//! WATCH: events as lines of JSON, until the client or the time limit ends it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::Api;
use super::body::{Answer, BoxError, ResponseBody};
use super::metrics::Open;
use super::negotiate::{self, Form, Include};
use super::request::{Query, Target};
use super::select::selects;
use crate::kinds::Resource;
use crate::selector::Selector;
use crate::status::Failure;
use crate::store::{Change, Event, Object, Watch};

/// The time between bookmarks, which keep the version of a quiet client recent.
pub(crate) const BOOKMARK_EVERY: Duration = Duration::from_secs(10);
/// The longest watch, whatever limit the client names; the client then starts another.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Whether the client is in this process, and may see what is not yet durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Inside,
    Outside,
}

/// The state of one open watch.
struct Stream {
    watch: Watch,
    encoder: Encoder,
    first: Option<Bytes>,
    end: Instant,
    bookmarks: bool,
    next_bookmark: Instant,
    reach: Reach,
    ended: bool,
    _open: Open,
}

struct Encoder {
    resource: Arc<Resource>,
    namespace: String,
    selector: Selector,
    form: Form,
    include: Include,
    columns_sent: bool,
    clock: rouse_kit::Clock,
}

impl Api {
    pub(super) async fn watch(
        &self,
        resource: &Arc<Resource>,
        target: &Target,
        form: Form,
        query: &Query,
        reach: Reach,
    ) -> Result<Answer, Failure> {
        if query.flag("sendInitialEvents") {
            let why = "sendInitialEvents is not served by Rouse yet: list, then watch";
            return Err(Failure::options("sendInitialEvents", why));
        }
        let selector =
            Selector::parse(resource, query.get("labelSelector"), query.get("fieldSelector"))?;
        let mut encoder = Encoder {
            resource: Arc::clone(resource),
            namespace: if resource.namespaced { target.namespace.clone() } else { String::new() },
            selector,
            form,
            include: Include::parse(query.get("includeObject")),
            columns_sent: false,
            clock: self.registry.clock(),
        };
        let asked = query.get("resourceVersion");
        let from: u64 = match asked {
            "" => 0,
            text => text.parse().map_err(|_| {
                Failure::plain_internal(format!(
                    "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax"
                ))
            })?,
        };
        let name = resource.stored_as();
        let (version, first) = if from == 0 {
            self.initial(&name, &mut encoder, reach).await?
        } else {
            (from, Bytes::new())
        };
        let watch = match self.registry.store.watch(&name, version) {
            Ok(watch) => watch,
            Err(expired) => return Ok(ended_at_once(&too_old(from, expired.oldest))),
        };
        let now = Instant::now();
        let seconds =
            query.number("timeoutSeconds")?.and_then(|seconds| u64::try_from(seconds).ok());
        let limit = seconds.map_or(LONGEST, Duration::from_secs).min(LONGEST);
        let stream = Stream {
            watch,
            encoder,
            first: Some(first).filter(|f| !f.is_empty()),
            end: now + limit,
            bookmarks: query.flag("allowWatchBookmarks"),
            next_bookmark: now + BOOKMARK_EVERY,
            reach,
            ended: false,
            _open: self.metrics.watching(&resource.group, &resource.plural),
        };
        let frames = stream::unfold(stream, |mut s| async move {
            let bytes = s.next().await?;
            Some((Ok::<_, BoxError>(Frame::data(bytes)), s))
        });
        Ok(streaming(StreamBody::new(frames).boxed_unsync()))
    }

    /// Without a version a watch begins with the existing objects, as ADDED events.
    async fn initial(
        &self,
        name: &str,
        encoder: &mut Encoder,
        reach: Reach,
    ) -> Result<(u64, Bytes), Failure> {
        let namespace = Some(encoder.namespace.clone()).filter(|n| !n.is_empty());
        let store = &self.registry.store;
        let listed = match reach {
            Reach::Inside => store.list(name, namespace.as_deref()),
            Reach::Outside => store.list_shown(name, namespace.as_deref()).await?,
        };
        let mut text = BytesMut::new();
        for object in &listed.objects {
            if selects(&encoder.selector, object) {
                encoder.write(&mut text, "ADDED", object);
            }
        }
        Ok((listed.version, text.freeze()))
    }
}

fn too_old(asked: u64, oldest: u64) -> Failure {
    Failure::expired(format!("too old resource version: {asked} ({oldest})"))
}

fn streaming(body: ResponseBody) -> Answer {
    let mut answer = Answer::new(body);
    *answer.status_mut() = StatusCode::OK;
    answer.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json;stream=watch"),
    );
    answer
}

fn error_line(failure: &Failure) -> Bytes {
    format!("{}\n", json!({ "type": "ERROR", "object": failure.document() })).into()
}

fn ended_at_once(failure: &Failure) -> Answer {
    streaming(super::body::full(error_line(failure)))
}

impl Stream {
    /// The next lines; `None` when the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.ended {
            return None;
        }
        loop {
            // Checked here too, for events that are filtered out may come without a pause.
            if Instant::now() >= self.end {
                return self.last();
            }
            let wake = if self.bookmarks { self.end.min(self.next_bookmark) } else { self.end };
            let events = async {
                match self.reach {
                    Reach::Inside => self.watch.next().await,
                    Reach::Outside => self.watch.next_durable().await,
                }
            };
            match tokio::time::timeout_at(wake, events).await {
                Ok(Ok(events)) => {
                    let text = self.encoder.events(&events);
                    if !text.is_empty() {
                        return Some(text);
                    }
                }
                Ok(Err(expired)) => {
                    self.ended = true;
                    return Some(error_line(&too_old(self.watch.position(false), expired.oldest)));
                }
                Err(_) if Instant::now() >= self.end => return self.last(),
                Err(_) => {
                    self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    return Some(self.bookmark());
                }
            }
        }
    }

    /// A last bookmark lets the client resume from here.
    fn last(&mut self) -> Option<Bytes> {
        self.ended = true;
        self.bookmarks.then(|| self.bookmark())
    }

    fn bookmark(&mut self) -> Bytes {
        let version = self.watch.position(self.reach == Reach::Outside).to_string();
        let resource = &self.encoder.resource;
        let object = match self.encoder.form {
            Form::Whole => json!({ "kind": resource.kind, "apiVersion": resource.api_version(),
                                   "metadata": { "resourceVersion": version, "creationTimestamp": null } }),
            Form::Metadata => {
                json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                                      "metadata": { "resourceVersion": version, "creationTimestamp": null } })
            }
            Form::Table => json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1",
                                   "metadata": { "resourceVersion": version }, "columnDefinitions": null, "rows": [] }),
        };
        format!("{}\n", json!({ "type": "BOOKMARK", "object": object })).into()
    }
}

impl Encoder {
    fn events(&mut self, events: &[Arc<Event>]) -> Bytes {
        let mut text = BytesMut::new();
        for event in events {
            if !self.namespace.is_empty() && event.object.key.namespace != self.namespace {
                continue;
            }
            let Some(change) = self.seen_as(event) else { continue };
            if self.plain() && change == event.change {
                text.extend_from_slice(
                    event.encoded.get_or_init(|| line(word(change), &event.object.json)),
                );
            } else {
                self.write(&mut text, word(change), &event.object);
            }
        }
        text.freeze()
    }

    /// Objects that come into or fall out of the selection are added and deleted for this watcher.
    fn seen_as(&self, event: &Event) -> Option<Change> {
        if self.selector.is_everything() {
            return Some(event.change);
        }
        let matches = selects(&self.selector, &event.object);
        let matched = event.previous.as_ref().map(|p| selects(&self.selector, p));
        match (event.change, matches, matched) {
            (Change::Added, true, _) => Some(Change::Added),
            (Change::Added, false, _) => None,
            (Change::Deleted, _, Some(was)) => was.then_some(Change::Deleted),
            (Change::Deleted, is, None) => is.then_some(Change::Deleted),
            (Change::Modified, true, Some(false)) => Some(Change::Added),
            (Change::Modified, true, _) => Some(Change::Modified),
            // Unknown for an event from before a restart; a client ignores an object it never had.
            (Change::Modified, false, Some(true) | None) => Some(Change::Deleted),
            (Change::Modified, false, Some(false)) => None,
        }
    }

    /// Whether the event's shared encoding can be sent.
    fn plain(&self) -> bool {
        self.form == Form::Whole && self.resource.is_storage()
    }

    fn write(&mut self, text: &mut BytesMut, word: &str, object: &Object) {
        let bytes = match self.form {
            Form::Whole => negotiate::whole(&self.resource, object),
            Form::Metadata => bytes_of(&negotiate::metadata(&object.value())),
            Form::Table => {
                let meta = json!({ "resourceVersion": object.resource_version.to_string() });
                let columns = !std::mem::replace(&mut self.columns_sent, true);
                let now = self.clock.now();
                bytes_of(&negotiate::table(
                    &self.resource,
                    &[object],
                    &meta,
                    columns,
                    self.include,
                    now,
                ))
            }
        };
        text.extend_from_slice(&line(word, &bytes));
    }
}

fn bytes_of(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("a JSON value is JSON").into()
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "ADDED",
        Change::Modified => "MODIFIED",
        Change::Deleted => "DELETED",
    }
}

fn line(word: &str, object: &Bytes) -> Bytes {
    let mut line = BytesMut::with_capacity(object.len() + 40);
    line.put_slice(b"{\"type\":\"");
    line.put_slice(word.as_bytes());
    line.put_slice(b"\",\"object\":");
    line.put_slice(object);
    line.put_slice(b"}\n");
    line.freeze()
}
