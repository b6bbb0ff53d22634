//! The request of a call: method, headers and body, by the options.

use std::io::Read;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::event;
use crate::args::Call;
use crate::outcome::{Context, Failure, Result};

/// Names the revision that answered; set by the activator.
pub(crate) const REVISION_HEADER: &str = "rouse-revision";

/// A request.
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The request that the options ask for.
pub(super) fn of(args: &Call) -> Result<Sent> {
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
