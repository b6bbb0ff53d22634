//! Errors of the gateway: the only place where its own status codes originate.
//!
//! Each answer is one line of JSON: a message, a reason for programs, and the revision, the pod and
//! the cause as far as they are known. A gRPC client gets a status of gRPC with the message instead.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use rouse_k8s::ObjectKey;
use serde::Serialize;

use crate::admission::error::Refused;
use crate::callers::denial::{Denial, Kind};
use crate::transport::headers::{HeadError, REVISION};
use crate::transport::response_body::{Body, GRPC_MESSAGE, GRPC_STATUS, is_grpc};
use crate::transport::timeout::Which;

/// An error, with the names and the cause that are needed to act on it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{cause}")]
    Host { cause: HeadError },
    #[error("no Route or DomainMapping serves host {host:?} here")]
    UnknownHost { host: String },
    #[error("host {host:?} answers https only")]
    HttpsOnly { host: String },
    #[error(transparent)]
    Denied(Denial),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("request timeout: {} of revision {revision}", limit(.which))]
    TimedOut { revision: ObjectKey, pod: String, which: Which },
    #[error("cannot connect to pod {pod} of revision {revision}")]
    Connect { revision: ObjectKey, pod: String, cause: String },
    #[error("the gateway has no open file left for a connection to a pod of revision {revision}")]
    OutOfFiles { revision: ObjectKey },
    #[error("pod {pod} of revision {revision} broke off before it answered")]
    Upstream { revision: ObjectKey, pod: String, cause: String },
    #[error("the request cannot be passed on")]
    Malformed { revision: ObjectKey, cause: String },
}

/// The gRPC statuses that clients derive from an HTTP status without one, except that our time-outs
/// are `DEADLINE_EXCEEDED`.
mod grpc {
    use http::{HeaderValue, StatusCode};

    pub(super) fn status(http: StatusCode) -> HeaderValue {
        HeaderValue::from_static(match http {
            StatusCode::GATEWAY_TIMEOUT => "4", // DEADLINE_EXCEEDED
            StatusCode::NOT_FOUND => "12",      // UNIMPLEMENTED
            StatusCode::BAD_REQUEST => "13",    // INTERNAL
            StatusCode::UNAUTHORIZED => "16",   // UNAUTHENTICATED
            StatusCode::FORBIDDEN => "7",       // PERMISSION_DENIED
            _ => "14",                          // UNAVAILABLE
        })
    }

    /// Text as the `grpc-message` header holds it: printable ASCII without `%`, the rest by bytes.
    pub(super) fn message(text: &str) -> HeaderValue {
        let mut message = String::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                b' '..=b'~' if byte != b'%' => message.push(char::from(byte)),
                _ => message.push_str(&format!("%{byte:02X}")),
            }
        }
        HeaderValue::from_str(&message).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The format of errors that a client understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Grpc,
}

impl Form {
    /// gRPC is spoken over HTTP/2 alone.
    pub(crate) fn of(http2: bool, headers: &HeaderMap) -> Self {
        if http2 && is_grpc(headers) { Self::Grpc } else { Self::Json }
    }
}

/// The answer's body.
#[derive(Serialize)]
struct Answer<'a> {
    error: String,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
}

impl Error {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Host { .. } | Self::Malformed { .. } => StatusCode::BAD_REQUEST,
            Self::UnknownHost { .. } | Self::HttpsOnly { .. } => StatusCode::NOT_FOUND,
            Self::Denied(denial) => match denial.kind() {
                Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
                Kind::Forbidden => StatusCode::FORBIDDEN,
                Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Refused(Refused::RevisionMissing { .. } | Refused::QueueFull { .. })
            | Self::OutOfFiles { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(Refused::NotReadyInTime { .. } | Refused::NoSlotInTime { .. })
            | Self::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
            Self::Connect { .. } | Self::Upstream { .. } => StatusCode::BAD_GATEWAY,
        }
    }

    /// A word for programs; stable.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Host { cause: HeadError::TwoHosts } => "TwoHosts",
            Self::Host { .. } => "NoHost",
            Self::UnknownHost { .. } => "UnknownHost",
            Self::HttpsOnly { .. } => "HttpsOnly",
            Self::Denied(denial) => denial.reason(),
            Self::Refused(Refused::RevisionMissing { .. }) => "RevisionMissing",
            Self::Refused(Refused::QueueFull { .. }) => "QueueFull",
            Self::Refused(Refused::NotReadyInTime { .. }) => "NotReadyInTime",
            Self::Refused(Refused::NoSlotInTime { .. }) => "NoSlotInTime",
            Self::TimedOut { which: Which::Total, .. } => "RequestTimeout",
            Self::TimedOut { which: Which::ResponseStart, .. } => "ResponseStartTimeout",
            Self::TimedOut { which: Which::Idle, .. } => "IdleTimeout",
            Self::Connect { .. } => "ConnectFailed",
            Self::OutOfFiles { .. } => "OutOfFiles",
            Self::Upstream { .. } => "UpstreamFailed",
            Self::Malformed { .. } => "Malformed",
        }
    }

    /// Whether no revision was found for the request.
    pub(crate) fn is_unrouted(&self) -> bool {
        matches!(self, Self::Host { .. } | Self::UnknownHost { .. } | Self::HttpsOnly { .. })
    }

    fn revision(&self) -> Option<&ObjectKey> {
        match self {
            // A refused caller is not told what it may not call.
            Self::Host { .. }
            | Self::UnknownHost { .. }
            | Self::HttpsOnly { .. }
            | Self::Denied(_) => None,
            Self::Refused(refused) => Some(refused.revision()),
            Self::TimedOut { revision, .. }
            | Self::Connect { revision, .. }
            | Self::OutOfFiles { revision }
            | Self::Upstream { revision, .. }
            | Self::Malformed { revision, .. } => Some(revision),
        }
    }

    fn pod(&self) -> Option<&str> {
        match self {
            Self::TimedOut { pod, .. } | Self::Connect { pod, .. } | Self::Upstream { pod, .. } => {
                Some(pod)
            }
            Self::Host { .. }
            | Self::UnknownHost { .. }
            | Self::HttpsOnly { .. }
            | Self::Denied(_)
            | Self::Refused(_)
            | Self::OutOfFiles { .. }
            | Self::Malformed { .. } => None,
        }
    }

    fn cause(&self) -> Option<&str> {
        match self {
            Self::Refused(Refused::NotReadyInTime { cause, .. }) => cause.as_deref(),
            Self::Connect { cause, .. }
            | Self::Upstream { cause, .. }
            | Self::Malformed { cause, .. } => Some(cause),
            Self::Host { .. }
            | Self::UnknownHost { .. }
            | Self::HttpsOnly { .. }
            | Self::Denied(_)
            | Self::Refused(_)
            | Self::OutOfFiles { .. }
            | Self::TimedOut { .. } => None,
        }
    }

    pub(crate) fn into_response(self, form: Form) -> Response<Body> {
        let mut response = match form {
            Form::Json => self.as_json(),
            Form::Grpc => self.as_grpc(),
        };
        if let Self::Denied(denial) = &self
            && let Some(challenge) = denial.challenge()
        {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(name) = self.revision().and_then(|key| HeaderValue::from_str(&key.name).ok()) {
            response.headers_mut().insert(REVISION, name);
        }
        response
    }

    /// gRPC's `Trailers-Only`.
    fn as_grpc(&self) -> Response<Body> {
        let message = match self.cause() {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        };
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(GRPC_STATUS, grpc::status(self.status()));
        headers.insert(GRPC_MESSAGE, grpc::message(&message));
        response
    }

    fn as_json(&self) -> Response<Body> {
        let answer = Answer {
            error: self.to_string(),
            reason: self.reason(),
            namespace: self.revision().map(|key| key.namespace.as_str()),
            revision: self.revision().map(|key| key.name.as_str()),
            pod: self.pod(),
            cause: self.cause(),
        };
        let mut line = serde_json::to_vec(&answer).expect("strings always become JSON");
        line.push(b'\n');
        let mut response = Response::new(Body::text(Bytes::from(line)));
        *response.status_mut() = self.status();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

fn limit(which: &Which) -> &'static str {
    match which {
        Which::Total => "timeoutSeconds",
        Which::ResponseStart => "responseStartTimeoutSeconds",
        Which::Idle => "idleTimeoutSeconds",
    }
}

/// 301 to the same address by https, for hosts that are served by https only.
pub(crate) fn to_https(location: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, location);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: impl Into<Error>, status: u16, line: &str) {
        let response = error.into().into_response(Form::Json);
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.into_body().into_text(), format!("{line}\n"));
    }

    #[test]
    fn an_answer_says_what_happened_and_why_in_one_line() {
        let revision = || ObjectKey::new("default", "hello-00001");
        check(
            Error::UnknownHost { host: "x.localhost".to_owned() },
            404,
            r#"{"error":"no Route or DomainMapping serves host \"x.localhost\" here","reason":"UnknownHost"}"#,
        );
        check(
            Refused::NotReadyInTime {
                revision: revision(),
                waited: std::time::Duration::from_millis(2500),
                cause: Some("ImagePullBackOff: no such image".to_owned()),
            },
            504,
            r#"{"error":"no pod of revision default/hello-00001 became ready within 2.5 s","reason":"NotReadyInTime","namespace":"default","revision":"hello-00001","cause":"ImagePullBackOff: no such image"}"#,
        );
        check(
            Refused::QueueFull { revision: revision(), limit: 3 },
            503,
            r#"{"error":"3 requests already wait for revision default/hello-00001","reason":"QueueFull","namespace":"default","revision":"hello-00001"}"#,
        );
    }

    #[test]
    fn a_grpc_client_gets_a_status_of_grpc() {
        let key = || ObjectKey::new("default", "hello-00001");
        let timed_out =
            || Error::TimedOut { revision: key(), pod: "p".to_owned(), which: Which::Total };
        let connect =
            Error::Connect { revision: key(), pod: "p".to_owned(), cause: "50 % \n".to_owned() };
        for (error, status, message) in [
            (timed_out(), "4", "request timeout: timeoutSeconds of revision default/hello-00001"),
            (connect, "14", "cannot connect to pod p of revision default/hello-00001: 50 %25 %0A"),
            (
                Error::UnknownHost { host: "ü".to_owned() },
                "12",
                "no Route or DomainMapping serves host \"%C3%BC\" here",
            ),
            (
                Error::Host { cause: HeadError::TwoHosts },
                "13",
                "the request names more than one host",
            ),
        ] {
            let response = error.into_response(Form::Grpc);
            assert_eq!(response.status(), StatusCode::OK);
            let headers = response.headers();
            assert_eq!(headers["grpc-status"], status);
            assert_eq!(headers["grpc-message"], message);
            assert_eq!(headers["content-type"], "application/grpc");
            assert_eq!(response.into_body().into_text(), "");
        }
        let headers = |kind| [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        let of = |http2, kind| Form::of(http2, &headers(kind).into_iter().collect());
        assert_eq!(of(true, "application/grpc+proto"), Form::Grpc);
        assert_eq!(of(false, "application/grpc"), Form::Json);
        assert_eq!(of(true, "application/grpc-web"), Form::Json);
        assert_eq!(of(true, "application/json"), Form::Json);
    }

    #[test]
    fn a_timeout_says_which_and_keeps_the_words_knative_says() {
        let error = Error::TimedOut {
            revision: ObjectKey::new("default", "hello-00001"),
            pod: "p".to_owned(),
            which: Which::Idle,
        };
        assert_eq!(
            error.to_string(),
            "request timeout: idleTimeoutSeconds of revision default/hello-00001"
        );
        assert_eq!((error.status(), error.reason()), (StatusCode::GATEWAY_TIMEOUT, "IdleTimeout"));
    }
}
