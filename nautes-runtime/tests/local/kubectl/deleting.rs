//! What ends objects.

use serde_json::{Value, json};

use super::{Kubectl, deployment, each, map};

/// Makes a deployment and a map that belongs to it.
async fn owner(kubectl: &Kubectl) {
    kubectl.apply(&deployment("a:1")).await;
    let uid = kubectl
        .says("get deployment web -o jsonpath={.metadata.uid}")
        .await;
    let mut child = map("1");
    child["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid, "blockOwnerDeletion": true}]);
    kubectl.ok(&["create", "-f", "-"], Some(&child)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owned_stay_go_or_go_first() {
    each(async |kubectl| {
        owner(kubectl).await;
        let text = kubectl.says("delete deployment web --cascade=orphan").await;
        assert!(text.starts_with("deployment.apps \"web\" deleted"), "{text}");
        let child = kubectl.says("get configmap a -o json").await;
        let child: Value = serde_json::from_str(&child).unwrap();
        assert_eq!(child["metadata"]["ownerReferences"], Value::Null);
        kubectl.says("delete configmap a").await;

        owner(kubectl).await;
        kubectl.says("delete deployment web --cascade=foreground").await;
        let text = kubectl.refuses("get configmap a").await;
        assert!(text.contains("NotFound"), "{text}");

        owner(kubectl).await;
        kubectl.says("delete deployment web --cascade=background").await;
        kubectl.says("wait --for=delete configmap/a --timeout=20s").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_go_at_once_or_with_grace() {
    each(async |kubectl| {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "c", "image": "c:1"}]}});
        for way in ["--grace-period=0 --force", "--grace-period=1", "--now", ""] {
            kubectl.apply(&pod).await;
            let text = kubectl.says(&format!("delete pod p {way}")).await;
            assert!(text.contains("pod \"p\""), "{way}: {text}");
            assert!(kubectl.refuses("get pod p").await.contains("NotFound"), "{way}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finalizer_is_waited_for() {
    each(async |kubectl| {
        let mut held = map("1");
        held["metadata"]["finalizers"] = json!(["example.io/hold"]);
        kubectl.apply(&held).await;
        let text = kubectl.refuses("delete configmap a --timeout=1s").await;
        assert!(text.contains("timed out waiting"), "{text}");
        let text = kubectl
            .says("get configmap a -o jsonpath={.metadata.deletionTimestamp}")
            .await;
        assert!(text.ends_with('Z'), "{text}");
        kubectl
            .says(r#"patch configmap a --type=merge -p {"metadata":{"finalizers":null}}"#)
            .await;
        kubectl.says("wait --for=delete configmap/a --timeout=20s").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletions_choose_and_can_be_tried() {
    each(async |kubectl| {
        kubectl.apply(&map("1")).await;
        let text = kubectl.says("delete configmap a --dry-run=server").await;
        assert!(text.contains("server dry run"), "{text}");
        assert_eq!(kubectl.says("get configmap a -o name").await, "configmap/a\n");
        assert_eq!(
            kubectl.says("delete configmap -l part=none").await,
            "No resources found\n"
        );
        assert_eq!(
            kubectl.says("delete configmap -l part=x -o name").await,
            "configmap/a\n"
        );
        assert_eq!(kubectl.says("delete configmap a --ignore-not-found").await, "");
        let text = kubectl.refuses("delete configmap a").await;
        assert!(text.contains("configmaps \"a\" not found"), "{text}");
        kubectl.apply(&map("1")).await;
        kubectl.says("delete configmap --all").await;
        assert_eq!(kubectl.says("get configmap -l part=x -o name").await, "");
    })
    .await;
}
