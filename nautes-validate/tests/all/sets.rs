//! Sets of rules: more, fewer, and other facts.

use std::sync::Arc;

use nautes_model::Finding;
use nautes_validate::{Checked, Facts, Rule, RuleSet, check};

use crate::support::{identity, scopes};

/// A rule of somebody's own.
#[derive(Debug)]
struct Language;

impl Rule for Language {
    fn id(&self) -> &'static str {
        "ProjectLanguage"
    }

    fn summary(&self) -> &'static str {
        "projects are written in Go"
    }

    fn check(&self, on: &Checked<'_>, out: &mut Vec<Finding>) {
        for resource in on.resources() {
            if let nautes_model::Resource::Project(project) = &resource.resource
                && project.spec.language != "go"
            {
                out.push(on.error(self.id(), resource, "spec.language", "it is not Go"));
            }
        }
    }
}

#[test]
fn a_rule_of_ones_own_gets_places_like_any_other() {
    let rules = RuleSet::empty().with(Arc::new(Language));
    let report = check(&scopes("base.yaml", ""), &rules);
    assert_eq!(report.findings.len(), 3);
    assert!(report.findings.iter().all(|f| f.position.is_some()));
}

#[test]
fn a_rule_that_is_taken_out_finds_nothing() {
    let broken = scopes("x.yaml", "# remove: Cluster/run-1\n");
    assert!(!check(&broken, &RuleSet::standard()).is_ok());
    assert!(check(&broken, &RuleSet::standard().without("EnvironmentClusterMissing")).is_ok());
}

#[test]
fn without_the_tenant_what_refers_to_it_is_taken_on_trust() {
    let mut alone = scopes("base.yaml", "");
    alone.tenant = nautes_model::TenantScope::default();
    let rules = RuleSet::standard();
    assert!(!check(&alone, &rules).is_ok());
    let facts = Facts {
        tenant_known: false,
        ..Facts::default()
    };
    assert_eq!(check(&alone, &rules.with_facts(facts)).findings, []);
}

#[test]
fn a_check_can_be_limited_to_some_resources() {
    let broken = scopes("x.yaml", "# remove: Cluster/run-1\n");
    let rules = RuleSet::standard();
    let only = [identity("Environment/shop/test")].into();
    let on = Checked::new(&broken, rules.facts()).only(&only);
    let mut out = Vec::new();
    for rule in rules.iter() {
        rule.check(&on, &mut out);
    }
    let about: Vec<_> = out.iter().filter_map(|f| f.resource.clone()).collect();
    assert_eq!(about, [identity("Environment/shop/test")]);
}

#[test]
fn an_engine_of_ones_own_needs_no_catalogue() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Cluster
metadata: {name: spare}
spec:
  apiServer: https://spare.example.org
  clusterType: physical
  usage: worker
  workerType: deployment
  componentsList:
    deployment: {name: mine, namespace: mine}
";
    let cluster = scopes("x.yaml", text);
    let rules = RuleSet::standard();
    assert!(
        check(&cluster, &rules)
            .errors()
            .any(|f| f.rule == "ClusterComponentUnknown")
    );
    let mut facts = Facts::default();
    facts.engines.insert("mine".to_owned());
    assert!(check(&cluster, &rules.with_facts(facts)).is_ok());
}

const HOOKED: &str = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
metadata: {name: build}
spec:
  product: demo
  project: app
  pipelineSource: pipelines
  pipelines: [{name: main, path: pipelines/main.yaml}]
  destination: {environment: dev, namespace: build}
  eventSources: [{name: push, gitlab: {repoName: source, events: [push_events]}}]
  hooks: {postHooks: [{name: notify}]}
  pipelineTriggers: [{eventSource: push, pipeline: main}]
";

fn hook_findings(scopes: &nautes_model::Scopes, rules: &RuleSet) -> Vec<nautes_model::Severity> {
    let found = check(scopes, rules).findings;
    let hooks = found.iter().filter(|f| f.rule == "HookUnknown");
    hooks.map(|f| f.severity).collect()
}

#[test]
fn what_the_tenant_may_have_added_is_no_error_while_nobody_can_tell() {
    use nautes_model::Severity::{Error, Warning};
    use nautes_model::catalogue::Extension;
    let mut hooked = scopes("x.yaml", HOOKED);
    let rules = RuleSet::standard();
    assert_eq!(hook_findings(&hooked, &rules), [Error]);
    let alone = rules.clone().with_facts(Facts {
        tenant_known: false,
        ..Facts::default()
    });
    assert_eq!(hook_findings(&hooked, &alone), [Warning]);
    hooked.tenant.catalogue = Some(Arc::new(Extension::unreadable("nautes/catalogue.yaml")));
    assert_eq!(hook_findings(&hooked, &rules), [Warning]);
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Catalogue
spec: {hooks: [{name: notify, after: true}]}
---
";
    assert_eq!(
        hook_findings(&scopes("x.yaml", &format!("{text}{HOOKED}")), &rules),
        []
    );
}
