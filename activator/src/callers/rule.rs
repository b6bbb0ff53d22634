//! The rule of a host, made of its part of `status.routing`.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use rouse_api::member::{DIGEST_LEN, Member};
use rouse_api::{network, routing};

use super::keys::Source;

/// Who may call, and from where.
#[derive(Debug)]
pub(crate) struct Rule {
    /// None: from anywhere.
    networks: Option<Vec<IpNet>>,
    /// None: anybody.
    pub(super) invokers: Option<Invokers>,
}

/// Those who may call.
#[derive(Debug, Default)]
pub(super) struct Invokers {
    /// Whoever has a valid token.
    pub(super) all_authenticated: bool,
    /// Accounts of the cluster by the `sub` of their tokens.
    pub(super) accounts: HashSet<String>,
    pub(super) emails: HashSet<String>,
    pub(super) subjects: HashSet<String>,
    pub(super) keys: Vec<[u8; DIGEST_LEN]>,
    pub(super) issuers: Vec<Arc<str>>,
    pub(super) hosts: Vec<String>,
    pub(super) audiences: Vec<String>,
}

impl Rule {
    pub(crate) fn of(callers: &routing::Callers) -> Self {
        let routing::Callers { networks, invokers } = callers;
        Self {
            networks: networks
                .as_ref()
                .map(|all| all.iter().filter_map(|text| network::parse(text)).collect()),
            invokers: invokers.as_ref().map(Invokers::of),
        }
    }

    pub(super) fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .as_ref()
            .is_none_or(|networks| networks.iter().any(|network| network.contains(&address)))
    }

    /// Whose keys it needs.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let Some(invokers) = &self.invokers else { return Vec::new() };
        let cluster = invokers.takes_accounts().then_some(Source::Cluster);
        let others = invokers.issuers.iter().cloned().map(Source::Issuer);
        others.chain(cluster).collect()
    }
}

impl Invokers {
    fn of(compiled: &routing::Invokers) -> Self {
        let routing::Invokers { members, issuers, hosts, audiences } = compiled;
        let mut invokers = Self {
            issuers: issuers.iter().map(|url| Arc::from(url.as_str())).collect(),
            hosts: hosts.clone(),
            audiences: audiences.clone(),
            ..Self::default()
        };
        for member in members.iter().filter_map(|text| text.parse().ok()) {
            match member {
                // The controller compiles no rule for it.
                Member::AllUsers => {}
                Member::AllAuthenticatedUsers => invokers.all_authenticated = true,
                Member::Account { name, namespace } => {
                    let namespace = namespace.unwrap_or_default();
                    invokers.accounts.insert(format!("system:serviceaccount:{namespace}:{name}"));
                }
                Member::Email { email, account: _ } => {
                    invokers.emails.insert(email.to_ascii_lowercase());
                }
                Member::Subject(subject) => {
                    invokers.subjects.insert(subject);
                }
                Member::Key { name: _, digest } => invokers.keys.push(digest),
            }
        }
        invokers
    }

    /// Whether tokens of the cluster count.
    pub(super) fn takes_accounts(&self) -> bool {
        self.all_authenticated || !self.accounts.is_empty()
    }
}
