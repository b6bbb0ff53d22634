//! The rows of Services, Endpoints and EndpointSlices.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::age;
use super::cells::{items, labels, name, text_or};

/// How many addresses or ports a cell shows.
const SHOWN: usize = 3;

pub(super) fn service(service: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &service["spec"];
    vec![
        name(service),
        json!(text_or(&spec["type"], "ClusterIP")),
        json!(text_or(&spec["clusterIP"], "<none>")),
        json!(external(service)),
        json!(ports(&spec["ports"])),
        age::since_creation(service, now),
        json!(labels(&spec["selector"])),
    ]
}

fn external(service: &Value) -> String {
    let spec = &service["spec"];
    let mut addresses: Vec<String> =
        items(&spec["externalIPs"]).iter().map(|ip| text_or(ip, "").to_owned()).collect();
    match spec["type"].as_str() {
        Some("ExternalName") => text_or(&spec["externalName"], "<none>").to_owned(),
        Some("LoadBalancer") => {
            let ingress = items(&service["status"]["loadBalancer"]["ingress"]).iter();
            let balanced =
                ingress.map(|i| text_or(&i["ip"], text_or(&i["hostname"], "")).to_owned());
            addresses.splice(0..0, balanced);
            if addresses.is_empty() { "<pending>".to_owned() } else { addresses.join(",") }
        }
        Some(_) | None => {
            if addresses.is_empty() {
                "<none>".to_owned()
            } else {
                addresses.join(",")
            }
        }
    }
}

fn ports(ports: &Value) -> String {
    let shown: Vec<String> = items(ports)
        .iter()
        .map(|port| {
            let number = port["port"].as_i64().unwrap_or(0);
            let protocol = text_or(&port["protocol"], "TCP");
            match port["nodePort"].as_i64() {
                Some(node) if node > 0 => format!("{number}:{node}/{protocol}"),
                Some(_) | None => format!("{number}/{protocol}"),
            }
        })
        .collect();
    if shown.is_empty() { "<none>".to_owned() } else { shown.join(",") }
}

pub(super) fn endpoints(endpoints: &Value, now: Timestamp) -> Vec<Value> {
    let mut all = Vec::new();
    for subset in items(&endpoints["subsets"]) {
        let addresses = || items(&subset["addresses"]).iter().map(|a| text_or(&a["ip"], ""));
        if items(&subset["ports"]).is_empty() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in items(&subset["ports"]) {
            all.extend(addresses().map(|ip| host_port(ip, port["port"].as_i64().unwrap_or(0))));
        }
    }
    vec![name(endpoints), json!(first(&all, "<none>")), age::since_creation(endpoints, now)]
}

pub(super) fn endpoint_slice(slice: &Value, now: Timestamp) -> Vec<Value> {
    let ports: Vec<String> = items(&slice["ports"])
        .iter()
        .map(|port| {
            port["port"].as_i64().map_or_else(|| "*".to_owned(), |number| number.to_string())
        })
        .collect();
    let addresses: Vec<String> = items(&slice["endpoints"])
        .iter()
        .flat_map(|endpoint| items(&endpoint["addresses"]))
        .map(|address| text_or(address, "").to_owned())
        .collect();
    vec![
        name(slice),
        slice["addressType"].clone(),
        json!(first(&ports, "<unset>")),
        json!(first(&addresses, "<unset>")),
        age::since_creation(slice, now),
    ]
}

/// The first few, and how many more there are.
fn first(all: &[String], none: &str) -> String {
    match all.len() {
        0 => none.to_owned(),
        count if count > SHOWN => format!("{} + {} more...", all[..SHOWN].join(","), count - SHOWN),
        _ => all.join(","),
    }
}

fn host_port(host: &str, port: i64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
