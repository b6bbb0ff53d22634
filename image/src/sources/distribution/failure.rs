//! Refusals of registries and failures of connections, as [`Error`]s.

use serde::Deserialize;

use crate::formats::bound::Bound;
use crate::formats::error::Error;
use crate::formats::reference::Reference;

/// Most bytes that are read of an error's body; a quote is [`QUOTED_CHARS_MAX`].
pub(super) const ERROR_BYTES_MAX: usize = 64 << 10;
const QUOTED_CHARS_MAX: usize = 300;

/// The body of an error by the distribution specification.
#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<Reported>,
}

#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The error for an answer whose status is not 200, by the beginning of its body.
pub(super) fn refusal(reference: &Reference, registry: &str, status: u16, body: &[u8]) -> Error {
    let (written, registry) = (reference.written().to_owned(), registry.to_owned());
    let reported = serde_json::from_slice::<Envelope>(body).unwrap_or_default().errors;
    let says = |codes: &[&str]| reported.iter().any(|e| codes.contains(&e.code.as_str()));
    if status == 404 || says(&["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"]) {
        return Error::NotFound { reference: written, registry };
    }
    if matches!(status, 401 | 403) || says(&["UNAUTHORIZED", "DENIED"]) {
        return Error::Unauthorized { reference: written, registry };
    }
    let text = match reported.first() {
        Some(Reported { code, message }) => format!("{code}: {message}"),
        None => String::from_utf8_lossy(body).into_owned(),
    };
    let quoted: String = text.chars().filter(|c| !c.is_control()).take(QUOTED_CHARS_MAX).collect();
    let reason = format!("HTTP status {status} {quoted}").trim_end().to_owned();
    if status == 429 || status >= 500 {
        return Error::Unavailable { reference: written, registry, reason };
    }
    Error::Registry { reference: written, registry, reason }
}

/// The error for a request that failed without an answer, or in the middle of one.
pub(super) fn failed(reference: &Reference, registry: &str, error: &reqwest::Error) -> Error {
    let Cause { text: cause, bound, untrusted } = innermost(error);
    if let Some(bound) = bound {
        return exceeded(reference, bound);
    }
    let (written, registry) = (reference.written().to_owned(), registry.to_owned());
    if untrusted {
        return Error::Untrusted { reference: written, registry, reason: cause };
    }
    if error.is_redirect() {
        return Error::Registry { reference: written, registry, reason: cause };
    }
    Error::Unreachable { reference: written, registry, reason: cause }
}

pub(super) fn exceeded(reference: &Reference, bound: Bound) -> Error {
    Error::exceeded(reference.written(), bound)
}

struct Cause {
    /// The innermost cause, on which people can act ("connection refused").
    text: String,
    /// The limit among the causes.
    bound: Option<Bound>,
    /// No TLS, or a certificate that nobody vouches for.
    untrusted: bool,
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> Cause {
    let (mut error, mut bound, mut untrusted) = (error, None, false);
    loop {
        untrusted |= matches!(
            wrapped(error).downcast_ref(),
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidMessage(_))
        );
        bound = bound.or_else(|| error.downcast_ref::<Bound>().cloned());
        match error.source() {
            Some(source) => error = source,
            None => return Cause { text: error.to_string(), bound, untrusted },
        }
    }
}

/// The error that I/O errors wrap, which they skip in their sources.
fn wrapped<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> &'a (dyn std::error::Error + 'static) {
    let mut error = error;
    while let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
    {
        error = inner;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_by_its_status_or_by_its_code() {
        let reference: Reference = "registry.example/team/app:v1".parse().unwrap();
        let code = |code: &str| format!(r#"{{"errors":[{{"code":"{code}","message":"m"}}]}}"#);
        for (status, body, label) in [
            (404, String::new(), "ImageNotFound"),
            (400, code("NAME_UNKNOWN"), "ImageNotFound"),
            (401, String::new(), "Unauthorized"),
            (403, String::new(), "Unauthorized"),
            (400, code("DENIED"), "Unauthorized"),
            (429, code("TOOMANYREQUESTS"), "RegistryUnavailable"),
            (500, "<html>".to_owned(), "RegistryUnavailable"),
            (418, String::new(), "RegistryError"),
        ] {
            assert_eq!(
                refusal(&reference, "r", status, body.as_bytes()).label(),
                label,
                "{status} {body}"
            );
        }
        let told = refusal(&reference, "r", 429, code("TOOMANYREQUESTS").as_bytes()).to_string();
        assert!(told.contains("HTTP status 429 TOOMANYREQUESTS: m"), "{told}");
        let told = refusal(&reference, "r", 500, "x\n".repeat(9000).as_bytes()).to_string();
        assert!(told.len() < 500 && !told.contains('\n'), "{told}");
    }
}
