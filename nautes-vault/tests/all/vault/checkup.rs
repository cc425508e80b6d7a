//! What a server is and allows is looked at as it is, and nothing is changed there.

use std::collections::BTreeSet;

use nautes_vault::StoreError;
use nautes_vault::vault::checkup::{Checkup, Engine, Purpose};
use nautes_vault::vault::{Login, VaultStore};
use serde_json::json;

use super::prepared;
use super::proxy::Proxy;
use super::server::Server;

/// Looks at a server with a token, through something that writes down what is asked.
async fn examine(server: &Server, token: String, writes: bool) -> (Checkup, Vec<String>) {
    let proxy = Proxy::before(&server.address).await;
    let mut settings = super::settings(&proxy.address, "unused");
    settings.login = Login::Token(token.into());
    let clusters = ["live", "foreign", "bare", "absent"].map(|name| name.parse().unwrap());
    let found = VaultStore::new(settings)
        .unwrap()
        .examine(&clusters, writes)
        .await;
    (found, proxy.seen())
}

/// The purposes for which something is missing.
fn lacking(found: &Checkup) -> BTreeSet<Purpose> {
    let rights = found.rights.as_ref().unwrap().iter();
    rights
        .filter(|right| !right.missing().is_empty())
        .map(|right| right.purpose)
        .collect()
}

async fn token_of_the_guide(server: &Server, part: usize) -> String {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/vault.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let policy = guide
        .split("```hcl\n")
        .nth(part)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let body = json!({ "policy": policy });
    server.admin("PUT", "sys/policies/acl/nautes", Some(body)).await;
    server.token_with(&["nautes"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_looked_at_without_a_write() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let auth = nautes_vault::vault::ClusterAuth {
        host: "https://127.0.0.1:1".to_owned(),
        ca: rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .unwrap()
            .cert
            .pem(),
        reviewer: None,
    };
    store
        .configure_cluster(&"live".parse().unwrap(), &auth)
        .await
        .unwrap();
    for (mount, kind) in [("foreign", "approle"), ("bare", "kubernetes")] {
        let body = json!({ "type": kind });
        server
            .admin("POST", &format!("sys/auth/{mount}"), Some(body))
            .await;
    }
    let before = server.admin("GET", "sys/auth", None).await;
    let (found, seen) = examine(&server, token_of_the_guide(&server, 1).await, true).await;
    assert_eq!(
        server.admin("GET", "sys/auth", None).await["data"],
        before["data"]
    );
    let reads = |seen: &String| seen.starts_with("GET ") || seen.contains("/sys/capabilities-self");
    assert!(seen.len() > 8 && seen.iter().all(reads), "{seen:#?}");

    let health = found.health.as_ref().unwrap();
    assert!(health.initialized && !health.sealed && !health.standby && health.server_time_utc > 0);
    assert!(found.token.as_ref().unwrap().policies.contains("nautes"));
    assert!(
        found
            .engines
            .iter()
            .all(|(_, engine)| *engine.as_ref().unwrap() == Engine::Good)
    );
    assert_eq!(lacking(&found), BTreeSet::new());
    let auth: Vec<_> = found
        .auth
        .iter()
        .map(|(_, mount)| mount.as_ref().unwrap())
        .map(|mount| (mount.method.as_deref(), mount.configured))
        .collect();
    let wanted = [
        (Some("kubernetes"), Some(true)),
        (Some("approle"), Some(false)),
        (Some("kubernetes"), Some(false)),
        (None, None),
    ];
    assert_eq!(auth, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_told_by_what_it_is_for() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let body = json!({"type": "kv", "options": {"version": "1"}});
    server.admin("POST", "sys/mounts/git", Some(body)).await;
    let reader = token_of_the_guide(&server, 2).await;
    let (found, _) = examine(&server, reader.clone(), true).await;
    let engines: Vec<_> = found
        .engines
        .iter()
        .map(|(at, engine)| (at.as_str(), *engine.as_ref().unwrap()))
        .collect();
    let missing = |at| (at, Engine::Missing);
    assert_eq!(
        engines,
        [
            missing("cluster"),
            ("git", Engine::Other),
            missing("repo"),
            missing("tenant")
        ]
    );
    let all = [
        Purpose::Secrets,
        Purpose::Grants,
        Purpose::AuthMounts,
        Purpose::Engines,
    ];
    assert_eq!(lacking(&found), BTreeSet::from(all));
    // Behind a proxy reading is enough.
    let (found, _) = examine(&server, reader, false).await;
    assert_eq!(lacking(&found), BTreeSet::new());
    // Whose token is nobody's knows what everybody may know.
    let (found, _) = examine(&server, "canary".to_owned(), true).await;
    assert!(found.health.is_ok() && found.rights.is_err());
    assert!(
        matches!(
            found.token,
            Err(StoreError::NoLogin { .. } | StoreError::Refused { .. })
        ),
        "{found:?}"
    );
    assert!(!format!("{found:?}").contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_server_says_so_and_nothing_else() {
    let Some(server) = Server::on_disk().await else {
        return;
    };
    let store = VaultStore::new(server.settings()).unwrap();
    server.seal().await;
    let found = store.examine(&[], true).await;
    let health = found.health.unwrap();
    assert!(health.initialized && health.sealed);
    assert!(
        matches!(found.token, Err(StoreError::Sealed { .. })),
        "{:?}",
        found.token
    );
    assert!(matches!(found.rights, Err(StoreError::Sealed { .. })));
}
