//! Tokens, roles, impersonation, TLS.

use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace},
    rbac::v1::Role,
};
use kube::{
    Api, Client, Config,
    api::{ListParams, PostParams},
    config::KubeConfigOptions,
};
use nautes_runtime::local::{self, Options};
use serde_json::{Value, json};

use crate::support::{cluster, get, map, maps, post, raw};

async fn allow(client: &Client, user: &str, rules: &Value) {
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": format!("{user}-role")}, "rules": rules});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": format!("{user}-binding")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": format!("{user}-role")},
        "subjects": [{"kind": "User", "name": user}]});
    let base = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
    assert_eq!(post(client, &format!("{base}/roles"), &role).await.0, 201);
    let (code, body) = post(client, &format!("{base}/rolebindings"), &binding).await;
    assert_eq!(code, 201, "{body}");
}

#[tokio::test]
async fn what_no_role_allows_is_forbidden() {
    let cluster = cluster().await;
    let jane = cluster.client_as("jane", &[]);
    let (code, body) = get(&jane, "/api/v1/namespaces/default/configmaps/a").await;
    assert_eq!(code, 403);
    assert_eq!(
        body["message"],
        "configmaps \"a\" is forbidden: User \"jane\" cannot get resource \"configmaps\" in API group \"\" in the \
         namespace \"default\""
    );
    let (code, body) = get(&jane, "/apis/apps/v1/deployments").await;
    assert_eq!(code, 403);
    assert_eq!(
        body["message"],
        "deployments.apps is forbidden: User \"jane\" cannot list resource \"deployments\" in API group \"apps\" at \
         the cluster scope"
    );
    let (code, body) = get(&jane, "/metrics").await;
    assert_eq!(
        (code, body["message"].as_str()),
        (403, Some("forbidden: User \"jane\" cannot get path \"/metrics\""))
    );
    assert_eq!(get(&jane, "/version").await.0, 200);
}

#[tokio::test]
async fn roles_allow_verbs_resources_and_names() {
    let cluster = cluster().await;
    let client = cluster.client();
    let rules = json!([
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"], "verbs": ["get"]},
    ]);
    allow(&client, "jane", &rules).await;
    maps(&client)
        .create(&PostParams::default(), &map("mine", &[]))
        .await
        .unwrap();
    maps(&client)
        .create(&PostParams::default(), &map("other", &[]))
        .await
        .unwrap();
    let jane = maps(&cluster.client_as("jane", &[]));
    assert_eq!(
        jane.list(&ListParams::default()).await.unwrap().items.len(),
        3 - 1
    );
    jane.get("mine").await.unwrap();
    assert!(jane.get("other").await.is_err());
    assert!(jane.create(&PostParams::default(), &map("x", &[])).await.is_err());
}

#[tokio::test]
async fn the_admin_role_sums_its_parts_up() {
    let cluster = cluster().await;
    let client = cluster.client();
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "admins"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
        "subjects": [{"kind": "Group", "name": "admins"}]});
    post(
        &client,
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
        &binding,
    )
    .await;
    let ann = maps(&cluster.client_as("ann", &["admins"]));
    ann.create(&PostParams::default(), &map("x", &[])).await.unwrap();
    ann.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn nobody_grants_more_than_he_has() {
    let cluster = cluster().await;
    let client = cluster.client();
    let rules = json!([
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
    ]);
    allow(&client, "jane", &rules).await;
    let roles: Api<Role> = Api::namespaced(cluster.client_as("jane", &[]), "default");
    let role = |verb: &str| -> Role {
        serde_json::from_value(json!({"metadata": {"name": format!("r-{verb}")},
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": [verb]}]}))
        .unwrap()
    };
    roles.create(&PostParams::default(), &role("get")).await.unwrap();
    let error = roles
        .create(&PostParams::default(), &role("delete"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is attempting to grant RBAC permissions not currently held"),
        "{error}"
    );
}

#[tokio::test]
async fn impersonation_needs_its_verb() {
    let cluster = cluster().await;
    let send = |client: Client, user: &'static str| async move {
        let request = http::Request::get("/api/v1/namespaces/default/configmaps")
            .header("impersonate-user", user)
            .body(kube::client::Body::empty())
            .unwrap();
        let response = client.send(request).await.unwrap();
        let code = response.status().as_u16();
        let body = response.into_body().collect_bytes().await.unwrap();
        (code, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let (code, body) = send(cluster.client(), "jane").await;
    assert_eq!(code, 403);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("User \"jane\" cannot list resource \"configmaps\"")
    );
    let (code, body) = send(cluster.client_as("jane", &[]), "ann").await;
    assert_eq!(code, 403);
    assert_eq!(
        body["message"],
        "users \"ann\" is forbidden: User \"jane\" cannot impersonate resource \"users\" in API group \"\" at the \
         cluster scope"
    );
}

#[tokio::test]
async fn access_reviews_answer_by_the_same_rules() {
    let cluster = cluster().await;
    allow(
        &cluster.client(),
        "jane",
        &json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
    )
    .await;
    let ask = |verb: &str| {
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"namespace": "default", "verb": verb, "resource": "pods"}}})
    };
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let jane = cluster.client_as("jane", &[]);
    let (code, body) = post(&jane, path, &ask("get")).await;
    assert_eq!((code, &body["status"]["allowed"]), (201, &json!(true)), "{body}");
    assert_eq!(
        post(&jane, path, &ask("delete")).await.1["status"]["allowed"],
        false
    );
}

async fn https() -> local::Cluster {
    let options = Options {
        listen: Some(([127, 0, 0, 1], 0).into()),
        ..Options::in_memory("tls")
    };
    local::Cluster::start(options).await.unwrap()
}

async fn over_https(cluster: &local::Cluster, token: &str) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(cluster.kubeconfig(token), &options)
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

#[tokio::test]
async fn a_kubeconfig_reaches_the_cluster_over_tls() {
    let cluster = https().await;
    cluster.add_token("good", "root", &["system:masters"]);
    let client = over_https(&cluster, "good").await;
    maps(&client)
        .create(&PostParams::default(), &map("a", &[]))
        .await
        .unwrap();
    assert!(maps(&cluster.client()).get_opt("a").await.unwrap().is_some());
    let error = maps(&over_https(&cluster, "bad").await)
        .get("a")
        .await
        .unwrap_err();
    let kube::Error::Api(status) = error else {
        panic!("{error}")
    };
    assert_eq!((status.code, status.message.as_str()), (401, "Unauthorized"));
    cluster.remove_token("good");
    let kube::Error::Api(status) = maps(&client).get("a").await.unwrap_err() else {
        panic!("no status")
    };
    assert_eq!(status.code, 401);
    cluster.stop().await;
}

#[tokio::test]
async fn a_requested_token_is_the_service_account() {
    let cluster = https().await;
    let client = cluster.client();
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    let (code, body) = post(&client, path, &request).await;
    assert_eq!(code, 201, "{body}");
    let token = body["status"]["token"].as_str().unwrap();
    let namespaces: Api<Namespace> = Api::all(over_https(&cluster, token).await);
    let error = namespaces.list(&ListParams::default()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("User \"system:serviceaccount:default:default\" cannot list"),
        "{error}"
    );
    let forged = format!("{token}x");
    let maps: Api<ConfigMap> = Api::default_namespaced(over_https(&cluster, &forged).await);
    let kube::Error::Api(status) = maps.get("a").await.unwrap_err() else {
        panic!("no status")
    };
    assert_eq!(status.code, 401);
}

#[tokio::test]
async fn odd_requests_get_a_clear_answer() {
    let cluster = cluster().await;
    let client = cluster.client();
    let path = "/api/v1/namespaces/default/configmaps";
    for (body, code) in [
        (json!([1]), 400),
        (
            json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}}),
            400,
        ),
        (
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}),
            400,
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": 7}),
            400,
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": 1}}),
            400,
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"a": "_"}}}),
            422,
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a/b": ""}}),
            422,
        ),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}),
            422,
        ),
    ] {
        let (found, answer) = post(&client, path, &body).await;
        assert_eq!(
            (found, answer["kind"].as_str()),
            (code, Some("Status")),
            "{body} {answer}"
        );
    }
    let long = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "x".repeat(4 << 20)}});
    assert_eq!(post(&client, path, &long).await.0, 413);
    assert_eq!(
        raw(&client, "PUT", path, "application/json", &json!({})).await.0,
        405
    );
    assert_eq!(get(&client, "/apis/none/v1/things").await.0, 404);
    assert_eq!(
        get(&client, &format!("{path}?labelSelector=a%20in%20b")).await.0,
        400
    );
    assert_eq!(get(&client, &format!("{path}?continue=zzz")).await.0, 400);
    assert_eq!(get(&client, "/api/v1/namespaces/%ff/configmaps").await.0, 400);
}
