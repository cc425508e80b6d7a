//! What is told of a change, and to whom.

use nautes_model::Finding;
use nautes_validate::{ChangeReport, RuleSet, check_change};

use crate::support::scopes;

fn change(before: &str, after: &str) -> ChangeReport {
    check_change(
        &scopes("before.yaml", before),
        &scopes("after.yaml", after),
        &RuleSet::standard(),
    )
}

fn said(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|f| format!("{} {}", f.rule, f.resource.as_ref().unwrap()))
        .collect()
}

/// A deployment of `shop` into a namespace and as an account.
fn deployment(name: &str, namespace: &str, account: &str) -> String {
    format!(
        "---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: DeploymentRuntime
metadata: {{name: {name}}}
spec:
  product: shop
  account: {account}
  projectsRef: [till]
  manifestSource: {{codeRepo: deploy, targetRevision: main, path: {name}}}
  destination: {{environment: test, namespaces: [{namespace}]}}
"
    )
}

#[test]
fn a_namespace_stays_with_its_holder_and_the_newcomer_learns_nothing_of_him() {
    let report = change("", &deployment("new", "web", "new"));
    assert_eq!(
        said(&report.rejected),
        ["RuntimeNamespaceTaken DeploymentRuntime/shop/new"]
    );
    let finding = &report.rejected[0];
    assert_eq!(
        finding.message,
        "namespace \"web\" of cluster \"run-1\" is also used by another product"
    );
    assert!(finding.related.is_empty());
}

#[test]
fn an_account_stays_with_its_holder() {
    let report = change("", &deployment("new", "new", "web"));
    assert_eq!(
        said(&report.rejected),
        ["AccountTaken DeploymentRuntime/shop/new"]
    );
}

#[test]
fn a_contested_namespace_is_told_to_all_and_stops_only_who_joins() {
    let old = deployment("old", "web", "old");
    let report = change(&old, &format!("{old}{}", deployment("new", "web", "new")));
    assert_eq!(
        said(&report.rejected),
        ["RuntimeNamespaceTaken DeploymentRuntime/shop/new"]
    );
    let standing: Vec<String> = said(&report.standing)
        .into_iter()
        .filter(|s| s.starts_with("RuntimeNamespace"))
        .collect();
    assert_eq!(
        standing,
        [
            "RuntimeNamespaceTaken DeploymentRuntime/shop/old",
            "RuntimeNamespaceTaken DeploymentRuntime/demo/web"
        ]
    );
}

#[test]
fn a_conflict_is_told_where_it_was_made() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: stage}
spec: {product: demo, cluster: run-1, envType: stage}
";
    let report = change("", text);
    assert_eq!(
        said(&report.rejected),
        ["EnvironmentClusterTaken Environment/demo/stage"]
    );
}

#[test]
fn an_old_fault_of_something_touched_stops_the_change() {
    let text = |language: &str| {
        format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {{name: stage}}
spec: {{product: demo, cluster: ghost, envType: {language}}}
"
        )
    };
    let report = change(&text("stage"), &text("production"));
    assert_eq!(
        said(&report.rejected),
        ["EnvironmentClusterMissing Environment/demo/stage"]
    );
}

#[test]
fn taking_away_a_permission_that_is_used_is_rejected() {
    let report = change("", "# remove: CodeRepoBinding/demo/deploy-app\n");
    assert_eq!(
        said(&report.rejected),
        ["RuntimeProjectIllegal DeploymentRuntime/demo/web"]
    );
}

#[test]
fn something_new_that_names_what_the_change_removes_is_told_itself() {
    let text = "# remove: Environment/demo/test
# remove: DeploymentRuntime/demo/web
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: DeploymentRuntime
metadata: {name: new}
spec:
  product: demo
  projectsRef: [app]
  manifestSource: {codeRepo: deploy, targetRevision: main, path: new}
  destination: {environment: test}
";
    let report = change("", text);
    assert_eq!(
        said(&report.rejected),
        ["EnvironmentMissing DeploymentRuntime/demo/new"]
    );
    assert_eq!(report.dependents, []);
}

#[test]
fn a_file_that_breaks_removes_nothing() {
    let report = change("", "# broken: Environment/demo/test\n");
    assert_eq!(report.dependents, []);
    assert!(report.is_ok(), "{:#?}", report.rejected);
    assert!(said(&report.warnings).contains(&"ReferenceHeld DeploymentRuntime/demo/web".to_owned()));
}

#[test]
fn a_product_that_could_not_be_loaded_has_lost_nothing() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoBinding
metadata: {name: deploy-till, namespace: product-demo}
spec: {codeRepo: deploy, product: shop, projects: [till], permissions: readonly}
";
    let report = change(text, &format!("# unloaded: shop\n{text}"));
    assert!(report.is_ok(), "{:#?}", report.rejected);
    assert_eq!(report.dependents, []);
}
