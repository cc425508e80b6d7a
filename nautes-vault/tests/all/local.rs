//! The local store keeps the rules of every store, and comes back as it was.

use std::collections::BTreeSet;
use std::path::Path;

use nautes_model::Class;
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretRef};
use nautes_vault::local::Operation;
use nautes_vault::{Expect, LocalStore, MasterKey, SecretStore, StoreError, conformance};

use crate::{master, one, path};

#[tokio::test]
async fn the_store_in_memory_conforms() {
    conformance::run(&LocalStore::in_memory(&master()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_in_a_file_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    conformance::run(&LocalStore::open_or_create(&file, &master()).unwrap()).await;
    let store = LocalStore::open(&file, &master()).unwrap();
    assert!(
        store.list("").await.unwrap().is_empty(),
        "the suite left something behind"
    );
}

#[tokio::test]
async fn the_suite_leaves_a_store_in_use_as_it_was() {
    let store = LocalStore::in_memory(&master()).unwrap();
    let kept = store
        .write(&path("git/kept"), one("v"), Expect::Any)
        .await
        .unwrap();
    let _ = store
        .write(&path("git/conformance/left"), one("v"), Expect::Any)
        .await
        .unwrap();
    conformance::run(&store).await;
    assert_eq!(store.list("").await.unwrap(), [path("git/kept")]);
    assert_eq!(
        store.read(&path("git/kept")).await.unwrap().unwrap().version,
        kept.version
    );
    assert!(store.grant_scopes().await.unwrap().is_empty());
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let scope = GrantScope::Cluster {
        cluster: "c".parse().unwrap(),
    };
    let who = Principal::Platform {
        component: "controller".to_owned(),
    };
    let wanted = BTreeSet::from([Grant {
        principal: who.clone(),
        secret: path("git/a"),
        level: GrantLevel::Read,
    }]);
    let reference = SecretRef {
        path: path("git/a"),
        key: "key".to_owned(),
    };
    let digest = {
        let store = LocalStore::open_or_create(&file, &master()).unwrap();
        for value in ["1", "2", "3"] {
            let _ = store
                .write(&path("git/a"), one(value), Expect::Any)
                .await
                .unwrap();
        }
        store.remove_version(&path("git/a"), 3).await.unwrap();
        store.converge_grants(&scope, &wanted).await.unwrap();
        store.digest(&reference).await.unwrap().unwrap()
    };
    let store = LocalStore::open(&file, &master()).unwrap();
    let found = store.read_as(&who, &path("git/a")).await.unwrap().unwrap();
    assert_eq!((found.version, &found.values), (2, &one("2")));
    assert_eq!(store.grants(&scope).await.unwrap(), wanted);
    assert_eq!(store.digest(&reference).await.unwrap().unwrap(), digest);
    assert!(store.converge_grants(&scope, &wanted).await.unwrap().is_empty());
    let next = store
        .write(&path("git/a"), one("4"), Expect::Version(2))
        .await
        .unwrap();
    assert_eq!(next.version, 4, "an undone number was used again");
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let first = LocalStore::open_or_create(&file, &master()).unwrap();
    let clone = first.clone();
    drop(first);
    let error = LocalStore::open(&file, &master()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert_eq!(error.class(), Class::Conflict);
    drop(clone);
    LocalStore::open(&file, &master()).unwrap();
}

#[test]
fn opening_what_is_not_there_creates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let error = LocalStore::open(&file, &master()).unwrap_err();
    assert_eq!(error.class(), Class::NotFound);
    assert!(LocalStore::open_or_create(&folder.path().join("no/such/folder"), &master()).is_err());
    assert_eq!(entries(folder.path()), 0);
    LocalStore::open_or_create(&file, &master()).unwrap();
    assert_eq!(entries(folder.path()), 1, "creating left something behind");
}

#[cfg(unix)]
#[test]
fn a_new_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    LocalStore::open_or_create(&file, &master()).unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test]
async fn another_key_opens_nothing_and_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    {
        let store = LocalStore::open_or_create(&file, &master()).unwrap();
        let _ = store.write(&path("git/a"), one("1"), Expect::Any).await.unwrap();
    }
    let other = MasterKey::generate().unwrap();
    for _ in 0..2 {
        let error = LocalStore::open_or_create(&file, &other).unwrap_err();
        assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
        assert_eq!(error.class(), Class::Invalid);
        assert!(error.hint().is_some());
    }
    let store = LocalStore::open(&file, &master()).unwrap();
    assert_eq!(
        store.read(&path("git/a")).await.unwrap().unwrap().values,
        one("1")
    );
}

#[tokio::test]
async fn operations_are_audited_with_who_and_whether() {
    let store = LocalStore::in_memory(&master()).unwrap();
    let who = Principal::Platform {
        component: "controller".to_owned(),
    };
    let _ = store.write(&path("git/a"), one("1"), Expect::Any).await.unwrap();
    assert!(store.read_as(&who, &path("git/a")).await.is_err());
    store.delete(&path("git/a")).await.unwrap();
    let audit = store.audit();
    let seen: Vec<_> = audit
        .iter()
        .map(|e| (e.principal.as_ref(), e.operation, e.allowed))
        .collect();
    let expected = [
        (None, Operation::Write, true),
        (Some(&who), Operation::Read, false),
        (None, Operation::Delete, true),
    ];
    assert_eq!(seen, expected);
    assert!(audit.iter().all(|entry| entry.path == path("git/a")));
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[tokio::test]
async fn the_master_key_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let new = MasterKey::generate().unwrap();
    let reference = SecretRef {
        path: path("git/a"),
        key: "key".to_owned(),
    };
    let digest = {
        let store = LocalStore::open_or_create(&file, &master()).unwrap();
        let _ = store.write(&path("git/a"), one("v"), Expect::Any).await.unwrap();
        store.change_master(&new).await.unwrap();
        let _ = store.write(&path("git/b"), one("w"), Expect::Any).await.unwrap();
        store.digest(&reference).await.unwrap()
    };
    let error = LocalStore::open(&file, &master()).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    let store = LocalStore::open(&file, &new).unwrap();
    assert_eq!(store.list("").await.unwrap(), [path("git/a"), path("git/b")]);
    assert_eq!(
        store.read(&path("git/a")).await.unwrap().unwrap().values,
        one("v")
    );
    assert_eq!(store.digest(&reference).await.unwrap(), digest);
}
