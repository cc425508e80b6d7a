//! What kubectl makes from its command line, and sends as protobuf.

use serde_json::{Value, json};

use super::each;
use crate::support::{install, widget_definition};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_makes_objects_of_many_kinds() {
    each(async |kubectl| {
        for (made, place, expect) in [
            (
                "deployment web --image=a:1 --port=80 --replicas=0",
                "{.spec.replicas} {.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].ports[0].containerPort}",
                "0 a:1 80",
            ),
            (
                "job j --image=a:1 -- run it",
                "{.spec.template.spec.restartPolicy} {.spec.template.spec.containers[0].command[*]}",
                "Never run it",
            ),
            (
                "cronjob c --image=a:1 --schedule=@daily",
                "{.spec.schedule} {.spec.jobTemplate.spec.template.spec.restartPolicy}",
                "@daily OnFailure",
            ),
            ("service clusterip s --tcp=80:8080", "{.spec.ports[0].port} {.spec.ports[0].targetPort}", "80 8080"),
            ("service nodeport n --tcp=80:web", "{.spec.type} {.spec.ports[0].targetPort}", "NodePort web"),
            (
                "ingress i --class=own --rule=a.example.io/x=s:80",
                "{.spec.ingressClassName} {.spec.rules[0].host}{.spec.rules[0].http.paths[0].path} {.spec.rules[0].http.paths[0].backend.service}",
                r#"own a.example.io/x {"name":"s","port":{"number":80}}"#,
            ),
            ("quota q --hard=pods=5,requests.cpu=500m", "{.spec.hard}", r#"{"pods":"5","requests.cpu":"500m"}"#),
            (
                "poddisruptionbudget p --selector=app=web --min-available=50%",
                "{.spec.minAvailable} {.spec.selector.matchLabels.app}",
                "50% web",
            ),
            ("priorityclass urgent --value=-7 --description=d", "{.value} {.description}", "-7 d"),
        ] {
            let words: Vec<&str> = made.split(' ').collect();
            let (kind, name) = if words[0] == "service" { ("service", words[2]) } else { (words[0], words[1]) };
            kubectl.says(&format!("create {made}")).await;
            let place = format!("jsonpath={place}");
            let text = kubectl.ok(&["get", kind, name, "-o", &place], None).await;
            assert_eq!(text, expect, "create {made}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn autoscale_makes_an_autoscaler() {
    each(async |kubectl| {
        kubectl.says("create deployment web --image=a:1").await;
        kubectl
            .says("autoscale deployment web --min=2 --max=5 --cpu-percent=50")
            .await;
        let place = "jsonpath={.spec.minReplicas} {.spec.maxReplicas} {.spec.metrics[0].resource.target.averageUtilization}";
        let text = kubectl.ok(&["get", "hpa", "web", "-o", place], None).await;
        assert_eq!(text, "2 5 50");
        let text = kubectl.says("get hpa").await;
        assert!(
            text.contains("Deployment/web") && text.contains("cpu: <unknown>/50%"),
            "{text}"
        );
        let place = "jsonpath={.spec.targetCPUUtilizationPercentage}";
        let text = kubectl
            .ok(
                &["get", "horizontalpodautoscalers.v1.autoscaling", "web", "-o", place],
                None,
            )
            .await;
        assert_eq!(text, "50");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviews_are_created_from_files() {
    let group = |kind: &str| match kind {
        "TokenReview" | "SelfSubjectReview" => "authentication.k8s.io/v1",
        _ => "authorization.k8s.io/v1",
    };
    let attributes = json!({"namespace": "default", "verb": "get", "resource": "pods"});
    let reviews = [
        ("TokenReview", json!({"token": "secret"}), "username: root"),
        (
            "SubjectAccessReview",
            json!({"user": "eve", "resourceAttributes": attributes}),
            "allowed: false",
        ),
        (
            "SelfSubjectAccessReview",
            json!({"resourceAttributes": attributes}),
            "allowed: true",
        ),
        (
            "LocalSubjectAccessReview",
            json!({"user": "eve", "resourceAttributes": attributes}),
            "allowed: false",
        ),
        (
            "SelfSubjectRulesReview",
            json!({"namespace": "default"}),
            "incomplete: false",
        ),
        ("SelfSubjectReview", Value::Null, "username: root"),
    ];
    each(async |kubectl| {
        for (kind, spec, expect) in &reviews {
            let mut review = json!({"apiVersion": group(kind), "kind": kind, "spec": spec});
            if spec.is_null() {
                review.as_object_mut().unwrap().remove("spec");
            }
            if *kind == "LocalSubjectAccessReview" {
                review["metadata"] = json!({"namespace": "default"});
            }
            for validate in ["--validate=true", "--validate=strict"] {
                let args = ["create", "-f", "-", "-o", "yaml", validate];
                let text = kubectl.ok(&args, Some(&review)).await;
                assert!(text.contains(expect), "{kind}: {text}");
            }
            // Nobody but the client judges the fields of these kinds.
            review["colour"] = "red".into();
            let (ok, text) = kubectl.run(&["create", "-f", "-"], Some(&review)).await;
            assert!(!ok && text.contains("unknown field \"colour\""), "{kind}: {text}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_kinds_are_validated_by_the_server() {
    each(async |kubectl| {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
            "properties": {"size": {"type": "integer"}}}}});
        install(&kubectl.cluster.client(), &widget_definition(&schema)).await;
        let widget = json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"},
            "spec": {"size": 1}});
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "v"}});
        for object in [&widget, &map] {
            kubectl
                .ok(&["create", "-f", "-", "--validate=strict"], Some(object))
                .await;
            let mut wrong = object.clone();
            wrong["colour"] = "red".into();
            wrong["metadata"]["name"] = "other".into();
            let (ok, text) = kubectl
                .run(&["create", "-f", "-", "--validate=strict"], Some(&wrong))
                .await;
            assert!(
                !ok && text.contains("strict decoding error: unknown field \"colour\""),
                "{text}"
            );
        }
    })
    .await;
}
