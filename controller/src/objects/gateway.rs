//! The port of the public listener, and the URLs made with it.

use k8s_openapi::api::core::v1::Service as CoreService;

/// Default ports, which a URL need not name.
const USUAL_PORTS: [i32; 2] = [80, 443];

/// The public listener, as clients reach it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gateway {
    /// Set if URLs have to name it.
    pub(crate) port: Option<i32>,
}

impl Gateway {
    /// Reads the port of the public gateway's core Service.
    pub(crate) fn from_service(service: &CoreService) -> Self {
        let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref());
        let port = ports.and_then(|ports| ports.first()).map(|port| port.port);
        Self { port: port.filter(|port| !USUAL_PORTS.contains(port)) }
    }
}

/// `http://hello.shop.localhost:7080`
pub(crate) fn url(scheme: &str, host: &str, gateway: Gateway) -> String {
    match gateway.port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::object;

    #[test]
    fn urls_name_the_port_where_the_scheme_does_not_say_it() {
        for (spec, expected) in [
            ("{ports: [{port: 80}, {port: 7080}]}", "http://hello.localhost"),
            ("{ports: [{port: 443}]}", "http://hello.localhost"),
            ("{ports: [{port: 7080}, {port: 80}]}", "http://hello.localhost:7080"),
            ("{ports: []}", "http://hello.localhost"),
            ("{}", "http://hello.localhost"),
        ] {
            let gateway = Gateway::from_service(&object(&format!("{{spec: {spec}}}")));
            assert_eq!(url("http", "hello.localhost", gateway), expected, "{spec}");
        }
    }
}
