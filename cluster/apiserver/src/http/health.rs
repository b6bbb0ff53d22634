//! `/healthz`, `/livez` and `/readyz`, whole or one check of them, in the API server's words.
//!
//! The process is alive when it answers, and ready when all of its parts are.
//!
//! Upstream: `staging/src/k8s.io/apiserver/pkg/server/healthz/healthz.go`.

use std::fmt::Write;

use http::StatusCode;
use http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use rouse_kit::PartReport;

use super::body::{self, Answer};
use super::request::Query;

/// The check that always passes.
const PING: &str = "ping";

/// Answers `/ENDPOINT`, or `/ENDPOINT/CHECK`.
pub(super) fn answer(
    endpoint: &str,
    check: Option<&str>,
    query: &Query,
    parts: &[PartReport],
) -> Answer {
    let parts = if endpoint == "readyz" { parts } else { &[] };
    match check {
        Some(check) => one(check, parts),
        None => all(endpoint, query, parts),
    }
}

fn one(check: &str, parts: &[PartReport]) -> Answer {
    let Some(part) = parts.iter().find(|part| part.name == check) else {
        return match check {
            PING => text(StatusCode::OK, "ok".to_owned()),
            _ => body::text(StatusCode::NOT_FOUND, "404 page not found\n"),
        };
    };
    if part.ready {
        return text(StatusCode::OK, "ok".to_owned());
    }
    let why = part.reason.as_deref().unwrap_or("not ready");
    text(StatusCode::INTERNAL_SERVER_ERROR, format!("internal server error: {why}\n"))
}

fn all(endpoint: &str, query: &Query, parts: &[PartReport]) -> Answer {
    let mut excluded = query.all("exclude");
    let mut lines = String::new();
    let mut failed = false;
    let checks = std::iter::once((PING, true)).chain(parts.iter().map(|p| (p.name, p.ready)));
    for (name, ready) in checks {
        let before = excluded.len();
        excluded.retain(|excluded| *excluded != name);
        let line = if excluded.len() < before {
            writeln!(lines, "[+]{name} excluded: ok")
        } else if ready {
            writeln!(lines, "[+]{name} ok")
        } else {
            failed = true;
            // This path needs no credential; with one, the check's own path tells the reason.
            writeln!(lines, "[-]{name} failed: reason withheld")
        };
        line.unwrap_or_default();
    }
    if !excluded.is_empty() {
        let names: Vec<String> = excluded.iter().map(|name| format!("{name:?}")).collect();
        let names = names.join(", ");
        let line = format!("warn: some health checks cannot be excluded: no matches for {names}\n");
        lines.push_str(&line);
    }
    if failed {
        let report = format!("{lines}{endpoint} check failed\n");
        return text(StatusCode::INTERNAL_SERVER_ERROR, report);
    }
    if !query.has("verbose") {
        return text(StatusCode::OK, "ok".to_owned());
    }
    text(StatusCode::OK, format!("{lines}{endpoint} check passed\n"))
}

fn text(code: StatusCode, text: String) -> Answer {
    let mut answer = body::text(code, text);
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use jiff::Timestamp;

    use super::*;

    async fn asked(endpoint: &str, check: Option<&str>, query: &str) -> (u16, String) {
        let part = |name, reason: Option<&str>| PartReport {
            name,
            ready: reason.is_none(),
            reason: reason.map(str::to_owned),
            since: Timestamp::UNIX_EPOCH,
        };
        let parts = [part("api", None), part("store", Some("no room on the disk"))];
        let answer = answer(endpoint, check, &Query::parse(query), &parts);
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_part_that_is_not_ready_is_named_and_its_reason_told_at_its_own_path() {
        let failed =
            "[+]ping ok\n[+]api ok\n[-]store failed: reason withheld\nreadyz check failed\n";
        let excluded = "[+]ping ok\n[+]api ok\n[+]store excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"etcd\"\nreadyz check passed\n";
        for (endpoint, check, query, code, text) in [
            ("readyz", None, "", 500, failed),
            ("readyz", None, "verbose", 500, failed),
            ("readyz", None, "exclude=store", 200, "ok"),
            ("readyz", None, "verbose&exclude=store&exclude=etcd", 200, excluded),
            ("readyz", Some("api"), "", 200, "ok"),
            ("readyz", Some("ping"), "", 200, "ok"),
            ("readyz", Some("store"), "", 500, "internal server error: no room on the disk\n"),
            ("readyz", Some("etcd"), "", 404, "404 page not found\n"),
            ("livez", None, "", 200, "ok"),
            ("livez", None, "verbose=1", 200, "[+]ping ok\nlivez check passed\n"),
            ("livez", Some("store"), "", 404, "404 page not found\n"),
            ("healthz", None, "", 200, "ok"),
        ] {
            let (found, body) = asked(endpoint, check, query).await;
            assert_eq!((found, body.as_str()), (code, text), "{endpoint} {check:?} {query}");
        }
    }
}
