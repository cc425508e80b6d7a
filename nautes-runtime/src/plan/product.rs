//! Planning one product.
//!
//! # Flow
//! Each runtime is resolved: environment, cluster, engines, namespaces, repositories. What comes out whole is
//! rendered by the engines of its cluster; per cluster the objects are put into waves.
//!
//! # Guarantees
//! * The same declarations and inputs in any order give the same plan; nothing fails as a whole.
//! * A resource that is unknown, that waits, or whose declaration is broken is held: nothing of it is changed or
//!   removed. A part of a runtime that it may not have is left out and named, the rest goes on.
//! * A known loss of authority is never held: the runtime is detached, its keys and rights are not planned.
//! * No object lies in a namespace that another holds. Of several products that declare a free namespace, the
//!   first by name gets it; whoever has it keeps it.

mod assemble;
mod place;
mod repos;
mod runtime;

use std::collections::BTreeSet;

use nautes_model::name::ProductName;
use nautes_model::secret::SecretPath;
use nautes_model::{Identity, Kind, Resource};

use self::runtime::Outcome;
use super::inputs::Inputs;
use super::judged::{Judged, reason};
use super::model::{Held, Plan, Verdict, VerdictState};
use super::verdict;
use crate::engine::Engines;

/// What planning of a product looks at.
#[derive(Clone, Copy)]
struct Context<'a> {
    product: &'a ProductName,
    judged: &'a Judged<'a>,
    inputs: &'a Inputs,
    engines: &'a Engines,
}

/// Plans what shall exist for one product.
///
/// A product that is not registered, as far as the tenant could be read, gets an empty plan: everything that it
/// had is removed. One that is registered and could not be read is held as a whole.
#[must_use]
pub fn plan_product(product: &ProductName, judged: &Judged<'_>, inputs: &Inputs, engines: &Engines) -> Plan {
    let on = Context {
        product,
        judged,
        inputs,
        engines,
    };
    let mut plan = Plan::default();
    let Some(scope) = judged.scopes().products.get(product) else {
        hold_unread(&on, &mut plan);
        return plan;
    };
    let mut resolved = Vec::new();
    for sourced in scope.resources.iter() {
        let identity = sourced.identity.clone();
        if matches!(
            sourced.resource,
            Resource::DeploymentRuntime(_) | Resource::ProjectPipelineRuntime(_)
        ) {
            resolved.push(runtime::resolve(&on, sourced));
        } else {
            plan.verdicts
                .insert(identity.clone(), verdict::of_resource(judged, &identity));
        }
    }
    for (identity, why) in judged.unread_of(Some(product)) {
        hold(&mut plan, identity, why);
        plan.verdicts.insert(identity.clone(), Verdict::unknown(why));
    }
    for runtime in assemble::assemble(&on, &mut plan, resolved) {
        match runtime.outcome {
            Outcome::Held => hold(&mut plan, &runtime.identity, &runtime.verdict.message),
            Outcome::Detached { .. } => {
                let reason = runtime.verdict.message.clone();
                plan.detached.insert(runtime.identity.clone(), Held { reason });
            }
            Outcome::Planned(_) => {
                if let Some(reason) = runtime.detached {
                    plan.detached.insert(runtime.identity.clone(), Held { reason });
                }
            }
        }
        plan.verdicts.insert(runtime.identity, runtime.verdict);
    }
    if !plan.held.is_empty() || !scope.broken.is_empty() {
        plan.keep_grants_of = Some(permitted(&on));
    }
    finish(&on, &mut plan);
    plan
}

fn hold(plan: &mut Plan, identity: &Identity, why: &str) {
    let reason = why.to_owned();
    plan.held.insert(identity.clone(), Held { reason });
}

/// Holds a product that may exist and could not be read.
fn hold_unread(on: &Context<'_>, plan: &mut Plan) {
    let Some(identity) = verdict::product_identity(on.product) else {
        return;
    };
    let tenant = &on.judged.scopes().tenant;
    let file = format!("/{}.yaml", on.product);
    let broken = tenant
        .broken
        .iter()
        .find(|b| b.identities.contains(&identity) || b.identities.is_empty() && b.path.ends_with(&file));
    let why = if let Some(file) = broken {
        reason(file)
    } else if tenant.resources.get(&identity).is_some() {
        "its repository cannot be read now".to_owned()
    } else {
        return;
    };
    hold(plan, &identity, &why);
    let mut verdict = Verdict::unknown(why);
    verdict.revision = on.judged.revision(&identity);
    plan.verdicts.insert(identity, verdict);
    plan.keep_grants_of = Some(permitted(on));
}

/// Adds the verdict of the product and the revisions.
fn finish(on: &Context<'_>, plan: &mut Plan) {
    let broken = on.judged.scopes().products.get(on.product).and_then(|scope| {
        let new = scope.broken.iter().filter(|b| b.identities.is_empty());
        new.map(reason).min()
    });
    if let Some((identity, mut summary)) = verdict::of_product(on.judged, on.product, &plan.verdicts) {
        if let Some(why) = broken
            && matches!(summary.state, VerdictState::Ready | VerdictState::Pending)
        {
            summary = Verdict::failed("ManifestBroken", why);
        }
        plan.verdicts.insert(identity, summary);
    }
    for (identity, verdict) in &mut plan.verdicts {
        verdict.revision = on.judged.revision(identity);
    }
}

/// The secrets that accounts of the product may have at all, now or as far as nobody can tell otherwise.
fn permitted(on: &Context<'_>) -> BTreeSet<SecretPath> {
    let access = &on.judged.on.access;
    let mut repos = access.repos_of(on.product, None);
    let mut projects = BTreeSet::new();
    if let Some(scope) = on.judged.scopes().products.get(on.product) {
        projects.extend(scope.projects().map(|(s, _)| s.identity.name.clone()));
    }
    let unread = on.judged.unread_of(Some(on.product));
    projects.extend(
        unread
            .filter(|(i, _)| i.kind == Kind::Project)
            .map(|(i, _)| i.name.clone()),
    );
    for project in &projects {
        for (repo, level) in access.repos_of(on.product, Some(project)) {
            let have = repos.entry(repo).or_insert(level);
            *have = level.max(*have);
        }
    }
    let mut secrets: BTreeSet<SecretPath> = repos
        .into_iter()
        .flat_map(|(repo, level)| repos::paths_up_to(on, &repo, level))
        .collect();
    secrets.extend(repos::uncertain(on));
    secrets
}
