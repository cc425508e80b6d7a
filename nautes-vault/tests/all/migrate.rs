//! Copying one store into another.

use std::collections::BTreeSet;

use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal};
use nautes_vault::migrate::{Copied, Differing, copy, plan};
use nautes_vault::{Expect, LocalStore, SecretStore};

use crate::{master, one, path};

async fn source() -> LocalStore {
    let store = LocalStore::in_memory(&master()).unwrap();
    for value in ["old", "new"] {
        let _ = store
            .write(&path("git/a"), one(value), Expect::Any)
            .await
            .unwrap();
    }
    for at in ["git/b", "cluster/kubernetes/c/default/admin"] {
        let _ = store.write(&path(at), one(at), Expect::Any).await.unwrap();
    }
    store.converge_grants(&scope(), &wanted()).await.unwrap();
    store
}

fn scope() -> GrantScope {
    GrantScope::Cluster {
        cluster: "c".parse().unwrap(),
    }
}

fn wanted() -> BTreeSet<Grant> {
    BTreeSet::from([Grant {
        principal: Principal::Platform {
            component: "api".to_owned(),
        },
        secret: path("git/a"),
        level: GrantLevel::Read,
    }])
}

/// Copies into a store that has one of the secrets with another value.
pub(crate) async fn check(to: &dyn SecretStore) {
    let from = source().await;
    let _ = to
        .write(&path("git/b"), one("theirs"), Expect::Any)
        .await
        .unwrap();
    let others = [path("cluster/kubernetes/c/default/admin"), path("git/a")];

    let planned = plan(&from, to, Differing::Keep).await.unwrap();
    assert_eq!(
        to.read(&path("git/a")).await.unwrap(),
        None,
        "a plan writes nothing"
    );
    assert!(to.grants(&scope()).await.unwrap().is_empty());
    let first = copy(&from, to, Differing::Keep).await.unwrap();
    let expected = Copied {
        written: BTreeSet::from(others.clone()),
        same: BTreeSet::new(),
        kept: BTreeSet::from([path("git/b")]),
        granted: BTreeSet::from([scope()]),
    };
    assert_eq!((&planned, &first), (&expected, &expected));
    assert_eq!(to.read(&path("git/a")).await.unwrap().unwrap().values, one("new"));
    assert_eq!(
        to.read(&path("git/b")).await.unwrap().unwrap().values,
        one("theirs")
    );
    assert_eq!(to.grants(&scope()).await.unwrap(), wanted());

    let second = copy(&from, to, Differing::Replace).await.unwrap();
    let expected = Copied {
        written: BTreeSet::from([path("git/b")]),
        same: BTreeSet::from(others),
        ..Copied::default()
    };
    assert_eq!(second, expected);
    assert_eq!(
        to.read(&path("git/b")).await.unwrap().unwrap().values,
        one("git/b")
    );
    assert_eq!(
        to.read_version(&path("git/b"), 1).await.unwrap().unwrap().values,
        one("theirs")
    );
}

#[tokio::test]
async fn a_store_is_copied_and_what_is_there_is_kept() {
    check(&LocalStore::in_memory(&master()).unwrap()).await;
}
