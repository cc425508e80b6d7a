//! Planted secrets are searched for in everything that is logged or shown, while everything goes wrong.

use std::io::Write;
use std::sync::{Arc, Mutex};

use nautes_model::secret::SecretRef;
use nautes_vault::vault::{ClusterAuth, VaultStore};
use nautes_vault::{Expect, SecretStore};
use tracing_subscriber::fmt::MakeWriter;

use super::prepared;
use super::proxy::{Fault, Proxy};
use super::server::Server;
use crate::{one, path};

const PLANTED: usize = 1000;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_value_and_no_token_is_in_any_log_or_error() {
    let Some(server) = Server::in_memory().await else {
        return;
    };
    prepared(&server).await;
    let token = server.token_with(&["root"]).await;
    let proxy = Proxy::before(&server.address).await;
    let mut settings = super::settings(&proxy.address, &token);
    settings.pace.attempts = 2;
    settings.pace.pause = std::time::Duration::from_micros(1);

    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let store = VaultStore::new(settings.clone()).unwrap();
    let mut shown = format!("{store:?} {settings:?}");
    for n in 0..PLANTED {
        let (at, values) = (
            path(&format!("git/canary/{}", n % 50)),
            one(&format!("canary-{n:05}")),
        );
        let fault = match n % 10 {
            0 => Some(Fault::Echo(500)),
            1 => Some(Fault::Echo(400)),
            2 => Some(Fault::Echo(429)),
            3 => Some(Fault::AnswerAfter(502)),
            _ => None,
        };
        if let Some(fault) = fault {
            proxy.fail("POST", "/data/canary", 2, fault);
        }
        let expect = if n % 10 == 4 {
            Expect::Version(999)
        } else {
            Expect::Any
        };
        shown.push_str(&match store.write(&at, values, expect).await {
            Ok(written) => format!("{written:?}"),
            Err(error) => format!("{error} {error:?} {:?}", error.hint()),
        });
        proxy.mend();
        if n % 10 == 5 {
            // An answer with a value in it that is cut, or is an error.
            let body = format!(r#"{{"data":{{"data":{{"key":"canary-{n:05}""#);
            proxy.fail(
                "GET",
                "/data/canary",
                2,
                Fault::Answer(if n % 20 == 5 { 200 } else { 500 }, body),
            );
        }
        shown.push_str(&match store.read(&at).await {
            Ok(found) => format!("{found:?}"),
            Err(error) => format!("{error} {error:?}"),
        });
        proxy.mend();
        let reference = SecretRef {
            path: at,
            key: "key".to_owned(),
        };
        if n % 50 == 0 {
            shown.push_str(&format!("{:?}", store.digest(&reference).await.unwrap()));
        }
    }
    let auth = ClusterAuth {
        host: "https://127.0.0.1:1".to_owned(),
        ca: String::new(),
        reviewer: Some("canary-reviewer".into()),
    };
    proxy.fail("POST", "/config", 9, Fault::Echo(400));
    let error = store
        .configure_cluster(&"live".parse().unwrap(), &auth)
        .await
        .unwrap_err();
    shown.push_str(&format!("{error} {error:?} {auth:?}"));
    drop(guard);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("is sent again"), "nothing was logged");
    for text in [&log, &shown] {
        // Paths have the word, too; values have a number after it.
        assert!(!text.contains("canary-"), "a value is shown");
        assert!(!text.contains(&token), "the token is shown");
    }
}
