//! What the server has is what existing installations and other readers expect.

use std::collections::BTreeMap;

use nautes_model::secret::SecretRef;
use nautes_model::{Class, Secret};
use nautes_vault::vault::VaultStore;
use nautes_vault::{Expect, SecretStore, StoreError};
use serde_json::json;

use super::prepared;
use super::server::Server;
use crate::{one, path};

#[tokio::test]
async fn others_read_what_is_written_and_the_other_way_round() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let at = path("git/gitlab/repo-19/default/readonly");
    let values = BTreeMap::from([("deploykey".to_owned(), Secret::from("-----BEGIN\nx\n"))]);
    let _ = store.write(&at, values, Expect::Absent).await.unwrap();
    let found = server
        .admin("GET", "git/data/gitlab/repo-19/default/readonly", None)
        .await;
    assert_eq!(found["data"]["data"], json!({"deploykey": "-----BEGIN\nx\n"}));

    let theirs = json!({"data": {"accesstoken": "theirs", "id": 7}});
    server
        .admin(
            "POST",
            "git/data/gitlab/repo-19/default/accesstoken-api",
            Some(theirs),
        )
        .await;
    let at = path("git/gitlab/repo-19/default/accesstoken-api");
    let found = store.read(&at).await.unwrap().unwrap();
    assert_eq!(found.values["accesstoken"], Secret::from("theirs"));
    assert_eq!(found.values["id"], Secret::from("7"));
}

#[tokio::test]
async fn what_was_deleted_by_hand_is_deleted_and_can_be_brought_back() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let at = path("git/a");
    for value in ["1", "2"] {
        let _ = store.write(&at, one(value), Expect::Any).await.unwrap();
    }
    server.admin("DELETE", "git/data/a", None).await;
    assert_eq!(store.read(&at).await.unwrap().unwrap().version, 1);
    assert!(store.read_version(&at, 2).await.unwrap().is_none());
    assert_eq!(store.versions(&at).await.unwrap().len(), 1);
    server
        .admin("POST", "git/undelete/a", Some(json!({"versions": [2]})))
        .await;
    assert_eq!(store.read(&at).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn an_engine_that_is_missing_or_another_is_an_error_and_never_empty() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let old = json!({"type": "kv", "options": {"version": "1"}});
    server.admin("POST", "sys/mounts/repo", Some(old)).await;
    let store = VaultStore::new(server.settings()).unwrap();
    for at in ["git/a", "repo/a", "elsewhere/a"] {
        let error = store.read(&path(at)).await.unwrap_err();
        assert!(matches!(error, StoreError::NoEngine { .. }), "{at} gave {error}");
        assert_eq!(error.class(), Class::Unreachable);
        assert!(store.list(at).await.is_err());
        assert!(store.write(&path(at), one("v"), Expect::Any).await.is_err());
    }
    assert!(store.list("").await.is_err());
    let error = store.prepare().await.unwrap_err();
    assert!(matches!(error, StoreError::NoEngine { .. }), "{error}");
}

#[tokio::test]
async fn an_engine_that_disappears_is_an_error_too() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    assert!(store.read(&path("git/a")).await.unwrap().is_none());
    server.admin("DELETE", "sys/mounts/git", None).await;
    for error in [
        store.read(&path("git/a")).await.map(drop).unwrap_err(),
        store.list("git").await.map(drop).unwrap_err(),
        store.versions(&path("git/a")).await.map(drop).unwrap_err(),
        store.delete(&path("git/a")).await.unwrap_err(),
    ] {
        assert_eq!(error.class(), Class::Unreachable, "{error}");
    }
}

#[tokio::test]
async fn the_records_of_the_store_are_no_secrets() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let _ = store.write(&path("git/a"), one("v"), Expect::Any).await.unwrap();
    let at = SecretRef {
        path: path("git/a"),
        key: "key".to_owned(),
    };
    assert!(store.digest(&at).await.unwrap().is_some());
    assert_eq!(store.list("").await.unwrap(), [path("git/a")]);
    assert!(store.list("tenant").await.unwrap().is_empty());
    for own in ["tenant/nautes", "tenant/nautes/digest"] {
        let read = store.read(&path(own)).await.unwrap_err();
        assert!(matches!(read, StoreError::Reserved { .. }), "{read}");
        assert!(store.write(&path(own), one("v"), Expect::Any).await.is_err());
        assert!(store.delete(&path(own)).await.is_err());
    }
    assert!(store.read(&path("tenant/nautes-2/a")).await.unwrap().is_none());
}

#[tokio::test]
async fn all_processes_make_the_same_digests() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let (first, second) = (prepared(&server).await, prepared(&server).await);
    let _ = first.write(&path("git/a"), one("v"), Expect::Any).await.unwrap();
    let at = SecretRef {
        path: path("git/a"),
        key: "key".to_owned(),
    };
    let (one, two) = tokio::join!(first.digest(&at), second.digest(&at));
    assert_eq!(one.unwrap().unwrap(), two.unwrap().unwrap());
    let third = prepared(&server).await;
    assert_eq!(third.digest(&at).await.unwrap(), first.digest(&at).await.unwrap());
}

#[tokio::test]
async fn names_that_only_others_use_do_not_disturb_a_listing() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let theirs = json!({"data": {"a": "b"}});
    for name in ["with%20space", "folder%20x/a"] {
        server
            .admin("POST", &format!("git/data/{name}"), Some(theirs.clone()))
            .await;
    }
    let _ = store
        .write(&path("git/ours"), one("v"), Expect::Any)
        .await
        .unwrap();
    assert_eq!(store.list("git").await.unwrap(), [path("git/ours")]);
}
