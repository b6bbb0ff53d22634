//! The callers of a Service, and from where they call: what its annotations say.
//!
//! | annotation | says |
//! |---|---|
//! | `run.googleapis.com/ingress` | `all`, `internal`, `internal-and-cloud-load-balancing` |
//! | `rouse.dev/allowed-networks` | address ranges; callers from elsewhere are refused |
//! | `rouse.dev/invokers` | members; without the annotation, anybody |
//! | `rouse.dev/issuers` | whose identity tokens are accepted besides the cluster's own |
//! | `run.googleapis.com/custom-audiences` | audiences of tokens besides the Service's hosts, a JSON list |
//! | `run.googleapis.com/invoker-iam-disabled` | `true`: nobody is asked, whatever the members |
//!
//! Invariant: what cannot be read never opens a Service. Admission refuses it; a value that was stored without
//! admission counts as the narrowest.

use std::collections::BTreeMap;

use crate::kinds::routing::{Callers, Invokers};
use crate::terms::keys;
use crate::terms::member::{Member, texts};
use crate::terms::network;

type Annotations = BTreeMap<String, String>;

/// The annotations of a Service that this page reads.
pub const OF_SERVICE: [&str; 6] = [
    keys::INGRESS,
    keys::ALLOWED_NETWORKS,
    keys::INVOKERS,
    keys::ISSUERS,
    keys::CUSTOM_AUDIENCES,
    keys::INVOKER_IAM_DISABLED,
];

/// From where a Service is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ingress {
    #[default]
    All,
    /// From within the cluster alone.
    Internal,
    /// Within the cluster by its own host, and from anywhere by domains of DomainMappings, which stand for Google's
    /// load balancers.
    InternalAndLoadBalancing,
}

impl Ingress {
    /// None for a value that is none of Cloud Run's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            "internal" => Some(Self::Internal),
            "internal-and-cloud-load-balancing" => Some(Self::InternalAndLoadBalancing),
            _ => None,
        }
    }

    #[must_use]
    pub fn of(annotations: &Annotations) -> Self {
        let said = annotations.get(keys::INGRESS);
        said.map_or(Self::All, |text| Self::parse(text).unwrap_or(Self::Internal))
    }
}

/// The rule for the hosts of a Service; None if anybody may call it from anywhere. `hosts` are the names in the
/// audiences of its tokens.
#[must_use]
pub fn callers(annotations: &Annotations, namespace: &str, hosts: &[String]) -> Option<Callers> {
    let networks = annotations.get(keys::ALLOWED_NETWORKS).map(|list| {
        let valid = texts(list).filter(|text| network::parse(text).is_some());
        valid.map(ToOwned::to_owned).collect()
    });
    let invokers = invokers(annotations, namespace, hosts);
    (networks.is_some() || invokers.is_some()).then_some(Callers { networks, invokers })
}

fn invokers(annotations: &Annotations, namespace: &str, hosts: &[String]) -> Option<Invokers> {
    let members = members(annotations)?;
    if members.contains(&Member::AllUsers) || is_disabled(annotations) {
        return None;
    }
    let issuers = annotations.get(keys::ISSUERS).map_or("", String::as_str);
    Some(Invokers {
        members: members.into_iter().map(|m| m.within(namespace).to_string()).collect(),
        issuers: texts(issuers)
            .filter(|i| issuer_problem(i).is_none())
            .map(str::to_owned)
            .collect(),
        hosts: hosts.to_vec(),
        audiences: annotations
            .get(keys::CUSTOM_AUDIENCES)
            .and_then(|text| audiences(text))
            .unwrap_or_default(),
    })
}

/// The members of a Service; None if it names none, which means anybody.
#[must_use]
pub fn members(annotations: &Annotations) -> Option<Vec<Member>> {
    let list = annotations.get(keys::INVOKERS)?;
    Some(texts(list).filter_map(|text| text.parse().ok()).collect())
}

/// Whether callers are asked who they are.
#[must_use]
pub fn asks(annotations: &Annotations) -> bool {
    !is_disabled(annotations)
        && members(annotations).is_some_and(|members| !members.contains(&Member::AllUsers))
}

fn is_disabled(annotations: &Annotations) -> bool {
    annotations.get(keys::INVOKER_IAM_DISABLED).is_some_and(|value| value == "true")
}

/// The audiences in Cloud Run's form, a JSON list of texts.
#[must_use]
pub fn audiences(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// Why a text is no issuer of identity tokens.
#[must_use]
pub fn issuer_problem(text: &str) -> Option<&'static str> {
    const PLAIN: &str = "http is for issuers on loopback; write an https URL";
    let (rest, plain) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => return Some("an issuer is an https URL"),
    };
    if rest.is_empty() || rest.starts_with('/') {
        return Some("the URL of an issuer has a host");
    }
    if rest.contains(|c: char| c.is_whitespace() || c.is_control() || "?#@,".contains(c)) {
        return Some("the URL of an issuer has no user, query or fragment");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    (plain && !matches!(host, "localhost" | "127.0.0.1" | "::1")).then_some(PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> Annotations {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn compiled(pairs: &[(&str, &str)]) -> Option<Callers> {
        callers(&annotations(pairs), "shop", &["hello.shop.localhost".to_owned()])
    }

    fn closed(members: &[&str]) -> Invokers {
        Invokers {
            members: members.iter().map(|text| (*text).to_owned()).collect(),
            hosts: vec!["hello.shop.localhost".to_owned()],
            ..Invokers::default()
        }
    }

    #[test]
    fn without_a_rule_or_with_all_users_there_is_no_step() {
        assert_eq!(compiled(&[]), None);
        assert_eq!(compiled(&[(keys::INGRESS, "internal")]), None);
        assert_eq!(compiled(&[(keys::INVOKERS, "serviceAccount:robot, allUsers")]), None);
        assert_eq!(compiled(&[(keys::INVOKERS, ""), (keys::INVOKER_IAM_DISABLED, "true")]), None);
        assert_eq!(compiled(&[(keys::ISSUERS, "https://a.example")]), None);
    }

    #[test]
    fn members_are_compiled_with_their_namespace_and_audiences() {
        let rule = compiled(&[
            (keys::INVOKERS, "serviceAccount:robot user:ada@example.org"),
            (keys::ISSUERS, "https://a.example, http://127.0.0.1:9/x"),
            (keys::CUSTOM_AUDIENCES, r#"["hello"]"#),
            (keys::ALLOWED_NETWORKS, "10.0.0.0/8 192.0.2.1"),
        ]);
        let invokers = Invokers {
            issuers: vec!["https://a.example".to_owned(), "http://127.0.0.1:9/x".to_owned()],
            audiences: vec!["hello".to_owned()],
            ..closed(&["serviceAccount:robot@shop", "user:ada@example.org"])
        };
        let networks = Some(vec!["10.0.0.0/8".to_owned(), "192.0.2.1".to_owned()]);
        assert_eq!(rule, Some(Callers { networks, invokers: Some(invokers) }));
    }

    #[test]
    fn what_cannot_be_read_opens_nothing() {
        for (pairs, networks, invokers) in [
            (&[(keys::INVOKERS, "")][..], None, Some(closed(&[]))),
            (&[(keys::INVOKERS, "everybody")], None, Some(closed(&[]))),
            (&[(keys::INVOKERS, ""), (keys::INVOKER_IAM_DISABLED, "yes")], None, Some(closed(&[]))),
            (&[(keys::INVOKERS, ""), (keys::CUSTOM_AUDIENCES, "x")], None, Some(closed(&[]))),
            (&[(keys::ALLOWED_NETWORKS, "office")], Some(vec![]), None),
        ] {
            assert_eq!(compiled(pairs), Some(Callers { networks, invokers }), "{pairs:?}");
        }
        for (text, ingress) in [
            ("all", Ingress::All),
            ("internal", Ingress::Internal),
            ("internal-and-cloud-load-balancing", Ingress::InternalAndLoadBalancing),
            ("All", Ingress::Internal),
        ] {
            assert_eq!(Ingress::of(&annotations(&[(keys::INGRESS, text)])), ingress, "{text}");
        }
        assert_eq!(Ingress::of(&Annotations::new()), Ingress::All);
    }

    #[test]
    fn an_issuer_is_an_https_url_or_on_loopback() {
        for text in ["https://accounts.google.com", "https://a.example/x", "http://[::1]:9"] {
            assert_eq!(issuer_problem(text), None, "{text}");
        }
        for text in [
            "accounts.google.com",
            "https://",
            "https:///x",
            "http://a.example",
            "http://127.0.0.1.example",
            "http://localhost@a.example",
            "https://a.example?x",
            "https://a.example#x",
            "ftp://a.example",
        ] {
            assert!(issuer_problem(text).is_some(), "{text}");
        }
    }
}
