//! From resolved runtimes to the plan of each cluster.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::Identity;
use nautes_model::kinds::cluster::Slot;
use nautes_model::name::ClusterName;
use serde_json::Value;

use super::Context;
use super::place::Place;
use super::repos;
use super::runtime::{Outcome, Resolved};
use crate::engine::{Rendered, Wave, label};
use crate::intent::{Account, Space};
use crate::object::ObjectKey;
use crate::plan::model::{ClusterPlan, HookUnit, Plan, Planned, Verdict};

/// Puts what runtimes need into the plans of their clusters. Returns the runtimes; those for which it did not
/// work out are held now.
pub(super) fn assemble<'a>(
    on: &Context<'a>,
    plan: &mut Plan,
    mut resolved: Vec<Resolved<'a>>,
) -> Vec<Resolved<'a>> {
    let mut by_cluster: BTreeMap<ClusterName, Vec<usize>> = BTreeMap::new();
    for (i, runtime) in resolved.iter().enumerate() {
        if let Some(place) = place_of(&runtime.outcome) {
            by_cluster.entry(place.name.clone()).or_default().push(i);
        }
    }
    for (cluster, members) in by_cluster {
        let mut builder = Builder::default();
        let tenancy = render_tenancy(on, &resolved, &members);
        match tenancy {
            Err(verdict) => {
                for i in members {
                    hold(&mut resolved[i], verdict.clone());
                }
                continue;
            }
            Ok(rendered) => builder.add(rendered),
        }
        for i in members {
            if let Outcome::Planned(in_place) = &mut resolved[i].outcome {
                builder.add(std::mem::take(&mut in_place.rendered));
                builder.plan.pipelines.extend(in_place.pipelines.take());
            }
        }
        let (planned, conflicts) = builder.finish();
        for runtime in &mut resolved {
            if let Some(key) = conflicts.get(&runtime.identity) {
                runtime.verdict =
                    Verdict::failed("ObjectConflict", format!("another runtime plans another {key}"));
            }
        }
        plan.clusters.insert(cluster, planned);
    }
    resolved
}

fn place_of<'r, 'a>(outcome: &'r Outcome<'a>) -> Option<&'r Place<'a>> {
    match outcome {
        Outcome::Held => None,
        Outcome::Detached { place } => Some(place),
        Outcome::Planned(in_place) => Some(&in_place.place),
    }
}

fn hold(runtime: &mut Resolved<'_>, verdict: Verdict) {
    runtime.verdict = verdict;
    runtime.outcome = Outcome::Held;
}

/// Namespaces and accounts of all runtimes on one cluster.
fn render_tenancy(
    on: &Context<'_>,
    resolved: &[Resolved<'_>],
    members: &[usize],
) -> Result<Rendered, Verdict> {
    let mut owners: BTreeMap<_, BTreeSet<Identity>> = BTreeMap::new();
    let mut accounts = Vec::new();
    let mut first: Option<&Place<'_>> = None;
    for runtime in members.iter().map(|i| &resolved[*i]) {
        let Some(place) = place_of(&runtime.outcome) else {
            continue;
        };
        first = first.or(Some(place));
        for namespace in &place.namespaces {
            owners
                .entry(namespace.clone())
                .or_default()
                .insert(runtime.identity.clone());
        }
        accounts.push(Account {
            product: on.product.clone(),
            name: place.account.clone(),
            namespaces: place.namespaces.iter().cloned().collect(),
            owners: BTreeSet::from([runtime.identity.clone()]),
        });
    }
    accounts.sort();
    let people = repos::group(on, on.product);
    let spaces: Vec<Space> = owners
        .into_iter()
        .map(|(namespace, owners)| Space {
            product: on.product.clone(),
            namespace,
            people: people.clone(),
            owners,
        })
        .collect();
    let missing = || Verdict::failed("EngineMissing", "there is no engine that separates products");
    let place = first.ok_or_else(missing)?;
    let engine = place
        .component(Slot::MultiTenant)
        .and_then(|component| on.engines.tenancy(&component.name))
        .ok_or_else(missing)?;
    let at = place.on(Slot::MultiTenant).ok_or_else(missing)?;
    engine
        .render(at, &spaces, &accounts)
        .map_err(|error| Verdict::failed("Unsupported", error.to_string()))
}

/// Collects what engines give and puts it in order.
#[derive(Default)]
struct Builder {
    plan: ClusterPlan,
    objects: BTreeMap<ObjectKey, (Wave, Planned)>,
    hooks: BTreeMap<Identity, HookUnit>,
    conflicts: BTreeMap<Identity, ObjectKey>,
}

impl Builder {
    fn add(&mut self, rendered: Rendered) {
        let Rendered {
            objects,
            grants,
            mounts: _,
            deploys,
            hooks,
        } = rendered;
        for (wave, planned) in objects {
            self.add_object(wave, planned);
        }
        self.plan.grants.extend(grants);
        self.plan.deploys.extend(deploys);
        for hook in hooks {
            let unit = self
                .hooks
                .entry(hook.code_repo.clone())
                .or_insert_with(|| HookUnit {
                    code_repo: hook.code_repo.clone(),
                    events: BTreeSet::new(),
                    owners: BTreeSet::new(),
                });
            unit.events.extend(hook.events);
            unit.owners.extend(hook.owners);
        }
    }

    /// Two runtimes may want the same object, then it is of both. If they want it differently, the first by
    /// name has it and the other is told.
    fn add_object(&mut self, wave: Wave, planned: Planned) {
        let Ok(key) = ObjectKey::of(&planned.object) else {
            return;
        };
        let Some((at, have)) = self.objects.get_mut(&key) else {
            self.objects.insert(key, (wave, planned));
            return;
        };
        if content(have) == content(&planned) {
            *at = (*at).min(wave);
            have.owners.extend(planned.owners);
            return;
        }
        let loser = if planned.owners < have.owners {
            std::mem::replace(have, planned)
        } else {
            planned
        };
        for owner in loser.owners {
            if !have.owners.contains(&owner) {
                self.conflicts.insert(owner, key.clone());
            }
        }
    }

    fn finish(mut self) -> (ClusterPlan, BTreeMap<Identity, ObjectKey>) {
        let mut waves: BTreeMap<Wave, Vec<Planned>> = BTreeMap::new();
        for (wave, mut planned) in self.objects.into_values() {
            put_owners(&mut planned);
            waves.entry(wave).or_default().push(planned);
        }
        self.plan.waves = waves.into_values().collect();
        self.plan.hooks = self.hooks.into_values().collect();
        self.plan.deploys.sort();
        self.plan.deploys.dedup();
        self.plan.pipelines.sort_by(|a, b| a.runtime.cmp(&b.runtime));
        (self.plan, self.conflicts)
    }
}

/// What an object is, but for on whose behalf.
fn content(planned: &Planned) -> (Value, &BTreeMap<String, crate::plan::SecretMaterial>) {
    let mut object = planned.object.clone();
    if let Some(Value::Object(annotations)) = object.pointer_mut("/metadata/annotations") {
        annotations.remove(label::OWNERS);
    }
    (object, &planned.secrets)
}

fn put_owners(planned: &mut Planned) {
    let owners: Vec<String> = planned.owners.iter().map(ToString::to_string).collect();
    if let Some(metadata) = planned.object.get_mut("metadata").filter(|m| m.is_object()) {
        metadata["annotations"][label::OWNERS] = Value::String(owners.join(","));
    }
}
