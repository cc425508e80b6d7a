//! What the server gives to services: addresses of the cluster and ports of its nodes.

use std::{collections::BTreeSet, net::Ipv4Addr};

use serde_json::{Value, json};

use super::{json, server::State};

/// The addresses of services: 10.96.0.0/16, without the first, which is that of the API server.
const FIRST: u32 = 0x0a60_0002;
const LAST: u32 = 0x0a60_fffe;
const NODE_PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;

/// Gives a service what it needs and did not ask for; what it had it keeps.
pub(crate) fn allocate(state: &State, service: &mut Value, old: Option<&Value>) {
    let ty = json::text(service, &["spec", "type"]).to_owned();
    if ty == "ExternalName" {
        let spec = json::path_mut(service, &["spec"]);
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
        return;
    }
    families(service);
    address(state, service, old);
    if ["NodePort", "LoadBalancer"].contains(&ty.as_str()) {
        node_ports(state, service, old);
    }
}

/// A headless service without a selector speaks what its endpoints do.
fn families(service: &mut Value) {
    let any = json::text(service, &["spec", "clusterIP"]) == "None"
        && json::at(service, &["spec", "selector"]).is_none();
    let spec = json::path_mut(service, &["spec"]);
    let (policy, families) = if any {
        ("RequireDualStack", json!(["IPv4", "IPv6"]))
    } else {
        ("SingleStack", json!(["IPv4"]))
    };
    json::default_to(spec, "ipFamilyPolicy", policy);
    json::default_to(spec, "ipFamilies", families);
}

fn address(state: &State, service: &mut Value, old: Option<&Value>) {
    let asked = json::text(service, &["spec", "clusterIP"]);
    let had = old.map_or("", |o| json::text(o, &["spec", "clusterIP"]));
    let address = match (asked, had) {
        ("", "") => free_address(state),
        ("", had) => had.to_owned(),
        (asked, _) => asked.to_owned(),
    };
    if !address.is_empty() {
        let spec = json::path_mut(service, &["spec"]);
        spec.insert("clusterIPs".to_owned(), json!([address]));
        spec.insert("clusterIP".to_owned(), address.into());
    }
}

/// An address that no service has, empty where there is none left.
fn free_address(state: &State) -> String {
    let taken: BTreeSet<String> = state
        .store
        .list("services", None)
        .map(|s| json::text(&s, &["spec", "clusterIP"]).to_owned())
        .collect();
    (FIRST..=LAST)
        .map(|n| Ipv4Addr::from(n).to_string())
        .find(|a| !taken.contains(a))
        .unwrap_or_default()
}

fn node_port(port: &Value) -> Option<u64> {
    port.get("nodePort").and_then(Value::as_u64).filter(|p| *p > 0)
}

fn node_ports(state: &State, service: &mut Value, old: Option<&Value>) {
    let mut taken: BTreeSet<u64> = BTreeSet::new();
    for other in state.store.list("services", None) {
        taken.extend(
            json::list(&other, &["spec", "ports"])
                .iter()
                .filter_map(node_port),
        );
    }
    taken.extend(
        json::list(service, &["spec", "ports"])
            .iter()
            .filter_map(node_port),
    );
    let before = old.map_or(&[][..], |o| json::list(o, &["spec", "ports"]));
    let ports = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        if node_port(port).is_some() {
            continue;
        }
        let same =
            |p: &&Value| p.get("port") == port.get("port") && p.get("protocol") == port.get("protocol");
        let had = before.iter().find(same).and_then(node_port);
        let Some(number) = had.or_else(|| NODE_PORTS.into_iter().find(|n| !taken.contains(n))) else {
            continue;
        };
        taken.insert(number);
        json::object_mut(port).insert("nodePort".to_owned(), number.into());
    }
}
