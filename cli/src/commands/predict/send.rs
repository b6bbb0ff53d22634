//! Sends rows to a model until each has a score or a reason why it has none.
//!
//! What passes with time (no connection, 429, 502, 503, 504) is tried again, ever later. What the
//! model refuses is sent again in halves, until the rows that it refuses are alone.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::value::RawValue;
use tokio::time::sleep;

use super::protocol;
use crate::args::Protocol;
use crate::http::{Answer, Connection};
use crate::identity::SERVERLESS;
use crate::outcome::{Failure, Result};
use crate::reach::{FORWARDED_PROTO, Reach};

/// First wait before a request is sent again; it doubles.
const WAIT_FIRST: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Times a request is sent again that ended in the model's own error (500).
const OWN_ERROR_RETRIES: u32 = 1;
/// Rows refused in a row after which nothing more is expected of a model.
const REFUSED_MAX: u32 = 50;
/// Characters of an answer that are quoted.
const QUOTED: usize = 300;

/// A row's score, or why it has none.
pub(super) type Score = std::result::Result<Box<RawValue>, String>;

/// Sends requests to one model.
pub(super) struct Sender {
    reach: Reach,
    protocol: Protocol,
    path: String,
    headers: HeaderMap,
    /// How often a request is sent again.
    retries: u32,
    /// What to do if the service refuses the caller.
    uninvited: Option<String>,
    idle: RefCell<Vec<Connection>>,
    pub(super) counts: Counts,
    /// Rows refused since the last that was not.
    refused: Cell<u32>,
}

/// What was done so far.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) requests: Cell<u64>,
    pub(super) retries: Cell<u64>,
    /// Requests whose answer had scores.
    pub(super) scored: Cell<u64>,
}

/// What an answer means for the rows of its request.
enum Verdict {
    Scores(Vec<Box<RawValue>>),
    /// It passes with time.
    Again {
        after: Option<Duration>,
        why: String,
    },
    /// Of some row, or of all.
    Refused(String),
    /// Of no row: all others would be answered alike.
    Stop {
        why: String,
        /// The caller is refused, not the path.
        caller: bool,
    },
}

impl Sender {
    pub(super) fn new(reach: Reach, protocol: Protocol, path: String, retries: u32) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if reach.https {
            let proto = HeaderName::from_static(FORWARDED_PROTO);
            headers.insert(proto, HeaderValue::from_static("https"));
        }
        Self {
            reach,
            protocol,
            path,
            headers,
            retries,
            uninvited: None,
            idle: RefCell::default(),
            counts: Counts::default(),
            refused: Cell::default(),
        }
    }

    /// Sends a token with each request; `uninvited` is what to do if its account may not call.
    pub(super) fn identify(&mut self, token: HeaderValue, uninvited: String) {
        self.headers.insert(HeaderName::from_static(SERVERLESS), token);
        self.uninvited = Some(uninvited);
    }

    /// The scores of rows, in their order.
    ///
    /// # Errors
    /// If there is no use in sending more.
    pub(super) async fn score(&self, rows: &[&RawValue]) -> Result<Vec<Score>> {
        let mut scores = Vec::with_capacity(rows.len());
        // Parts that are still to be sent, the next one last.
        let mut parts = vec![rows];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.request(part).await? {
                Ok(found) => {
                    self.refused.set(0);
                    scores.extend(found.into_iter().map(Ok));
                }
                Err(_) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(why) => {
                    self.refused.set(self.refused.get() + 1);
                    if self.refused.get() >= REFUSED_MAX {
                        return Err(Failure::new(format!(
                            "the model refused the last {REFUSED_MAX} rows, each alone"
                        ))
                        .because(why)
                        .next("check the form of the rows, --protocol and --path"));
                    }
                    scores.push(Err(why));
                }
            }
        }
        Ok(scores)
    }

    /// The scores of one request's rows, or why some or all have none.
    async fn request(
        &self,
        rows: &[&RawValue],
    ) -> Result<std::result::Result<Vec<Box<RawValue>>, String>> {
        let body = match protocol::body(self.protocol, rows) {
            Ok(body) => body,
            Err(why) => return Ok(Err(why)),
        };
        let (mut tried, mut own_errors, mut wait) = (0, 0, WAIT_FIRST);
        loop {
            let verdict = match self.send(body.clone()).await {
                Ok(answer) => verdict(self.protocol, &answer, rows.len(), &mut own_errors),
                Err(failure) => Verdict::Again { after: None, why: failure.to_string() },
            };
            match verdict {
                Verdict::Scores(scores) => {
                    self.counts.scored.set(self.counts.scored.get() + 1);
                    return Ok(Ok(scores));
                }
                Verdict::Refused(why) => return Ok(Err(why)),
                Verdict::Stop { why, caller } => {
                    let next = self.uninvited.as_deref().filter(|_| caller);
                    let next =
                        next.unwrap_or("name the model with --model, or the path with --path");
                    return Err(Failure::new(format!("{} cannot score rows", self.reach.url))
                        .because(why)
                        .next(next));
                }
                Verdict::Again { why, .. } if tried >= self.retries => {
                    return Err(Failure::new(format!(
                        "{} did not answer, tried {} times",
                        self.reach.url,
                        tried + 1
                    ))
                    .because(why));
                }
                Verdict::Again { after, .. } => {
                    tried += 1;
                    self.counts.retries.set(self.counts.retries.get() + 1);
                    sleep(after.unwrap_or(wait).min(WAIT_MAX)).await;
                    wait *= 2;
                }
            }
        }
    }

    async fn send(&self, body: Bytes) -> Result<Answer> {
        self.counts.requests.set(self.counts.requests.get() + 1);
        let idle = self.idle.borrow_mut().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.reach.open, self.reach.at).await?,
        };
        let answer = connection.send(Method::POST, &self.path, &self.headers, body).await?;
        if !answer.closes() {
            self.idle.borrow_mut().push(connection);
        }
        Ok(answer)
    }
}

fn verdict(protocol: Protocol, answer: &Answer, rows: usize, own_errors: &mut u32) -> Verdict {
    let said = || {
        let text = String::from_utf8_lossy(answer.body.trim_ascii()).into_owned();
        let short: String = text.chars().take(QUOTED).collect();
        format!("{}: {}", answer.status, if short.is_empty() { "no text" } else { &short })
    };
    match answer.status {
        status if status.is_success() => match protocol::scores(protocol, &answer.body, rows) {
            Ok(scores) => Verdict::Scores(scores),
            Err(why) => Verdict::Refused(why),
        },
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Verdict::Again { after: retry_after(answer), why: said() },
        StatusCode::INTERNAL_SERVER_ERROR if *own_errors < OWN_ERROR_RETRIES => {
            *own_errors += 1;
            Verdict::Again { after: None, why: said() }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Verdict::Stop { why: said(), caller: true }
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            Verdict::Stop { why: said(), caller: false }
        }
        _ => Verdict::Refused(said()),
    }
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.parse().ok().map(Duration::from_secs)
}
