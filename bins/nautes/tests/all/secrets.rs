//! `nautes secrets migrate`, into a real server of OpenBao.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nautes_model::Secret;
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal, SecretPath};
use nautes_vault::openbao::{self, Openbao};
use nautes_vault::{Expect, LocalStore, MasterKey, SecretStore, VaultStore};

use crate::kit::{Run, openbao, program, run};

const CANARY: &str = "canary-5f3a9c";

fn path(text: &str) -> SecretPath {
    SecretPath::new(text).unwrap()
}

fn values(text: &str) -> BTreeMap<String, Secret> {
    BTreeMap::from([("key".to_owned(), Secret::from(format!("{CANARY} {text}")))])
}

/// Makes a store as `nautes-api` has it.
async fn filled(data: &Path) -> LocalStore {
    let key = MasterKey::load_or_create(&data.join("store.key")).unwrap();
    let store = LocalStore::open_or_create(&data.join("store.redb"), &key).unwrap();
    for at in [
        "git/gitlab/repo-1/default/readonly",
        "cluster/kubernetes/live/default/admin",
    ] {
        let _ = store.write(&path(at), values(at), Expect::Any).await.unwrap();
    }
    let wanted = BTreeSet::from([Grant {
        principal: Principal::Account {
            cluster: "live".parse().unwrap(),
            product: "shop".parse().unwrap(),
            account: "ci".parse().unwrap(),
        },
        secret: path("git/gitlab/repo-1/default/readonly"),
        level: GrantLevel::Read,
    }]);
    store.converge_grants(&scope(), &wanted).await.unwrap();
    store
}

fn scope() -> GrantScope {
    GrantScope::Product {
        cluster: "live".parse().unwrap(),
        product: "shop".parse().unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_store_gets_a_new_key() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let held = filled(&data).await;
    let key = || std::fs::read_to_string(data.join("store.key")).unwrap();
    let before = key();
    let rekey = || -> Run {
        let mut command = program(dir.path());
        run(
            command.args(["secrets", "rekey", "--data", &data.display().to_string()]),
            "",
        )
    };
    let in_use = rekey();
    assert_eq!(in_use.code, 5, "{}", in_use.err);
    assert!(in_use.err.contains("stop nautes-api"), "{}", in_use.err);
    assert_eq!(key(), before);
    drop(held);
    let done = rekey();
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("has a new master key"), "{}", done.out);
    assert_ne!(key(), before);
    assert!(!done.out.contains(key().trim()) && !done.err.contains(key().trim()));
    let master = MasterKey::load_or_create(&data.join("store.key")).unwrap();
    let store = LocalStore::open(&data.join("store.redb"), &master).unwrap();
    let at = path("git/gitlab/repo-1/default/readonly");
    assert_eq!(
        store.read(&at).await.unwrap().unwrap().values,
        values(at.as_str())
    );
    let none = run(
        program(dir.path()).args(["secrets", "rekey", "--data", "none"]),
        "",
    );
    assert_eq!(none.code, 1, "{}", none.err);
    assert!(none.err.contains("there is no such file"), "{}", none.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_store_moves_into_vault_as_a_whole_and_shows_nothing() {
    let Some(bao) = openbao() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let held = filled(&data).await;
    let options = openbao::Options {
        program: bao,
        folder: dir.path().join("openbao"),
        port: 0,
    };
    let server = Openbao::start(options).await.unwrap();
    let migrate = |words: &[&str]| -> Run {
        let mut command = program(dir.path());
        command
            .args(["secrets", "migrate", "--data", &data.display().to_string()])
            .args(words)
            .env("NAUTES_VAULT_ADDRESS", server.address().as_str())
            .env("NAUTES_VAULT_LOGIN", "token-file")
            .env("NAUTES_VAULT_LOGIN_FILE", server.token_file());
        let run = run(&mut command, "");
        assert!(!format!("{run:?}").contains(CANARY), "{run:?}");
        run
    };
    let in_use = migrate(&[]);
    assert_eq!(in_use.code, 5, "{}", in_use.err);
    assert!(in_use.err.contains("stop nautes-api"), "{}", in_use.err);
    drop(held);

    let vault = VaultStore::new(server.settings()).unwrap();
    let planned = migrate(&["--dry-run"]);
    assert_eq!(planned.code, 1, "{}", planned.err);
    assert!(planned.out.ends_with(
        "2 secrets to copy, 0 there already, 0 kept with other values; grants of 1 scopes to change\n"
    ));
    assert!(
        planned.err.contains("without --dry-run it is enabled"),
        "{}",
        planned.err
    );
    assert!(vault.list("").await.is_err(), "a plan enables nothing");

    let done = migrate(&[]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("2 secrets copied and compared"), "{}", done.out);
    let git = path("git/gitlab/repo-1/default/readonly");
    let found = vault.read(&git).await.unwrap().unwrap();
    assert_eq!(found.values, values(git.as_str()));
    assert_eq!(vault.grants(&scope()).await.unwrap().len(), 1);

    let again = migrate(&["-o", "json"]);
    assert_eq!(again.code, 0, "{}", again.err);
    let read: serde_json::Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(read["same"].as_array().unwrap().len(), 2, "{read}");
    assert!(read["written"].as_array().unwrap().is_empty() && read["granted"].as_array().unwrap().is_empty());
    assert_eq!(
        vault.read(&git).await.unwrap().unwrap().version,
        found.version,
        "nothing was written"
    );
    assert_eq!(migrate(&["--dry-run"]).code, 0, "nothing is left to do");

    let _ = vault.write(&git, values("theirs"), Expect::Any).await.unwrap();
    let kept = migrate(&[]);
    assert_eq!(kept.code, 1, "{}", kept.err);
    assert!(
        kept.out
            .contains("differs, kept git/gitlab/repo-1/default/readonly"),
        "{}",
        kept.out
    );
    assert_eq!(migrate(&["--replace"]).code, 0);
    assert_eq!(
        vault.read(&git).await.unwrap().unwrap().values,
        values(git.as_str())
    );

    let wrong = migrate(&["--vault-login", "jwt"]);
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    assert!(wrong.err.contains("needs vault-role"), "{}", wrong.err);
    let absent = run(
        program(dir.path())
            .args([
                "secrets",
                "migrate",
                "--data",
                "nowhere",
                "--vault-login",
                "token-file",
            ])
            .args([
                "--vault-address",
                server.address().as_str(),
                "--vault-login-file",
                "t",
            ]),
        "",
    );
    assert_eq!(absent.code, 4, "{}", absent.err);
    assert!(absent.err.contains("nowhere/store.redb"), "{}", absent.err);
    server.stop().await;
}
