//! What is written by hand to the tenant cluster is judged at once.

use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use nautes::local::demo::stage::Stage;
use nautes::settings::Environment;
use serde_json::json;

use crate::kit::nautes;

const PRODUCT: &str = "
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Product
metadata: {name: judged}
spec: {name: judged, git: {gitlab: {visibility: private}}}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
metadata: {name: app}
spec: {product: judged, language: rust}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
metadata: {name: source}
spec: {product: judged, project: app, git: {gitlab: {visibility: private}}}
";

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_breaks_rules_is_refused_in_the_tenant_cluster() {
    let _one = crate::kit::ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let instance = crate::kit::platform(dir.path().join("platform")).await;
    let stage = Stage::of(instance.data(), instance.remembered(), &Environment::read())
        .await
        .unwrap();
    stage.alice.apply("product.yaml", PRODUCT, &[]).await.unwrap();
    let resource = ApiResource {
        group: "nautes.resource.nautes.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "nautes.resource.nautes.io/v1alpha1".to_owned(),
        kind: "CodeRepo".to_owned(),
        plural: "coderepoes".to_owned(),
    };
    let client = instance.platform().tenant_cluster().clone();
    let repos: Api<DynamicObject> = Api::namespaced_with(client, "product-judged", &resource);
    let there = await_condition(repos.clone(), "source", |found: Option<&DynamicObject>| {
        found.is_some()
    });
    tokio::time::timeout(Duration::from_secs(30), there)
        .await
        .expect("the repository is projected")
        .unwrap();
    let edit = |project: &str| json!({ "spec": { "project": project } });
    let params = PatchParams::default();
    let refused = repos
        .patch("source", &params, &Patch::Merge(&edit("nowhere")))
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("ProjectMissing"), "{refused}");
    repos
        .patch("source", &params, &Patch::Merge(&edit("app")))
        .await
        .unwrap();
    instance.stop().await.unwrap();
}

#[test]
fn the_webhook_configuration_is_printed_for_https_only() {
    let url = "https://nautes-controller.nautes.svc:8443/admission";
    let printed = nautes(&["crds", "--webhook", url], "");
    assert_eq!(printed.code, 0, "{}", printed.err);
    let last = printed.out.rsplit("---\n").next().unwrap();
    assert!(last.contains("kind: ValidatingWebhookConfiguration"), "{last}");
    assert!(
        last.contains(url) && last.contains("failurePolicy: Ignore"),
        "{last}"
    );
    for bad in ["http://a.b/admission", "nonsense", "https://user@a.b/x"] {
        let refused = nautes(&["crds", "--webhook", bad], "");
        assert_eq!(
            (refused.code, refused.out.as_str()),
            (2, ""),
            "{bad}: {}",
            refused.err
        );
    }
}
