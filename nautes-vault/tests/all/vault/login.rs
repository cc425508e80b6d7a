//! Logins: each method, renewal, the end of tokens, and what is left behind.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nautes_model::Class;
use nautes_vault::vault::{Login, VaultSettings, VaultStore};
use nautes_vault::{Expect, SecretStore, StoreError};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::proxy::Proxy;
use super::server::{Server, pause};
use super::{prepared, settings};
use crate::{one, path};

const POLICY: &str = r#"path "git/*" { capabilities = ["create", "read", "update", "list"] }
path "sys/internal/ui/mounts/*" { capabilities = ["read"] }"#;

/// A server with a secret, a policy that allows to read it, and the AppRole method.
async fn world(ttl: &str, max: &str) -> Option<(Server, tempfile::TempDir)> {
    let server = Server::in_memory().await?;
    let store = prepared(&server).await;
    let _ = store.write(&path("git/a"), one("v"), Expect::Any).await.unwrap();
    server
        .admin("PUT", "sys/policies/acl/nautes", Some(json!({"policy": POLICY})))
        .await;
    server
        .admin("POST", "sys/auth/approle", Some(json!({"type": "approle"})))
        .await;
    let role = json!({"token_policies": ["nautes"], "token_ttl": ttl, "token_max_ttl": max});
    server.admin("POST", "auth/approle/role/nautes", Some(role)).await;
    Some((server, tempfile::tempdir().unwrap()))
}

async fn approle(server: &Server, folder: &Path) -> Login {
    let role = server
        .admin("GET", "auth/approle/role/nautes/role-id", None)
        .await;
    let secret = server
        .admin("POST", "auth/approle/role/nautes/secret-id", None)
        .await;
    let file = folder.join("secret-id");
    std::fs::write(
        &file,
        format!("{}\n", secret["data"]["secret_id"].as_str().unwrap()),
    )
    .unwrap();
    Login::AppRole {
        mount: "approle".to_owned(),
        role_id: role["data"]["role_id"].as_str().unwrap().to_owned(),
        secret_id_file: file,
    }
}

fn with(address: &str, login: Login) -> VaultSettings {
    let mut settings = settings(address, "unused");
    settings.login = login;
    settings
}

async fn tokens(server: &Server) -> usize {
    let listed = server.admin("LIST", "auth/token/accessors", None).await;
    listed["data"]["keys"].as_array().unwrap().len()
}

async fn may_read(store: &VaultStore) {
    assert_eq!(
        store.read(&path("git/a")).await.unwrap().unwrap().values,
        one("v")
    );
}

#[tokio::test]
async fn an_approle_logs_in_and_leaves_no_token_behind() {
    let Some((server, folder)) = world("1h", "1h").await else {
        return;
    };
    let login = approle(&server, folder.path()).await;
    let before = tokens(&server).await;
    let store = VaultStore::new(with(&server.address, login)).unwrap();
    assert_eq!(tokens(&server).await, before, "it logged in before it was needed");
    may_read(&store).await;
    may_read(&store).await;
    assert_eq!(tokens(&server).await, before + 1, "one token for both");
    store.log_out().await.unwrap();
    assert_eq!(tokens(&server).await, before, "the token is still there");
    may_read(&store).await;
    assert_eq!(tokens(&server).await, before + 1);
    drop(store);
    while tokens(&server).await != before {
        pause().await;
    }
}

#[tokio::test]
async fn a_token_is_renewed_and_replaced_before_it_ends() {
    let Some((server, folder)) = world("2s", "4s").await else {
        return;
    };
    let proxy = Proxy::before(&server.address).await;
    let login = approle(&server, folder.path()).await;
    let store = VaultStore::new(with(&proxy.address, login)).unwrap();
    let mut seen = Vec::new();
    let count = |seen: &[String], what: &str| seen.iter().filter(|seen| seen.contains(what)).count();
    // What is replaced before its end is revoked.
    while count(&seen, "renew-self") < 2
        || count(&seen, "approle/login") < 3
        || count(&seen, "revoke-self") < 1
    {
        may_read(&store).await;
        seen.extend(proxy.seen());
        pause().await;
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_and_the_request_repeated() {
    let Some((server, folder)) = world("1h", "1h").await else {
        return;
    };
    let login = approle(&server, folder.path()).await;
    let store = VaultStore::new(with(&server.address, login)).unwrap();
    may_read(&store).await;
    server
        .admin("POST", "sys/leases/revoke-prefix/auth/approle", None)
        .await;
    let written = store
        .write(&path("git/b"), one("v"), Expect::Absent)
        .await
        .unwrap();
    assert_eq!(written.version, 1);
}

#[tokio::test]
async fn many_requests_at_once_log_in_once() {
    let Some((server, folder)) = world("1h", "1h").await else {
        return;
    };
    let proxy = Proxy::before(&server.address).await;
    let login = approle(&server, folder.path()).await;
    let store = VaultStore::new(with(&proxy.address, login)).unwrap();
    futures::future::join_all((0..20).map(|_| may_read(&store))).await;
    let logins = proxy
        .seen()
        .into_iter()
        .filter(|seen| seen.contains("approle/login"))
        .count();
    assert_eq!(logins, 1);
}

#[tokio::test]
async fn a_token_file_is_read_again_when_its_token_ends() {
    let Some((server, folder)) = world("1h", "1h").await else {
        return;
    };
    let file: PathBuf = folder.path().join("token");
    let old = server.token_with(&["nautes"]).await;
    std::fs::write(&file, format!("{old}\n")).unwrap();
    let store = VaultStore::new(with(&server.address, Login::TokenFile(file.clone()))).unwrap();
    may_read(&store).await;
    server
        .admin("POST", "auth/token/revoke", Some(json!({"token": old})))
        .await;
    let error = store.read(&path("git/a")).await.unwrap_err();
    assert!(
        matches!(
            &error,
            StoreError::NoLogin {
                method: "token file",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.class(), Class::Unreachable);
    assert!(error.hint().is_some());

    let new = server.token_with(&["nautes"]).await;
    std::fs::write(&file, &new).unwrap();
    may_read(&store).await;
    store.log_out().await.unwrap();
    let lookup = server.ask(&new, "GET", "auth/token/lookup-self", None).await;
    assert_eq!(lookup.0, 200, "a token of somebody else was revoked");
}

#[tokio::test]
async fn tokens_in_a_file_are_used_to_their_end_and_followed_by_the_next() {
    let Some((server, folder)) = world("1h", "1h").await else {
        return;
    };
    let file: PathBuf = folder.path().join("token");
    let proxy = Proxy::before(&server.address).await;
    let store = VaultStore::new(with(&proxy.address, Login::TokenFile(file.clone()))).unwrap();
    for renewable in [false, true] {
        let token = json!({"policies": ["nautes"], "no_parent": true, "renewable": renewable,
            "ttl": "2s", "explicit_max_ttl": "2s"});
        let made = server.admin("POST", "auth/token/create", Some(token)).await;
        std::fs::write(&file, made["auth"]["client_token"].as_str().unwrap()).unwrap();
        may_read(&store).await;
        // Until the token has ended, and nobody has brought another.
        while store.read(&path("git/a")).await.is_ok() {
            pause().await;
        }
        let seen = proxy.seen();
        let lookups = seen.iter().filter(|seen| seen.contains("lookup-self")).count();
        assert!(lookups < 6, "the file was read again and again: {lookups}");
        let renewals = seen.iter().filter(|seen| seen.contains("renew-self")).count();
        assert!(
            renewable || renewals == 0,
            "what cannot be renewed was tried to be"
        );
    }
    std::fs::write(&file, server.token_with(&["nautes"]).await).unwrap();
    may_read(&store).await;
}

#[tokio::test]
async fn what_the_policies_do_not_allow_is_no_denial_of_the_caller() {
    let Some((server, folder)) = world("1h", "1h").await else {
        return;
    };
    let login = approle(&server, folder.path()).await;
    let store = VaultStore::new(with(&server.address, login)).unwrap();
    may_read(&store).await;
    let error = store.delete(&path("git/a")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused { .. }), "{error}");
    assert_eq!(error.class(), Class::Unreachable);
    may_read(&store).await;
}

#[tokio::test]
async fn a_bad_credential_is_named_and_not_shown() {
    let Some((server, folder)) = world("1h", "1h").await else {
        return;
    };
    let missing = folder.path().join("missing");
    let bad = folder.path().join("bad");
    std::fs::write(&bad, "canary-credential").unwrap();
    let binary = folder.path().join("binary");
    std::fs::write(&binary, b"canary\ncredential").unwrap();
    for file in [&missing, &bad, &binary] {
        for login in [
            Login::TokenFile(file.clone()),
            Login::AppRole {
                mount: "approle".to_owned(),
                role_id: "nobody".to_owned(),
                secret_id_file: file.clone(),
            },
            Login::Jwt {
                mount: "nowhere".to_owned(),
                role: "nautes".to_owned(),
                file: file.clone(),
            },
        ] {
            let store = VaultStore::new(with(&server.address, login)).unwrap();
            let error = store.read(&path("git/a")).await.unwrap_err();
            assert!(matches!(&error, StoreError::NoLogin { .. }), "{error}");
            let shown = format!("{error} {error:?} {store:?}");
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_signed_token_of_an_identity_provider_logs_in() {
    let Some((server, folder)) = world("1h", "1h").await else {
        return;
    };
    let random = ring::rand::SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
    server
        .admin("POST", "sys/auth/jwt", Some(json!({"type": "jwt"})))
        .await;
    let config = json!({"jwt_validation_pubkeys": [public_pem(key.public_key().as_ref())]});
    server.admin("POST", "auth/jwt/config", Some(config)).await;
    let role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
        "bound_subject": "nautes", "token_policies": ["nautes"]});
    server.admin("POST", "auth/jwt/role/nautes", Some(role)).await;

    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"sub": "nautes", "aud": "vault", "iat": 1_700_000_000, "exp": 32_503_680_000_u64});
    let text = format!("{}.{}", encode(json!({"alg": "ES256"})), encode(claims));
    let signature = key.sign(&random, text.as_bytes()).unwrap();
    let file = folder.path().join("jwt");
    std::fs::write(&file, format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))).unwrap();
    let login = Login::Jwt {
        mount: "jwt".to_owned(),
        role: "nautes".to_owned(),
        file,
    };
    may_read(&VaultStore::new(with(&server.address, login)).unwrap()).await;
}

/// Returns the PEM of a public key on the curve P-256, given as a point.
pub(super) fn public_pem(point: &[u8]) -> String {
    // SubjectPublicKeyInfo { ecPublicKey, prime256v1 }, up to the point.
    let mut der = vec![
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    der.extend_from_slice(point);
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}
