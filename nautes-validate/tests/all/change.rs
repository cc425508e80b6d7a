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

fn cluster(components: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
metadata: {{name: pipe-1}}
spec:
  apiServer: https://host-1.example.org:30443
  clusterType: virtual
  usage: worker
  workerType: pipeline
  hostCluster: host-1
  primaryDomain: example.org
  componentsList: {{{components}}}
"
    )
}

#[test]
fn a_fault_that_joins_an_old_one_of_its_kind_is_told() {
    let before = cluster("pipeline: {name: tekton, namespace: tekton}");
    let after = cluster("");
    let report = change(&before, &after);
    let rejected: Vec<&str> = report.rejected.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(rejected, ["cluster \"pipe-1\" has no pipeline component"]);
    let standing = report
        .standing
        .iter()
        .filter(|f| f.rule == "RuntimeComponentMissing");
    assert_eq!(standing.count(), 1);
}

fn hosted(name: &str, host: &str) -> String {
    format!(
        "---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
metadata: {{name: {name}}}
spec: {{apiServer: 'https://{name}.example.org', clusterType: virtual, usage: worker, workerType: pipeline, hostCluster: {host}, componentsList: {{}}}}
"
    )
}

/// What a change is told of cycles: the one that each is about, and its other members.
fn cycles(findings: &[Finding]) -> Vec<(String, Vec<String>)> {
    let told = findings.iter().filter(|f| f.rule == "ReferenceCycle");
    told.map(|f| {
        let others = f.related.iter().map(ToString::to_string).collect();
        (f.resource.as_ref().unwrap().to_string(), others)
    })
    .collect()
}

#[test]
fn a_cycle_is_rejected_whichever_of_its_members_closes_it() {
    let names = ["v-1", "v-2", "v-3"];
    let ring = |broken: Option<usize>| -> String {
        let host = |i: usize| {
            if Some(i) == broken {
                "host-1"
            } else {
                names[(i + 1) % 3]
            }
        };
        (0..3).map(|i| hosted(names[i], host(i))).collect()
    };
    let of_all = [(
        "Cluster/v-1".to_owned(),
        vec!["Cluster/v-2".to_owned(), "Cluster/v-3".to_owned()],
    )];
    for (last, name) in names.into_iter().enumerate() {
        let report = change(&ring(Some(last)), &ring(None));
        assert_eq!(cycles(&report.rejected), of_all, "closed by {name}");
        // Taking it apart again is welcome.
        assert_eq!(cycles(&change(&ring(None), &ring(Some(last))).rejected), []);
        // Touching any member without taking it apart is not.
        let old = ring(None);
        let touched = old.replacen(&format!("https://{name}."), &format!("https://new-{name}."), 1);
        assert_eq!(cycles(&change(&old, &touched).rejected), of_all);
    }
}

#[test]
fn a_cycle_elsewhere_stops_nobody() {
    let old = format!("{}{}", hosted("v-1", "v-2"), hosted("v-2", "v-1"));
    // In order of identity the newcomer is the first, and hangs on the cycle without being part of it.
    let beside = change(&old, &format!("{old}{}", hosted("a-1", "v-1")));
    assert_eq!(cycles(&beside.rejected), []);
    assert_eq!(
        cycles(&beside.standing),
        [("Cluster/v-1".to_owned(), vec!["Cluster/v-2".to_owned()])]
    );
    let second = change(
        &old,
        &format!("{old}{}{}", hosted("w-1", "w-2"), hosted("w-2", "w-1")),
    );
    assert_eq!(
        cycles(&second.rejected),
        [("Cluster/w-1".to_owned(), vec!["Cluster/w-2".to_owned()])]
    );
    assert_eq!(cycles(&second.standing).len(), 1);
}

#[test]
fn moving_a_file_changes_nothing() {
    let fault = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: stage}
spec: {product: demo, cluster: ghost, envType: stage}
";
    let report = check_change(
        &scopes("envs/old.yaml", fault),
        &scopes("envs/new.yaml", &format!("# moved\n\n{fault}")),
        &RuleSet::standard(),
    );
    assert_eq!(said(&report.rejected), [] as [&str; 0]);
    assert!(said(&report.standing).contains(&"EnvironmentClusterMissing Environment/demo/stage".to_owned()));
}

#[test]
fn a_new_name_for_what_others_name_is_told_about_the_old_one() {
    let text = "# remove: Environment/demo/test
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: stage}
spec: {product: demo, cluster: run-1, envType: test}
";
    let report = change("", text);
    assert_eq!(
        said(&report.rejected),
        ["EnvironmentReferenced Environment/demo/test"]
    );
    let moved = deployment("till", "till", "till").replace("environment: test", "environment: stage");
    let shop = text.replace("demo", "shop");
    assert!(change("", &format!("{shop}{moved}")).is_ok());
}

#[test]
fn each_product_of_a_change_is_told_its_own() {
    let text = "# remove: Project/shop/till
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
metadata: {name: stage}
spec: {product: demo, cluster: ghost, envType: stage}
";
    let report = change("", text);
    assert_eq!(
        said(&report.rejected),
        [
            "EnvironmentClusterMissing Environment/demo/stage",
            "ProjectReferenced Project/shop/till"
        ]
    );
}

#[test]
fn a_file_that_is_broken_elsewhere_stops_nobody() {
    let broken = "# broken: CodeRepo/shop/deploy\n";
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
metadata: {name: new}
spec: {product: demo, language: rust}
";
    let report = change(broken, &format!("{broken}{text}"));
    assert!(report.is_ok(), "{:#?}", report.rejected);
    assert!(said(&report.standing).contains(&"ReferenceHeld DeploymentRuntime/shop/till".to_owned()));
}

#[test]
fn what_a_removal_stops_is_told_to_the_end_and_across_products() {
    let report = change("", "# remove: Cluster/run-1\n");
    assert_eq!(said(&report.rejected), ["ClusterReferenced Cluster/run-1"]);
    let (gone, stopped) = &report.dependents[0];
    assert_eq!(gone.to_string(), "Cluster/run-1");
    let stopped: Vec<String> = stopped.iter().map(ToString::to_string).collect();
    assert_eq!(
        stopped,
        [
            "Environment/demo/test",
            "Environment/shop/test",
            "DeploymentRuntime/demo/web",
            "DeploymentRuntime/shop/till"
        ]
    );
}

#[test]
fn an_old_mistake_in_the_catalogue_stops_only_who_touches_it() {
    let catalogue = |name: &str| {
        format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Catalogue
spec: {{components: [{{name: {name}}}]}}
---
"
        )
    };
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
metadata: {name: new}
spec: {product: demo, language: rust}
";
    let old = catalogue("kong");
    assert!(change(&old, &format!("{old}{text}")).is_ok());
    let report = change(&old, &catalogue("gong"));
    let rules: Vec<&str> = report.rejected.iter().map(|f| f.rule.as_str()).collect();
    assert_eq!(rules, ["CatalogueEntry"]);
}
