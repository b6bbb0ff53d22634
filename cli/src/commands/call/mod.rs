//! `rouse call NAME [PATH]`: one request, its answer on stdout, its status and time on stderr; or many, and their summary.

mod event;
mod many;
mod request;

use http::{HeaderName, HeaderValue, StatusCode};
use rouse_api::condition::{self, READY};

pub(crate) use self::request::REVISION_HEADER;
use super::serving::service;
use crate::args::{Call, Global};
use crate::http::{Answer, Connection};
use crate::identity::{CREDENTIALS, Identity, SERVERLESS, bearer};
use crate::outcome::{Failure, Result};
use crate::printer::Printer;
use crate::reach::{FORWARDED_PROTO, Part, Reach, url_of};
use crate::target::Target;

/// How long the token of a call is valid: longer than many requests take.
const TOKEN_SECONDS: i64 = 3600;

pub(crate) async fn run(args: Call, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let service = service(&target, &args.name).await?;
    let part = Part::of(args.tag.as_deref(), args.revision.as_deref());
    let reach = Reach::of(&target, url_of(&service, part)?).await?;
    let mut sent = request::of(&args)?;
    if reach.https {
        let proto = HeaderName::from_static(FORWARDED_PROTO);
        sent.headers.entry(proto).or_insert(HeaderValue::from_static("https"));
    }
    let identity = Identity::asked_by(&service)
        .filter(|_| CREDENTIALS.iter().all(|name| !sent.headers.contains_key(*name)));
    if let Some(identity) = &identity {
        let token = identity.token(&target, TOKEN_SECONDS).await?;
        sent.headers.insert(SERVERLESS, bearer(&token)?);
    }
    if args.count.get() > 1 {
        return many::run(&reach, &sent, args.count.get(), args.parallel.get(), printer).await;
    }
    let mut connection = Connection::open(&reach.open, reach.at).await.map_err(|failure| {
        let url = &reach.url;
        failure.because(format!("the service says it answers at {url}")).next("rouse status")
    })?;
    let answer = connection.send(sent.method, &sent.path, &sent.headers, sent.body).await?;
    if args.include && !printer.json() {
        print_head(&answer, printer);
    }
    print(&answer, printer);
    if answer.status.is_client_error() || answer.status.is_server_error() {
        let failure = Failure::new(format!("{} answered {}", args.name, answer.status));
        let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        let uninvited = identity.filter(|_| refusals.contains(&answer.status));
        return Err(match (not_ready(&service), uninvited) {
            (Some(why), _) => failure.because(why),
            (None, Some(identity)) => failure.next(identity.invitation(&args.name)),
            (None, None) => failure,
        });
    }
    Ok(())
}

/// Why a service is not ready, which is the usual cause of an error answer.
fn not_ready(service: &rouse_api::Service) -> Option<String> {
    let status = service.status.as_ref()?;
    let ready = condition::find(&status.conditions, READY)?;
    (!ready.is_true())
        .then(|| format!("the service is not ready: {} {}", ready.reason, ready.message))
}

/// As `curl -i` does.
fn print_head(answer: &Answer, printer: &Printer) {
    printer.line(format!("HTTP/1.1 {}", answer.status));
    for (name, value) in &answer.headers {
        printer.line(format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    printer.line("");
}

fn print(answer: &Answer, printer: &Printer) {
    let revision = answer.headers.get(REVISION_HEADER).and_then(|v| v.to_str().ok());
    if printer.json() {
        let text = String::from_utf8_lossy(&answer.body);
        let body =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| serde_json::Value::from(text));
        printer.document(&serde_json::json!({
            "status": answer.status.as_u16(), "revision": revision,
            "milliseconds": answer.took.as_secs_f64() * 1000.0, "body": body
        }));
        return;
    }
    printer.bytes(&answer.body);
    if printer.interactive() && !answer.body.ends_with(b"\n") {
        printer.line("");
    }
    let from = revision.map_or_else(String::new, |r| format!(" from {r}"));
    printer.progress(format!(
        "{}{from} in {:.1} ms",
        answer.status,
        answer.took.as_secs_f64() * 1000.0
    ));
}
