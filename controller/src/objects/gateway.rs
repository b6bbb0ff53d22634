//! The ports of the public listeners, the URLs made with them, and when a URL is https.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service as CoreService, ServicePort};
use rouse_api::config::NetworkConfig;
use rouse_api::config::network::HttpProtocol;
use rouse_api::routing::HttpOption;
use rouse_api::{Conditions, annotations};

/// Default ports, which a URL need not name.
const HTTP: i32 = 80;
const HTTPS: i32 = 443;
/// The name of the https port in the gateway's core Service.
const HTTPS_NAME: &str = "https";

/// The public listeners, as clients reach them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gateway {
    /// Set if http URLs have to name it.
    pub(crate) port: Option<i32>,
    /// None if there is no https listener.
    pub(crate) https: Option<Https>,
    /// Set if URLs of cluster-local hosts have to name it.
    pub(crate) local: Option<i32>,
}

/// The https listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Https {
    /// Set if https URLs have to name it.
    pub(crate) port: Option<i32>,
}

/// What `external-domain-tls` means for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExternalTls {
    Off,
    /// The gateway has certificates for its hosts.
    On,
    /// There is no https listener, and http is allowed.
    Downgraded,
    /// There is no https listener.
    NotReady,
}

impl ExternalTls {
    /// The scheme of public URLs, where `otherwise` is that without TLS.
    pub(crate) fn scheme(self, otherwise: &str) -> &str {
        match self {
            Self::Off => otherwise,
            Self::On | Self::NotReady => "https",
            Self::Downgraded => "http",
        }
    }

    /// Marks the condition `type_`, which is CertificateProvisioned.
    pub(crate) fn mark(self, conditions: &mut Conditions<'_>, type_: &'static str) {
        let no_listener = "the gateway has no port for https";
        match self {
            Self::Off => conditions.mark_true_with_reason(
                type_,
                "TLSNotEnabled",
                "external-domain-tls is not enabled",
            ),
            Self::On => conditions.mark_true(type_),
            Self::Downgraded => {
                conditions.mark_true_with_reason(type_, "HTTPDowngrade", no_listener);
            }
            Self::NotReady => conditions.mark_unknown(type_, "CertificateNotReady", no_listener),
        }
    }
}

impl Gateway {
    /// Reads the ports of the public gateway's core Service.
    pub(crate) fn from_service(service: &CoreService) -> Self {
        let ports =
            service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
        let is_https =
            |port: &&ServicePort| port.name.as_deref() == Some(HTTPS_NAME) || port.port == HTTPS;
        let https = ports.iter().find(is_https);
        let http = ports.iter().find(|port| !is_https(port)).or(https);
        Self {
            port: http.map(|http| http.port).filter(|port| ![HTTP, HTTPS].contains(port)),
            https: https.map(|https| Https { port: Some(https.port).filter(|p| *p != HTTPS) }),
            local: None,
        }
    }

    /// With the port of the cluster-local gateway's core Service.
    pub(crate) fn with_local(self, service: &CoreService) -> Self {
        let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref());
        let port = ports.and_then(|ports| ports.first()).map(|port| port.port);
        Self { local: port.filter(|port| *port != HTTP), ..self }
    }

    /// The URL of a cluster-local host.
    pub(crate) fn local_url(self, host: &str) -> String {
        match self.local {
            Some(port) => format!("http://{host}:{port}"),
            None => format!("http://{host}"),
        }
    }

    /// Whether an object with these annotations gets https URLs by `external-domain-tls`.
    pub(crate) fn external_tls(
        self,
        annotations: &BTreeMap<String, String>,
        network: &NetworkConfig,
    ) -> ExternalTls {
        if !network.external_domain_tls || annotations::disables_external_domain_tls(annotations) {
            return ExternalTls::Off;
        }
        match (self.https, network.http_protocol) {
            (Some(_), _) => ExternalTls::On,
            (None, HttpProtocol::Enabled) => ExternalTls::Downgraded,
            (None, HttpProtocol::Redirected | HttpProtocol::Disabled) => ExternalTls::NotReady,
        }
    }

    /// What http is answered for an object with these annotations: only where there is https can the other be
    /// redirected or refused.
    pub(crate) fn http_option(
        self,
        annotations: &BTreeMap<String, String>,
        network: &NetworkConfig,
    ) -> HttpOption {
        if self.https.is_none() && !network.external_domain_tls {
            return HttpOption::Enabled;
        }
        match annotations::http_protocol(annotations).unwrap_or(network.http_protocol) {
            HttpProtocol::Enabled => HttpOption::Enabled,
            HttpProtocol::Redirected => HttpOption::Redirected,
            HttpProtocol::Disabled => HttpOption::Disabled,
        }
    }
}

/// `http://hello.shop.localhost:7080`
pub(crate) fn url(scheme: &str, host: &str, gateway: Gateway) -> String {
    let port = match (scheme, gateway.https) {
        ("https", Some(https)) => https.port,
        // A scheme that something in front of the gateway serves.
        (_, _) => gateway.port,
    };
    match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::object;

    fn gateway(spec: &str) -> Gateway {
        Gateway::from_service(&object(&format!("{{spec: {spec}}}")))
    }

    #[test]
    fn urls_name_the_port_where_the_scheme_does_not_say_it() {
        for (spec, http, https) in [
            (
                "{ports: [{port: 80}, {port: 7080}]}",
                "http://hello.localhost",
                "https://hello.localhost",
            ),
            ("{ports: [{port: 443}]}", "http://hello.localhost", "https://hello.localhost"),
            (
                "{ports: [{port: 7080}, {port: 80}]}",
                "http://hello.localhost:7080",
                "https://hello.localhost:7080",
            ),
            (
                "{ports: [{name: http2, port: 7080}, {name: https, port: 7081}]}",
                "http://hello.localhost:7080",
                "https://hello.localhost:7081",
            ),
            (
                "{ports: [{name: https, port: 443}, {name: http2, port: 80}]}",
                "http://hello.localhost",
                "https://hello.localhost",
            ),
            ("{ports: []}", "http://hello.localhost", "https://hello.localhost"),
            ("{}", "http://hello.localhost", "https://hello.localhost"),
        ] {
            let gateway = gateway(spec);
            assert_eq!(url("http", "hello.localhost", gateway), http, "{spec}");
            assert_eq!(url("https", "hello.localhost", gateway), https, "{spec}");
        }
    }

    #[test]
    fn http_is_redirected_or_refused_only_where_there_is_https() {
        let with = gateway("{ports: [{port: 80}, {port: 443}]}");
        let without = gateway("{ports: [{port: 80}]}");
        let annotated = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
        let (old, new) =
            ("networking.knative.dev/httpOption", "networking.knative.dev/http-protocol");
        for (setting, annotations, expected) in [
            (HttpProtocol::Enabled, BTreeMap::new(), HttpOption::Enabled),
            (HttpProtocol::Redirected, BTreeMap::new(), HttpOption::Redirected),
            (HttpProtocol::Disabled, BTreeMap::new(), HttpOption::Disabled),
            (HttpProtocol::Enabled, annotated(new, "Redirected"), HttpOption::Redirected),
            (HttpProtocol::Enabled, annotated(old, "redirected"), HttpOption::Redirected),
            (HttpProtocol::Redirected, annotated(new, "enabled"), HttpOption::Enabled),
            (HttpProtocol::Redirected, annotated(new, ""), HttpOption::Redirected),
        ] {
            let network = NetworkConfig { http_protocol: setting, ..Default::default() };
            assert_eq!(with.http_option(&annotations, &network), expected, "{annotations:?}");
            assert_eq!(without.http_option(&annotations, &network), HttpOption::Enabled);
            let behind = NetworkConfig { external_domain_tls: true, ..network };
            assert_eq!(without.http_option(&annotations, &behind), expected, "{annotations:?}");
        }
    }
}
