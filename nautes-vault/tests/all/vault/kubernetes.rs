//! Logins by the Kubernetes method, against an API server that only reviews tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nautes_model::secret::GrantLevel;
use nautes_vault::vault::{Login, VaultStore};
use nautes_vault::{Expect, SecretStore};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::grants::{account, grant, scope};
use super::prepared;
use super::server::Server;
use crate::{one, path};

/// A token is `<namespace>.<account>` here; a namespace belongs to the product in its name.
async fn api_server() -> String {
    let review = |Json(review): Json<Value>| async move {
        let token = review["spec"]["token"].as_str().unwrap_or_default().to_owned();
        let signature = token.split('.').nth(2).unwrap_or_default();
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let (namespace, account) = text.split_once('.').unwrap_or_default();
        Json(json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "status": {"authenticated": !account.is_empty(), "user": {
                "username": format!("system:serviceaccount:{namespace}:{account}"), "uid": text,
                "groups": ["system:serviceaccounts", "system:authenticated"]}},
        }))
    };
    let namespace = |Path(name): Path<String>| async move {
        let product = name.split('-').next().unwrap_or_default().to_owned();
        Json(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name,
            "labels": {"resource.nautes.io/belongsto": format!("product-{product}")}}}),
        )
    };
    let app = Router::new()
        .route("/apis/authentication.k8s.io/v1/tokenreviews", post(review))
        .route("/api/v1/namespaces/{name}", get(namespace));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// Returns a token of a service account, in the form of a JWT that nobody signed.
fn token(namespace: &str, account: &str) -> String {
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let about = json!({"iss": "kubernetes/serviceaccount",
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": format!("{namespace}.{account}")}}});
    // Where a signature would be is what the reviewer reads.
    let signature = URL_SAFE_NO_PAD.encode(format!("{namespace}.{account}"));
    format!(
        "{}.{}.{signature}",
        encode(json!({"alg": "RS256"})),
        encode(about)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_logs_in_from_namespaces_of_its_product_and_reads_what_it_was_granted() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let _ = store.write(&path("git/a"), one("v"), Expect::Any).await.unwrap();
    let wanted = BTreeSet::from([grant(&account("shop", "ci"), "git/a", GrantLevel::Read)]);
    store.converge_grants(&scope("shop"), &wanted).await.unwrap();
    let auth = nautes_vault::vault::ClusterAuth {
        host: api_server().await,
        ca: rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .unwrap()
            .cert
            .pem(),
        reviewer: Some("reviewer".into()),
    };
    store
        .configure_cluster(&"live".parse().unwrap(), &auth)
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let try_as = async |namespace: &str, name: &str| {
        let file = folder.path().join(format!("{namespace}.{name}"));
        std::fs::write(&file, token(namespace, name)).unwrap();
        let body = json!({"role": "shop-ci", "jwt": token(namespace, name)});
        let answer = server.ask("", "POST", "auth/live/login", Some(body)).await;
        let mut settings = server.settings();
        settings.login = Login::Kubernetes {
            mount: "live".to_owned(),
            role: "shop-ci".to_owned(),
            file,
        };
        let store = Arc::new(VaultStore::new(settings).unwrap());
        (answer, store.read(&path("git/a")).await)
    };
    let (answer, read) = try_as("shop-test", "ci").await;
    assert_eq!(answer.0, 200, "{}", answer.1);
    assert_eq!(read.unwrap().unwrap().values, one("v"));
    for (namespace, name) in [("bank-test", "ci"), ("shop-test", "other")] {
        let (answer, read) = try_as(namespace, name).await;
        assert!(answer.0 >= 400, "{namespace} {name} logged in");
        let error = read.unwrap_err();
        assert!(
            matches!(
                error,
                nautes_vault::StoreError::NoLogin {
                    method: "Kubernetes",
                    ..
                }
            ),
            "{error}"
        );
    }
}
