//! `status.routing`: a Route or DomainMapping compiled for activators.
//!
//! Activators evaluate no template and read no traffic block; they route by this alone. Settings of
//! a revision (concurrency, timeouts, port, probe) they read from the Revision.

use serde::{Deserialize, Serialize};

/// Everything that one object adds to the routing table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Routing {
    /// Grows with each change of the rest; an activator says up to which version it serves.
    pub version: i64,
    pub hosts: Vec<Host>,
}

/// One set of host names, and the Revisions that get their requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Answered on both listeners. Lower case, without port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public: Vec<String>,
    /// Answered on the cluster-local listener only: 404 on the public one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<String>,
    /// The tag that this host stands for, if it is not the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(default)]
    pub http: HttpOption,
    /// Shares; percents make 100. A target of 0 % is left out.
    pub split: Vec<Share>,
    /// Tags that a request may choose by header; None while tag header routing is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_tags: Option<Vec<TagShares>>,
    /// The Secret of the namespace whose certificate is served; None for one of the platform's own authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret: Option<String>,
    /// The Host header that the revision sees, for a DomainMapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite_host: Option<String>,
    /// Who may call; None if anybody may, from anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callers: Option<Callers>,
}

impl Host {
    /// All shares, those that requests choose by header included.
    pub fn shares(&self) -> impl Iterator<Item = &Share> {
        let tags = self.header_tags.iter().flatten();
        self.split.iter().chain(tags.flat_map(|tag| &tag.split))
    }
}

/// Who may call a host, and from where.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Callers {
    /// Address ranges; callers from elsewhere are refused. None: from anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<String>>,
    /// None: anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invokers: Option<Invokers>,
}

/// Those who may call, and which of their tokens count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invokers {
    /// As `rouse_api::member` reads them; accounts with their namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Whose tokens count besides those of the cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issuers: Vec<String>,
    /// Tokens are for a URL of one of these hosts,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// or for one of these audiences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpOption {
    #[default]
    Enabled,
    /// 301 to https.
    Redirected,
    /// https alone is answered.
    Disabled,
}

/// The shares of a tag, for requests that name it in the header `Knative-Serving-Tag`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagShares {
    pub tag: String,
    pub split: Vec<Share>,
}

/// One revision's share of a host. The revision lives in the namespace of the Route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    pub revision: String,
    /// 1 to 100.
    pub percent: u8,
}
