//! What shows objects.

use serde_json::{Value, json};

use super::{deployment, each, map};
use crate::support::{install, widget_definition};

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_prints_in_every_form() {
    each(async |kubectl| {
        kubectl.apply(&deployment("a:1")).await;
        let of = async |form: &str| kubectl.says(&format!("get deployment web -o {form}")).await;
        let table = kubectl.says("get deployment web").await;
        let (head, row) = table.split_once('\n').unwrap();
        assert_eq!(words(head), ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]);
        assert_eq!(words(row)[..4], ["web", "0/1", "0", "0"]);
        let wide = of("wide").await;
        let (head, row) = wide.split_once('\n').unwrap();
        assert_eq!(words(head)[5..], ["CONTAINERS", "IMAGES", "SELECTOR"]);
        assert_eq!(words(row)[5..], ["a", "a:1", "app=web"]);
        let json: Value = serde_json::from_str(&of("json").await).unwrap();
        let yaml: Value = serde_yaml::from_str(&of("yaml").await).unwrap();
        assert_eq!(json, yaml);
        assert_eq!(json["spec"]["replicas"], 1);
        assert_eq!(of("name").await, "deployment.apps/web\n");
        assert_eq!(
            of("jsonpath={.spec.template.spec.containers[*].image}").await,
            "a:1"
        );
        assert_eq!(
            words(&of("custom-columns=N:.metadata.name,I:.spec.template.spec.containers[0].image").await),
            ["N", "I", "web", "a:1"]
        );
        assert_eq!(of("go-template={{.metadata.name}}").await, "web");
        let text = kubectl
            .says("get deployment --show-labels -L part --no-headers")
            .await;
        assert_eq!(words(&text)[5..], ["x", "part=x"]);
        let text = kubectl
            .says("get deployments,configmaps -A --sort-by=.metadata.name -o name")
            .await;
        assert!(text.contains("deployment.apps/web\n"), "{text}");
        let text = kubectl.says("get deployment --chunk-size=1 -o name").await;
        assert_eq!(text, "deployment.apps/web\n");
        let text = kubectl
            .says("get all --field-selector metadata.name=web -o name")
            .await;
        assert_eq!(text, "deployment.apps/web\n");
        let text = kubectl
            .says("get deployment web --subresource=status -o name")
            .await;
        assert_eq!(text, "deployment.apps/web\n");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn describe_knows_the_kinds() {
    each(async |kubectl| {
        kubectl.apply(&deployment("a:1")).await;
        kubectl.apply(&map("hello")).await;
        kubectl
            .apply(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                "spec": {"containers": [{"name": "c", "image": "c:1"}]}}))
            .await;
        kubectl
            .apply(&json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}))
            .await;
        kubectl
            .apply(&json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"}, "spec": {
                "schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": {
                    "restartPolicy": "Never", "containers": [{"name": "c", "image": "c:1"}]}}}}}}))
            .await;
        kubectl.says("create role r --verb=get --resource=pods").await;
        kubectl.says("create rolebinding b --role=r --user=bob").await;
        kubectl.says("create secret generic s --from-literal=k=v").await;
        for (what, shown) in [
            ("deployment web", "StrategyType:"),
            ("deployment web", "1 desired | 0 updated"),
            ("configmap a", "hello"),
            ("pod p", "Image:"),
            ("pod p", "QoS Class:"),
            ("service s", "80/TCP"),
            ("cronjob c", "* * * * *"),
            ("role r", "pods"),
            ("rolebinding b", "bob"),
            ("secret s", "1 bytes"),
            ("namespace default", "Active"),
            ("serviceaccount default", "Image pull secrets:"),
            ("clusterrole admin", "PolicyRule:"),
        ] {
            let text = kubectl.says(&format!("describe {what}")).await;
            assert!(text.contains(shown), "describe {what}: {text}");
        }
        install(
            &kubectl.cluster.client(),
            &widget_definition(&json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})),
        )
        .await;
        let widget = json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}});
        kubectl.apply(&widget).await;
        let text = kubectl.says("describe widget w").await;
        assert!(text.contains("Size:  3"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_shown_with_what_they_are_about() {
    each(async |kubectl| {
        kubectl.apply(&deployment("a:1")).await;
        let uid = kubectl
            .says("get deployment web -o jsonpath={.metadata.uid}")
            .await;
        let event = |name: &str, ty: &str, about: &str| {
            json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": "default"},
                "involvedObject": {"apiVersion": "apps/v1", "kind": "Deployment", "name": about, "namespace": "default",
                    "uid": if about == "web" { uid.as_str() } else { "" }},
                "reason": "Tested", "message": format!("about {about}"), "type": ty, "count": 1,
                "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"})
        };
        for event in [event("e1", "Warning", "web"), event("e2", "Normal", "other")] {
            kubectl.ok(&["create", "-f", "-"], Some(&event)).await;
        }
        let text = kubectl.says("events").await;
        assert!(text.contains("about web") && text.contains("about other"), "{text}");
        for only in [
            "events --for deployment/web",
            "events --types=Warning",
            "get events --field-selector type=Warning",
            "get events --field-selector involvedObject.name=web",
            "describe deployment web",
        ] {
            let text = kubectl.says(only).await;
            assert!(
                text.contains("about web") && !text.contains("about other"),
                "{only}: {text}"
            );
        }
        let text = kubectl.says("get events --no-headers").await;
        assert!(text.contains("deployment/web"), "{text}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_ends_when_it_is_so() {
    each(async |kubectl| {
        kubectl.apply(&deployment("a:1")).await;
        kubectl.apply(&map("1")).await;
        let text = kubectl
            .refuses("wait --for=condition=Available deployment/web --timeout=1s")
            .await;
        assert!(text.contains("timed out waiting"), "{text}");
        let made = async |args: &str, then: &str| {
            let (waited, _) = tokio::join!(kubectl.says(args), kubectl.says(then));
            waited
        };
        let status = r#"patch deployment web --subresource=status --type=merge -p {"status":{"conditions":[{"type":"Available","status":"True","reason":"Tested","message":"so"}]}}"#;
        for (wait, then, said) in [
            (
                "wait --for=condition=Available deployment/web --timeout=20s",
                status,
                "deployment.apps/web condition met\n",
            ),
            (
                "wait --for=jsonpath={.data.k}=2 configmap/a --timeout=20s",
                r#"patch configmap a --type=merge -p {"data":{"k":"2"}}"#,
                "configmap/a condition met\n",
            ),
            (
                "wait --for=jsonpath={.data.more} configmap/a --timeout=20s",
                r#"patch configmap a --type=merge -p {"data":{"more":"2"}}"#,
                "configmap/a condition met\n",
            ),
            (
                "wait --for=create configmap/later --timeout=20s",
                "create configmap later",
                "configmap/later condition met\n",
            ),
            (
                "wait --for=delete configmap/a --timeout=20s",
                "delete configmap a",
                "configmap/a condition met\n",
            ),
        ] {
            let text = made(wait, then).await;
            // Nothing is said of what was gone before the wait began.
            assert!(text == said || text.is_empty() && wait.contains("delete"), "{wait}: {text}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_shows_what_happens() {
    each(async |kubectl| {
        let args = ["get", "configmap", "-l", "part=x", "-w", "--output-watch-events"];
        let story = async || {
            kubectl.apply(&map("1")).await;
            kubectl.apply(&map("2")).await;
            kubectl.says("delete configmap a").await;
            // Where the watch begins only now, it has this to tell.
            kubectl.apply(&map("3")).await;
        };
        let told = |line: &String| {
            line.split_whitespace()
                .take(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let lines = kubectl
            .lines_until(&args, story, |lines| {
                lines.len() > 1 && lines[lines.len() - 1].starts_with("ADDED")
            })
            .await;
        assert_eq!(told(&lines[0]), ["EVENT", "NAME"], "{lines:?}");
        assert!(lines[1..].iter().all(|line| told(line)[1] == "a"), "{lines:?}");
        assert_eq!(told(&lines[1])[0], "ADDED", "{lines:?}");
        let args = ["get", "deployment", "-w", "-o", "wide"];
        let story = async || {
            kubectl.apply(&deployment("a:1")).await;
        };
        let lines = kubectl.lines_until(&args, story, |lines| lines.len() > 1).await;
        assert!(
            lines[0].starts_with("NAME") && lines[0].ends_with("SELECTOR"),
            "{lines:?}"
        );
        assert!(lines[1].starts_with("web"), "{lines:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_are_listed() {
    each(async |kubectl| {
        let text = kubectl.says("auth can-i --list").await;
        let all = text.lines().filter(|line| line.starts_with("*.*")).count();
        assert_eq!(all, 1, "{text}");
        let healthy = text.lines().filter(|line| line.contains("[/healthz]")).count();
        assert_eq!(healthy, 2, "{text}");
        kubectl.says("create role r --verb=get,list --resource=pods").await;
        kubectl.says("create rolebinding b --role=r --user=bob").await;
        let text = kubectl.says("auth can-i --list --as bob").await;
        let row = text.lines().find(|line| line.starts_with("pods ")).unwrap();
        assert!(row.contains("[get list]"), "{text}");
        assert!(text.contains("selfsubjectaccessreviews.authorization.k8s.io"), "{text}");
        assert_eq!(kubectl.says("auth can-i get pods --as bob").await, "yes\n");
        let text = kubectl.refuses("auth can-i delete pods --as bob").await;
        assert!(text.contains("no"), "{text}");
        let text = kubectl.refuses("get secrets --as bob").await;
        assert!(
            text.contains("User \"bob\" cannot list resource \"secrets\" in API group \"\""),
            "{text}"
        );
        let text = kubectl.says("auth whoami --as bob").await;
        assert!(text.contains("bob"), "{text}");
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": "default"},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]});
        kubectl.ok(&["auth", "reconcile", "-f", "-"], Some(&role)).await;
        assert_eq!(kubectl.says("auth can-i watch pods --as bob").await, "yes\n");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_is_explained() {
    each(async |kubectl| {
        let text = kubectl.says("explain deployment.spec --recursive").await;
        for field in ["selector\t<LabelSelector>", "containerPort\t<integer>", "rollingUpdate\t<RollingUpdateDeployment>"] {
            assert!(text.contains(field), "{field}: {text}");
        }
        let text = kubectl.says("explain ingress --api-version=networking.k8s.io/v1").await;
        assert!(text.contains("metadata\t<ObjectMeta>\n"), "{text}");
        let text = kubectl.says("explain pod.spec.containers.ports.protocol").await;
        assert!(text.contains("ENUM:\n    SCTP\n    TCP\n    UDP\n"), "{text}");
        let text = kubectl.says("explain configmap.metadata.managedFields").await;
        assert!(text.contains("<[]ManagedFieldsEntry>") && text.contains("manager\t<string>"), "{text}");
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "parts": {"type": "array", "items": {"type": "object", "properties": {"colour": {"type": "string"}}}}}}}});
        install(&kubectl.cluster.client(), &widget_definition(&schema)).await;
        let text = kubectl.says("explain widget --recursive").await;
        assert!(text.contains("parts\t<[]Object>") && text.contains("colour\t<string>"), "{text}");
        let second = "--output=plaintext-openapiv2";
        let text = kubectl.says(&format!("explain widget.spec.parts {second}")).await;
        assert!(text.contains("RESOURCE: parts <[]Object>") && text.contains("colour\t<string>"), "{text}");
        let text = kubectl.says(&format!("explain deployment.spec.strategy.rollingUpdate {second}")).await;
        assert!(text.contains("RESOURCE: rollingUpdate <Object>") && text.contains("maxSurge\t<string>"), "{text}");
        let text = kubectl.says("api-resources -o wide --sort-by=name").await;
        let row = text.lines().find(|line| line.starts_with("widgets ")).unwrap();
        assert!(row.contains("wd") && row.contains("example.io/v1") && row.contains("Widget"), "{row}");
        assert!(kubectl.says("api-versions").await.contains("example.io/v1\n"));
        assert!(kubectl.says("version").await.contains("Server Version: v1."));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kinds_of_kubernetes_come_before_those_of_definitions() {
    each(async |kubectl| {
        let mut definition = widget_definition(&json!({"type": "object"}));
        definition["metadata"]["name"] = "deployments.a.example.io".into();
        definition["spec"]["group"] = "a.example.io".into();
        definition["spec"]["names"] = json!({"kind": "Deployment", "plural": "deployments"});
        install(&kubectl.cluster.client(), &definition).await;
        kubectl.says("create deployment web --image=a:1").await;
        let text = kubectl.says("get deployments -o name").await;
        assert_eq!(text, "deployment.apps/web\n");
        let text = kubectl.says("get deployments.a.example.io").await;
        assert!(text.contains("No resources found"), "{text}");
    })
    .await;
}
