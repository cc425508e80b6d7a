//! The verdict of admission on writes to custom resources.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use nautes_model::manifest::{self, Context, Form};
use nautes_model::{Scopes, name::ProductName};
use nautes_runtime::admission::{Judge, Operation, Verdict, Write, answer};
use nautes_validate::{RuleSet, check_change};
use serde_json::{Value, json};

const DECLARED: &str = "
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Product
metadata: {name: demo}
spec: {name: demo}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
metadata: {name: app}
spec: {product: demo, language: rust}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
metadata: {name: source}
spec: {product: demo, project: app}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
metadata: {name: broken}
spec: {product: demo, project: nowhere}
";

fn declared() -> Scopes {
    let demo = ProductName::new("demo").unwrap();
    let context = Context::new("demo.yaml", Form::Git).product(Some(&demo));
    let parsed = manifest::parse(DECLARED, &context);
    assert_eq!(parsed.findings, []);
    let mut scopes = Scopes::default();
    for resource in parsed.resources {
        scopes.insert(resource);
    }
    scopes
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "nautes.resource.nautes.io/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name, "namespace": "product-demo", "uid": "u", "resourceVersion": "7", "generation": 2,
            "managedFields": [], "labels": { "team": "a" },
        },
        "spec": spec,
        "status": { "conditions": [] },
    })
}

fn write<'a>(operation: Operation, object: &'a Value, old: Option<&'a Value>) -> Write<'a> {
    Write {
        operation,
        kind: object["kind"].as_str().unwrap(),
        subresource: "",
        namespace: "product-demo",
        name: object["metadata"]["name"].as_str().unwrap(),
        object: (operation != Operation::Delete).then_some(object),
        old: old.or((operation == Operation::Delete).then_some(object)),
    }
}

fn judge(operation: Operation, object: &Value) -> Verdict {
    let (declared, rules) = (declared(), RuleSet::standard());
    let judge = Judge {
        declared: Some(&declared),
        tenant_namespace: "nautes",
        rules: &rules,
    };
    judge.judge(&write(operation, object, None))
}

fn warnings(verdict: Verdict) -> Vec<String> {
    match verdict {
        Verdict::Admitted(warnings) => warnings,
        Verdict::Denied(findings) => panic!("denied: {findings:#?}"),
    }
}

fn denied(verdict: Verdict) -> Vec<nautes_model::Finding> {
    match verdict {
        Verdict::Admitted(warnings) => panic!("admitted: {warnings:#?}"),
        Verdict::Denied(findings) => findings,
    }
}

#[test]
fn what_git_says_is_admitted_even_where_it_breaks_a_rule() {
    for (name, project) in [("source", "app"), ("broken", "nowhere")] {
        let sent = object(
            "CodeRepo",
            name,
            &json!({ "product": "demo", "project": project }),
        );
        for operation in [Operation::Create, Operation::Update] {
            assert_eq!(warnings(judge(operation, &sent)), [""; 0], "{name}");
        }
    }
}

#[test]
fn a_write_that_breaks_rules_is_denied_with_the_findings_of_a_change() {
    let sent = object(
        "CodeRepo",
        "source",
        &json!({ "product": "demo", "project": "gone" }),
    );
    let found = denied(judge(Operation::Update, &sent));
    let before = declared();
    let mut after = before.clone();
    let demo = ProductName::new("demo").unwrap();
    let context = Context::new("request", Form::Git).product(Some(&demo));
    let mut plain = sent;
    plain.as_object_mut().unwrap().remove("status");
    for resource in manifest::parse_json(plain, &context).resources {
        after.replace(resource);
    }
    let expected = check_change(&before, &after, &RuleSet::standard()).rejected;
    assert_eq!(found, expected);
    assert!(found.iter().any(|f| f.rule == "ProjectMissing"), "{found:#?}");
}

#[test]
fn what_the_schema_forbids_is_denied_with_its_field() {
    let sent = object(
        "CodeRepo",
        "source",
        &json!({ "product": "demo", "projct": "app" }),
    );
    let found = denied(judge(Operation::Update, &sent));
    assert_eq!(found[0].field.as_deref(), Some("spec.projct"));
    assert_eq!(found[0].hint.as_deref(), Some("did you mean project?"));
}

#[test]
fn a_write_that_breaks_nothing_is_admitted_and_told_that_git_decides() {
    let edited = object("Project", "app", &json!({ "product": "demo", "language": "go" }));
    let told = warnings(judge(Operation::Update, &edited));
    assert!(told[0].contains("demo.yaml"), "{told:?}");
    let new = object(
        "Project",
        "other",
        &json!({ "product": "demo", "language": "go" }),
    );
    let told = warnings(judge(Operation::Create, &new));
    assert!(told[0].contains("not in Git"), "{told:?}");
}

#[test]
fn a_deletion_is_admitted_and_told_what_needs_it() {
    let project = object(
        "Project",
        "app",
        &json!({ "product": "demo", "language": "rust" }),
    );
    let told = warnings(judge(Operation::Delete, &project));
    assert!(told[0].starts_with("ProjectReferenced: "), "{told:?}");
    assert!(told.last().unwrap().contains("made again"), "{told:?}");
    let unknown = object("Project", "unknown", &json!({ "product": "demo" }));
    assert_eq!(warnings(judge(Operation::Delete, &unknown)), [""; 0]);
}

#[test]
fn status_and_metadata_are_nobodys_business() {
    let (declared, rules) = (declared(), RuleSet::standard());
    let judge = Judge {
        declared: Some(&declared),
        tenant_namespace: "nautes",
        rules: &rules,
    };
    let old = object(
        "CodeRepo",
        "stray",
        &json!({ "product": "demo", "project": "gone" }),
    );
    let mut new = old.clone();
    new["metadata"]["labels"]["team"] = json!("b");
    assert_eq!(
        judge.judge(&write(Operation::Update, &new, Some(&old))),
        Verdict::Admitted(Vec::new())
    );
    let mut status = write(Operation::Update, &new, None);
    status.subresource = "status";
    assert_eq!(judge.judge(&status), Verdict::Admitted(Vec::new()));
}

#[test]
fn what_cannot_be_judged_is_admitted_and_said() {
    let rules = RuleSet::standard();
    let sent = object(
        "CodeRepo",
        "new",
        &json!({ "product": "demo", "project": "gone" }),
    );
    let unread = Judge {
        declared: None,
        tenant_namespace: "nautes",
        rules: &rules,
    };
    let told = warnings(unread.judge(&write(Operation::Create, &sent, None)));
    assert!(told[0].starts_with("not judged"), "{told:?}");
    let mut elsewhere = write(Operation::Create, &sent, None);
    elsewhere.namespace = "product-other";
    let declared = declared();
    let read = Judge {
        declared: Some(&declared),
        ..unread
    };
    let told = warnings(read.judge(&elsewhere));
    assert!(told[0].contains("product-other"), "{told:?}");
}

fn review(object: &Value) -> Value {
    let (declared, rules) = (declared(), RuleSet::standard());
    let judge = Judge {
        declared: Some(&declared),
        tenant_namespace: "nautes",
        rules: &rules,
    };
    let kind = json!({ "group": "nautes.resource.nautes.io", "version": "v1alpha1", "kind": object["kind"] });
    let asked = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "42", "kind": kind, "name": object["metadata"]["name"], "namespace": "product-demo",
            "resource": { "group": "nautes.resource.nautes.io", "version": "v1alpha1", "resource": "x" },
            "operation": "CREATE", "userInfo": { "username": "ann" }, "object": object, "dryRun": false,
        },
    });
    serde_json::to_value(answer(&judge, serde_json::from_value(asked).unwrap())).unwrap()
}

#[test]
fn a_review_is_answered_as_kubernetes_expects_it() {
    let bad = review(&object(
        "CodeRepo",
        "new",
        &json!({ "product": "demo", "project": "gone" }),
    ));
    let response = &bad["response"];
    assert_eq!(
        (&bad["kind"], &response["uid"]),
        (&json!("AdmissionReview"), &json!("42"))
    );
    assert_eq!(
        (&response["allowed"], &response["status"]["code"]),
        (&json!(false), &json!(422))
    );
    let message = response["status"]["message"].as_str().unwrap();
    assert!(message.contains("ProjectMissing"), "{message}");
    let good = review(&object(
        "Project",
        "new",
        &json!({ "product": "demo", "language": "go" }),
    ));
    assert_eq!(good["response"]["allowed"], json!(true));
    assert_eq!(good["response"]["warnings"].as_array().unwrap().len(), 1);
}
