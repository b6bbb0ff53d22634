//! The step of a request that asks who calls, for hosts with a rule.
//!
//! What proved it does not reach the pod: an API key is removed, `X-Serverless-Authorization` too, and a token in
//! `Authorization` loses its signature, so that the pod can read who called but cannot call others as them.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::callers::decide::{Decision, Facts, Proof, decide};
use crate::callers::denial::Denial;
use crate::callers::rule::Rule;
use crate::edge::worker::Peer;

const SERVERLESS: HeaderName = HeaderName::from_static("x-serverless-authorization");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// Where a token's signature was.
const REMOVED: &str = "SIGNATURE_REMOVED_BY_ROUSE";

/// Admits a request, and takes what proves its caller out of its head.
pub(crate) async fn admit(peer: &Peer, rule: &Rule, headers: &mut HeaderMap) -> Result<(), Denial> {
    let proof = prove(peer, rule, headers).await.inspect_err(|denial| {
        peer.worker.totals().denied(denial);
        tracing::debug!(reason = denial.reason(), %denial, "a caller is refused");
    })?;
    clean(headers, proof);
    Ok(())
}

async fn prove(peer: &Peer, rule: &Rule, headers: &HeaderMap) -> Result<Proof, Denial> {
    let facts = Facts {
        address: peer.remote.ip(),
        serverless: one(headers, &SERVERLESS, "X-Serverless-Authorization")?,
        authorization: one(headers, &AUTHORIZATION, "Authorization")?,
        api_key: one(headers, &API_KEY, "X-API-Key")?,
    };
    let issuers = &peer.worker.shared.issuers;
    let mut asked = None;
    loop {
        let now = peer.worker.observers.clock.now().as_second();
        let decided = decide(&facts, rule, &issuers.known.load(), now);
        match decided {
            Decision::Allow(proof) => return Ok(proof),
            Decision::Deny(denial) => return Err(denial),
            Decision::Ask { source, lacking } => {
                // A token of a listed issuer may need the cluster's keys after its own: each once.
                if asked.as_ref() == Some(&source) {
                    return Err(lacking);
                }
                let answer = issuers.refresh(source.clone()).await;
                if let (Err(cause), Denial::IssuerUnreachable { issuer, .. }) = (answer, lacking) {
                    return Err(Denial::IssuerUnreachable { issuer, cause });
                }
                asked = Some(source);
            }
        }
    }
}

/// The header's value; none or one.
fn one<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    header: &'static str,
) -> Result<Option<&'h [u8]>, Denial> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
        (_, Some(_)) => Err(Denial::TwoCredentials { header }),
    }
}

fn clean(headers: &mut HeaderMap, proof: Proof) {
    let gone = match proof {
        Proof::None => return,
        Proof::Serverless => SERVERLESS,
        Proof::Key => API_KEY,
        Proof::KeyAsToken => AUTHORIZATION,
        Proof::Token => {
            let unsigned = headers.get(AUTHORIZATION).and_then(unsigned);
            if let Some(value) = unsigned {
                headers.insert(AUTHORIZATION, value);
                return;
            }
            AUTHORIZATION
        }
    };
    headers.remove(gone);
}

/// `Bearer HEADER.CLAIMS.` and a word where the signature was.
fn unsigned(value: &HeaderValue) -> Option<HeaderValue> {
    let (head, _signature) = value.to_str().ok()?.rsplit_once('.')?;
    HeaderValue::from_str(&format!("{head}.{REMOVED}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_gets_no_proof_that_it_could_use_itself() {
        let all = || {
            HeaderMap::from_iter([
                (SERVERLESS, HeaderValue::from_static("Bearer a.b.c")),
                (AUTHORIZATION, HeaderValue::from_static("Bearer d.e.f")),
                (API_KEY, HeaderValue::from_static("g")),
            ])
        };
        let (kept, unsigned) =
            (Some("Bearer d.e.f"), Some("Bearer d.e.SIGNATURE_REMOVED_BY_ROUSE"));
        let serverless = Some("Bearer a.b.c");
        for (proof, left) in [
            (Proof::None, [serverless, kept, Some("g")]),
            (Proof::Serverless, [None, kept, Some("g")]),
            (Proof::Token, [serverless, unsigned, Some("g")]),
            (Proof::KeyAsToken, [serverless, None, Some("g")]),
            (Proof::Key, [serverless, kept, None]),
        ] {
            let mut headers = all();
            clean(&mut headers, proof);
            let text = |name| headers.get(name).map(|value| value.to_str().expect("text"));
            assert_eq!([SERVERLESS, AUTHORIZATION, API_KEY].map(text), left, "{proof:?}");
        }
    }
}
