//! Grants on the server: what the server enforces, what belongs to others, what heals, who meets whom.

use std::collections::BTreeSet;

use nautes_model::Class;
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal};
use nautes_vault::vault::{VaultStore, names};
use nautes_vault::{Expect, SecretStore, StoreError};
use serde_json::json;

use super::proxy::{Fault, Proxy};
use super::server::Server;
use super::{prepared, settings};
use crate::{one, path};

const READONLY: &str = "git/gitlab/repo-19/default/readonly";
const POLICY: &str = "gitlab-repo-19-default-readonly";

pub(crate) fn scope(product: &str) -> GrantScope {
    GrantScope::Product {
        product: product.parse().unwrap(),
        cluster: "live".parse().unwrap(),
    }
}

fn shared() -> GrantScope {
    GrantScope::Cluster {
        cluster: "live".parse().unwrap(),
    }
}

pub(crate) fn account(product: &str, account: &str) -> Principal {
    Principal::Account {
        cluster: "live".parse().unwrap(),
        product: product.parse().unwrap(),
        account: account.parse().unwrap(),
    }
}

pub(crate) fn grant(principal: &Principal, at: &str, level: GrantLevel) -> Grant {
    Grant {
        principal: principal.clone(),
        secret: path(at),
        level,
    }
}

fn reading(product: &str, paths: &[&str]) -> BTreeSet<Grant> {
    let who = account(product, "ci");
    paths.iter().map(|at| grant(&who, at, GrantLevel::Read)).collect()
}

async fn role_policies(server: &Server, role: &str) -> Vec<String> {
    let role = server.admin("GET", &format!("auth/live/role/{role}"), None).await;
    serde_json::from_value(role["data"]["token_policies"].clone()).unwrap()
}

#[tokio::test]
async fn the_server_enforces_exactly_what_is_granted() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    for at in [READONLY, "git/a", "git/a/b", "git/w"] {
        let _ = store.write(&path(at), one("v"), Expect::Any).await.unwrap();
    }
    let mut wanted = reading("shop", &[READONLY, "git/a"]);
    wanted.insert(grant(&account("shop", "ci"), "git/w", GrantLevel::Write));
    store.converge_grants(&scope("shop"), &wanted).await.unwrap();

    let policies = role_policies(&server, "shop-ci").await;
    assert!(policies.contains(&POLICY.to_owned()), "{policies:?}");
    let policies: Vec<&str> = policies.iter().map(String::as_str).collect();
    let token = server.token_with(&policies).await;
    let body = json!({"data": {"key": "theirs"}});
    for (at, read, write) in [
        ("gitlab/repo-19/default/readonly", 200, 403),
        ("a", 200, 403),
        ("a/b", 403, 403),
        ("w", 200, 200),
    ] {
        assert_eq!(
            server.ask(&token, "GET", &format!("git/data/{at}"), None).await.0,
            read,
            "{at}"
        );
        let wrote = server
            .ask(&token, "POST", &format!("git/data/{at}"), Some(body.clone()))
            .await;
        assert_eq!(wrote.0, write, "{at}");
    }
    for (method, at) in [
        ("DELETE", "git/metadata/w"),
        ("LIST", "git/metadata/"),
        ("GET", "sys/policies/acl/root"),
    ] {
        assert_eq!(server.ask(&token, method, at, None).await.0, 403, "{method} {at}");
    }
}

#[tokio::test]
async fn a_second_convergence_writes_nothing() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    prepared(&server).await;
    let proxy = Proxy::before(&server.address).await;
    let store = VaultStore::new(settings(&proxy.address, "root")).unwrap();
    let mut wanted = reading("shop", &["git/a", "git/b"]);
    wanted.insert(grant(
        &Principal::Platform {
            component: "api".into(),
        },
        "git/a",
        GrantLevel::Read,
    ));
    let change = store.converge_grants(&scope("shop"), &wanted).await.unwrap();
    assert_eq!(change.added, wanted);
    assert!(!proxy.writes().is_empty(), "the proxy sees writes");
    for _ in 0..2 {
        assert!(
            store
                .converge_grants(&scope("shop"), &wanted)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(proxy.writes(), [""; 0]);
    }
    let fewer = reading("shop", &["git/a"]);
    store.converge_grants(&scope("shop"), &fewer).await.unwrap();
    proxy.seen();
    assert!(
        store
            .converge_grants(&scope("shop"), &fewer)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(proxy.writes(), [""; 0]);
}

#[tokio::test]
async fn what_others_made_is_not_touched() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let policy = json!({"policy": "path \"secret/theirs\" { capabilities = [\"read\"] }"});
    server
        .admin("PUT", &format!("sys/policies/acl/{POLICY}"), Some(policy.clone()))
        .await;
    let error = store
        .converge_grants(&scope("shop"), &reading("shop", &[READONLY]))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Foreign { what: "policy", name, .. } if name == POLICY),
        "{error}"
    );
    assert_eq!(error.class(), Class::Conflict);
    assert!(
        store.grant_scopes().await.unwrap().is_empty(),
        "something was written"
    );

    server
        .admin("POST", "sys/auth/live", Some(json!({"type": "kubernetes"})))
        .await;
    let theirs = json!({"bound_service_account_names": ["x"], "bound_service_account_namespaces": ["y"],
        "token_policies": ["theirs"]});
    server.admin("POST", "auth/live/role/shop-ci", Some(theirs)).await;
    let error = store
        .converge_grants(&scope("shop"), &reading("shop", &["git/a"]))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Foreign { what: "role", .. }),
        "{error}"
    );
    assert_eq!(role_policies(&server, "shop-ci").await, ["theirs"]);
    assert!(
        store
            .read_as(&account("shop", "ci"), &path("git/a"))
            .await
            .is_err()
    );

    // Taking over is asked for; what is not named stays even then.
    server
        .admin(
            "POST",
            "auth/live/role/other",
            Some(json!({"bound_service_account_names": ["x"],
        "bound_service_account_namespaces": ["y"]})),
        )
        .await;
    let mut settings = server.settings();
    settings.adopt = true;
    let store = VaultStore::new(settings).unwrap();
    let wanted = reading("shop", &[READONLY]);
    store.converge_grants(&scope("shop"), &wanted).await.unwrap();
    assert_eq!(
        role_policies(&server, "shop-ci").await,
        [POLICY, "nautes-managed"]
    );
    store
        .converge_grants(&scope("shop"), &BTreeSet::new())
        .await
        .unwrap();
    let left = server.admin("LIST", "auth/live/role", None).await;
    assert_eq!(left["data"]["keys"], json!(["other"]));
}

#[tokio::test]
async fn a_policy_of_an_existing_installation_that_allows_the_same_is_used_and_stays() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let at = "gitlab/repo-19/default/readonly";
    let text = format!(
        "path \"git/data/{at}\" {{ capabilities = [\"read\"] }}\npath \"git/metadata/{at}\" {{ capabilities = [\"read\"] }}"
    );
    server
        .admin(
            "PUT",
            &format!("sys/policies/acl/{POLICY}"),
            Some(json!({"policy": text})),
        )
        .await;
    store
        .converge_grants(&scope("shop"), &reading("shop", &[READONLY]))
        .await
        .unwrap();
    store
        .converge_grants(&scope("shop"), &BTreeSet::new())
        .await
        .unwrap();
    let found = server
        .admin("GET", &format!("sys/policies/acl/{POLICY}"), None)
        .await;
    assert_eq!(found["data"]["policy"], json!(text));
}

#[tokio::test]
async fn an_auth_mount_of_another_method_is_refused() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    server
        .admin("POST", "sys/auth/live", Some(json!({"type": "approle"})))
        .await;
    let error = store
        .converge_grants(&scope("shop"), &reading("shop", &["git/a"]))
        .await
        .unwrap_err();
    assert!(
        matches!(
            &error,
            StoreError::Foreign {
                what: "auth mount",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        server.ask("root", "LIST", "auth/live/role", None).await.0,
        404,
        "a role was made"
    );
}

#[tokio::test]
async fn a_cluster_cannot_share_the_mount_of_the_tenant() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let scope = GrantScope::Cluster {
        cluster: "nautes".parse().unwrap(),
    };
    let error = store.converge_grants(&scope, &BTreeSet::new()).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
}

#[tokio::test]
async fn what_was_changed_by_hand_is_noticed_and_set_back() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let wanted = reading("shop", &[READONLY, "git/a"]);
    let readonly = reading("shop", &[READONLY]);
    store.converge_grants(&scope("shop"), &wanted).await.unwrap();
    let policy = format!("sys/policies/acl/{POLICY}");
    let text = server.admin("GET", &policy, None).await["data"]["policy"].clone();
    let more = format!(
        "{}path \"git/*\" {{ capabilities = [\"read\"] }}",
        text.as_str().unwrap()
    );

    let role = server.admin("GET", "auth/live/role/shop-ci", None).await["data"].clone();
    let changed = |field: &str, value: serde_json::Value| {
        let mut role = role.clone();
        role[field] = value;
        Some(role)
    };
    let everything = json!(["gitlab-repo-19-default-readonly", "nautes-managed", "root-like"]);
    for (method, at, body, lost) in [
        ("PUT", &*policy, Some(json!({"policy": more})), &readonly),
        ("DELETE", &*policy, None, &readonly),
        (
            "POST",
            "auth/live/role/shop-ci",
            changed("token_policies", everything),
            &wanted,
        ),
        (
            "POST",
            "auth/live/role/shop-ci",
            changed("bound_service_account_namespaces", json!(["*"])),
            &wanted,
        ),
        ("DELETE", "auth/live/role/shop-ci", None, &wanted),
        ("DELETE", "sys/auth/live", None, &wanted),
    ] {
        server.admin(method, at, body).await;
        let left: BTreeSet<Grant> = wanted.difference(lost).cloned().collect();
        assert_eq!(store.grants(&scope("shop")).await.unwrap(), left, "{method} {at}");
        let change = store.converge_grants(&scope("shop"), &wanted).await.unwrap();
        assert_eq!((&change.added, change.removed.len()), (lost, 0), "{method} {at}");
        assert_eq!(
            store.grants(&scope("shop")).await.unwrap(),
            wanted,
            "{method} {at}"
        );
        assert_eq!(server.admin("GET", &policy, None).await["data"]["policy"], text);
    }
}

#[tokio::test]
async fn a_policy_goes_with_the_last_scope_that_needs_it() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let policy = format!("sys/policies/acl/{POLICY}");
    for product in ["p", "q"] {
        store
            .converge_grants(&scope(product), &reading(product, &[READONLY]))
            .await
            .unwrap();
    }
    store
        .converge_grants(&scope("p"), &BTreeSet::new())
        .await
        .unwrap();
    assert_eq!(server.ask("root", "GET", &policy, None).await.0, 200);
    assert_eq!(
        store.grants(&scope("q")).await.unwrap(),
        reading("q", &[READONLY])
    );
    assert_eq!(
        server.ask("root", "GET", "auth/live/role/p-ci", None).await.0,
        404
    );
    store
        .converge_grants(&scope("q"), &BTreeSet::new())
        .await
        .unwrap();
    assert_eq!(server.ask("root", "GET", &policy, None).await.0, 404);
}

#[tokio::test]
async fn principals_that_scopes_share_have_what_all_of_them_want() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    let argo = Principal::Component {
        cluster: "live".parse().unwrap(),
        component: "argo".to_owned(),
    };
    let api = Principal::Platform {
        component: "api".to_owned(),
    };
    let of = |at: &str| {
        BTreeSet::from([
            grant(&argo, at, GrantLevel::Read),
            grant(&api, at, GrantLevel::Read),
        ])
    };
    let (p, q, s) = (scope("p"), scope("q"), shared());
    let (a, b, c) = (of("git/a"), of("git/b"), of("git/c"));
    let all = tokio::join!(
        store.converge_grants(&p, &a),
        store.converge_grants(&q, &b),
        store.converge_grants(&s, &c),
    );
    all.0.unwrap();
    all.1.unwrap();
    all.2.unwrap();
    for at in ["git/a", "git/b", "git/c"] {
        for who in [&argo, &api] {
            assert!(store.read_as(who, &path(at)).await.is_ok(), "{who} {at}");
        }
    }
    store.converge_grants(&q, &BTreeSet::new()).await.unwrap();
    assert!(store.read_as(&argo, &path("git/b")).await.is_err());
    assert!(store.read_as(&argo, &path("git/a")).await.is_ok());
    let on_tenant = server.admin("GET", "auth/nautes/role/api", None).await;
    assert_eq!(
        on_tenant["data"]["bound_service_account_namespaces"],
        json!(["nautes"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_at_once_end_in_one_of_their_states() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let (first, second) = (prepared(&server).await, prepared(&server).await);
    let wanted = |n: usize| -> BTreeSet<Grant> {
        let who = ["ci", "cd", "qa"].map(|name| account("shop", name));
        let paths = [format!("git/{n}"), format!("git/{}", n / 2)];
        who.iter()
            .flat_map(|who| paths.iter().map(|at| grant(who, at, GrantLevel::Read)))
            .collect()
    };
    for n in 0..15 {
        let (one, two) = (wanted(2 * n), wanted(2 * n + 1));
        let at = scope("shop");
        let (a, b) = tokio::join!(
            first.converge_grants(&at, &one),
            second.converge_grants(&at, &two)
        );
        a.unwrap();
        b.unwrap();
        let found = first.grants(&at).await.unwrap();
        assert!(found == one || found == two, "round {n}: a mixture: {found:?}");
        assert!(
            second.converge_grants(&at, &found).await.unwrap().is_empty(),
            "round {n}: not settled"
        );
    }
    // Nothing is left of the rounds before.
    let policies = server.admin("LIST", "sys/policies/acl", None).await;
    let ours = policies["data"]["keys"].as_array().unwrap().iter();
    let ours: Vec<_> = ours
        .filter(|name| name.as_str().unwrap().starts_with("git-"))
        .collect();
    assert_eq!(ours.len(), 2, "{ours:?}");
}

#[tokio::test]
async fn what_was_interrupted_is_completed_by_the_next() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    prepared(&server).await;
    let proxy = Proxy::before(&server.address).await;
    let store = VaultStore::new(settings(&proxy.address, "root")).unwrap();
    let wanted = reading("shop", &["git/a"]);
    proxy.fail(
        "POST",
        "/role/",
        usize::MAX,
        Fault::Answer(500, r#"{"errors":["no"]}"#.into()),
    );
    let error = store.converge_grants(&scope("shop"), &wanted).await.unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);
    assert!(
        store.grants(&scope("shop")).await.unwrap().is_empty(),
        "it is not in force"
    );
    proxy.mend();
    assert_eq!(
        store
            .converge_grants(&scope("shop"), &wanted)
            .await
            .unwrap()
            .added,
        wanted
    );

    proxy.fail(
        "DELETE",
        "/role/",
        usize::MAX,
        Fault::Answer(500, r#"{"errors":["no"]}"#.into()),
    );
    store
        .converge_grants(&scope("shop"), &BTreeSet::new())
        .await
        .unwrap_err();
    proxy.mend();
    // The scope stays listed, so that whoever revokes what is listed comes back to it.
    assert_eq!(store.grant_scopes().await.unwrap(), [scope("shop")]);
    store
        .converge_grants(&scope("shop"), &BTreeSet::new())
        .await
        .unwrap();
    assert!(store.grant_scopes().await.unwrap().is_empty());
    assert_eq!(
        server.ask("root", "GET", "auth/live/role/shop-ci", None).await.0,
        404
    );
}

#[tokio::test]
async fn accounts_of_one_name_in_two_products_are_two() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = prepared(&server).await;
    for product in ["a-b", "a"] {
        store
            .converge_grants(&scope(product), &reading(product, &["git/x"]))
            .await
            .unwrap();
    }
    store
        .converge_grants(&scope("a"), &BTreeSet::new())
        .await
        .unwrap();
    assert!(store.read_as(&account("a-b", "ci"), &path("git/x")).await.is_ok());
    assert!(store.read_as(&account("a", "ci"), &path("git/x")).await.is_err());
    let role = names::role(&account("a-b", "ci"));
    let role = server.admin("GET", &format!("auth/live/role/{role}"), None).await;
    assert_eq!(role["data"]["bound_service_account_names"], json!(["ci"]));
    assert_eq!(
        role["data"]["bound_service_account_namespace_selector"],
        json!(r#"{"matchLabels":{"resource.nautes.io/belongsto":"product-a-b"}}"#)
    );
}

#[tokio::test]
async fn what_was_seen_to_be_right_is_not_read_again_and_still_missed() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    prepared(&server).await;
    let proxy = Proxy::before(&server.address).await;
    let mut settings = settings(&proxy.address, "root");
    settings.pace.recheck = std::time::Duration::from_secs(3600);
    let store = VaultStore::new(settings).unwrap();
    let paths: Vec<String> = (0..50).map(|n| format!("git/{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let wanted = reading("shop", &paths);
    store.converge_grants(&scope("shop"), &wanted).await.unwrap();
    proxy.seen();
    let again = store.converge_grants(&scope("shop"), &wanted).await.unwrap();
    assert!(again.is_empty());
    let seen = proxy.seen();
    assert!(seen.len() < 10, "{seen:?}");

    let name = names::policy(&path("git/7"), GrantLevel::Read);
    server
        .admin("DELETE", &format!("sys/policies/acl/{name}"), None)
        .await;
    let change = store.converge_grants(&scope("shop"), &wanted).await.unwrap();
    assert_eq!(change.added, reading("shop", &["git/7"]));
    server
        .admin("GET", &format!("sys/policies/acl/{name}"), None)
        .await;
}
