//! The life of a request, top to bottom.
//!
//! route -> settings and timer -> headers -> slot, perhaps after waiting -> pod -> answer.
//! Whatever is held (slot, connection, place in the queue) is a guard: a client that goes away
//! drops the whole life and so gives everything back.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use crate::admission::error::Refused;
use crate::admission::home::Attempt;
use crate::admission::revision::{Admitted, Queued, Revision, Slot};
use crate::edge::error::{self, Error};
use crate::edge::worker::Peer;
use crate::state::routes::{self, Side};
use crate::transport::forward::{self, Carrier, Failed};
use crate::transport::headers;
use crate::transport::request_body::Outgoing;
use crate::transport::response_body::Body;
use crate::transport::timeout::Timer;
use crate::transport::tunnel::tunnel;

type Host = routes::Host<Arc<Revision>>;

/// How many pods one request may find unreachable. Each is out of the rotation afterwards.
const CONNECT_TRIES: u32 = 3;

/// Answers one request, in any case.
pub(crate) async fn handle(
    peer: Rc<Peer>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    Ok(respond(&peer, request).await.unwrap_or_else(Error::into_response))
}

async fn respond(peer: &Peer, request: Request<Incoming>) -> Result<Response<Body>, Error> {
    let arrived = Instant::now();
    let (mut parts, body) = request.into_parts();
    let (name, host) = route(peer, &parts)?;
    if let Some(location) = redirect(peer, &host, &name, &parts) {
        return Ok(error::to_https(location));
    }
    let revision = host.next();
    let Some(settings) = revision.settings.load_full() else {
        return Err(Refused::RevisionMissing { revision: revision.key.clone() }.into());
    };
    let mut timer = Timer::new(settings.limits, arrived);
    let version = parts.version;
    let upgrade = prepare(peer, &mut parts, name, &host, revision)?;
    let mut request = Request::from_parts(parts, Outgoing::new(body));
    let mut attempt = Attempt::First;
    let mut hold = None;
    let mut tries = 0;
    loop {
        let (slot, waited) = reserve(revision, &mut timer, attempt).await?;
        if waited {
            hold = Some(Instant::now());
        }
        let answered = {
            let pool = &peer.worker.pool;
            let sent = pin!(forward::send(pool, &slot.pod, settings.protocol, request));
            timer.run(sent).await
        };
        match answered {
            Ok(Ok((response, carrier))) => {
                let exchange = Exchange { arrived, hold, version, timer, carrier, slot, upgrade };
                return exchange.answer(peer, response);
            }
            Ok(Err(Failed::Unreachable { request: unsent, cause })) => {
                peer.worker.shared.suspect(&slot);
                tries += 1;
                if tries == CONNECT_TRIES {
                    let (revision, pod) = (revision.key.clone(), slot.pod.name.clone());
                    return Err(Error::Connect { revision, pod, cause });
                }
                request = *unsent;
                attempt = Attempt::Again;
            }
            Ok(Err(Failed::Broken { cause })) => {
                let (revision, pod) = (revision.key.clone(), slot.pod.name.clone());
                return Err(Error::Upstream { revision, pod, cause });
            }
            Err(which) => {
                let (revision, pod) = (revision.key.clone(), slot.pod.name.clone());
                return Err(Error::TimedOut { revision, pod, which });
            }
        }
    }
}

/// A slot in a pod, at once or when there is one. The flag says whether it had to wait.
async fn reserve(
    revision: &Arc<Revision>,
    timer: &mut Timer,
    attempt: Attempt,
) -> Result<(Slot, bool), Error> {
    match revision.admit(attempt)? {
        Admitted::Slot(slot) => Ok((slot, false)),
        // Boxed: nearly all requests go straight on and need not carry the room for waiting.
        Admitted::Queued(queued) => {
            Box::pin(wait(revision, timer, queued)).await.map(|slot| (slot, true))
        }
    }
}

async fn wait(revision: &Revision, timer: &mut Timer, queued: Queued<'_>) -> Result<Slot, Error> {
    match timer.run(pin!(queued)).await {
        Ok(granted) => Ok(granted?),
        Err(_) => Err(revision.not_in_time(timer.arrived().elapsed()).into()),
    }
}

/// The host that was asked for, and who answers for it.
fn route(peer: &Peer, parts: &http::request::Parts) -> Result<(HeaderValue, Arc<Host>), Error> {
    let name = headers::host(parts).ok_or(Error::NoHost)?;
    let table = peer.worker.shared.table.load();
    let Some(host) = table.find(name, peer.side) else {
        return Err(Error::UnknownHost { host: name.to_owned() });
    };
    // An HTTP/1.1 request has the value already; sharing it copies nothing.
    let value = match (parts.uri.authority(), parts.headers.get(header::HOST)) {
        (None, Some(value)) => value.clone(),
        (Some(_), _) | (None, None) => HeaderValue::from_str(name).map_err(|_| Error::NoHost)?,
    };
    Ok((value, Arc::clone(host)))
}

/// Where to go instead, if this host is for https only and the request did not come by it.
fn redirect(
    peer: &Peer,
    host: &Host,
    name: &HeaderValue,
    parts: &http::request::Parts,
) -> Option<HeaderValue> {
    let secure =
        || parts.headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https");
    if !host.redirect || peer.side == Side::Local || secure() {
        return None;
    }
    let name = name.to_str().ok()?.split(':').next()?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    HeaderValue::from_str(&format!("https://{name}{path}")).ok()
}

/// Turns the head of a request into what the pod is to see. Some is the client's side of an
/// upgrade that it asks for.
fn prepare(
    peer: &Peer,
    parts: &mut http::request::Parts,
    name: HeaderValue,
    host: &Host,
    revision: &Revision,
) -> Result<Option<OnUpgrade>, Error> {
    if parts.method == Method::CONNECT {
        let cause = "CONNECT is for forward proxies".to_owned();
        return Err(Error::Malformed { revision: revision.key.clone(), cause });
    }
    let upgrade = headers::outgoing(parts, &peer.client, &name)
        .then(|| parts.extensions.remove::<OnUpgrade>())
        .flatten();
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
        parts.uri = headers::origin_form(&parts.uri);
    }
    parts.version = Version::HTTP_11;
    parts.headers.insert(header::HOST, host.rewrite.clone().unwrap_or(name));
    Ok(upgrade)
}

/// A request that a pod began to answer.
struct Exchange {
    arrived: Instant,
    /// When it got its slot, if it had to wait.
    hold: Option<Instant>,
    version: Version,
    timer: Timer,
    carrier: Carrier,
    slot: Slot,
    upgrade: Option<OnUpgrade>,
}

impl Exchange {
    fn answer(
        mut self,
        peer: &Peer,
        response: Response<Incoming>,
    ) -> Result<Response<Body>, Error> {
        let (mut parts, body) = response.into_parts();
        headers::incoming(&mut parts);
        parts.version = self.version;
        parts.headers.insert(headers::REVISION, self.slot.revision.header.clone());
        if let Some(timing) =
            self.hold.and_then(|granted| timing(self.arrived, granted, &self.slot))
        {
            parts.headers.append(headers::SERVER_TIMING, timing);
        }
        self.timer.started();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            let pod = parts.extensions.remove::<OnUpgrade>();
            let Some((client, pod)) = self.upgrade.take().zip(pod) else {
                let (revision, pod) = (self.slot.revision.key.clone(), self.slot.pod.name.clone());
                let cause = "it switched protocols, which nobody asked for".to_owned();
                return Err(Error::Upstream { revision, pod, cause });
            };
            let worker = Rc::clone(&peer.worker);
            peer.worker.tasks.spawn_local(async move {
                worker.kinds.tunnel.watch(tunnel(client, pod, self.timer, self.slot)).await;
            });
            return Ok(Response::from_parts(parts, Body::empty()));
        }
        let growing = may_grow(&parts);
        let body = Body::passing(body, self.timer, self.carrier, self.slot, growing);
        Ok(Response::from_parts(parts, body))
    }
}

/// Whether text may be appended when time runs out: not within a stated length, and not after
/// gRPC's frames.
fn may_grow(parts: &http::response::Parts) -> bool {
    let grpc = parts
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    !grpc && !parts.headers.contains_key(header::CONTENT_LENGTH)
}

/// `hold` is the whole wait and `app` the pod's own time; a pod that came to be during the wait
/// splits it: `wake` until the Pod existed, `bind` until it had a node, `start` until it had an
/// address, `ready` until it passed its probe.
fn timing(arrived: Instant, granted: Instant, slot: &Slot) -> Option<HeaderValue> {
    let millis = |span: Duration| span.as_secs_f64() * 1000.0;
    let mut text = format!("hold;dur={:.2}", millis(granted - arrived));
    let born = slot.pod.born;
    if let Some(usable) = slot.pod.usable_since.get()
        && born.seen >= arrived
    {
        let phases = [
            ("wake", born.seen - arrived),
            ("bind", born.bound - born.seen),
            ("start", born.addressed - born.bound),
            ("ready", *usable - born.addressed),
        ];
        for (name, span) in phases {
            text.push_str(&format!(", {name};dur={:.2}", millis(span)));
        }
    }
    text.push_str(&format!(", app;dur={:.2}", millis(granted.elapsed())));
    HeaderValue::from_str(&text).ok()
}
