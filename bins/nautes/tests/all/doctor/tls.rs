//! Servers whose certificates are wrong, each in its way.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nautes::doctor::check::Outcome;
use nautes::doctor::judge;
use nautes::doctor::probe::forge::bundle;
use nautes::doctor::probe::reach::{Way, reach};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(until: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(until, 1, 1);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Serves with a certificate for a name that is valid for these years. `date` is the server's clock.
    async fn serve(&self, name: &str, years: (i32, i32), date: &'static str) -> SocketAddr {
        self.serve_to(name, years, date, None).await
    }

    /// Makes a certificate with its key for a client, PEM.
    fn client(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["nautes".to_owned()]).unwrap();
        let made = made.signed_by(&key, &self.issuer).unwrap();
        (made.pem(), key.serialize_pem())
    }

    /// Serves clients whom an authority knows.
    async fn serve_to(
        &self,
        name: &str,
        years: (i32, i32),
        date: &'static str,
        clients: Option<&Self>,
    ) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        let made = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = match clients {
            Some(known) => {
                let mut roots = rustls::RootCertStore::empty();
                let der = CertificateDer::from_pem_slice(known.pem.as_bytes()).unwrap();
                roots.add(der).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
            None => config.with_no_client_auth(),
        };
        let config = config.with_single_cert(vec![made.der().clone()], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok(mut stream) = acceptor.accept(stream).await {
                        let mut head = [0; 4096];
                        let _ = stream.read(&mut head).await;
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\n{date}content-length: 0\r\nconnection: close\r\n\r\n"
                        );
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                });
            }
        });
        address
    }
}

/// What is found of a server: the checks that are not good, with what they say.
async fn found(address: SocketAddr, ca: &Path) -> Vec<(&'static str, String)> {
    let way = Way {
        subject: "server".to_owned(),
        url: format!("https://localhost:{}/", address.port()).parse().unwrap(),
        bundle: Some(bundle("--forge-ca-file", ca)),
        only: true,
        ..Way::new(
            "server",
            format!("https://localhost:{}/", address.port()).parse().unwrap(),
        )
    };
    let reached = reach(way, Duration::from_secs(20)).await;
    let bad = judge::reach::judge(&reached, Timestamp::now())
        .into_iter()
        .filter_map(|verdict| match verdict.outcome {
            Outcome::Bad { message, .. } => Some((verdict.check.id, message)),
            Outcome::Good(_) | Outcome::Skipped(_) => None,
        });
    bad.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_certificate_is_told_from_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let (ours, theirs, old) = (Authority::new(2999), Authority::new(2999), Authority::new(2020));
    let ca = file("ca.pem", &ours.pem);
    let years = (2000, 2999);
    let one = |found: Vec<(&'static str, String)>, check: &str, part: &str| {
        assert_eq!(found.len(), 1, "{check}: {found:?}");
        assert_eq!(found[0].0, check);
        assert!(found[0].1.contains(part), "{}", found[0].1);
    };
    let good = ours.serve("localhost", years, "").await;
    assert_eq!(found(good, &ca).await, []);
    let name = file("theirs.pem", &theirs.pem);
    one(
        found(good, &name).await,
        "TlsIssuer",
        "theirs.pem (--forge-ca-file)",
    );
    let other = ours.serve("forge.example.com", years, "").await;
    one(found(other, &ca).await, "TlsName", "forge.example.com");
    let ended = ours.serve("localhost", (2000, 2020), "").await;
    one(found(ended, &ca).await, "TlsValidity", "ended on 2020-01-01");
    let early = ours.serve("localhost", (2990, 2999), "").await;
    one(found(early, &ca).await, "TlsValidity", "from 2990-01-01 on");
    // An authority that has ended is trusted by some, and by others no more.
    let of_old = old.serve("localhost", years, "").await;
    let kept = file("old.pem", &old.pem);
    one(found(of_old, &kept).await, "CaBundle", "ended on 2020-01-01");
    let both = file("both.pem", &format!("{}{}", ours.pem, old.pem));
    one(
        found(good, &both).await,
        "CaBundle",
        "both.pem (--forge-ca-file) holds certificates that have ended",
    );
    let none = found(good, &file("none.pem", "nothing")).await;
    assert!(
        none.iter()
            .any(|(check, why)| *check == "CaBundle" && why.contains("no certificate in PEM form")),
        "{none:?}"
    );
    let late = ours
        .serve("localhost", years, "date: Fri, 31 Dec 1999 23:59:59 GMT\r\n")
        .await;
    one(found(late, &ca).await, "Clock", "behind");
    // What does not speak TLS at all.
    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    one(found(address, &ca).await, "Reachable", "TLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_proxy_is_looked_at_as_the_client_that_it_knows() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new(2999);
    let address = authority
        .serve_to("localhost", (2000, 2999), "", Some(&authority))
        .await;
    let file = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    };
    let (certificate, key) = authority.client();
    let stranger = Authority::new(2999).client();
    let ca = file("ca.pem", &authority.pem);
    for ((certificate, key), good) in [((certificate, key), true), (stranger, false)] {
        let (certificate, key) = (file("cert.pem", &certificate), file("key.pem", &key));
        let proxy = format!("https://localhost:{}", address.port());
        let words: Vec<String> = [
            "doctor",
            "-o",
            "json",
            "--all",
            "--kubeconfig",
            "none",
            "--vault-address",
            "http://127.0.0.1:1",
            "--vault-login",
            "token-file",
            "--vault-login-file",
            "none",
            "--vault-proxy-address",
            &proxy,
            "--vault-proxy-cert-file",
            &certificate,
            "--vault-proxy-key-file",
            &key,
            "--vault-proxy-ca-file",
            &ca,
        ]
        .map(str::to_owned)
        .into();
        let told = tokio::task::spawn_blocking(move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            crate::kit::nautes(&words, "")
        });
        let told = told.await.unwrap();
        let report: serde_json::Value = serde_json::from_str(&told.out).unwrap();
        let is = |list: &str, check: &str| {
            report[list].as_array().unwrap().iter().any(|verdict| {
                verdict["check"] == check && verdict["subject"].as_str().unwrap().starts_with("vault-proxy")
            })
        };
        assert_eq!(
            (is("good", "Reachable"), is("findings", "Reachable")),
            (good, !good),
            "{}",
            told.out
        );
        assert!(!told.out.contains("PRIVATE KEY"));
    }
}
