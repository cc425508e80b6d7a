//! What kubectl makes from its command line, and sends as protobuf.

use super::each;

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
