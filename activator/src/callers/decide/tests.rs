//! Callers, by what they send.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair as RsaKeyPair;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use rouse_api::routing;
use serde_json::{Value, json};

use super::*;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.example";
const CLUSTER: &str = "https://cluster.example";
const HOST: &str = "hello.shop.localhost";

/// A key pair of an issuer.
enum Signer {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    fn ec() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("random bytes");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random);
        Self::Ec(pair.expect("a key that was just made"))
    }

    /// ring makes no keys for RSA.
    fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::from_der(include_bytes!("rsa.der")).expect("a key"))
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": id,
                    "x": BASE64.encode(x), "y": BASE64.encode(y) })
            }
            Self::Rsa(pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({ "kty": "RSA", "use": "sig", "kid": id,
                    "n": BASE64.encode(n), "e": BASE64.encode(e) })
            }
        }
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = match self {
            Self::Ec(pair) => {
                pair.sign(&random, signed.as_bytes()).expect("random bytes").as_ref().to_vec()
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
                    .expect("it fits");
                signature
            }
        };
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

/// An issuer with a key of each kind, and the cluster.
struct World {
    ec: Signer,
    rsa: Signer,
    cluster: Signer,
    known: Known,
}

impl World {
    fn new() -> Self {
        let (ec, rsa, cluster) = (Signer::ec(), Signer::rsa(), Signer::ec());
        let keys = |issuer: &str, keys: &[Value]| {
            let set = json!({ "keys": keys }).to_string();
            Arc::new(Keys::read(issuer, set.as_bytes()).expect("keys"))
        };
        let known = HashMap::from([
            (Source::Issuer(ISSUER.into()), keys(ISSUER, &[ec.jwk("e"), rsa.jwk("r")])),
            (Source::Cluster, keys(CLUSTER, &[cluster.jwk("c")])),
        ]);
        Self { ec, rsa, cluster, known: Known(known) }
    }

    /// A token of the issuer with these claims in place of good ones.
    fn token(&self, changes: Value) -> String {
        self.ec.sign(&json!({ "alg": "ES256", "kid": "e" }), &claims(changes))
    }

    fn account(&self, name: &str) -> String {
        let sub = format!("system:serviceaccount:shop:{name}");
        let claims = claims(json!({ "iss": CLUSTER, "sub": sub, "email": null }));
        self.cluster.sign(&json!({ "alg": "ES256", "kid": "c" }), &claims)
    }

    fn decide(&self, rule: &Rule, facts: &Facts<'_>) -> Decision {
        decide(facts, rule, &self.known, NOW)
    }

    fn bearer(&self, rule: &Rule, token: &str) -> Decision {
        let value = format!("Bearer {token}");
        self.decide(rule, &Facts { authorization: Some(value.as_bytes()), ..NOTHING })
    }

    #[track_caller]
    fn check(&self, rule: &Rule, token: &str, expected: &str) {
        let said = match self.bearer(rule, token) {
            Decision::Allow(proof) => format!("{proof:?}"),
            Decision::Deny(denial) => denial.reason().to_owned(),
            Decision::Ask { source, lacking } => format!("ask {source}: {}", lacking.reason()),
        };
        assert_eq!(said, expected);
    }
}

fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "42", "aud": format!("https://{HOST}"), "exp": NOW + 60,
        "email": "Ada@example.org", "email_verified": true,
    });
    let changes = changes.as_object().cloned().unwrap_or_default();
    claims.as_object_mut().expect("an object").extend(changes);
    claims
}

const NOTHING: Facts<'_> = Facts {
    address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)),
    serverless: None,
    authorization: None,
    api_key: None,
};

fn rule_with(members: &[&str], issuers: &[&str], networks: Option<&[&str]>) -> Rule {
    let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
    Rule::of(&routing::Callers {
        networks: networks.map(texts),
        invokers: Some(routing::Invokers {
            members: texts(members),
            issuers: texts(issuers),
            hosts: vec![HOST.to_owned(), "hello.shop".to_owned()],
            audiences: vec!["the-shop".to_owned()],
        }),
    })
}

fn rule(members: &[&str]) -> Rule {
    rule_with(members, &[ISSUER], None)
}

fn member_of(key: &str) -> String {
    let sent = digest::digest(&digest::SHA256, key.as_bytes());
    let hex: String = sent.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("key:ci=sha256:{hex}")
}

#[test]
fn members_are_admitted_by_their_tokens() {
    let world = World::new();
    let ada = world.token(json!({}));
    for (members, token, expected) in [
        (&["user:ada@EXAMPLE.org"][..], &ada, "Token"),
        (&["serviceAccount:ada@example.org"], &ada, "Token"),
        (&["subject:42"], &ada, "Token"),
        (&["allAuthenticatedUsers"], &ada, "Token"),
        (&["user:bob@example.org", "subject:43"], &ada, "NotInvited"),
        (&[], &ada, "NotInvited"),
        (&["user:ada@example.org"], &world.token(json!({"email_verified": "true"})), "Token"),
        (&["user:ada@example.org"], &world.token(json!({"email_verified": false})), "NotInvited"),
        (&["user:ada@example.org"], &world.token(json!({"email_verified": null})), "NotInvited"),
        (&["serviceAccount:robot@shop"], &world.account("robot"), "Token"),
        (&["serviceAccount:robot@shop"], &world.account("other"), "NotInvited"),
        (&["serviceAccount:robot@market"], &world.account("robot"), "NotInvited"),
        (&["allAuthenticatedUsers"], &world.account("other"), "Token"),
        // No member is of the cluster, so its tokens do not count.
        (&["subject:system:serviceaccount:shop:robot"], &world.account("robot"), "UnknownIssuer"),
    ] {
        world.check(&rule(members), token, expected);
    }
}

#[test]
fn each_fault_of_a_token_has_a_reason_of_its_own() {
    let world = World::new();
    let rule = rule(&["subject:42"]);
    let good = claims(json!({}));
    let header = json!({ "alg": "ES256", "kid": "e" });
    let (signed, signature) = {
        let token = world.token(json!({}));
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        (signed.to_owned(), signature.to_owned())
    };
    let forged = BASE64.encode(claims(json!({ "sub": "1" })).to_string());
    let none = BASE64.encode(json!({ "alg": "none" }).to_string());
    let hs = BASE64.encode(json!({ "alg": "HS256", "kid": "e" }).to_string());
    let head = signed.split('.').next().expect("a header");
    let body = signed.split('.').nth(1).expect("claims");
    for (token, expected) in [
        (world.token(json!({})), "Token"),
        (world.rsa.sign(&json!({ "alg": "RS256", "kid": "r" }), &good), "Token"),
        // Without an id, it is of the only key for its algorithm.
        (world.ec.sign(&json!({ "alg": "ES256" }), &good), "Token"),
        (Signer::ec().sign(&header, &good), "BadSignature"),
        (format!("{head}.{forged}.{signature}"), "BadSignature"),
        (format!("{signed}."), "BadSignature"),
        // The header may not choose a weaker algorithm, nor one for a key of another kind.
        (format!("{none}.{body}."), "TokenAlgorithm"),
        (format!("{hs}.{body}.{signature}"), "TokenAlgorithm"),
        (
            world.rsa.sign(&json!({ "alg": "RS256", "kid": "e" }), &good),
            "ask issuer https://issuer.example: UnknownKey",
        ),
        (
            world.ec.sign(&json!({ "alg": "ES256", "kid": "new" }), &good),
            "ask issuer https://issuer.example: UnknownKey",
        ),
        (world.token(json!({ "iss": "https://other.example" })), "UnknownIssuer"),
        (world.token(json!({ "iss": null })), "NoToken"),
        (world.token(json!({ "exp": NOW - 31 })), "TokenExpired"),
        (world.token(json!({ "exp": NOW - 29 })), "Token"),
        (world.token(json!({ "exp": null })), "TokenWithoutExpiry"),
        (world.token(json!({ "exp": "tomorrow" })), "NoToken"),
        (world.token(json!({ "exp": -1e300 })), "TokenExpired"),
        (world.token(json!({ "nbf": NOW + 31 })), "TokenNotYetValid"),
        (world.token(json!({ "nbf": NOW + 29 })), "Token"),
        (world.token(json!({ "aud": "https://other.shop.localhost" })), "WrongAudience"),
        (world.token(json!({ "aud": [] })), "WrongAudience"),
        ("x.y.z".to_owned(), "NoToken"),
        ("opaque".to_owned(), "NoToken"),
        (format!("{head}.{}.x", "a".repeat(TOKEN_MAX)), "TokenTooLong"),
    ] {
        world.check(&rule, &token, expected);
    }
}

#[test]
fn an_audience_is_the_service_by_any_of_its_urls_or_a_name_of_its_own() {
    let world = World::new();
    let rule = rule(&["subject:42"]);
    for (audience, good) in [
        (json!("https://hello.shop.localhost"), true),
        (json!("http://hello.shop.localhost:8080/"), true),
        (json!("http://HELLO.shop.localhost"), true),
        (json!("http://hello.shop"), true),
        (json!(["x", "the-shop"]), true),
        (json!("https://the-shop"), false),
        (json!("hello.shop.localhost"), false),
        (json!("https://hello.shop.localhost/path"), false),
        (json!("https://hello.shop.localhost.example"), false),
        (json!("https://hello.shop.localhost:80@evil.example"), false),
        (json!("https://evil.example?hello.shop.localhost"), false),
    ] {
        let expected = if good { "Token" } else { "WrongAudience" };
        world.check(&rule, &world.token(json!({ "aud": audience })), expected);
    }
}

#[test]
fn the_header_that_wins_decides_alone() {
    let world = World::new();
    let key = member_of("secret-1");
    let rule = rule(&["subject:42", &key]);
    let bearer = |token: String| format!("Bearer {token}");
    let (good, bad) = (bearer(world.token(json!({}))), bearer("x.y.z".to_owned()));
    let (as_token, unknown) = ("bearer secret-1".to_owned(), "Bearer secret-2".to_owned());
    let basic = "Basic YTpi".to_owned();
    let deny = |denial: Denial| Decision::Deny(denial);
    for (serverless, authorization, api_key, expected) in [
        (None, None, None, deny(Denial::NoCredentials)),
        (None, Some(&basic), None, deny(Denial::NoCredentials)),
        (None, Some(&good), None, Decision::Allow(Proof::Token)),
        (Some(&good), Some(&bad), None, Decision::Allow(Proof::Serverless)),
        (Some(&bad), Some(&good), Some("secret-1"), deny(Denial::NoToken)),
        (Some(&basic), Some(&good), None, deny(Denial::NoToken)),
        (None, Some(&basic), Some("secret-1"), Decision::Allow(Proof::Key)),
        (None, Some(&as_token), None, Decision::Allow(Proof::KeyAsToken)),
        (None, Some(&unknown), None, deny(Denial::UnknownApiKey)),
        (None, None, Some("secret-2"), deny(Denial::UnknownApiKey)),
        (None, Some(&good), Some("of-the-application"), Decision::Allow(Proof::Token)),
    ] {
        let facts = Facts {
            serverless: serverless.map(String::as_bytes),
            authorization: authorization.map(String::as_bytes),
            api_key: api_key.map(str::as_bytes),
            ..NOTHING
        };
        assert_eq!(world.decide(&rule, &facts), expected, "{facts:?}");
    }
}

#[test]
fn networks_restrict_whoever_calls() {
    let world = World::new();
    let rule = |networks| {
        let callers = routing::Callers { networks, invokers: None };
        Rule::of(&callers)
    };
    let list = |all: &[&str]| Some(all.iter().map(|text| (*text).to_owned()).collect());
    let mapped = IpAddr::V6("::ffff:192.0.2.7".parse().expect("an address"));
    for (networks, address, admitted) in [
        (list(&["192.0.2.0/24"]), NOTHING.address, true),
        (list(&["192.0.2.0/24"]), mapped, true),
        (list(&["10.0.0.0/8", "::/0"]), NOTHING.address, false),
        (list(&[]), NOTHING.address, false),
    ] {
        let decided = world.decide(&rule(networks), &Facts { address, ..NOTHING });
        let refused = Denial::Network { address: "192.0.2.7".to_owned() };
        let expected =
            if admitted { Decision::Allow(Proof::None) } else { Decision::Deny(refused) };
        assert_eq!(decided, expected);
    }
    let invited = rule_with(&["subject:42"], &[ISSUER], Some(&["10.0.0.0/8"]));
    world.check(&invited, &world.token(json!({})), "NetworkNotAllowed");
}

#[test]
fn keys_that_are_not_known_are_asked_for_and_those_of_strangers_are_not() {
    let world = World { known: Known::default(), ..World::new() };
    let both = rule(&["subject:42", "serviceAccount:robot@shop"]);
    let ada = world.token(json!({}));
    world.check(&both, &ada, "ask issuer https://issuer.example: IssuerUnreachable");
    world.check(&both, &world.account("robot"), "ask the cluster: IssuerUnreachable");
    let stranger = world.token(json!({ "iss": "https://evil.example" }));
    world.check(&rule(&["subject:42"]), &stranger, "UnknownIssuer");
}

#[test]
fn no_answer_repeats_a_credential() {
    let world = World::new();
    let key = member_of("secret-1");
    let rule = rule(&[&key]);
    for sent in [world.token(json!({})), "secret-2".to_owned(), "x.secret-2.z".to_owned()] {
        let Decision::Deny(denial) = world.bearer(&rule, &sent) else { panic!("{sent} is let in") };
        let (said, debugged) = (denial.to_string(), format!("{denial:?}"));
        for part in sent.split('.') {
            assert!(!said.contains(part) && !debugged.contains(part), "{said}");
        }
    }
}
