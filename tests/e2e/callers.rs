//! Callers: accounts, API keys, people of an issuer; and what everybody else is told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rouse_tests::http::{Answer, send_with};
use rouse_tests::{Platform, http};
use serde_json::{Value, json};

use crate::fixtures::{IMAGE, platform as with_image};

/// One request from this machine, with these header fields.
fn call(platform: &Platform, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
    send_with(platform.http, &platform.host("shop"), "/headers", headers, None)
}

/// A request that is refused: its status and its reason.
#[track_caller]
fn refused(answer: &Answer, status: u16, reason: &str) -> anyhow::Result<()> {
    let body: Value = serde_json::from_str(&answer.body).context(answer.body.clone())?;
    ensure!(answer.status == status && body["reason"] == reason, "{answer:?}");
    Ok(())
}

#[test]
fn a_closed_service_admits_whom_it_invites() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok(&format!("deploy shop --image {IMAGE} --no-allow-unauthenticated"))?;
    let answer = call(&platform, &[])?;
    refused(&answer, 403, "NoCredentials")?;
    ensure!(answer.header("www-authenticate") == Some("Bearer"), "{answer:?}");
    ensure!(platform.rouse_ok("invokers list shop")?.is_empty());

    // A call sends a token by itself, of an account that is to be invited first.
    let uninvited = platform.rouse(&["call", "shop"])?;
    let (body, said) =
        (String::from_utf8_lossy(&uninvited.stdout), String::from_utf8_lossy(&uninvited.stderr));
    ensure!(body.contains("UnknownIssuer"), "no account is invited yet: {body}");
    let invitation = "rouse invokers add shop serviceAccount:default@default";
    ensure!(said.contains(invitation), "{said}");
    platform.rouse_ok(invitation.trim_start_matches("rouse "))?;
    let seen = platform.rouse_ok("call shop /headers")?;
    ensure!(!seen.contains("x-serverless-authorization"), "{seen}");

    let token = platform.rouse_ok("token shop")?.trim().to_owned();
    let bearer = |token: &str| format!("Bearer {token}");
    let answer = call(&platform, &[("Authorization", &bearer(&token))])?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(answer.body.contains(".SIGNATURE_REMOVED_BY_ROUSE"), "{answer:?}");
    ensure!(!answer.body.contains(&token), "the pod could use it");
    let own = [("Authorization", "Basic YTpi"), ("X-Serverless-Authorization", &bearer(&token))];
    let answer = call(&platform, &own)?;
    ensure!(answer.body.contains("authorization: Basic YTpi\n"), "{answer:?}");

    let elsewhere = platform.rouse_ok("token --audience https://other.example")?;
    let (head, _) = token.rsplit_once('.').context("three parts")?;
    let (other, _) = elsewhere.rsplit_once('.').context("three parts")?;
    let signature = elsewhere.trim().rsplit('.').next().context("three parts")?;
    ensure!(head != other);
    for (token, reason) in [
        (elsewhere.trim().to_owned(), "WrongAudience"),
        (format!("{head}.{signature}"), "BadSignature"),
        (format!("{head}."), "BadSignature"),
        ("opaque".to_owned(), "NoToken"),
    ] {
        let answer = call(&platform, &[("Authorization", &bearer(&token))])?;
        refused(&answer, 401, reason)?;
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        ensure!(challenge.starts_with("Bearer error=\"invalid_token\""), "{answer:?}");
    }
    ensure!(!platform.log().contains(&token), "a token is written nowhere");
    Ok(())
}

#[test]
fn keys_networks_and_ingress_close_and_open_a_service() -> anyhow::Result<()> {
    let platform = with_image()?;
    platform.rouse_ok(&format!("deploy shop --image {IMAGE}"))?;
    ensure!(call(&platform, &[])?.status == 200, "anybody may call");
    ensure!(platform.rouse_ok("invokers list shop")? == "allUsers\n");

    let key = platform.rouse_ok("invokers add shop key:ci")?.trim().to_owned();
    ensure!(call(&platform, &[])?.status == 200, "allUsers is still among them");
    platform.rouse_ok("invokers remove shop allUsers")?;
    refused(&call(&platform, &[])?, 403, "NoCredentials")?;
    ensure!(platform.rouse_ok("invokers list shop")? == "key:ci\n");
    let answer = call(&platform, &[("X-API-Key", &key)])?;
    ensure!(answer.status == 200 && !answer.body.contains(&key), "{answer:?}");
    // As clients of OpenAI's protocol send it.
    ensure!(call(&platform, &[("Authorization", &format!("Bearer {key}"))])?.status == 200);
    refused(&call(&platform, &[("X-API-Key", "guess")])?, 401, "UnknownApiKey")?;
    let stored = platform.rouse_ok("describe shop -o yaml")?;
    ensure!(stored.contains("key:ci=sha256:") && !stored.contains(&key), "{stored}");

    platform.rouse_ok("invokers add shop cidr:192.0.2.0/24")?;
    refused(&call(&platform, &[("X-API-Key", &key)])?, 403, "NetworkNotAllowed")?;
    platform.rouse_ok("invokers add shop cidr:127.0.0.0/8")?;
    ensure!(call(&platform, &[("X-API-Key", &key)])?.status == 200);

    platform.rouse_ok("deploy shop --allow-unauthenticated")?;
    ensure!(call(&platform, &[])?.status == 200, "it is open again");
    platform.rouse_ok("deploy shop --ingress internal")?;
    let outside = http::send(platform.http, &platform.host("shop"), "/", None)?;
    refused(&outside, 404, "UnknownHost")?;
    let inside = platform.rouse_ok("call shop /env/K_SERVICE")?;
    ensure!(inside == "shop", "{inside}");

    for (line, says) in [
        ("invokers add shop user:ada@example.org", "needs an issuer of identity tokens"),
        ("invokers add shop cidr:office", "is no address range"),
        ("invokers add shop robot", "is no member"),
        ("invokers remove shop user:ada@example.org", "is not among the invokers of shop"),
        ("token shop --duration 1m", "10 minutes at least"),
        ("token shop --service-account nobody", "\"nobody\" not found"),
    ] {
        let failed = platform.rouse_ok(line).err().context(line.to_owned())?.to_string();
        ensure!(failed.contains(says), "{failed}");
    }
    Ok(())
}

/// An issuer of identity tokens at loopback, with one key at a time.
struct Issuer {
    url: String,
    key: EcdsaKeyPair,
    id: String,
    published: Arc<Mutex<Value>>,
    /// How often its keys were asked for.
    asked: Arc<AtomicUsize>,
    answers: Arc<AtomicBool>,
}

impl Issuer {
    fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut issuer = Self {
            key: key()?,
            id: String::new(),
            published: Arc::default(),
            asked: Arc::default(),
            answers: Arc::new(AtomicBool::new(true)),
            url,
        };
        issuer.rotate("first")?;
        let (url, published) = (issuer.url.clone(), Arc::clone(&issuer.published));
        let (asked, answers) = (Arc::clone(&issuer.asked), Arc::clone(&issuer.answers));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                if !answers.load(Ordering::Relaxed) {
                    continue;
                }
                let mut head = [0; 4096];
                let Ok(length) = stream.read(&mut head) else { continue };
                let body = if head[..length].starts_with(b"GET /.well-known/openid-configuration ")
                {
                    json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string()
                } else {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let keys = published.lock().map(|keys| keys.to_string());
                    keys.unwrap_or_default()
                };
                // The client may be gone.
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Ok(issuer)
    }

    /// Signs with a new key from now on, and publishes that one alone.
    fn rotate(&mut self, id: &str) -> anyhow::Result<()> {
        self.key = key()?;
        id.clone_into(&mut self.id);
        let (x, y) = self.key.public_key().as_ref()[1..].split_at(32);
        let keys = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "use": "sig", "kid": id,
            "x": BASE64.encode(x), "y": BASE64.encode(y) }] });
        *self.published.lock().map_err(|_| anyhow::anyhow!("the issuer's thread panicked"))? = keys;
        Ok(())
    }

    /// The Authorization header of ada's token, with these claims in place of good ones.
    fn bearer(&self, changes: Value) -> anyhow::Result<String> {
        let expires = jiff::Timestamp::now().as_second() + 600;
        let mut claims = json!({ "iss": self.url, "sub": "42", "exp": expires,
            "aud": "http://shop.default.svc.cluster.local",
            "email": "ada@example.org", "email_verified": true });
        let changes = changes.as_object().cloned().unwrap_or_default();
        claims.as_object_mut().context("an object")?.extend(changes);
        let part = |value: &Value| BASE64.encode(value.to_string());
        let signed =
            format!("{}.{}", part(&json!({ "alg": "ES256", "kid": self.id })), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_| anyhow::anyhow!("no random bytes"))?;
        Ok(format!("Bearer {signed}.{}", BASE64.encode(signature)))
    }
}

fn key() -> anyhow::Result<EcdsaKeyPair> {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random);
    let document = document.map_err(|_| anyhow::anyhow!("no random bytes"))?;
    EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random)
        .map_err(|error| anyhow::anyhow!("a key that was just made: {error}"))
}

#[test]
fn people_of_an_issuer_are_known_by_its_tokens() -> anyhow::Result<()> {
    let platform = with_image()?;
    let mut issuer = Issuer::start()?;
    platform.rouse_ok(&format!("deploy shop --image {IMAGE} --no-allow-unauthenticated"))?;
    let add = format!("invokers add shop user:ada@example.org --issuer {}", issuer.url);
    platform.rouse_ok(&add)?;
    let bearer = |token: &str| call(&platform, &[("Authorization", token)]);
    let good = issuer.bearer(json!({}))?;
    ensure!(bearer(&good)?.status == 200);
    ensure!(bearer(&good)?.status == 200 && issuer.asked.load(Ordering::Relaxed) == 1);
    let long_ago = issuer.bearer(json!({ "exp": 946_684_800 }))?;
    refused(&bearer(&long_ago)?, 401, "TokenExpired")?;
    let elsewhere = issuer.bearer(json!({ "aud": "https://other.example" }))?;
    refused(&bearer(&elsewhere)?, 401, "WrongAudience")?;
    let bob = issuer.bearer(json!({ "email": "bob@example.org" }))?;
    let answer = bearer(&bob)?;
    refused(&answer, 403, "NotInvited")?;
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    ensure!(challenge.starts_with("Bearer error=\"insufficient_scope\""), "{answer:?}");
    let stranger = issuer.bearer(json!({ "iss": "https://issuer.example" }))?;
    refused(&bearer(&stranger)?, 401, "UnknownIssuer")?;

    // A new key is found at once; many tokens that name unknown ones ask the issuer a few times only.
    issuer.rotate("second")?;
    ensure!(bearer(&issuer.bearer(json!({}))?)?.status == 200);
    ensure!(issuer.asked.load(Ordering::Relaxed) == 2);
    refused(&bearer(&good)?, 401, "UnknownKey")?;
    for _ in 0..20 {
        refused(&bearer(&good)?, 401, "UnknownKey")?;
    }
    let asked = issuer.asked.load(Ordering::Relaxed);
    ensure!(asked <= 4, "asked {asked} times within a minute");
    issuer.answers.store(false, Ordering::Relaxed);
    ensure!(bearer(&issuer.bearer(json!({}))?)?.status == 200, "its keys outlive it");
    Ok(())
}

#[test]
fn an_issuer_that_is_down_is_said_to_be_and_wakes_nothing() -> anyhow::Result<()> {
    let platform = with_image()?;
    let issuer = Issuer::start()?;
    issuer.answers.store(false, Ordering::Relaxed);
    platform.rouse_ok(&format!("deploy shop --image {IMAGE} --no-allow-unauthenticated"))?;
    platform
        .rouse_ok(&format!("invokers add shop user:ada@example.org --issuer {}", issuer.url))?;
    let token = issuer.bearer(json!({}))?;
    let before = requests_waiting(&platform.admin()?)?;
    let answer = call(&platform, &[("Authorization", &token)])?;
    refused(&answer, 503, "IssuerUnreachable")?;
    ensure!(answer.body.contains(&issuer.url), "{answer:?}");
    ensure!(!answer.body.contains(token.trim_start_matches("Bearer ")), "{answer:?}");
    ensure!(requests_waiting(&platform.admin()?)? == before);
    Ok(())
}

/// The arrivals that the gateway tells the autoscaler of.
fn requests_waiting(admin: &SocketAddr) -> anyhow::Result<Vec<Value>> {
    let page = http::send(*admin, &admin.to_string(), "/debug/revisions", None)?;
    let page: Value = serde_json::from_str(&page.body)?;
    let revisions = page.as_array().context("a list")?;
    Ok(revisions.iter().map(|revision| revision["arrivals"].clone()).collect())
}
