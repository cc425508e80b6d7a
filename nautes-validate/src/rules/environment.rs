//! Environments.

use std::collections::BTreeMap;

use nautes_model::kinds::cluster::ClusterUsage;
use nautes_model::{Finding, Identity, Kind, Resource, Sourced};

use super::{Standard, related, say, say_all};
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "EnvironmentClusterTaken",
        summary: "no two environments of a product are on the same cluster",
        why: "an environment is the part of a cluster that a product has; two would share everything",
        check: taken,
    },
    Standard {
        id: "EnvironmentClusterUsage",
        summary: "the cluster of an environment is a worker",
        why: "a host carries virtual clusters only, never runtimes",
        check: usage,
    },
    Standard {
        id: "EnvironmentClusterImmutable",
        summary: "the cluster of an environment stays while runtimes use the environment",
        why: "what runs there would be left behind",
        check: immutable,
    },
];

fn taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut by_cluster: BTreeMap<(_, &Identity), Vec<&Sourced>> = BTreeMap::new();
    for resource in on.of_kind(Kind::Environment) {
        if let Some(cluster) = on.found(&resource.identity, "spec.cluster") {
            let key = (&resource.identity.product, cluster);
            by_cluster.entry(key).or_default().push(resource);
        }
    }
    for ((_, cluster), all) in by_cluster.into_iter().filter(|(_, all)| all.len() > 1) {
        for (i, resource) in all.iter().enumerate().filter(|(_, r)| on.wants(&r.identity)) {
            let other = &if i == 0 { all[1] } else { all[0] }.identity;
            let message = format!(
                "{} is already that of {}",
                say(cluster, &resource.identity),
                say(other, &resource.identity)
            );
            let finding = on
                .error(id, resource, "spec.cluster", message)
                .hint("give each environment a cluster of its own, for example a virtual one");
            out.push(related(finding, [other]));
        }
    }
}

fn usage(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, _) in on.environments() {
        let cluster = on
            .found(&resource.identity, "spec.cluster")
            .and_then(|c| on.cluster(c));
        if let Some((cluster, spec)) = cluster
            && spec.spec.usage == ClusterUsage::Host
        {
            let message = format!("{} is a host", say(&cluster.identity, &resource.identity));
            let finding = on
                .error(id, resource, "spec.cluster", message)
                .hint("name a cluster with `usage: worker`, for example a virtual one on that host");
            out.push(related(finding, [&cluster.identity]));
        }
    }
}

fn immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let Some(before) = on.before else { return };
    for (resource, now) in on.environments() {
        let Some(Resource::Environment(old)) = on.changed_from(resource).map(|s| &s.resource) else {
            continue;
        };
        if old.spec.cluster == now.spec.cluster {
            continue;
        }
        let stay: Vec<Identity> = on
            .graph
            .direct_dependents(&resource.identity)
            .into_iter()
            .filter(|runtime| {
                before.found(runtime, "spec.destination.environment") == Some(&resource.identity)
            })
            .collect();
        if !stay.is_empty() {
            let message = format!(
                "the cluster changes from {:?} to {:?} under {}",
                old.spec.cluster,
                now.spec.cluster,
                say_all(&stay, &resource.identity)
            );
            let finding = on
                .error(id, resource, "spec.cluster", message)
                .hint("add an environment on the other cluster and move the runtimes to it");
            out.push(related(finding, &stay));
        }
    }
}
