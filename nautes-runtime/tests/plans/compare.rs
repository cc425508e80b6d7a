//! Comparing two states of what is declared.

use nautes_model::{Kind, Scopes, Secret};
use nautes_runtime::engine::Engines;
use nautes_runtime::plan::compare::{Comparison, Done, Side, System, compare};
use nautes_validate::RuleSet;

use super::support::{Case, identity};

fn compared(before: &Scopes, after: &Scopes) -> Comparison {
    let rules = RuleSet::standard();
    let side = |scopes| Side {
        scopes,
        rules: &rules,
    };
    compare(
        side(before),
        side(after),
        &Engines::bundled(),
        &|_, _, value: &Secret| format!("{} bytes", value.expose().len()),
    )
}

fn cases() -> Vec<Case> {
    let files = std::fs::read_dir(super::folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let yaml = files.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    yaml.map(|path| Case::read(&std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn a_state_does_not_differ_from_itself() {
    for case in cases() {
        assert!(compared(&case.scopes, &case.scopes).is_empty());
    }
}

#[test]
fn whatever_goes_is_named_and_what_needs_it_breaks() {
    for case in cases() {
        for sourced in case.scopes.iter() {
            let mut after = case.scopes.clone();
            after.remove(&sourced.identity);
            let change = compared(&case.scopes, &after);
            let gone: Vec<&str> = change.removals.iter().map(|r| r.resource.as_str()).collect();
            assert_eq!(gone, [sourced.identity.to_string()]);
            assert_eq!(change.resources.len(), 1);
            assert_eq!(change.resources[0].action, Done::Remove);
        }
    }
}

const PLATFORM: &str = "
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoProvider
metadata: {name: gitlab}
spec: {apiServer: https://git.example.org, httpAddress: https://git.example.org, sshAddress: ssh://git@git.example.org, providerType: gitlab}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
metadata: {name: live}
spec:
  apiServer: https://live.example.org:6443
  clusterType: physical
  clusterKind: kubernetes
  usage: worker
  workerType: deployment
  componentsList:
    multiTenant: {name: namespaces, namespace: nautes}
    deployment: {name: direct, namespace: nautes}
    secretSync: {name: direct, namespace: nautes}
  kubeconfig: 'token: KUBECONFIG'
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Product
metadata: {name: shop}
spec: {name: shop}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
metadata: {name: web}
spec: {product: shop, language: go}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: live}
spec: {product: shop, cluster: live, envType: live}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
metadata: {name: deploy}
spec: {product: shop, project: web, deploymentRuntime: true, retention: delete}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: DeploymentRuntime
metadata: {name: web}
spec:
  product: shop
  projectsRef: [web]
  manifestSource: {codeRepo: deploy, targetRevision: main, path: live}
  destination: {environment: live, namespaces: [NAMESPACE]}
";

fn platform(namespace: &str, kubeconfig: &str) -> Scopes {
    let text = PLATFORM
        .replace("NAMESPACE", namespace)
        .replace("KUBECONFIG", kubeconfig);
    Case::read(&text).scopes
}

fn done(change: &Comparison, action: Done, what: &str) -> bool {
    change.steps.iter().any(|s| s.action == action && s.what == what)
}

#[test]
fn another_namespace_is_made_and_the_old_one_goes() {
    let change = compared(&platform("shop-web", "a"), &platform("shop-site", "a"));
    assert!(done(&change, Done::Make, "Namespace shop-site"), "{change:?}");
    assert!(done(&change, Done::Remove, "Namespace shop-web"), "{change:?}");
    let fields: Vec<&str> = change.resources[0]
        .fields
        .iter()
        .map(|f| f.field.as_str())
        .collect();
    assert_eq!(fields, ["spec.destination.namespaces[0]"]);
    assert!(
        change
            .steps
            .iter()
            .all(|s| s.because.contains("DeploymentRuntime/shop/web"))
    );
}

#[test]
fn what_is_held_is_not_said_to_go() {
    let before = platform("shop-web", "a");
    let mut after = before.clone();
    after.remove(&identity("Cluster/live"));
    let change = compared(&before, &after);
    assert!(done(&change, Done::Hold, "Namespace shop-web"), "{change:?}");
    assert!(
        !change
            .steps
            .iter()
            .any(|s| s.action == Done::Remove && matches!(s.system, System::Cluster(_)))
    );
    assert_eq!(
        change.removals[0].breaks,
        ["Environment/shop/live", "DeploymentRuntime/shop/web"]
    );
}

#[test]
fn secrets_are_digests() {
    let change = compared(
        &platform("shop-web", "canary"),
        &platform("shop-web", "canary-two"),
    );
    let [resource] = change.resources.as_slice() else {
        panic!("{change:?}")
    };
    assert_eq!(resource.resource, "Cluster/live");
    assert!(resource.fields[0].secret && resource.fields[0].field == "spec.kubeconfig");
    let shown = serde_json::to_string(&change).unwrap();
    assert!(!shown.contains("canary") && shown.contains("13 bytes"), "{shown}");
}

#[test]
fn a_product_that_goes_leaves_nothing_and_says_what_becomes_of_its_repositories() {
    let before = platform("shop-web", "a");
    let mut after = before.clone();
    let own: Vec<_> = before
        .iter()
        .map(|s| s.identity.clone())
        .filter(|i| i.product.is_some() || i.kind == Kind::Product)
        .collect();
    own.iter().for_each(|i| drop(after.remove(i)));
    after.products.clear();
    let change = compared(&before, &after);
    assert!(
        change.steps.iter().all(|s| s.action == Done::Remove),
        "{change:?}"
    );
    let repository = change
        .steps
        .iter()
        .find(|s| s.what == "repository shop/deploy")
        .unwrap();
    assert_eq!(repository.message, "it is deleted with its history");
    assert!(change.removals.iter().all(|r| r.breaks.is_empty()));
}
