//! `rouse call NAME [PATH]`: one request, its answer on stdout, its status and time on stderr; or many, and their summary.

mod event;
mod many;

use std::io::Read;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use rouse_api::ConditionStatus;

use super::serving::{condition, service};
use crate::args::{Call, Global};
use crate::http::{Answer, Connection};
use crate::outcome::{Context, Failure, Result};
use crate::printer::Printer;
use crate::reach::{FORWARDED_PROTO, Part, Reach, url_of};
use crate::target::Target;

/// Names the revision that answered; set by the activator.
pub(crate) const REVISION_HEADER: &str = "rouse-revision";

/// A request.
struct Sent {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

pub(crate) async fn run(args: Call, global: &Global, printer: &Printer) -> Result {
    let target = Target::connect(global).await?;
    let service = service(&target, &args.name).await?;
    let part = Part::of(args.tag.as_deref(), args.revision.as_deref());
    let reach = Reach::of(&target, url_of(&service, part)?).await?;
    let mut sent = request(&args)?;
    if reach.https {
        let proto = HeaderName::from_static(FORWARDED_PROTO);
        sent.headers.entry(proto).or_insert(HeaderValue::from_static("https"));
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
        return Err(match not_ready(&service) {
            Some(why) => failure.because(why),
            None => failure,
        });
    }
    Ok(())
}

/// The request that the options ask for.
fn request(args: &Call) -> Result<Sent> {
    let data = match (&args.data, &args.event) {
        (None, Some(_)) => Some("{}"),
        (data, _) => data.as_deref(),
    };
    let body = data.map(read_data).transpose()?;
    let mut headers = headers(&args.header, body.as_deref())?;
    if let Some(type_) = &args.event {
        event::describe(&mut headers, type_, &event::identifier()?, jiff::Timestamp::now())?;
    }
    let usual = if body.is_some() { Method::POST } else { Method::GET };
    let path =
        if args.path.starts_with('/') { args.path.clone() } else { format!("/{}", args.path) };
    let method = args.request.clone().unwrap_or(usual);
    Ok(Sent { method, path, headers, body: Bytes::from(body.unwrap_or_default()) })
}

/// Why a service is not ready, which is the usual cause of an error answer.
fn not_ready(service: &rouse_api::Service) -> Option<String> {
    let status = service.status.as_ref()?;
    let ready = condition(&status.conditions, "Ready")?;
    (ready.status != ConditionStatus::True)
        .then(|| format!("the service is not ready: {} {}", ready.reason, ready.message))
}

fn read_data(data: &str) -> Result<Vec<u8>> {
    match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec()),
        Some("-") => {
            let mut body = Vec::new();
            std::io::stdin().read_to_end(&mut body).or_fail(|| "cannot read stdin".to_owned())?;
            Ok(body)
        }
        Some(file) => std::fs::read(file).or_fail(|| format!("cannot read {file}")),
    }
}

/// The given headers, and `content-type: application/json` for a body that looks like JSON.
fn headers(given: &[String], body: Option<&[u8]>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    if body.is_some_and(|b| matches!(b.trim_ascii_start().first(), Some(b'{' | b'['))) {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for line in given {
        let bad = || Failure::usage(format!("{line:?} is not NAME: VALUE"));
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name: HeaderName = name.trim().parse().map_err(|_| bad())?;
        headers.insert(name, value.trim().parse().map_err(|_| bad())?);
    }
    Ok(headers)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_body_is_called_json_unless_the_user_says_otherwise() {
        let plain = headers(&[], Some(b" {\"a\":1}")).unwrap();
        assert_eq!(plain["content-type"], "application/json");
        let own = headers(&["Content-Type: text/x".to_owned()], Some(b"{}")).unwrap();
        assert_eq!(own["content-type"], "text/x");
        assert!(headers(&["nonsense".to_owned()], None).is_err());
    }
}
