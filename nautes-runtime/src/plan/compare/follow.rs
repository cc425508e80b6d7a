//! What follows from a change, in each system.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use nautes_model::kinds::Retention;
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::{Identity, Kind, Resource};
use nautes_validate::Level;
use nautes_validate::access::Grantee;

use super::{Both, Done, Step, System};
use crate::object::ObjectKey;
use crate::plan::judged::Judged;
use crate::plan::model::{ClusterPlan, Plan, Planned, VerdictState};

/// Compares the plans of a product.
pub(super) fn product(product: &ProductName, old: &Plan, new: &Plan, steps: &mut BTreeSet<Step>) {
    let nothing = ClusterPlan::default();
    let clusters: BTreeSet<&ClusterName> = old.clusters.keys().chain(new.clusters.keys()).collect();
    for cluster in clusters {
        let of = |plan: &'_ Plan| {
            plan.clusters
                .get(cluster)
                .cloned()
                .unwrap_or_else(|| nothing.clone())
        };
        let mut side = Sides {
            product,
            cluster,
            old: &of(old),
            new: &of(new),
            plan: new,
            steps,
        };
        side.objects();
        side.units();
        side.grants();
    }
    verdicts(product, old, new, steps);
}

/// Says of which resources is told something else than before.
fn verdicts(product: &ProductName, old: &Plan, new: &Plan, steps: &mut BTreeSet<Step>) {
    for (identity, verdict) in &new.verdicts {
        let action = match verdict.state {
            VerdictState::Ready => continue,
            VerdictState::Pending => Done::Wait,
            VerdictState::Failed => Done::Fail,
            VerdictState::Unknown => Done::Hold,
        };
        let was = old.verdicts.get(identity);
        if identity.kind == Kind::Product
            || was.is_some_and(|w| w.state == verdict.state && w.message == verdict.message)
        {
            continue;
        }
        steps.insert(Step {
            product: Some(product.clone()),
            system: System::Platform,
            action,
            what: identity.to_string(),
            because: BTreeSet::from([identity.to_string()]),
            message: verdict.message.clone(),
        });
    }
}

/// Both plans of a product in one cluster.
struct Sides<'a> {
    product: &'a ProductName,
    cluster: &'a ClusterName,
    old: &'a ClusterPlan,
    new: &'a ClusterPlan,
    plan: &'a Plan,
    steps: &'a mut BTreeSet<Step>,
}

impl Sides<'_> {
    fn add(
        &mut self,
        system: System,
        action: Done,
        what: String,
        owners: &BTreeSet<Identity>,
        message: &str,
    ) {
        self.steps.insert(Step {
            product: Some(self.product.clone()),
            system,
            action,
            what,
            because: owners.iter().map(ToString::to_string).collect(),
            message: message.to_owned(),
        });
    }

    fn here(&self) -> System {
        System::Cluster(self.cluster.clone())
    }

    fn objects(&mut self) {
        let (before, after) = (index(self.old), index(self.new));
        for (key, planned) in &after {
            let action = match before.get(key) {
                None => Done::Make,
                Some(was) if was == planned => continue,
                Some(_) => Done::Change,
            };
            self.add(
                self.here(),
                action,
                key.to_string(),
                &planned.owners,
                &materials(planned),
            );
        }
        for (key, planned) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
            // What somebody who is held still owns stays.
            if planned.owners.iter().any(|owner| self.plan.holds(owner)) {
                let why = "it stays until it is known whether it is still needed";
                self.add(self.here(), Done::Hold, key.to_string(), &planned.owners, why);
            } else {
                self.add(self.here(), Done::Remove, key.to_string(), &planned.owners, "");
            }
        }
    }

    /// Deployments, pipelines and hooks.
    fn units(&mut self) {
        let deploys = |plan: &ClusterPlan| -> BTreeMap<Identity, String> {
            let say = |u: &crate::plan::DeployUnit| {
                format!(
                    "deployment of {} at {} in {:?} into {}",
                    u.code_repo,
                    u.target_revision,
                    u.path,
                    u.namespaces.join(", ")
                )
            };
            plan.deploys.iter().map(|u| (u.runtime.clone(), say(u))).collect()
        };
        self.each(&self.here(), deploys(self.old), &deploys(self.new));
        let pipelines = |plan: &ClusterPlan| -> BTreeMap<Identity, String> {
            let say = |p: &crate::intent::PipelineSpace| {
                let names: Vec<&str> = p.pipelines.iter().map(|p| p.name.as_str()).collect();
                format!(
                    "pipelines {} of {} in {}",
                    names.join(", "),
                    p.pipeline_source,
                    p.namespace
                )
            };
            plan.pipelines
                .iter()
                .map(|p| (p.runtime.clone(), say(p)))
                .collect()
        };
        self.each(&self.here(), pipelines(self.old), &pipelines(self.new));
        let hooks = |plan: &ClusterPlan| -> BTreeMap<Identity, String> {
            let say = |h: &crate::plan::HookUnit| {
                let events: Vec<&str> = h.events.iter().map(String::as_str).collect();
                format!("hook of {} for {}", h.code_repo, events.join(", "))
            };
            plan.hooks.iter().map(|h| (h.code_repo.clone(), say(h))).collect()
        };
        self.each(&System::Forge, hooks(self.old), &hooks(self.new));
    }

    fn each(
        &mut self,
        system: &System,
        before: BTreeMap<Identity, String>,
        after: &BTreeMap<Identity, String>,
    ) {
        for (of, what) in after {
            let action = match before.get(of) {
                None => Done::Make,
                Some(was) if was == what => continue,
                Some(_) => Done::Change,
            };
            let was = before
                .get(of)
                .map_or_else(String::new, |was| format!("was: {was}"));
            self.add(
                system.clone(),
                action,
                what.clone(),
                &BTreeSet::from([of.clone()]),
                &was,
            );
        }
        for (of, what) in before.into_iter().filter(|(of, _)| !after.contains_key(of)) {
            let action = if self.plan.holds(&of) {
                Done::Hold
            } else {
                Done::Remove
            };
            self.add(system.clone(), action, what, &BTreeSet::from([of]), "");
        }
    }

    fn grants(&mut self) {
        let wanted = self.plan.wanted_grants(self.cluster, &self.old.grants);
        let say = |g: &nautes_model::secret::Grant| {
            format!("{} may {:?} {}", g.principal, g.level, g.secret).to_lowercase()
        };
        let given: Vec<String> = wanted.difference(&self.old.grants).map(say).collect();
        let taken: Vec<String> = self.old.grants.difference(&wanted).map(say).collect();
        for what in given {
            self.add(System::SecretStore, Done::Make, what, &BTreeSet::new(), "");
        }
        for what in taken {
            self.add(System::SecretStore, Done::Remove, what, &BTreeSet::new(), "");
        }
    }
}

/// The secrets of an object, as places and digests.
fn materials(planned: &Planned) -> String {
    let all = planned.secrets.values().map(|material| {
        let digest = material
            .digest
            .as_ref()
            .map_or_else(String::new, |d| format!(" (digest {d})"));
        format!("with {}{digest}", material.reference)
    });
    all.collect::<Vec<_>>().join(", ")
}

fn index(plan: &ClusterPlan) -> BTreeMap<ObjectKey, &Planned> {
    let keyed = plan
        .objects()
        .filter_map(|planned| Some((ObjectKey::of(&planned.object).ok()?, planned)));
    keyed.collect()
}

/// Groups and repositories.
pub(super) fn forge(changes: &[Both<'_>], steps: &mut BTreeSet<Step>) {
    for change in changes {
        let Some(declared) = change.now.or(change.was) else {
            continue;
        };
        let (product, what, retention) = match &declared.resource {
            Resource::Product(r) => {
                let product = ProductName::new(change.identity.name.as_str()).ok();
                let path = if r.spec.name.is_empty() {
                    change.identity.name.as_str()
                } else {
                    r.spec.name.as_str()
                };
                (product, format!("group {path}"), r.spec.retention)
            }
            Resource::CodeRepo(r) => {
                let name = if r.spec.repo_name.is_empty() {
                    change.identity.name.as_str()
                } else {
                    r.spec.repo_name.as_str()
                };
                let product = change.identity.product.clone();
                let group = product.as_ref().map_or_else(String::new, |p| format!("{p}/"));
                (product, format!("repository {group}{name}"), r.spec.retention)
            }
            _ => continue,
        };
        let message = match (change.action(), retention.unwrap_or_default()) {
            (Done::Remove, Retention::Archive) => "it is archived: kept, read-only",
            (Done::Remove, Retention::Delete) => "it is deleted with its history",
            _ => "",
        };
        steps.insert(Step {
            product,
            system: System::Forge,
            action: change.action(),
            what,
            because: BTreeSet::from([change.identity.to_string()]),
            message: message.to_owned(),
        });
    }
}

/// Who may use which repository, and because of what.
type Rights = BTreeMap<(Identity, Grantee), (Level, BTreeSet<String>)>;

/// Rights on repositories, which become deploy keys.
pub(super) fn access(old: &Judged<'_>, new: &Judged<'_>, steps: &mut BTreeSet<Step>) {
    let (before, after) = (rights(old), rights(new));
    let mut add = |(repo, who): &(Identity, Grantee),
                   action,
                   level: Level,
                   because: &BTreeSet<String>,
                   message: String| {
        let project = who.project.as_ref().map_or_else(String::new, |p| format!("/{p}"));
        steps.insert(Step {
            product: Some(who.product.clone()),
            system: System::Forge,
            action,
            what: format!("{}{project} may {level} {repo}", who.product),
            because: because.clone(),
            message,
        });
    };
    for (key, (level, because)) in &after {
        match before.get(key) {
            None => add(key, Done::Make, *level, because, String::new()),
            Some((was, _)) if was != level => add(key, Done::Change, *level, because, was_level(was)),
            Some(_) => {}
        }
    }
    for (key, (level, because)) in before.iter().filter(|(key, _)| !after.contains_key(*key)) {
        add(key, Done::Remove, *level, because, String::new());
    }
}

fn was_level(level: &impl Display) -> String {
    format!("was: {level}")
}

fn rights(judged: &Judged<'_>) -> Rights {
    let mut all = Rights::new();
    let repos = judged
        .scopes()
        .iter()
        .filter(|s| s.identity.kind == Kind::CodeRepo);
    for repo in repos {
        for (who, level, because) in judged.on.access.grantees(&repo.identity) {
            let reasons = because.iter().map(|b| match b {
                nautes_validate::Because::Owner(project) => project.to_string(),
                nautes_validate::Because::Product { binding, .. }
                | nautes_validate::Because::Project { binding, .. } => binding.to_string(),
            });
            all.insert((repo.identity.clone(), who.clone()), (level, reasons.collect()));
        }
    }
    all
}
