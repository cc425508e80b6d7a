//! The store whose writes go through a vault-proxy: a fake one, before a real server of OpenBao.

mod fake;

use std::collections::BTreeSet;

use nautes_model::Class;
use nautes_model::secret::{GrantLevel, GrantScope};
use nautes_vault::vault::told::{SETTINGS, Told};
use nautes_vault::vault::{ClusterAuth, Login, VaultSettings};
use nautes_vault::{Expect, ProxiedStore, ProxySettings, SecretStore, StoreError, VaultStore, conformance};
use serde_json::json;

use self::fake::{Fake, Twist};
use crate::vault::grants::{account, grant};
use crate::vault::prepared;
use crate::vault::server::Server;
use crate::{one, path};

/// The access lists: one user may do what Nautes needs, another nothing.
const RULES: &[(&str, &str)] = &[("NAUTES", "git/"), ("NAUTES", "cluster/"), ("NAUTES", "auth/")];
const CANARY: &str = "canary-81c2e0";

struct Stage {
    server: Server,
    fake: Fake,
    reads: VaultSettings,
}

impl Stage {
    /// A server with a proxy before it, and a login that may only read: the policy of the guide.
    async fn new() -> Option<Self> {
        let server = Server::in_memory().await?;
        prepared(&server).await;
        let fake = Fake::before(&server, &["NAUTES", "OTHER"], RULES).await;
        let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/vault.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let policy = guide
            .split("```hcl\n")
            .nth(2)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        let body = json!({ "policy": policy });
        server.admin("PUT", "sys/policies/acl/reader", Some(body)).await;
        let mut reads = server.settings();
        reads.login = Login::Token(server.token_with(&["reader"]).await.into());
        Some(Self { server, fake, reads })
    }

    fn store(&self, user: &str) -> ProxiedStore {
        let identity = self.fake.identity(user);
        let settings = ProxySettings {
            address: self.fake.address.parse().unwrap(),
            certificate: identity.certificate.clone().into_bytes(),
            key: identity.key.as_str().into(),
            ca_bundle: Some(self.fake.ca.clone().into_bytes()),
            timeout: std::time::Duration::from_secs(20),
        };
        ProxiedStore::new(self.reads.clone(), &settings).unwrap()
    }

    /// The store of the user who may write, with an auth mount for a cluster.
    async fn with_cluster(&self, cluster: &str) -> ProxiedStore {
        let store = self.store("NAUTES");
        let auth = ClusterAuth {
            host: "https://127.0.0.1:1".to_owned(),
            ca: rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
                .unwrap()
                .cert
                .pem(),
            reviewer: Some("reviewer".into()),
        };
        store
            .configure_cluster(&cluster.parse().unwrap(), &auth)
            .await
            .unwrap();
        store
    }
}

const AT: &str = "git/gitlab/repo-1/default/readonly";

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms_as_far_as_it_promises() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let store = stage.with_cluster("conformance").await;
    let tried = conformance::cases()
        .into_iter()
        .filter(|case| case.holds_for(&store))
        .count();
    assert!(tried >= 20, "only {tried} cases are about what it promises");
    conformance::run(&store).await;
    assert!(stage.fake.seen().len() > 50, "the writes went through the proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_programs_lead_to_it() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let identity = stage.fake.identity("NAUTES");
    let token = stage.server.token_with(&["reader"]).await;
    let mut told = Told::nothing();
    for (name, text) in [
        ("vault-address", stage.server.address.clone()),
        ("vault-login", "token-file".to_owned()),
        ("vault-login-file", file("token", &token)),
        ("vault-proxy-address", stage.fake.address.clone()),
        ("vault-proxy-cert-file", file("cert", &identity.certificate)),
        ("vault-proxy-key-file", file("key", &identity.key)),
        ("vault-proxy-ca-file", file("ca", &stage.fake.ca)),
    ] {
        let setting = SETTINGS.iter().find(|setting| setting.name == name).unwrap();
        setting.set(&mut told, &text).unwrap();
    }
    let opened = told.open().await.unwrap().unwrap();
    assert_eq!(opened.store.name(), "vault-proxy");
    let _ = opened
        .store
        .write(&path(AT), one("v"), Expect::Absent)
        .await
        .unwrap();
    assert!(stage.fake.seen().contains(&"POST /v1/git".to_owned()));
    opened.log_out().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn its_login_at_vault_may_only_read() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let _ = stage
        .store("NAUTES")
        .write(&path(AT), one("v"), Expect::Absent)
        .await
        .unwrap();
    let reader = VaultStore::new(stage.reads.clone()).unwrap();
    assert_eq!(reader.read(&path(AT)).await.unwrap().unwrap().values, one("v"));
    let error = reader.write(&path(AT), one("w"), Expect::Any).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_went_over_another_is_told_and_leaves_it_in_the_history() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let store = stage.store("NAUTES");
    let first = store.write(&path(AT), one("1"), Expect::Absent).await.unwrap();
    stage.fake.twist(Twist::Before("theirs".to_owned()));
    let error = store
        .write(&path(AT), one("ours"), Expect::Version(first.version))
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Overwritten { version: 3, .. }),
        "{error}"
    );
    assert_eq!(error.class(), Class::Conflict);
    assert_eq!(
        store.read_version(&path(AT), 2).await.unwrap().unwrap().values,
        one("theirs")
    );
    // Whoever expects nothing in particular is not told.
    stage.fake.twist(Twist::Before("theirs again".to_owned()));
    let last = store.write(&path(AT), one("last"), Expect::Any).await.unwrap();
    assert_eq!((last.version, last.changed), (5, true));
    let stale = store
        .write(&path(AT), one("x"), Expect::Version(1))
        .await
        .unwrap_err();
    assert!(
        matches!(stale, StoreError::Conflict { found: Some(5), .. }),
        "{stale}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_looked_up_and_errors_show_no_value() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let store = stage.store("NAUTES");
    stage.fake.twist(Twist::AnswerLost);
    let written = store.write(&path(AT), one(CANARY), Expect::Absent).await.unwrap();
    assert_eq!((written.version, written.changed), (1, true));
    stage.fake.twist(Twist::Refused);
    let failed = store
        .write(&path(AT), one(&format!("{CANARY}-2")), Expect::Any)
        .await
        .unwrap_err();
    assert_eq!(failed.class(), Class::Unreachable);
    let denied = stage
        .store("OTHER")
        .write(&path(AT), one(&format!("{CANARY}-3")), Expect::Any)
        .await
        .unwrap_err();
    assert!(matches!(denied, StoreError::Refused { .. }), "{denied}");
    let key = &stage.fake.identity("NAUTES").key;
    for error in [failed, denied] {
        let mut shown = format!("{error} {error:?} {store:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            shown.push_str(&format!("{cause} {cause:?}"));
            source = cause.source();
        }
        assert!(
            !shown.contains(CANARY) && !shown.contains(key.as_str()),
            "{shown}"
        );
    }
    assert_eq!(store.read(&path(AT)).await.unwrap().unwrap().values, one(CANARY));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_cannot_do_is_refused_before_anything_is_sent() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let store = stage.with_cluster("live").await;
    for value in ["1", "2"] {
        let _ = store.write(&path(AT), one(value), Expect::Any).await.unwrap();
    }
    let seen = stage.fake.seen().len();
    let unsupported = |error: StoreError| {
        assert!(matches!(error, StoreError::Unsupported { .. }), "{error}");
        assert!(error.hint().unwrap().contains("008"), "{error}");
    };
    for at in ["git/free", "git/gitlab/a_b/default/readonly"] {
        unsupported(store.write(&path(at), one("v"), Expect::Any).await.unwrap_err());
    }
    unsupported(
        store
            .write(
                &path("cluster/kubernetes/live/default/admin"),
                one("v"),
                Expect::Any,
            )
            .await
            .unwrap_err(),
    );
    unsupported(store.remove_version(&path(AT), 1).await.unwrap_err());
    let scope = GrantScope::Product {
        product: "shop".parse().unwrap(),
        cluster: "live".parse().unwrap(),
    };
    let who = account("shop", "ci");
    let good = grant(&who, AT, GrantLevel::Read);
    for bad in [
        grant(&who, AT, GrantLevel::Write),
        grant(&who, "git/free", GrantLevel::Read),
    ] {
        let wanted = BTreeSet::from([good.clone(), bad]);
        unsupported(store.converge_grants(&scope, &wanted).await.unwrap_err());
    }
    assert_eq!(stage.fake.seen().len(), seen, "nothing was sent");
    assert!(store.grants(&scope).await.unwrap().is_empty());

    // What can be granted is, to the account in the namespace of its product, and goes with its last grant.
    let wanted = BTreeSet::from([good]);
    assert_eq!(
        store.converge_grants(&scope, &wanted).await.unwrap().added,
        wanted
    );
    let role = stage.server.admin("GET", "auth/live/role/shop-ci", None).await;
    assert_eq!(
        role["data"]["token_policies"],
        json!(["gitlab-repo-1-default-readonly"])
    );
    assert_eq!(
        role["data"]["bound_service_account_namespaces"],
        json!(["product-shop"])
    );
    assert!(store.read_as(&who, &path(AT)).await.unwrap().is_some());
    store.converge_grants(&scope, &BTreeSet::new()).await.unwrap();
    let (status, _) = stage
        .server
        .ask(&stage.server.token, "GET", "auth/live/role/shop-ci", None)
        .await;
    assert_eq!(status, 404, "the role is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_looked_at_on_both_sides() {
    let Some(stage) = Stage::new().await else {
        return;
    };
    let identity = stage.fake.identity("NAUTES");
    let stranger = rcgen::generate_simple_self_signed(vec!["NAUTES".to_owned()]).unwrap();
    let with = |certificate: String, key: String, ca: String| ProxySettings {
        address: stage.fake.address.parse().unwrap(),
        certificate: certificate.into_bytes(),
        key: key.into(),
        ca_bundle: Some(ca.into_bytes()),
        timeout: std::time::Duration::from_secs(20),
    };
    let ours = || (identity.certificate.clone(), identity.key.clone());
    let strange = || (stranger.cert.pem(), stranger.signing_key.serialize_pem());
    for ((certificate, key), ca) in [(strange(), stage.fake.ca.clone()), (ours(), stranger.cert.pem())] {
        let store = ProxiedStore::new(stage.reads.clone(), &with(certificate, key, ca)).unwrap();
        let error = store.write(&path(AT), one("v"), Expect::Any).await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{error}");
    }
    assert!(stage.fake.seen().is_empty(), "neither got as far as a request");
    let plain = ProxySettings {
        address: "http://127.0.0.1:1".parse().unwrap(),
        ..with(ours().0, ours().1, stage.fake.ca.clone())
    };
    let error = ProxiedStore::new(stage.reads.clone(), &plain).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::BadSetting {
                setting: "vault-proxy-address",
                ..
            }
        ),
        "{error}"
    );
}
