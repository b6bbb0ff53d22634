//! Bodies: read with a bound, written whole or as a stream.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;

use crate::status::Failure;

/// Most bytes of a request's body, as in Kubernetes.
pub(super) const LIMIT: usize = 3 << 20;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;
pub(super) type Answer = Response<ResponseBody>;

pub(super) async fn read<B>(body: B) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Failure::too_large(LIMIT))
        }
        Err(error) => {
            Err(Failure::bad_request(format!("the body of the request is incomplete: {error}")))
        }
    }
}

pub(super) fn full(bytes: impl Into<Bytes>) -> ResponseBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn bytes(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<Bytes>,
) -> Answer {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn json(status: StatusCode, value: &Value) -> Answer {
    bytes(status, "application/json", serde_json::to_vec(value).expect("a JSON value is JSON"))
}

pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Answer {
    bytes(status, "text/plain; charset=utf-8", text.into())
}

pub(super) fn failure(failure: &Failure) -> Answer {
    let mut answer = json(failure.code, &failure.document());
    if failure.code == StatusCode::UNAUTHORIZED {
        answer
            .headers_mut()
            .insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = failure.retry_after() {
        answer.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    answer
}

/// One `Warning` header each, as RFC 7234 writes them.
pub(super) fn warn(answer: &mut Answer, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            answer.headers_mut().append(http::header::WARNING, value);
        }
    }
}
