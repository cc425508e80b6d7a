//! The store in Vault, on real servers of OpenBao. Where there is no such server, these tests say so and are skipped.

mod canary;
mod faults;
mod grants;
mod kubernetes;
mod login;
mod proxy;
mod secrets;
mod server;

use std::time::Duration;

use nautes_vault::conformance;
use nautes_vault::vault::{Login, Pace, VaultSettings, VaultStore};

use self::server::Server;

/// Returns settings for the root of a server.
fn settings(address: &str, token: &str) -> VaultSettings {
    let mut settings = VaultSettings::new(address.parse().unwrap(), Login::Token(token.into()));
    settings.pace = Pace {
        pause: Duration::from_millis(5),
        ..Pace::default()
    };
    settings
}

/// Returns a store on a server, with its engines.
async fn prepared(server: &Server) -> VaultStore {
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
