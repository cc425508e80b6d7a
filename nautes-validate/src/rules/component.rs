//! The components of clusters.

use std::collections::BTreeSet;

use nautes_model::fix::Action;
use nautes_model::kinds::cluster::{ClusterSpec, ClusterUsage, Slot, WorkerType};
use nautes_model::{Finding, Identity};

use super::{Standard, meant, related, say, way_out};
use crate::catalogue::Property;
use crate::rule::{Checked, RuntimeUse};

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "ClusterComponentMissing",
        summary: "a cluster fills the slots that one of its shape is expected to have",
        why: "an empty slot stops only what needs it, so it is a warning, unless the catalogue of the tenant requires the slot; a runtime that needs it is told by RuntimeComponentMissing",
        check: missing,
    },
    Standard {
        id: "ClusterComponentUnknown",
        summary: "a component is one that is known",
        why: "nothing can be made of a component that nobody knows",
        check: unknown,
    },
    Standard {
        id: "ClusterComponentSlot",
        summary: "a component fits the slot that it fills",
        why: "a gateway cannot deploy, and a pipeline engine lets no traffic in",
        check: slot,
    },
    Standard {
        id: "ClusterComponentProperty",
        summary: "the settings of a component are given and well-formed",
        why: "the component is made from them; a host that is not given is derived from the cluster's domain",
        check: property,
    },
    Standard {
        id: "ClusterEngineMissing",
        summary: "a component has an engine in this installation",
        why: "the cluster is kept as declared; what needs the component waits until there is an engine for it",
        check: engine,
    },
    Standard {
        id: "RuntimeComponentMissing",
        summary: "the cluster of a runtime has the components that the runtime needs",
        why: "deployments need a deployment engine, pipelines a pipeline engine and something that hears their events",
        check: runtime,
    },
];

fn path(slot: Slot, rest: &str) -> String {
    format!("spec.componentsList.{}{rest}", slot.field())
}

fn missing(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        let Some(shape) = on.catalogue.shape_of(&cluster.spec) else {
            continue;
        };
        let absent = |required: bool| -> Vec<&str> {
            let slots = shape.slots.iter();
            slots
                .filter(|slot| shape.required.contains(slot) == required)
                .filter(|slot| cluster.spec.components_list.get(**slot).is_none())
                .map(|slot| slot.field())
                .collect()
        };
        let (must, should) = (absent(true), absent(false));
        let field = "spec.componentsList";
        if !must.is_empty() {
            let message = format!("the catalogue of the tenant requires {}", must.join(", "));
            out.push(
                on.error(id, resource, field, message)
                    .hint("name a component for each"),
            );
        }
        if !should.is_empty() {
            let message = format!("no component fills {}", should.join(", "));
            out.push(
                on.warning(id, resource, field, message)
                    .hint("name a component for each that something will need"),
            );
        }
    }
}

fn unknown(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        for (slot, component) in cluster.spec.components_list.iter() {
            let name = component.name.as_str();
            let known = &on.catalogue.components;
            if known.contains_key(name) || on.facts.engines.contains(name) {
                continue;
            }
            let words: BTreeSet<&str> = known
                .keys()
                .map(|name| &**name)
                .chain(on.facts.engines.iter().map(String::as_str))
                .collect();
            let field = path(slot, ".name");
            let out_of_it = meant(
                name,
                words.iter().copied(),
                |near| Action::set(&field, near),
                || {
                    let fitting = known
                        .values()
                        .filter(|c| c.slots.contains(&slot))
                        .map(|c| &*c.name);
                    format!(
                        "for {} there are {}",
                        slot.field(),
                        fitting.collect::<Vec<_>>().join(", ")
                    )
                },
            );
            let message = format!("there is no component {name:?}");
            let finding = way_out(on.error(id, resource, &field, message), resource, out_of_it);
            out.push(super::unless_unreadable(on, finding));
        }
    }
}

fn slot(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        for (slot, component) in cluster.spec.components_list.iter() {
            let Some(info) = on.catalogue.components.get(component.name.as_str()) else {
                continue;
            };
            if !info.slots.contains(&slot) {
                let fits: Vec<&str> = info.slots.iter().map(|s| s.field()).collect();
                let message = format!("{} is no component for {}", component.name, slot.field());
                let edit = match &*info.slots {
                    [only] if cluster.spec.components_list.get(*only).is_none() => {
                        Some(Action::rename(path(slot, ""), only.field()))
                    }
                    _ => None,
                };
                let hint = format!("put it under {}", fits.join(" or "));
                let finding = on.error(id, resource, &path(slot, ".name"), message);
                out.push(way_out(finding, resource, (hint, edit)));
            }
        }
    }
}

fn property(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        for (slot, component) in cluster.spec.components_list.iter() {
            let Some(info) = on.catalogue.components.get(component.name.as_str()) else {
                continue;
            };
            for property in &info.properties {
                let field = path(slot, &format!(".additions.{}", property.name));
                match component.additions.get(&*property.name) {
                    Some(value) => {
                        if let Some(hint) = misfit(property, value) {
                            let shown: String = value.chars().take(80).collect();
                            let message = format!("{shown:?} does not fit");
                            out.push(on.error(id, resource, &field, message).hint(hint));
                        }
                    }
                    None if property.required && property.default.is_none() && !property.derived => {
                        let message = format!("{} has no {}", info.name, property.name);
                        out.push(
                            on.error(id, resource, &path(slot, ".additions"), message)
                                .hint(format!("write `{}:`", property.name)),
                        );
                    }
                    None if property.required
                        && property.default.is_none()
                        && cluster.spec.primary_domain.is_empty()
                        && on.facts.engines.contains(&component.name) =>
                    {
                        let message =
                            format!("{} has no {} and the cluster no domain", info.name, property.name);
                        out.push(
                            on.warning(id, resource, &path(slot, ".additions"), message)
                                .hint(format!(
                                    "write `{}:`, or `primaryDomain:` of the cluster",
                                    property.name
                                )),
                        );
                    }
                    None => {}
                }
            }
        }
    }
}

/// Says what a value should be that does not fit.
fn misfit(property: &Property, value: &str) -> Option<String> {
    if !property.shape.fits(value) {
        return Some(format!("write {}", property.shape.describe()));
    }
    let pattern = property.pattern.as_ref().filter(|p| !p.fits(value))?;
    Some(format!("write one that matches {}", pattern.as_str()))
}

fn engine(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, cluster) in on.clusters() {
        for (slot, component) in cluster.spec.components_list.iter() {
            let name = &component.name;
            let known = on.catalogue.components.contains_key(name.as_str());
            if !known || on.facts.engines.contains(name) {
                continue;
            }
            let others: Vec<&str> = on
                .facts
                .catalogue
                .components
                .values()
                .filter(|c| c.slots.contains(&slot) && on.facts.engines.contains(&*c.name))
                .map(|c| &*c.name)
                .collect();
            let message = format!("this installation has no engine for {name}");
            let finding = on.warning(id, resource, &path(slot, ".name"), message);
            out.push(if others.is_empty() {
                finding.hint("what needs it waits; the rest of the cluster works")
            } else {
                finding.hint(format!("it has one for {}", others.join(", ")))
            });
        }
    }
}

fn runtime(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for runtime in on.runtimes().iter().filter(|r| on.wants(&r.sourced.identity)) {
        let Some((cluster, spec)) = runtime.cluster else {
            continue;
        };
        for slot in absent(runtime, &spec.spec) {
            let message = format!(
                "{} has no {} component",
                say(&cluster.identity, &runtime.sourced.identity),
                slot.field()
            );
            let finding = on
                .error(id, runtime.sourced, "spec.destination.environment", message)
                .hint(format!("add `{}` to the components of the cluster", slot.field()));
            let others: [&Identity; 1] = [&cluster.identity];
            out.push(related(finding, others));
        }
    }
}

/// The slots that a runtime needs and its cluster does not fill. A cluster of the wrong type is another rule's.
fn absent(runtime: &RuntimeUse<'_>, cluster: &ClusterSpec) -> Vec<Slot> {
    let needs: &[Slot] = match (cluster.usage, cluster.worker_type, runtime.is_deployment()) {
        (ClusterUsage::Worker, Some(WorkerType::Deployment), true) => &[Slot::Deployment],
        (ClusterUsage::Worker, Some(WorkerType::Pipeline), false) => &[Slot::Pipeline, Slot::EventListener],
        _ => &[],
    };
    needs
        .iter()
        .copied()
        .filter(|slot| cluster.components_list.get(*slot).is_none())
        .collect()
}
