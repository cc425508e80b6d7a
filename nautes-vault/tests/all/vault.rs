//! The store in Vault, on real servers of OpenBao. Where there is no such server, these tests say so and are skipped.

mod canary;
mod checkup;
mod faults;
pub(crate) mod grants;
mod jwt;
mod kubernetes;
mod login;
mod proxy;
mod secrets;
pub(crate) mod server;

use std::time::Duration;

use nautes_vault::conformance;
use nautes_vault::vault::{ClusterAuth, Login, Pace, VaultSettings, VaultStore};

use self::server::Server;

/// Returns settings for the root of a server.
fn settings(address: &str, token: &str) -> VaultSettings {
    let mut settings = VaultSettings::new(address.parse().unwrap(), Login::Token(token.into()));
    settings.pace = Pace {
        pause: Duration::from_millis(5),
        recheck: Duration::ZERO,
        ..Pace::default()
    };
    settings
}

/// Returns a store on a server, with its engines.
pub(crate) async fn prepared(server: &Server) -> VaultStore {
    let store = VaultStore::new(server.settings()).unwrap();
    store.prepare().await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_memory_conforms() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    conformance::run(&store).await;
    assert!(
        nautes_vault::SecretStore::list(&store, "")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_disk_with_tls_conforms() {
    let Some(server) = Server::on_disk().await else {
        return;
    };
    conformance::run(&prepared(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_and_a_prefix_conform() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    server.admin("POST", "sys/namespaces/team", None).await;
    let mut settings = server.settings();
    settings.namespace = Some("team".to_owned());
    settings.prefix = "nautes/one".to_owned();
    let store = VaultStore::new(settings).unwrap();
    store.prepare().await.unwrap();
    conformance::run(&store).await;
    let outside = server.admin("GET", "sys/mounts", None).await;
    assert!(!outside.to_string().contains("nautes/one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_the_guide_is_enough() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/vault.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let policy = guide
        .split("```hcl\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let body = serde_json::json!({ "policy": policy });
    server.admin("PUT", "sys/policies/acl/nautes", Some(body)).await;
    let mut settings = server.settings();
    settings.login = Login::Token(server.token_with(&["nautes"]).await.into());
    let store = VaultStore::new(settings).unwrap();
    store.prepare().await.unwrap();
    conformance::run(&store).await;
    let cluster = "conformance".parse().unwrap();
    let auth = ClusterAuth {
        host: "https://127.0.0.1:1".to_owned(),
        ca: rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .unwrap()
            .cert
            .pem(),
        reviewer: None,
    };
    store.configure_cluster(&cluster, &auth).await.unwrap();
    assert!(store.retire_cluster(&cluster).await.unwrap());
    let left = server.admin("GET", "sys/auth", None).await;
    assert!(left["data"].get("conformance/").is_none(), "{left}");
    assert!(store.retire_cluster(&cluster).await.unwrap(), "retiring twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_with_roles_of_others_stays() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    for kind in ["kubernetes", "approle"] {
        let body = serde_json::json!({ "type": kind });
        server
            .admin("POST", &format!("sys/auth/{kind}"), Some(body))
            .await;
    }
    let role =
        serde_json::json!({"bound_service_account_names": ["x"], "bound_service_account_namespaces": ["y"]});
    server
        .admin("POST", "auth/kubernetes/role/theirs", Some(role))
        .await;
    assert!(
        !store
            .retire_cluster(&"kubernetes".parse().unwrap())
            .await
            .unwrap()
    );
    let error = store
        .retire_cluster(&"approle".parse().unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(error, nautes_vault::StoreError::Foreign { .. }),
        "{error}"
    );
    server.admin("GET", "auth/kubernetes/role/theirs", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_of_one_machine_is_copied_into_vault() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    crate::migrate::check(&prepared(&server).await).await;
}
