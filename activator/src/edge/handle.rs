//! Handling of one request, from routing to the answer.
//!
//! route -> settings -> caller, where a rule asks -> headers -> slot, perhaps after waiting -> pod -> answer.
//! Slot, connection and place in the queue are given back on drop: a client that goes away drops the
//! future of its request, and with it all three.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use rouse_api::routing::HttpOption;
use rouse_kit::traces::TRACEPARENT;
use tokio::time::Instant;

use crate::admission::error::Refused;
use crate::admission::home::Attempt;
use crate::admission::revision::{Admitted, Queued, Revision, Slot};
use crate::edge::callers;
use crate::edge::error::{self, Error, Form};
use crate::edge::tls::Tls;
use crate::edge::wait::Wait;
use crate::edge::worker::Peer;
use crate::observe::record::{Arrival, Record};
use crate::observe::recorder::{PHASES, Retry};
use crate::state::routes::{self, Side};
use crate::state::settings::Settings;
use crate::transport::forward::{self, Carrier, Failed};
use crate::transport::headers::{self, HeadError};
use crate::transport::held::Held;
use crate::transport::request_body::Outgoing;
use crate::transport::response_body::Body;
use crate::transport::timeout::Timer;
use crate::transport::tunnel::tunnel;

type Host = routes::Host<Arc<Revision>>;

/// How many pods one request may find unreachable. Each is out of the rotation afterwards.
const CONNECT_TRIES: u32 = 3;

/// Answers one request; errors become answers too.
pub(crate) async fn handle(
    peer: Rc<Peer>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let http2 = request.version() == Version::HTTP_2;
    let form = Form::of(http2, request.headers());
    let mut response = respond(&peer, request).await.unwrap_or_else(|error| {
        if error.is_unrouted() {
            peer.worker.totals().unrouted(error.status());
        }
        error.into_response(form)
    });
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if peer.worker.capacity.is_short() && !http2 && !switches {
        // Another client waits for this connection's file descriptor.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn respond(peer: &Peer, request: Request<Incoming>) -> Result<Response<Body>, Error> {
    let arrived = Instant::now();
    let (mut parts, body) = request.into_parts();
    let body = Outgoing::new(&parts, body, &peer.unread);
    let (name, host) = route(peer, &parts)?;
    if host.http != HttpOption::Enabled
        && let Some(location) = insecure(peer, &host, &name, &parts)?
    {
        return Ok(error::to_https(location));
    }
    let revision = host.next(&mut parts.headers);
    let Some(settings) = revision.settings.load_full() else {
        return Err(Refused::RevisionMissing { revision: revision.key.clone() }.into());
    };
    let arrival = Arrival { at: arrived, parts: &parts, host: &name, remote: peer.remote };
    let mut pending = Pending::begin(peer, revision, &arrival, &settings);
    if let Some(rule) = &host.callers {
        // Boxed: nearly all hosts have no rule, and the futures of their requests stay small.
        let admitted = Box::pin(callers::admit(peer, rule, &mut parts.headers)).await;
        admitted.map_err(|denial| pending.failed(Error::Denied(denial)))?;
    }
    let mut timer = Timer::new(settings.limits, arrived);
    let version = parts.version;
    let upgrade = prepare(peer, &mut parts, name, &host, &mut pending)?;
    let mut request = Request::from_parts(parts, body);
    let mut attempt = Attempt::First;
    let mut hold = None;
    let mut tries = 0;
    loop {
        let (slot, waited) = reserve(revision, &mut timer, attempt, &mut pending).await?;
        if waited {
            hold = Some(Instant::now());
        }
        pending.sent_to(&slot);
        let mut resent = false;
        let answered = {
            let (pool, protocol) = (&peer.worker.pool, settings.protocol);
            let sent = pin!(forward::send(pool, &slot.pod, protocol, request, &mut resent));
            timer.run(sent).await
        };
        if resent {
            pending.retried(Retry::Closed);
        }
        match answered {
            Ok(Ok((response, carrier))) => {
                let exchange = Exchange { arrived, hold, version, timer, carrier, slot, upgrade };
                return exchange.answer(peer, response, &mut pending);
            }
            Ok(Err(Failed::Unreachable { request: unsent, cause })) => {
                peer.worker.shared.suspect(&slot);
                tries += 1;
                if tries == CONNECT_TRIES {
                    let (revision, pod) = slot.names();
                    return Err(pending.failed(Error::Connect { revision, pod, cause }));
                }
                pending.retried(Retry::Unreachable);
                request = *unsent;
                attempt = Attempt::Again;
            }
            Ok(Err(Failed::Broken { cause })) => {
                let (revision, pod) = slot.names();
                return Err(pending.failed(Error::Upstream { revision, pod, cause }));
            }
            Ok(Err(Failed::OutOfFiles)) => {
                peer.worker.capacity.reached("requests are refused", Instant::now());
                let revision = revision.key.clone();
                return Err(pending.failed(Error::OutOfFiles { revision }));
            }
            Ok(Err(Failed::Client { cause })) => {
                let revision = revision.key.clone();
                return Err(pending.failed(Error::Malformed { revision, cause }));
            }
            Err(which) => {
                let (revision, pod) = slot.names();
                return Err(pending.failed(Error::TimedOut { revision, pod, which }));
            }
        }
    }
}

/// A request that no pod has begun to answer. Recorded if that never happens, be it for an error
/// or because the client went away.
struct Pending<'a> {
    revision: &'a Revision,
    record: Option<Record>,
}

impl<'a> Pending<'a> {
    fn begin(
        peer: &Peer,
        revision: &'a Revision,
        arrival: &Arrival<'_>,
        settings: &Arc<Settings>,
    ) -> Self {
        let record = Record::begin(&peer.worker.observers, arrival, &revision.key, settings);
        Self { revision, record: Some(record) }
    }

    fn sent_to(&mut self, slot: &Slot) {
        if let Some(record) = &mut self.record {
            record.sent_to(&slot.pod);
        }
    }

    fn retried(&self, retry: Retry) {
        if let Some(record) = &self.record {
            record.retried(&self.revision.recorder, retry);
        }
    }

    /// A pod begins to answer; returns the record, which moves into the answer's body.
    fn answered(&mut self, status: StatusCode, wait: Option<&Wait>) -> Option<Record> {
        let mut record = self.record.take()?;
        record.answered(status);
        let Some(wait) = wait else { return Some(record) };
        record.phase("queue", wait.arrived, wait.granted);
        for (name, (from, to)) in PHASES.into_iter().zip(wait.phases()) {
            record.phase(name, from, to);
        }
        if let Some(moments) = wait.start.filter(|_| wait.first) {
            record.cold_start(&self.revision.recorder, moments);
        }
        Some(record)
    }

    /// Records that the request ends with this error.
    fn failed(&mut self, error: Error) -> Error {
        if let Some(record) = &mut self.record {
            record.answered(error.status());
        }
        error
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            record.finish(&self.revision.recorder);
        }
    }
}

/// A slot in a pod, at once or after a wait; true if the request had to wait.
async fn reserve(
    revision: &Arc<Revision>,
    timer: &mut Timer,
    attempt: Attempt,
    pending: &mut Pending<'_>,
) -> Result<(Slot, bool), Error> {
    let reserved = match revision.admit(attempt) {
        Ok(Admitted::Slot(slot)) => return Ok((slot, false)),
        // Boxed: nearly all requests get a slot at once, and their futures stay small.
        Ok(Admitted::Queued(queued)) => Box::pin(wait(revision, timer, queued)).await,
        Err(refused) => Err(refused),
    };
    reserved.map(|slot| (slot, true)).map_err(|refused| pending.failed(refused.into()))
}

async fn wait(revision: &Revision, timer: &mut Timer, queued: Queued<'_>) -> Result<Slot, Refused> {
    match timer.run(pin!(queued)).await {
        Ok(granted) => granted,
        Err(_) => Err(revision.not_in_time(timer.arrived().elapsed())),
    }
}

/// The request's host as a header value, and its route.
fn route(peer: &Peer, parts: &request::Parts) -> Result<(HeaderValue, Arc<Host>), Error> {
    let name = headers::host(parts).map_err(|cause| Error::Host { cause })?;
    let table = peer.worker.shared.table.load();
    let Some(host) = table.find(name, peer.side) else {
        return Err(Error::UnknownHost { host: name.to_owned() });
    };
    // An HTTP/1.1 request has the value already; sharing it copies nothing.
    let value = match (parts.uri.authority(), parts.headers.get(header::HOST)) {
        (None, Some(value)) => value.clone(),
        (Some(_), _) | (None, None) => {
            HeaderValue::from_str(name).map_err(|_| Error::Host { cause: HeadError::NoHost })?
        }
    };
    Ok((value, Arc::clone(host)))
}

/// The https location for a request that came by http to a host that answers https only, unless that host does not
/// redirect.
fn insecure(
    peer: &Peer,
    host: &Host,
    name: &HeaderValue,
    parts: &request::Parts,
) -> Result<Option<HeaderValue>, Error> {
    let secure =
        || parts.headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https");
    if peer.secure || peer.side == Side::Local || secure() {
        return Ok(None);
    }
    let name = name.to_str().unwrap_or_default();
    if host.http == HttpOption::Disabled {
        return Err(Error::HttpsOnly { host: name.to_owned() });
    }
    let name = name.split(':').next().unwrap_or_default();
    let port = peer.worker.tls.as_ref().and_then(Tls::port);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(HeaderValue::from_str(&format!("https://{name}{port}{path}")).ok())
}

/// An upgrade that a client asks for.
struct Upgrade {
    client: OnUpgrade,
    /// The protocols that it offers, as in its Upgrade header.
    offer: HeaderValue,
}

/// Turns a request's head into the one for the pod; returns the upgrade that it asks for.
fn prepare(
    peer: &Peer,
    parts: &mut request::Parts,
    name: HeaderValue,
    host: &Host,
    pending: &mut Pending<'_>,
) -> Result<Option<Box<Upgrade>>, Error> {
    let mut malformed = |cause: String| {
        let revision = pending.revision.key.clone();
        pending.failed(Error::Malformed { revision, cause })
    };
    if parts.method == Method::CONNECT {
        return Err(malformed("CONNECT is for forward proxies".to_owned()));
    }
    let asked = headers::outgoing(parts, &peer.client, &name);
    let upgrade = asked.map_err(|cause| malformed(cause.to_string()))?.then(|| {
        let client = parts.extensions.remove::<OnUpgrade>()?;
        let offer = parts.headers.get(header::UPGRADE)?.clone();
        Some(Box::new(Upgrade { client, offer }))
    });
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
        parts.uri = headers::origin_form(&parts.uri);
    }
    parts.version = Version::HTTP_11;
    parts.headers.insert(header::HOST, host.rewrite.clone().unwrap_or(name));
    if let Some(traceparent) = pending.record.as_ref().and_then(Record::traceparent) {
        parts.headers.insert(TRACEPARENT, traceparent);
    }
    Ok(upgrade.flatten())
}

/// A request that a pod begins to answer.
struct Exchange {
    arrived: Instant,
    /// When it got its slot, if it had to wait.
    hold: Option<Instant>,
    version: Version,
    timer: Timer,
    carrier: Carrier,
    slot: Slot,
    upgrade: Option<Box<Upgrade>>,
}

impl Exchange {
    fn answer(
        self,
        peer: &Peer,
        response: Response<Incoming>,
        pending: &mut Pending<'_>,
    ) -> Result<Response<Body>, Error> {
        let Self { arrived, hold, version, mut timer, carrier, slot, upgrade } = self;
        let (mut parts, body) = response.into_parts();
        if let Err(cause) = headers::incoming(&mut parts) {
            let ((revision, pod), cause) = (slot.names(), cause.to_string());
            return Err(pending.failed(Error::Upstream { revision, pod, cause }));
        }
        parts.version = version;
        parts.headers.insert(headers::REVISION, slot.revision.header.clone());
        let wait = hold.map(|granted| Wait::of(arrived, granted, &slot.pod));
        if let Some(timing) = wait.as_ref().and_then(Wait::header) {
            parts.headers.append(headers::SERVER_TIMING, timing);
        }
        if parts.status != StatusCode::SWITCHING_PROTOCOLS {
            timer.started();
            let held = Held::new(carrier, slot, pending.answered(parts.status, wait.as_ref()));
            let (due, ends) = (&peer.due, &peer.stream_ends);
            let body = Body::passing(&parts, body, timer, held, due, ends);
            return Ok(Response::from_parts(parts, body));
        }
        let upgrade =
            upgrade.filter(|asked| headers::switches_as_offered(&parts.headers, &asked.offer));
        let Some((Upgrade { client, .. }, pod)) =
            upgrade.map(|asked| *asked).zip(parts.extensions.remove::<OnUpgrade>())
        else {
            let (revision, pod) = slot.names();
            let cause = "it switched to a protocol that the client did not ask for".to_owned();
            return Err(pending.failed(Error::Upstream { revision, pod, cause }));
        };
        let held = Held::new(carrier, slot, pending.answered(parts.status, wait.as_ref()));
        let worker = Rc::clone(&peer.worker);
        #[expect(clippy::disallowed_methods, reason = "on this thread, watched by its kind")]
        peer.worker.tasks.spawn_local(async move {
            worker.kinds.tunnel.watch(tunnel(client, pod, timer, held)).await;
        });
        Ok(Response::from_parts(parts, Body::empty()))
    }
}
