//! `rouse proxy NAME`: one Service at a plain address of this machine, until Ctrl-C.
//!
//! For programs that cannot resolve or cannot send the Service's host. HTTP/1.1, HTTP/2 without TLS (gRPC), streams
//! and upgraded connections (WebSockets) go through as they are.

mod forward;
mod headers;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::HeaderValue;
use rouse_kit::Component;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::forward::Forward;
use self::headers::Rules;
use super::serving::service;
use crate::args::{Global, Proxy};
use crate::identity::{Identity, bearer};
use crate::outcome::{Context, Result};
use crate::platform::ports;
use crate::printer::Printer;
use crate::reach::{Part, Reach, url_of};
use crate::target::Target;

/// The port without `--port`, as gcloud's.
const PORT: u16 = 8080;
/// How long the token of a proxy is valid, for a service that asks: a working day.
const TOKEN_SECONDS: i64 = 12 * 3600;

pub(crate) async fn run(args: Proxy, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let service = service(&target, &args.name).await?;
    let part = Part::of(args.tag.as_deref(), args.revision.as_deref());
    let reach = Reach::of(&target, url_of(&service, part)?).await?;
    let authorization = args.token.as_deref().map(given).transpose()?;
    let identity = Identity::asked_by(&service).filter(|_| authorization.is_none());
    let serverless = match &identity {
        Some(identity) => Some(bearer(&identity.token(&target, TOKEN_SECONDS).await?)?),
        None => None,
    };
    let listener = ports::bind(Ipv4Addr::LOCALHOST.into(), args.port, PORT, "--port", |at| {
        let listener = std::net::TcpListener::bind(at)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    })?;
    let address = listener.held.local_addr().or_fail(|| "the proxy has no address".to_owned())?;
    let rules = Rules { authorization, serverless, ..rules(&reach, address)? };
    let component = Component::alone("proxy");
    let forward = Arc::new(Forward::new(&reach, rules, &component)?);
    announce(&args.name, &reach, address, printer);
    let mut interrupt =
        signal(SignalKind::interrupt()).or_fail(|| "cannot listen for signals".to_owned())?;
    let mut terminate =
        signal(SignalKind::terminate()).or_fail(|| "cannot listen for signals".to_owned())?;
    tokio::select! {
        () = forward::serve(listener.held, forward, &component) => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn announce(name: &str, reach: &Reach, address: SocketAddr, printer: &Printer) {
    let own = format!("http://{address}");
    if printer.json() {
        printer.document(&serde_json::json!({ "url": own, "service": name, "to": reach.url }));
    } else {
        printer.line(format!("{own} leads to {}", reach.url));
        printer.progress("Ctrl-C ends it");
    }
}

fn rules(reach: &Reach, address: SocketAddr) -> Result<Rules> {
    let uri: http::Uri = reach.url.parse().or_fail(|| format!("{:?} is no URL", reach.url))?;
    let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
    let port = address.port();
    Ok(Rules {
        origin: format!("{}://{authority}", uri.scheme_str().unwrap_or("http")),
        authority,
        own_origins: vec![format!("http://{address}"), format!("http://localhost:{port}")],
        https: reach.https,
        authorization: None,
        serverless: None,
    })
}

/// The Authorization header of a token, or of the token in `@FILE`.
fn given(token: &str) -> Result<HeaderValue> {
    match token.strip_prefix('@') {
        Some(file) => {
            bearer(&std::fs::read_to_string(file).or_fail(|| format!("cannot read {file}"))?)
        }
        None => bearer(token),
    }
}
