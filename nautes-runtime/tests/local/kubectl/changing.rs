//! What changes objects.

use serde_json::{Value, json};

use super::{Kubectl, deployment, each, map};

async fn value(kubectl: &Kubectl) -> String {
    kubectl.says("get configmap a -o jsonpath={.data.k}").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn diff_shows_what_would_change_and_changes_nothing() {
    each(async |kubectl| {
        kubectl.apply(&map("1")).await;
        let (same, other) = (kubectl.file("same", &map("1")), kubectl.file("other", &map("2")));
        let mark = kubectl.cluster.audit().mark();
        assert_eq!(kubectl.says(&format!("diff -f {same}")).await, "");
        for form in ["", "--server-side --force-conflicts"] {
            let text = kubectl.refuses(&format!("diff {form} -f {other}")).await;
            assert!(
                text.contains("\n-  k: \"1\"\n+  k: \"2\"\n") && !text.contains("keeps changing"),
                "{form} {text}"
            );
        }
        assert_eq!(kubectl.cluster.audit().writes_since(mark), []);
        let text = kubectl.refuses(&format!("diff --server-side -f {other}")).await;
        assert!(
            text.contains("conflict with \"kubectl-client-side-apply\" using v1: .data.k"),
            "{text}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replace_puts_one_object_in_the_place_of_another() {
    each(async |kubectl| {
        let file = kubectl.file("a", &map("1"));
        let text = kubectl.refuses(&format!("replace -f {file}")).await;
        assert!(text.contains("configmaps \"a\" not found"), "{text}");
        kubectl.says(&format!("create -f {file}")).await;
        let kept = kubectl.says("get configmap a -o json").await;
        let file = kubectl.file("a", &map("2"));
        assert_eq!(
            kubectl.says(&format!("replace -f {file}")).await,
            "configmap/a replaced\n"
        );
        assert_eq!(value(kubectl).await, "2");
        let mut stale: Value = serde_json::from_str(&kept).unwrap();
        let uid = stale["metadata"]["uid"].clone();
        stale["data"]["k"] = "3".into();
        let text = kubectl
            .refuses(&format!("replace -f {}", kubectl.file("a", &stale)))
            .await;
        assert!(text.contains("the object has been modified"), "{text}");
        let text = kubectl.says(&format!("replace --force -f {file}")).await;
        assert!(text.ends_with("configmap/a replaced\n"), "{text}");
        let fresh = kubectl.says("get configmap a -o jsonpath={.metadata.uid}").await;
        assert_ne!(fresh, uid.as_str().unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edit_writes_what_the_editor_leaves() {
    each(async |kubectl| {
        kubectl.apply(&map("1")).await;
        kubectl.edits("  k: \"1\"", "  k: \"2\"");
        assert_eq!(kubectl.says("edit configmap a").await, "configmap/a edited\n");
        assert_eq!(value(kubectl).await, "2");
        let text = kubectl.says("edit configmap a").await;
        assert_eq!(text, "Edit cancelled, no changes made.\n");
        kubectl.apply(&deployment("a:1")).await;
        kubectl.edits("image: a:1", "image: a:2");
        let text = kubectl.says("edit deployment web").await;
        assert_eq!(text, "deployment.apps/web edited\n");
        let text = kubectl
            .says("get deployment web -o jsonpath={.spec.template.spec.containers[0].image}")
            .await;
        assert_eq!(text, "a:2");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_and_annotations_come_and_go() {
    each(async |kubectl| {
        kubectl.apply(&map("1")).await;
        assert_eq!(
            kubectl.says("annotate configmap a note=x").await,
            "configmap/a annotated\n"
        );
        let text = kubectl.refuses("annotate configmap a note=y").await;
        assert!(text.contains("--overwrite is false"), "{text}");
        kubectl.says("annotate --overwrite configmap a note=y").await;
        let text = kubectl
            .says("get configmap a -o jsonpath={.metadata.annotations.note}")
            .await;
        assert_eq!(text, "y");
        assert_eq!(
            kubectl.says("annotate configmap a note-").await,
            "configmap/a annotated\n"
        );
        let text = kubectl.says("label configmap a part=y --overwrite").await;
        assert_eq!(text, "configmap/a labeled\n");
        assert_eq!(
            kubectl.says("get configmap -l part=y -o name").await,
            "configmap/a\n"
        );
        let text = kubectl.refuses("label configmap a bad=x!").await;
        assert!(text.contains("a valid label must be"), "{text}");
        assert_eq!(
            kubectl.says("label configmap a part-").await,
            "configmap/a unlabeled\n"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_of_every_type_and_of_subresources_are_taken() {
    each(async |kubectl| {
        kubectl.apply(&deployment("a:1")).await;
        for (patch, expect) in [
            (r#"--type=json -p [{"op":"replace","path":"/spec/replicas","value":4}]"#, "4"),
            (r#"--type=merge -p {"spec":{"replicas":5}}"#, "5"),
            (r#"-p {"spec":{"replicas":6}}"#, "6"),
            (r#"--subresource=scale --type=merge -p {"spec":{"replicas":7}}"#, "7"),
        ] {
            let text = kubectl.says(&format!("patch deployment web {patch}")).await;
            assert!(text.ends_with("/web patched\n"), "{text}");
            let text = kubectl.says("get deployment web -o jsonpath={.spec.replicas}").await;
            assert_eq!(text, expect, "{patch}");
        }
        let text = kubectl
            .says(r#"patch deployment web --type=merge -p {"spec":{"replicas":7}}"#)
            .await;
        assert_eq!(text, "deployment.apps/web patched (no change)\n");
        kubectl.says("set env deployment/web X=1").await;
        kubectl.says("rollout restart deployment/web").await;
        kubectl.says("rollout pause deployment/web").await;
        let text = kubectl
            .says("get deployment web -o jsonpath={.spec.paused}{.spec.template.spec.containers[0].env[0].name}")
            .await;
        assert_eq!(text, "trueX");
        let text = kubectl.refuses("patch deployment web -p {\"spec\":{\"replicas\":-1}}").await;
        assert!(text.contains("must be greater than or equal to 0"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_prunes_what_is_no_longer_given() {
    each(async |kubectl| {
        let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b", "labels": {"part": "x"}}});
        let (one, two) = (kubectl.file("one", &map("1")), kubectl.file("two", &other));
        kubectl.says(&format!("apply -f {one} -f {two}")).await;
        let text = kubectl
            .says(&format!(
                "apply -f {one} --prune -l part=x --prune-allowlist=core/v1/ConfigMap"
            ))
            .await;
        assert!(text.contains("configmap/b pruned\n"), "{text}");
        kubectl.says(&format!("apply -f {one} -f {two}")).await;
        let text = kubectl
            .says(&format!("apply -f {one} --prune -l part=x"))
            .await;
        assert!(text.contains("configmap/b pruned\n"), "{text}");
        kubectl.says("delete configmap a").await;
        kubectl
            .says(&format!("apply -n default -f {one} -f {two} --prune --applyset=set"))
            .await;
        let text = kubectl
            .says(&format!("apply -n default -f {one} --prune --applyset=set"))
            .await;
        assert!(text.contains("configmap/b pruned\n"), "{text}");
        assert_eq!(
            kubectl.says("get configmap -l part=x -o name").await,
            "configmap/a\n"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_tells_conflicts_and_dry_runs() {
    each(async |kubectl| {
        kubectl.apply(&map("1")).await;
        let file = kubectl.file("a", &map("2"));
        let text = kubectl.refuses(&format!("apply --server-side -f {file}")).await;
        assert!(
            text.contains("Apply failed with 1 conflict") && text.contains("--force-conflicts"),
            "{text}"
        );
        let text = kubectl
            .says(&format!(
                "apply --server-side --force-conflicts --dry-run=server -f {file}"
            ))
            .await;
        assert_eq!(text, "configmap/a serverside-applied (server dry run)\n");
        assert_eq!(value(kubectl).await, "1");
        kubectl
            .says(&format!("apply --server-side --force-conflicts -f {file}"))
            .await;
        assert_eq!(value(kubectl).await, "2");
        let text = kubectl.says("apply view-last-applied configmap a").await;
        assert!(text.contains("name: a"), "{text}");
    })
    .await;
}
