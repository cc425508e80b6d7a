//! Servers that are sealed, restarted, slow, overloaded, or not what they seem.

use std::time::Duration;

use nautes_model::Class;
use nautes_vault::vault::VaultStore;
use nautes_vault::{Expect, SecretStore, StoreError};

use super::proxy::{Fault, Proxy};
use super::server::Server;
use super::{prepared, settings};
use crate::{one, path};

const ERRORS: &str = r#"{"errors":["no"]}"#;

async fn behind_proxy() -> Option<(Server, Proxy, VaultStore)> {
    let server = Server::in_memory().await?;
    let store = prepared(&server).await;
    let _ = store.write(&path("git/a"), one("v"), Expect::Any).await.unwrap();
    let proxy = Proxy::before(&server.address).await;
    let mut settings = settings(&proxy.address, "root");
    settings.pace.request = Duration::from_millis(500);
    let store = VaultStore::new(settings).unwrap();
    assert!(store.read(&path("git/a")).await.unwrap().is_some());
    proxy.seen();
    Some((server, proxy, store))
}

#[tokio::test]
async fn reads_are_repeated_until_they_succeed() {
    let Some((_server, proxy, store)) = behind_proxy().await else {
        return;
    };
    for fault in [
        Fault::Answer(
            429,
            r#"{"errors":["request path: rate limit quota exceeded"]}"#.into(),
        ),
        Fault::Answer(500, ERRORS.into()),
        Fault::Answer(502, "<html>bad gateway</html>".into()),
        Fault::Answer(503, ERRORS.into()),
        Fault::Answer(
            500,
            r#"{"errors":["local node not active but active cluster node not found"]}"#.into(),
        ),
        Fault::Answer(473, String::new()),
        Fault::Silence,
    ] {
        proxy.fail("GET", "/git/data/a", 2, fault.clone());
        let read = store.read(&path("git/a")).await;
        assert_eq!(read.unwrap().unwrap().values, one("v"), "{fault:?}");
        assert_eq!(proxy.seen().len(), 3, "{fault:?}");
        proxy.mend();
    }
}

#[tokio::test]
async fn faults_that_stay_have_their_class_and_hint() {
    let Some((_server, proxy, store)) = behind_proxy().await else {
        return;
    };
    type IsRight = fn(&StoreError) -> bool;
    let cases: [(Fault, IsRight); 9] = [
        (Fault::Answer(429, ERRORS.into()), |e| {
            matches!(e, StoreError::Throttled { .. })
        }),
        (
            Fault::Answer(503, r#"{"errors":["Vault is sealed"]}"#.into()),
            |e| matches!(e, StoreError::Sealed { .. }),
        ),
        (Fault::Answer(472, String::new()), |e| {
            matches!(e, StoreError::Standby { .. })
        }),
        (Fault::Answer(500, ERRORS.into()), |e| {
            matches!(e, StoreError::Unreachable { .. })
        }),
        (Fault::Silence, |e| matches!(e, StoreError::Unreachable { .. })),
        // What is in front of a server is not the server.
        (Fault::Answer(404, "<html>not found</html>".into()), |e| {
            matches!(e, StoreError::Unreachable { .. })
        }),
        (Fault::Answer(200, "<html>sign in</html>".into()), |e| {
            matches!(e, StoreError::Unreachable { .. })
        }),
        (Fault::Answer(200, "{}".into()), |e| {
            matches!(e, StoreError::Unreachable { .. })
        }),
        (
            Fault::Answer(403, r#"{"errors":["permission denied"]}"#.into()),
            |e| matches!(e, StoreError::Refused { .. }),
        ),
    ];
    for (fault, is_right) in cases {
        proxy.fail("GET", "/git/data/a", usize::MAX, fault.clone());
        let error = store.read(&path("git/a")).await.unwrap_err();
        assert!(is_right(&error), "{fault:?} gave {error:?}");
        assert_eq!(error.class(), Class::Unreachable, "{fault:?}");
        assert!(error.hint().is_some());
        proxy.mend();
    }
}

#[tokio::test]
async fn a_write_is_not_sent_twice_when_nobody_knows_what_became_of_it() {
    let Some((server, proxy, store)) = behind_proxy().await else {
        return;
    };
    for (n, fault) in [Fault::AnswerAfter(500), Fault::AnswerAfter(504), Fault::Silence]
        .into_iter()
        .enumerate()
    {
        let at = path(&format!("git/w{n}"));
        proxy.fail("POST", "/git/data/w", 1, fault.clone());
        let error = store.write(&at, one("v"), Expect::Absent).await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{fault:?}");
        assert_eq!(proxy.writes().len(), 1, "{fault:?}");
        // It had arrived: whoever asks again finds it, and writes nothing.
        let again = store.write(&at, one("v"), Expect::Any).await.unwrap();
        assert_eq!((again.version, again.changed), (1, false));
        assert_eq!(store.versions(&at).await.unwrap().len(), 1);
    }
    drop(server);
}

#[tokio::test]
async fn a_write_that_certainly_did_not_arrive_is_sent_again() {
    let Some((_server, proxy, store)) = behind_proxy().await else {
        return;
    };
    proxy.fail("POST", "/git/data/w", 2, Fault::Answer(429, ERRORS.into()));
    let written = store
        .write(&path("git/w"), one("v"), Expect::Absent)
        .await
        .unwrap();
    assert_eq!((written.version, proxy.writes().len()), (1, 3));
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let Some((_server, proxy, store)) = behind_proxy().await else {
        return;
    };
    let elsewhere = Proxy::before("http://127.0.0.1:9").await;
    proxy.fail(
        "GET",
        "/git/data/a",
        usize::MAX,
        Fault::Redirect(elsewhere.address.clone()),
    );
    let error = store.read(&path("git/a")).await.unwrap_err();
    assert!(matches!(error, StoreError::Standby { .. }), "{error}");
    assert_eq!(elsewhere.seen(), [""; 0]);
}

#[tokio::test]
async fn an_incomplete_listing_is_an_error() {
    let Some((_server, proxy, store)) = behind_proxy().await else {
        return;
    };
    let _ = store
        .write(&path("git/folder/b"), one("v"), Expect::Any)
        .await
        .unwrap();
    for (method, at) in [
        ("LIST", "/git/metadata/folder"),
        ("GET", "/git/metadata/folder/b"),
    ] {
        proxy.fail(method, at, usize::MAX, Fault::Answer(500, ERRORS.into()));
        assert!(store.list("git").await.is_err(), "{method} {at}");
        proxy.mend();
    }
    assert_eq!(store.list("git").await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_or_stopped_server_is_said_and_waited_for() {
    let Some(mut server) = Server::on_disk().await else {
        return;
    };
    let store = prepared(&server).await;
    let _ = store.write(&path("git/a"), one("v"), Expect::Any).await.unwrap();

    server.seal().await;
    let error = store.read(&path("git/a")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Sealed { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("unseal"));
    let fresh = VaultStore::new(server.settings()).unwrap();
    let error = fresh.read(&path("git/a")).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Sealed { .. }),
        "a login met {error:?}"
    );
    server.unseal().await;
    assert_eq!(
        store.read(&path("git/a")).await.unwrap().unwrap().values,
        one("v")
    );

    server.stop();
    let error = store.read(&path("git/a")).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unreachable { .. }), "{error:?}");
    server.start().await;
    server.unseal().await;
    assert_eq!(
        store.read(&path("git/a")).await.unwrap().unwrap().values,
        one("v")
    );
    let written = store
        .write(&path("git/a"), one("w"), Expect::Version(1))
        .await
        .unwrap();
    assert_eq!(written.version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_an_unknown_certificate_gets_nothing() {
    let Some(server) = Server::on_disk().await else {
        return;
    };
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let mut settings = server.settings();
    settings.ca_bundle = Some(other.cert.pem().into_bytes());
    settings.pace.attempts = 1;
    let error = VaultStore::new(settings.clone())
        .unwrap()
        .read(&path("git/a"))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);
    settings.ca_bundle = Some(b"no certificate".to_vec());
    let error = VaultStore::new(settings).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::BadSetting {
                setting: "ca_bundle",
                ..
            }
        ),
        "{error}"
    );
}
