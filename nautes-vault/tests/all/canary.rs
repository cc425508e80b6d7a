//! Planted secrets are searched for in everything that the store shows.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::Secret;
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretRef};
use nautes_vault::{Expect, LocalStore, MasterKey, SecretStore};

use crate::{one, path};

const PLANTED: usize = 100;

fn canary(n: usize) -> String {
    format!("canary-value-{n:05}")
}

#[tokio::test]
async fn neither_values_nor_names_are_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let key_file = folder.path().join("master.key");
    let master = MasterKey::load_or_create(&key_file).unwrap();
    {
        let store = LocalStore::open_or_create(&file, &master).unwrap();
        for n in 0..PLANTED {
            let values = BTreeMap::from([(format!("canary-key-{n}"), Secret::from(canary(n)))]);
            let _ = store
                .write(&path(&format!("git/canary-path-{n}")), values, Expect::Any)
                .await
                .unwrap();
        }
        store.delete(&path("git/canary-path-0")).await.unwrap();
        let principal = Principal::Platform {
            component: "canary-component".to_owned(),
        };
        let scope = GrantScope::Cluster {
            cluster: "canary-cluster".parse().unwrap(),
        };
        let grant = Grant {
            principal,
            secret: path("git/canary-path-1"),
            level: GrantLevel::Read,
        };
        store
            .converge_grants(&scope, &BTreeSet::from([grant]))
            .await
            .unwrap();
        assert!(
            !contains(&std::fs::read(&file).unwrap(), b"canary"),
            "while it is open"
        );
    }
    let bytes = std::fs::read(&file).unwrap();
    assert!(!contains(&bytes, b"canary"), "after it was closed");
    let key = std::fs::read(&key_file).unwrap();
    assert!(
        !contains(&bytes, key.trim_ascii()),
        "the master key is beside its store only"
    );
    assert!(
        contains(b"a canary b", b"canary"),
        "the search itself does not work"
    );
}

#[tokio::test]
async fn no_value_is_in_debug_output_errors_or_digests() {
    let master = MasterKey::generate().unwrap();
    let store = LocalStore::in_memory(&master).unwrap();
    let who = Principal::Platform {
        component: "nobody".to_owned(),
    };
    let mut shown = format!("{store:?} {store:#?} {master:?}");
    for n in 0..PLANTED {
        let at = path(&format!("git/p{n}"));
        let values = one(&canary(n));
        shown.push_str(&format!(
            "{:?}",
            store.write(&at, values.clone(), Expect::Any).await
        ));
        shown.push_str(&format!("{:#?}", store.read(&at).await));
        shown.push_str(&format!("{:?}", store.versions(&at).await));
        for error in [
            store
                .write(&at, values.clone(), Expect::Absent)
                .await
                .unwrap_err(),
            store.write_as(&who, &at, values, Expect::Any).await.unwrap_err(),
            store.read_as(&who, &at).await.unwrap_err(),
            store
                .write(
                    &at,
                    BTreeMap::from([(String::new(), canary(n).into())]),
                    Expect::Any,
                )
                .await
                .unwrap_err(),
        ] {
            shown.push_str(&format!("{error} {error:?} {:?}", error.hint()));
        }
        let digest = store
            .digest(&SecretRef {
                path: at,
                key: "key".to_owned(),
            })
            .await
            .unwrap()
            .unwrap();
        shown.push_str(&format!(
            "{digest} {digest:?} {}",
            serde_json::to_string(&digest).unwrap()
        ));
    }
    shown.push_str(&format!("{:?}", store.audit()));
    assert!(shown.contains("git/p99"), "paths are shown");
    assert!(!shown.contains("canary"), "a value is shown");
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}
