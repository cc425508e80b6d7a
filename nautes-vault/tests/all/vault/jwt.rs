//! Clusters whose tokens are judged by their signature: who is let in, and who is not.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nautes_model::secret::GrantLevel;
use nautes_vault::vault::{ClusterIssuer, IssuerKeys, Login, VaultSettings, VaultStore};
use nautes_vault::{Expect, SecretStore, StoreError, conformance};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::grants::{account, grant, scope};
use super::login::public_pem;
use super::prepared;
use super::proxy::Proxy;
use super::server::Server;
use crate::{one, path};

const ISSUER: &str = "https://kubernetes.default.svc";

/// A cluster, as far as tokens go.
struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
        Self { key, random }
    }

    fn issuer(&self) -> ClusterIssuer {
        ClusterIssuer {
            keys: IssuerKeys::Pem(vec![public_pem(self.key.public_key().as_ref())]),
            issuer: Some(ISSUER.to_owned()),
        }
    }

    /// Signs a token as a cluster gives it to a pod, but for what `change` changes.
    fn token(&self, subject: &str, change: &[(&str, Value)]) -> String {
        let mut claims = json!({
            "iss": ISSUER, "sub": format!("system:serviceaccount:{subject}"), "aud": ["vault"],
            "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 32_503_680_000_u64,
        });
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encode(json!({"alg": "ES256"})), encode(claims));
        let signature = self.key.sign(&self.random, text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Settings in which one cluster is of the JWT method.
fn settings(server: &Server, cluster: &str) -> VaultSettings {
    let mut settings = server.settings();
    let audiences = BTreeSet::from(["vault".to_owned()]);
    settings.jwt_clusters = BTreeMap::from([(cluster.to_owned(), audiences)]);
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_token_reads_what_its_account_was_granted_and_no_other_does() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let _ = prepared(&server)
        .await
        .write(&path("git/a"), one("v"), Expect::Any)
        .await
        .unwrap();
    let mut settings = settings(&server, "live");
    let namespaces = BTreeSet::from(["shop-web".to_owned()]);
    settings.jwt_namespaces = BTreeMap::from([(("live".to_owned(), "shop".parse().unwrap()), namespaces)]);
    let store = VaultStore::new(settings.clone()).unwrap();
    let (cluster, other) = (Signer::new(), Signer::new());
    let live = "live".parse().unwrap();
    assert!(store.trust_cluster(&live, &cluster.issuer()).await.unwrap());
    assert!(!store.trust_cluster(&live, &cluster.issuer()).await.unwrap());
    let wanted = BTreeSet::from([grant(&account("shop", "ci"), "git/a", GrantLevel::Read)]);
    store.converge_grants(&scope("shop"), &wanted).await.unwrap();
    assert_eq!(store.grants(&scope("shop")).await.unwrap(), wanted);

    let folder = tempfile::tempdir().unwrap();
    let read = async |token: String| {
        let file = folder.path().join("token");
        std::fs::write(&file, token).unwrap();
        let mut settings = server.settings();
        settings.login = Login::Jwt {
            mount: "live".to_owned(),
            role: "shop-ci".to_owned(),
            file,
        };
        VaultStore::new(settings).unwrap().read(&path("git/a")).await
    };
    for subject in ["product-shop:ci", "shop-web:ci"] {
        let found = read(cluster.token(subject, &[])).await;
        assert_eq!(found.unwrap().unwrap().values, one("v"), "{subject}");
    }
    for (what, token) in [
        ("another namespace", cluster.token("product-bank:ci", &[])),
        ("another account", cluster.token("product-shop:other", &[])),
        ("a name that goes on", cluster.token("product-shop:ci:x", &[])),
        (
            "another audience",
            cluster.token("product-shop:ci", &[("aud", json!(["backup"]))]),
        ),
        (
            "no audience",
            cluster.token("product-shop:ci", &[("aud", Value::Null)]),
        ),
        (
            "another issuer",
            cluster.token("product-shop:ci", &[("iss", json!("https://elsewhere"))]),
        ),
        (
            "a token that has ended",
            cluster.token("product-shop:ci", &[("exp", json!(1_700_000_600))]),
        ),
        ("another cluster", other.token("product-shop:ci", &[])),
    ] {
        let error = read(token).await.map(|_| what).unwrap_err();
        assert!(
            matches!(error, StoreError::NoLogin { method: "JWT", .. }),
            "{what}: {error}"
        );
    }
    // Nothing is left to write, and what somebody opened is closed again.
    let proxy = Proxy::before(&server.address).await;
    settings.address = proxy.address.parse().unwrap();
    let again = VaultStore::new(settings).unwrap();
    again.converge_grants(&scope("shop"), &wanted).await.unwrap();
    assert_eq!(proxy.writes(), Vec::<String>::new());
    let role = server.admin("GET", "auth/live/role/shop-ci", None).await;
    let mut open = role["data"].clone();
    open["bound_claims"] = json!({"sub": "system:serviceaccount:*"});
    open["bound_claims_type"] = "glob".into();
    server.admin("POST", "auth/live/role/shop-ci", Some(open)).await;
    assert!(read(cluster.token("product-bank:ci", &[])).await.is_ok());
    again.converge_grants(&scope("shop"), &wanted).await.unwrap();
    assert!(read(cluster.token("product-bank:ci", &[])).await.is_err());
    assert!(read(cluster.token("product-shop:ci", &[])).await.is_ok());
    // A grant that goes takes the role with it.
    again
        .converge_grants(&scope("shop"), &BTreeSet::new())
        .await
        .unwrap();
    assert!(read(cluster.token("product-shop:ci", &[])).await.is_err());
    assert!(again.retire_cluster(&live).await.unwrap());
    let left = server.admin("GET", "sys/auth", None).await;
    assert!(left["data"].get("live/").is_none(), "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_the_jwt_method_conforms() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let store = VaultStore::new(settings(&server, "conformance")).unwrap();
    store.prepare().await.unwrap();
    conformance::run(&store).await;
    let mounts = server.admin("GET", "sys/auth", None).await;
    assert_eq!(mounts["data"]["conformance/"]["type"], "jwt", "{mounts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_changes_its_method_when_its_mount_is_gone() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    let before = prepared(&server).await;
    let _ = before.write(&path("git/a"), one("v"), Expect::Any).await.unwrap();
    let wanted = BTreeSet::from([grant(&account("shop", "ci"), "git/a", GrantLevel::Read)]);
    before.converge_grants(&scope("shop"), &wanted).await.unwrap();
    let live = "live".parse().unwrap();
    let issuer = Signer::new().issuer();
    let refused = before.trust_cluster(&live, &issuer).await.unwrap_err();
    assert!(
        refused.to_string().contains("is one of the method kubernetes"),
        "{refused}"
    );

    let after = VaultStore::new(settings(&server, "live")).unwrap();
    for error in [
        after
            .converge_grants(&scope("shop"), &wanted)
            .await
            .map(drop)
            .unwrap_err(),
        after.trust_cluster(&live, &issuer).await.unwrap_err(),
    ] {
        assert!(
            matches!(
                &error,
                StoreError::BadSetting {
                    setting: "jwt_clusters",
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains("vault auth disable live"), "{error}");
    }
    assert!(after.retire_cluster(&live).await.unwrap());
    assert!(after.trust_cluster(&live, &issuer).await.unwrap());
    after.converge_grants(&scope("shop"), &wanted).await.unwrap();
    let mounts = server.admin("GET", "sys/auth", None).await;
    assert_eq!(mounts["data"]["live/"]["type"], "jwt");
    assert!(after.retire_cluster(&live).await.unwrap());
    let mounts = server.admin("GET", "sys/auth", None).await;
    assert!(mounts["data"]["live/"].is_null(), "{mounts}");
    // Others have a method of people there: it is not touched.
    server
        .admin("POST", "sys/auth/people", Some(json!({ "type": "oidc" })))
        .await;
    let people = VaultStore::new(settings(&server, "people")).unwrap();
    let error = people
        .retire_cluster(&"people".parse().unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
}

#[test]
fn a_token_for_another_service_never_logs_in() {
    let mut settings = VaultSettings::new("https://vault".parse().unwrap(), Login::Token("t".into()));
    settings.jwt_clusters = BTreeMap::from([("live".to_owned(), BTreeSet::new())]);
    let error = VaultStore::new(settings).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("tokens for other services would log in"),
        "{error}"
    );
}
