//! What every engine must keep, as suites that an engine's own tests call.
//!
//! ```
//! use nautes_runtime::engine::{conformance, namespaces::Namespaces};
//!
//! conformance::tenancy(&Namespaces);
//! ```
//!
//! Each suite panics with the rule that is broken.

pub mod sample;

use std::collections::BTreeSet;

use nautes_model::Identity;
use nautes_model::name::ProductName;
use nautes_model::secret::{GrantLevel, Principal};
use serde_json::Value;

use super::{
    DeploymentEngine, EventEngine, On, PipelineEngine, Rendered, SecretSyncEngine, TenancyEngine,
    Unsupported, label,
};
use crate::object::ObjectKey;

/// Checks an engine for the slot `multiTenant`.
///
/// # Panics
/// The engine breaks a rule.
pub fn tenancy(engine: &dyn TenancyEngine) {
    check_name(engine.name());
    let (cluster, component) = (sample::cluster(), sample::component(engine.name()));
    let on = On {
        cluster: &cluster,
        component: &component,
    };
    let nothing = engine.render(on, &[], &[]);
    assert_eq!(
        nothing,
        Ok(Rendered::default()),
        "nothing is asked for, nothing is made"
    );
    let (mut spaces, mut accounts) = (sample::spaces(), sample::accounts());
    let first = given("tenancy", engine.render(on, &spaces, &accounts));
    assert_eq!(
        engine.render(on, &spaces, &accounts).as_ref(),
        Ok(&first),
        "an engine is pure"
    );
    spaces.reverse();
    accounts.reverse();
    let turned = given("tenancy", engine.render(on, &spaces, &accounts));
    assert_eq!(
        sorted(&first),
        sorted(&turned),
        "the order of the intents has no part in what is made"
    );
    let product = sample::product();
    let mut homes: BTreeSet<String> = spaces.iter().map(|s| s.namespace.to_string()).collect();
    homes.insert(product.namespace());
    let owners = spaces.iter().flat_map(|s| s.owners.clone()).collect();
    check_objects(&first, &product, &homes, &owners);
    let made: BTreeSet<String> = keys(&first)
        .into_iter()
        .filter(|key| key.kind == "Namespace" || key.kind == "SubnamespaceAnchor")
        .map(|key| key.name)
        .collect();
    assert!(
        spaces.iter().all(|s| made.contains(s.namespace.as_str())),
        "every space is made"
    );
    for account in &accounts {
        let is_there = |namespace: &str| {
            keys(&first).iter().any(|key| {
                key.kind == "ServiceAccount"
                    && key.namespace.as_deref() == Some(namespace)
                    && account.name == key.name.as_str()
            })
        };
        assert!(
            account.namespaces.iter().all(|n| is_there(n.as_str())),
            "an account is there in each of its namespaces"
        );
    }
    assert!(
        first.grants.is_empty(),
        "tenancy gives no rights in the secret store"
    );
}

/// Checks an engine for the slot `deployment`.
///
/// # Panics
/// The engine breaks a rule.
pub fn deployment(engine: &dyn DeploymentEngine) {
    check_name(engine.name());
    let (cluster, component) = (sample::cluster(), sample::component(engine.name()));
    let on = On {
        cluster: &cluster,
        component: &component,
    };
    let application = sample::application();
    let first = given("deployment", engine.render(on, &application));
    assert_eq!(
        engine.render(on, &application).as_ref(),
        Ok(&first),
        "an engine is pure"
    );
    let mut homes: BTreeSet<String> = application.namespaces.iter().map(ToString::to_string).collect();
    for unit in &first.deploys {
        assert!(
            unit.namespaces.iter().all(|n| homes.contains(n)),
            "a deployment stays in its namespaces"
        );
        assert_eq!(
            unit.account,
            application.account.as_str(),
            "it acts as the account"
        );
    }
    homes.insert(component.namespace.clone());
    let owners = BTreeSet::from([application.runtime.clone()]);
    check_objects(&first, &application.product, &homes, &owners);
    assert!(
        !first.objects.is_empty() || !first.deploys.is_empty(),
        "something deploys the application"
    );
}

/// Checks an engine for the slot `pipeline`; `file` is a pipeline file that it can run, without hooks.
///
/// # Panics
/// The engine breaks a rule.
pub fn pipeline(engine: &dyn PipelineEngine, file: &str) {
    check_name(engine.name());
    let (cluster, component) = (sample::cluster(), sample::component(engine.name()));
    let on = On {
        cluster: &cluster,
        component: &component,
    };
    let space = sample::pipelines();
    let first = given("pipeline", engine.render(on, &space));
    assert_eq!(
        engine.render(on, &space).as_ref(),
        Ok(&first),
        "an engine is pure"
    );
    let homes = BTreeSet::from([space.namespace.to_string(), component.namespace.clone()]);
    let owners = BTreeSet::from([space.runtime.clone()]);
    check_objects(&first, &space.product, &homes, &owners);
    for mount in &first.mounts {
        assert_eq!(
            mount.namespace, space.namespace,
            "a secret stays with its runtime"
        );
        assert_eq!(mount.owners, owners, "a secret is the runtime's");
    }
    let intent = sample::run();
    let run = given("run", engine.run(&intent, file));
    assert_eq!(engine.run(&intent, file).as_ref(), Ok(&run), "a run is pure");
    let key = ObjectKey::of(&run).expect("a run is an object with a name");
    assert_eq!(key.namespace.as_deref(), Some(intent.namespace.as_str()));
    assert_eq!(
        key.name,
        engine.run_name(&intent),
        "a run has the name that is foretold"
    );
    assert!(key.name.len() <= 63, "the name of a run fits a label");
    check_labels(&run, &intent.product);
    let mut other = intent.clone();
    other.event_commit = "2".repeat(40);
    assert_ne!(
        engine.run_name(&intent),
        engine.run_name(&other),
        "another commit is another run"
    );
    let mut long = intent;
    long.runtime.name = nautes_model::name::ResourceName::new("r".repeat(63)).expect("63 letters are a name");
    assert!(
        engine.run_name(&long).len() <= 63,
        "the name of a run fits a label"
    );
    for bad in [
        "",
        "a: [",
        "{}",
        "[]",
        "- 1",
        "kind: Secret\napiVersion: v1",
        "\u{0}",
    ] {
        assert!(engine.run(&sample::run(), bad).is_err(), "{bad:?} is no pipeline");
    }
}

/// Checks an engine for the slot `eventListener`.
///
/// # Panics
/// The engine breaks a rule.
pub fn events(engine: &dyn EventEngine) {
    check_name(engine.name());
    let (cluster, component) = (sample::cluster(), sample::component(engine.name()));
    let on = On {
        cluster: &cluster,
        component: &component,
    };
    let space = sample::pipelines();
    let first = given("events", engine.render(on, &space));
    assert_eq!(
        engine.render(on, &space).as_ref(),
        Ok(&first),
        "an engine is pure"
    );
    let homes = BTreeSet::from([space.namespace.to_string(), component.namespace.clone()]);
    let owners = BTreeSet::from([space.runtime.clone()]);
    check_objects(&first, &space.product, &homes, &owners);
    let permitted: BTreeSet<&Identity> = space
        .event_sources
        .iter()
        .filter_map(|(_, r)| r.as_ref())
        .collect();
    for hook in &first.hooks {
        assert!(
            permitted.contains(&hook.code_repo),
            "only what the runtime may use is heard"
        );
        assert_eq!(hook.owners, owners, "a hook is the runtime's");
    }
}

/// Checks an engine for the slot `secretSync`.
///
/// # Panics
/// The engine breaks a rule.
pub fn secret_sync(engine: &dyn SecretSyncEngine) {
    check_name(engine.name());
    let (cluster, component) = (sample::cluster(), sample::component(engine.name()));
    let on = On {
        cluster: &cluster,
        component: &component,
    };
    let mount = sample::mount();
    let first = given("secret sync", engine.render(on, &mount));
    assert_eq!(
        engine.render(on, &mount).as_ref(),
        Ok(&first),
        "an engine is pure"
    );
    let homes = BTreeSet::from([mount.namespace.to_string()]);
    check_objects(&first, &mount.product, &homes, &mount.owners);
    assert!(!first.objects.is_empty(), "something brings the secret");
    for grant in &first.grants {
        let expected = Principal::Account {
            cluster: cluster.clone(),
            product: mount.product.clone(),
            account: mount.account.clone(),
        };
        assert_eq!(
            grant.principal, expected,
            "only the account of the mount reads it"
        );
        assert_eq!(grant.level, GrantLevel::Read, "a mount is read only");
        assert!(
            mount.items.values().any(|item| item.path == grant.secret),
            "nothing is granted but what is mounted"
        );
    }
}

fn given<T>(what: &str, result: Result<T, Unsupported>) -> T {
    result.unwrap_or_else(|error| unreachable!("the {what} engine must do the plain case: {error}"))
}

fn check_name(name: &str) {
    assert!(
        nautes_model::name::check_label("engine name", name, 63).is_ok(),
        "the name of an engine is a DNS label"
    );
}

fn keys(rendered: &Rendered) -> Vec<ObjectKey> {
    let key = |object: &Value| ObjectKey::of(object).expect("an object has apiVersion, kind and a name");
    rendered.objects.iter().map(|(_, p)| key(&p.object)).collect()
}

fn sorted(rendered: &Rendered) -> Vec<String> {
    let mut all: Vec<String> = rendered.objects.iter().map(|o| format!("{o:?}")).collect();
    all.sort();
    all
}

fn check_objects(
    rendered: &Rendered,
    product: &ProductName,
    homes: &BTreeSet<String>,
    owners: &BTreeSet<Identity>,
) {
    let mut seen = BTreeSet::new();
    for ((_, planned), key) in rendered.objects.iter().zip(keys(rendered)) {
        check_labels(&planned.object, product);
        let home = match &key.namespace {
            None if key.kind == "Namespace" => Some(&key.name),
            other => other.as_ref(),
        };
        assert!(
            home.is_some_and(|home| homes.contains(home)),
            "{key} lies where it belongs"
        );
        assert!(
            !planned.owners.is_empty() && planned.owners.is_subset(owners),
            "{key} exists on behalf of who asked for it"
        );
        if key.kind == "Secret" {
            let has = |field| planned.object.get(field).is_some();
            assert!(!has("data") && !has("stringData"), "{key} holds no values");
        }
        assert!(seen.insert(key.clone()), "{key} is made once");
    }
}

fn check_labels(object: &Value, product: &ProductName) {
    assert_eq!(
        label::of(object, label::MANAGED_BY),
        Some(label::NAUTES),
        "{object}"
    );
    assert_eq!(
        label::of(object, label::BELONGS_TO),
        Some(product.namespace().as_str()),
        "{object}"
    );
}

#[cfg(test)]
mod tests {
    use super::super::direct::{DirectDeployment, DirectSecrets};
    use super::super::namespaces::Namespaces;
    use super::super::tekton::Tekton;
    use super::super::webhook::Webhook;

    #[test]
    fn the_bundled_engines_conform() {
        super::tenancy(&Namespaces);
        super::deployment(&DirectDeployment);
        super::pipeline(
            &Tekton::default(),
            "apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: build}}",
        );
        super::events(&Webhook);
        super::secret_sync(&DirectSecrets);
    }
}
