//! An engine of one's own: deployments by Flux, as its objects `GitRepository` and `Kustomization`.
//!
//! `cargo run -p nautes-examples --example custom_engine`
#![allow(clippy::print_stdout, reason = "an example talks")]

use std::collections::BTreeSet;
use std::sync::Arc;

use nautes_model::kinds::cluster::Slot;
use nautes_model::{Resource, Scopes};
use nautes_runtime::engine::{DeploymentEngine, Engines, On, Rendered, Unsupported, Wave, label};
use nautes_runtime::intent::Application;
use nautes_runtime::plan::{Inputs, Judged, Planned, check_plan, plan_product, text_with_objects};
use nautes_validate::RuleSet;
use nautes_validate::catalogue::ComponentInfo;
use serde_json::{Value, json};

/// Deploys by Flux, which follows the repository from within the cluster.
#[derive(Debug)]
pub(crate) struct Flux;

impl DeploymentEngine for Flux {
    fn name(&self) -> &'static str {
        "flux"
    }

    fn render(&self, _on: On<'_>, application: &Application) -> Result<Rendered, Unsupported> {
        let Some(namespace) = application.namespaces.first() else {
            return Err(Unsupported {
                engine: self.name(),
                message: "a deployment without a namespace; declare one".to_owned(),
            });
        };
        let owners = BTreeSet::from([application.runtime.clone()]);
        let object = |api: &str, kind: &str, spec: Value| {
            let name = application.runtime.name.as_str();
            let mut object = label::frame(
                api,
                kind,
                Some(namespace.as_str()),
                name,
                &application.product,
                &owners,
            );
            object["spec"] = spec;
            Planned::plain(object, &owners)
        };
        let source = json!({
            "interval": "1m",
            "url": application.url,
            "ref": { "branch": application.target_revision },
        });
        let kustomization = json!({
            "interval": "1m",
            "path": application.path,
            "prune": true,
            "serviceAccountName": application.account.to_string(),
            "sourceRef": { "kind": "GitRepository", "name": application.runtime.name.as_str() },
            "targetNamespace": namespace.as_str(),
        });
        let mut rendered = Rendered::default();
        let api = "source.toolkit.fluxcd.io/v1";
        rendered.add(Wave::Workloads, object(api, "GitRepository", source));
        let api = "kustomize.toolkit.fluxcd.io/v1";
        rendered.add(Wave::Workloads, object(api, "Kustomization", kustomization));
        Ok(rendered)
    }
}

fn main() -> anyhow::Result<()> {
    println!("{}", plan()?);
    Ok(())
}

/// Plans the example product for a cluster that names the engine.
pub(crate) fn plan() -> anyhow::Result<String> {
    let scopes = with_flux(&nautes_examples::shop()?);
    let rules = rules();
    let engines = Engines::bundled().with_deployment(Arc::new(Flux));
    let product = "shop".parse()?;
    let mut plan = plan_product(
        &product,
        &Judged::new(&scopes, &rules),
        &Inputs::offline(),
        &engines,
    );
    let faults = check_plan(&product, &plan);
    anyhow::ensure!(faults.is_empty(), "{faults:?}");
    // Only what is new is shown: the cluster that names the engine.
    plan.verdicts.clear();
    plan.clusters.retain(|cluster, _| cluster.as_str() == "staging");
    Ok(text_with_objects(&plan))
}

/// The standard rules, which are told of the component and that there is an engine for it.
fn rules() -> RuleSet {
    let rules = RuleSet::standard();
    let mut facts = rules.facts().clone();
    let flux = ComponentInfo {
        name: "flux".into(),
        slots: vec![Slot::Deployment].into(),
        namespace: "flux-system".into(),
        properties: Vec::new(),
    };
    facts.catalogue.components.insert("flux".into(), flux);
    facts.engines.insert("flux".to_owned());
    rules.with_facts(facts)
}

/// Puts the engine into the cluster `staging`.
fn with_flux(scopes: &Scopes) -> Scopes {
    let mut changed = scopes.clone();
    for sourced in scopes.iter() {
        let mut sourced = (**sourced).clone();
        let Resource::Cluster(cluster) = &mut sourced.resource else {
            continue;
        };
        if sourced.identity.name.as_str() != "staging" {
            continue;
        }
        if let Some(component) = &mut cluster.spec.components_list.deployment {
            "flux".clone_into(&mut component.name);
            "flux-system".clone_into(&mut component.namespace);
        }
        changed.replace(sourced);
    }
    changed
}
