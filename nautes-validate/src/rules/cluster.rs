//! Clusters: their shape, their address, their host.

use std::collections::BTreeMap;

use nautes_model::fix::Action;
use nautes_model::kinds::Cluster;
use nautes_model::kinds::cluster::{ClusterType, ClusterUsage, Slot};
use nautes_model::name::{MAX_LABEL, check_label};
use nautes_model::{Finding, Fix, Identity, Kind, Resource, Sourced};

use super::provider::use_https;
use super::{Standard, related, say, say_all};
use crate::catalogue::port;
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "ClusterHostMustBePhysical",
        summary: "a host is physical",
        why: "virtual clusters are made inside physical ones only",
        check: host_must_be_physical,
    },
    Standard {
        id: "ClusterHostHasWorkerType",
        summary: "a host has no worker type",
        why: "a host carries virtual clusters, never runtimes",
        check: host_has_worker_type,
    },
    Standard {
        id: "ClusterPhysicalHasHost",
        summary: "a physical cluster has no host",
        why: "only a virtual cluster lives inside another",
        check: physical_has_host,
    },
    Standard {
        id: "ClusterVirtualNeedsHost",
        summary: "a virtual cluster has a host",
        why: "a virtual cluster is made inside its host",
        check: virtual_needs_host,
    },
    Standard {
        id: "ClusterHostNotHost",
        summary: "the host of a virtual cluster is a cluster used as host",
        why: "a worker carries runtimes; a virtual cluster among them would have their rights",
        check: host_not_host,
    },
    Standard {
        id: "ClusterShapeUnknown",
        summary: "a worker says what it is for",
        why: "which components a worker needs, and which runtimes it takes, depends on its type",
        check: shape_unknown,
    },
    Standard {
        id: "ClusterShapeImmutable",
        summary: "the shape of a cluster stays while something depends on the cluster",
        why: "kind, type, usage, host and worker type decide what runs in a cluster and how it is reached",
        check: shape_immutable,
    },
    Standard {
        id: "ClusterApiServer",
        summary: "the API server of a cluster is an https URL",
        why: "Nautes reaches the cluster there; over plain http everybody on the way can read its credentials",
        check: api_server,
    },
    Standard {
        id: "ClusterApiServerTaken",
        summary: "no two clusters have the same API server",
        why: "two names for one cluster would each undo what the other does",
        check: api_server_taken,
    },
    Standard {
        id: "ClusterNodePort",
        summary: "the ports of virtual clusters and gateways are free ports of their host",
        why: "on one host each port leads to one service; hosts give out 30000 to 32767 unless told otherwise",
        check: node_port,
    },
    Standard {
        id: "ClusterNameReserved",
        summary: "a cluster has no name that the platform uses itself",
        why: "secrets are kept under the name of the cluster, beside those of the platform",
        check: name_reserved,
    },
    Standard {
        id: "ClusterReservedNamespaceUnknown",
        summary: "a namespace opened to products is one of the cluster's components",
        why: "only the namespaces of components are reserved, so only they need opening",
        check: reserved_namespace_unknown,
    },
    Standard {
        id: "ClusterNamespaceShared",
        summary: "a namespace that is opened to products, or keeps secrets, holds one component",
        why: "who may deploy into a namespace can read and change everything in it, so opening one component would open the other, and the secret store would be open to whatever stands beside it",
        check: namespace_shared,
    },
    Standard {
        id: "ClusterComponentNamespace",
        summary: "a component runs in a namespace of its own",
        why: "the namespaces of products belong to their teams, and those of Kubernetes are managed by whoever runs the cluster",
        check: component_namespace,
    },
    Standard {
        id: "ClusterMapValue",
        summary: "kinds that products may deploy are written as kinds and groups",
        why: "they are compared with what is deployed, letter by letter; one that fits nothing permits nothing",
        check: map_value,
    },
];

fn host_must_be_physical(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        if cluster.spec.usage == ClusterUsage::Host && cluster.spec.cluster_type != ClusterType::Physical {
            out.push(
                on.error(id, resource, "spec.clusterType", "a host cannot be virtual")
                    .hint("write `clusterType: physical`, or `usage: worker`"),
            );
        }
    }
}

fn host_has_worker_type(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        if cluster.spec.usage == ClusterUsage::Host && cluster.spec.worker_type.is_some() {
            out.push(
                on.error(id, resource, "spec.workerType", "a host has no worker type")
                    .hint("leave `workerType` out, or write `usage: worker`"),
            );
        }
    }
}

fn physical_has_host(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        if cluster.spec.cluster_type == ClusterType::Physical && !cluster.spec.host_cluster.is_empty() {
            out.push(
                on.error(id, resource, "spec.hostCluster", "a physical cluster has no host")
                    .hint("leave `hostCluster` out, or write `clusterType: virtual`"),
            );
        }
    }
}

fn virtual_needs_host(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        if cluster.spec.cluster_type == ClusterType::Virtual && cluster.spec.host_cluster.is_empty() {
            out.push(
                on.error(id, resource, "spec.hostCluster", "a virtual cluster needs a host")
                    .hint("write `hostCluster:` with the name of a cluster of `usage: host`"),
            );
        }
    }
}

fn host_not_host(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, _) in on.clusters() {
        let host = on
            .found(&resource.identity, "spec.hostCluster")
            .filter(|host| **host != resource.identity)
            .and_then(|host| on.cluster(host));
        if let Some((host, spec)) = host
            && spec.spec.usage != ClusterUsage::Host
        {
            let message = format!("{} is not used as host", say(&host.identity, &resource.identity));
            let finding = on
                .error(id, resource, "spec.hostCluster", message)
                .hint("name a cluster of `usage: host`");
            out.push(related(finding, [&host.identity]));
        }
    }
}

fn shape_unknown(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        if cluster.spec.usage == ClusterUsage::Worker && cluster.spec.worker_type.is_none() {
            out.push(
                on.error(id, resource, "spec.workerType", "a worker needs a worker type")
                    .hint("write `workerType: pipeline` or `workerType: deployment`"),
            );
        }
    }
}

fn shape_immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let Some(before) = on.before else { return };
    for (resource, now) in on.clusters() {
        let Some(Resource::Cluster(old)) = on.changed_from(resource).map(|s| &s.resource) else {
            continue;
        };
        let changed = changed_shape(old, now);
        if changed.is_empty() {
            continue;
        }
        let was = before.graph.direct_dependents(&resource.identity);
        let stay: Vec<Identity> = on
            .graph
            .direct_dependents(&resource.identity)
            .into_iter()
            .filter(|d| was.contains(d))
            .collect();
        for field in changed.into_iter().filter(|_| !stay.is_empty()) {
            let message = format!(
                "cannot change: the cluster is needed by {}",
                say_all(&stay, &resource.identity)
            );
            let finding = on
                .error(id, resource, field, message)
                .hint("register another cluster and move to it what depends on this one");
            out.push(related(finding, &stay));
        }
    }
}

fn changed_shape(old: &Cluster, new: &Cluster) -> Vec<&'static str> {
    let (old, new) = (&old.spec, &new.spec);
    [
        ("spec.clusterKind", old.cluster_kind != new.cluster_kind),
        ("spec.clusterType", old.cluster_type != new.cluster_type),
        ("spec.usage", old.usage != new.usage),
        ("spec.hostCluster", old.host_cluster != new.host_cluster),
        ("spec.workerType", old.worker_type != new.worker_type),
    ]
    .into_iter()
    .filter_map(|(field, changed)| changed.then_some(field))
    .collect()
}

fn api_server(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    const FIELD: &str = "spec.apiServer";
    for (resource, cluster) in on.clusters() {
        let text = &cluster.spec.api_server;
        let hint = "write the URL of the API server, for example https://10.0.0.1:6443";
        let problem = match url::Url::parse(text) {
            _ if text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
                "the URL has white space in it".to_owned()
            }
            Err(e) => format!(
                "{:?} is not a URL: {e}",
                text.chars().take(80).collect::<String>()
            ),
            Ok(url) if !matches!(url.scheme(), "https" | "http") => {
                format!("{:?} is not an https URL", url.scheme())
            }
            Ok(url) if url.host_str().is_none_or(str::is_empty) => "the URL has no host".to_owned(),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "the URL has a user name or password in it".to_owned()
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "the URL has a query or a fragment".to_owned()
            }
            Ok(url) => {
                if url.scheme() == "http" {
                    out.push(
                        on.warning(id, resource, FIELD, "plain http does not protect credentials")
                            .hint("use https")
                            .fix(Fix::of(resource, use_https(FIELD, text))),
                    );
                }
                continue;
            }
        };
        out.push(on.error(id, resource, FIELD, problem).hint(hint));
    }
}

/// What makes two addresses the same: host, port and path.
fn address(text: &str) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let host = url.host_str().filter(|h| !h.is_empty())?;
    let port = url.port_or_known_default()?;
    Some(format!("{host}:{port}{}", url.path().trim_end_matches('/')))
}

/// Every cluster, also those that are not to be checked.
fn all<'c>(on: &Checked<'c>) -> impl Iterator<Item = (&'c Sourced, &'c Cluster)> {
    on.of_kind(Kind::Cluster).filter_map(|s| match &s.resource {
        Resource::Cluster(r) => Some((s, &**r)),
        _ => None,
    })
}

fn api_server_taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut by_address: BTreeMap<String, Holders<'_>> = BTreeMap::new();
    for (resource, cluster) in all(on) {
        if let Some(address) = address(&cluster.spec.api_server) {
            by_address
                .entry(address)
                .or_default()
                .push((resource, "spec.apiServer"));
        }
    }
    let hint = "give each cluster its own address, or register it once";
    each_taken(id, hint, by_address, on, out);
}

/// Who has something, and by which field.
type Holders<'c> = Vec<(&'c Sourced, &'static str)>;

/// Reports everybody who has something that another has as well.
fn each_taken(
    id: &'static str,
    hint: &str,
    by: BTreeMap<String, Holders<'_>>,
    on: &Checked<'_>,
    out: &mut Vec<Finding>,
) {
    for (what, all) in by.into_iter().filter(|(_, all)| all.len() > 1) {
        for (i, (resource, field)) in all.iter().enumerate().filter(|(_, (r, _))| on.wants(&r.identity)) {
            let (other, _) = if i == 0 { all[1] } else { all[0] };
            let other = &other.identity;
            let message = format!("{what} is also that of {}", say(other, &resource.identity));
            let finding = on.error(id, resource, field, message).hint(hint);
            out.push(related(finding, [other]));
        }
    }
}

fn node_port(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    const FIELD: &str = "spec.vcluster.httpsNodePort";
    let mut by_port: BTreeMap<String, Holders<'_>> = BTreeMap::new();
    for (resource, cluster) in all(on) {
        gateway_ports(resource, cluster, &mut by_port);
        let text = cluster
            .spec
            .vcluster
            .as_ref()
            .and_then(|v| v.https_node_port.as_deref());
        let Some(text) = text.filter(|t| !t.is_empty()) else {
            continue;
        };
        let Some(number) = port(text) else {
            if on.wants(&resource.identity) {
                out.push(
                    on.error(
                        id,
                        resource,
                        FIELD,
                        format!("{text:?} is not the number of a port"),
                    )
                    .hint("write a port of the host, usually 30000 to 32767"),
                );
            }
            continue;
        };
        if !(30000..=32767).contains(&number) && on.wants(&resource.identity) {
            out.push(
                on.warning(
                    id,
                    resource,
                    FIELD,
                    format!("{number} is not usually a node port"),
                )
                .hint("use 30000 to 32767, unless the host gives out others"),
            );
        }
        let host = &cluster.spec.host_cluster;
        by_port
            .entry(format!("port {number} of host {host:?}"))
            .or_default()
            .push((resource, FIELD));
    }
    each_taken(
        id,
        "give each virtual cluster and each gateway a port of its own",
        by_port,
        on,
        out,
    );
}

/// The ports that the gateway of a physical cluster takes, where they are given.
fn gateway_ports<'c>(resource: &'c Sourced, cluster: &Cluster, by_port: &mut BTreeMap<String, Holders<'c>>) {
    const FIELDS: [(&str, &str); 2] = [
        (
            "httpNodePort",
            "spec.componentsList.gateway.additions.httpNodePort",
        ),
        (
            "httpsNodePort",
            "spec.componentsList.gateway.additions.httpsNodePort",
        ),
    ];
    let gateway = cluster.spec.components_list.gateway.as_ref();
    let Some(gateway) = gateway.filter(|_| cluster.spec.cluster_type == ClusterType::Physical) else {
        return;
    };
    for (name, field) in FIELDS {
        if let Some(number) = gateway.additions.get(name).and_then(|text| port(text)) {
            let host = resource.identity.name.as_str();
            let key = format!("port {number} of host {host:?}");
            by_port.entry(key).or_default().push((resource, field));
        }
    }
}

fn name_reserved(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, _) in on.clusters() {
        let name = resource.identity.name.as_str();
        if on.facts.reserved_clusters.contains(name) {
            out.push(
                on.error(
                    id,
                    resource,
                    "metadata.name",
                    format!("{name:?} is a name of the platform"),
                )
                .hint("give the cluster another name"),
            );
        }
    }
}

fn reserved_namespace_unknown(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        for namespace in cluster.spec.reserved_namespaces_allowed_products.keys() {
            let known = || {
                cluster
                    .spec
                    .components_list
                    .iter()
                    .map(|(_, c)| c.namespace.as_str())
            };
            if known().any(|n| n == namespace) {
                continue;
            }
            let field = format!("spec.reservedNamespacesAllowedProducts.{namespace}");
            let mut names: Vec<&str> = known().collect();
            names.sort_unstable();
            names.dedup();
            out.push(
                on.error(
                    id,
                    resource,
                    &field,
                    format!("no component runs in {namespace:?}"),
                )
                .hint(if names.is_empty() {
                    "leave it out: the cluster lists no component".to_owned()
                } else {
                    format!("components run in {}", names.join(", "))
                })
                .fix(
                    names
                        .is_empty()
                        .then(|| Fix::of(resource, Action::remove(&field))),
                ),
            );
        }
    }
}

fn namespace_shared(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        let mut by_namespace: BTreeMap<&str, Vec<(Slot, &str)>> = BTreeMap::new();
        for (slot, component) in cluster.spec.components_list.iter() {
            let all = by_namespace.entry(component.namespace.as_str()).or_default();
            all.push((slot, component.name.as_str()));
        }
        for (namespace, all) in by_namespace {
            let Some((slot, name)) = all.iter().find(|(_, name)| *name != all[0].1) else {
                continue;
            };
            let field = format!("spec.componentsList.{}.namespace", slot.field());
            let hint = "give each component a namespace of its own";
            if cluster
                .spec
                .reserved_namespaces_allowed_products
                .contains_key(namespace)
            {
                let message = format!(
                    "{name} is in namespace {namespace:?} of {}, which is opened to products",
                    all[0].1
                );
                out.push(on.error(id, resource, &field, message).hint(hint));
            } else if all.iter().any(|(slot, _)| *slot == Slot::SecretManagement) {
                let message = format!(
                    "{name} is in namespace {namespace:?} of {} beside secrets",
                    all[0].1
                );
                out.push(on.warning(id, resource, &field, message).hint(hint));
            }
        }
    }
}

fn component_namespace(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        for (slot, component) in cluster.spec.components_list.iter() {
            let namespace = component.namespace.as_str();
            let field = format!("spec.componentsList.{}.namespace", slot.field());
            let hint = format!("write for example `namespace: {}`", component.name);
            if namespace.starts_with("product-") {
                let message = format!("namespace {namespace:?} is that of a product");
                out.push(on.error(id, resource, &field, message).hint(hint));
            } else if namespace == "default" || namespace.starts_with("kube-") {
                let message = format!("namespace {namespace:?} is one of Kubernetes");
                out.push(on.warning(id, resource, &field, message).hint(hint));
            }
        }
    }
}

fn map_value(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        for (product, kinds) in &cluster.spec.product_allowed_cluster_resources {
            for (i, of) in kinds.iter().enumerate() {
                let field = format!("spec.productAllowedClusterResources.{product}[{i}]");
                let is_kind = of.kind == "*"
                    || (of.kind.starts_with(|c: char| c.is_ascii_uppercase())
                        && of.kind.bytes().all(|b| b.is_ascii_alphanumeric()));
                if !is_kind {
                    let message = format!("{:?} is no kind", of.kind);
                    out.push(
                        on.error(id, resource, &format!("{field}.kind"), message)
                            .hint("write it as manifests do, for example ClusterRole"),
                    );
                }
                let is_group = of.group.is_empty()
                    || of.group == "*"
                    || of
                        .group
                        .split('.')
                        .all(|label| check_label("group", label, MAX_LABEL).is_ok());
                if !is_group {
                    let message = format!("{:?} is no group", of.group);
                    out.push(
                        on.error(id, resource, &format!("{field}.group"), message)
                            .hint("write for example rbac.authorization.k8s.io, without the version, or \"\" for the core group"),
                    );
                }
            }
        }
    }
}
