//! One POST over HTTPS to a host whose certificate authority is given.

use std::{sync::Arc, time::Duration};

use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

/// The largest answer that is read.
const LIMIT: usize = 3 << 20;

/// Sends a value and reads the one that comes back. `address` is where the host is found if not under its name.
/// Only the authorities of `bundle` are trusted (PEM in base64).
///
/// # Errors
/// In the words of Kubernetes.
pub(super) async fn post(
    url: &str,
    address: Option<Result<String, String>>,
    bundle: &str,
    body: &Value,
    timeout: Duration,
) -> Result<Value, String> {
    let text = format!("{url}?timeout={}s", timeout.as_secs());
    let url: Url = text.parse().map_err(|e| format!("{text}: {e}"))?;
    let called = |why: String| format!("Post {text:?}: {why}");
    let (code, bytes) = match tokio::time::timeout(timeout, exchange(&url, address, bundle, body)).await {
        Ok(answer) => answer.map_err(called)?,
        Err(_) => return Err(called("context deadline exceeded".to_owned())),
    };
    match code {
        200..=299 => serde_json::from_slice(&bytes)
            .map_err(|e| format!("couldn't get version/kind; json parse error: {e}")),
        404 => Err("the server could not find the requested resource".to_owned()),
        400..=499 => Err("the server rejected our request for an unknown reason".to_owned()),
        _ => Err(format!(
            "an error on the server ({:?}) has prevented the request from succeeding",
            String::from_utf8_lossy(&bytes).trim()
        )),
    }
}

async fn exchange(
    url: &Url,
    address: Option<Result<String, String>>,
    bundle: &str,
    body: &Value,
) -> Result<(u16, Bytes), String> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let address = match address {
        Some(address) => address?,
        None => format!("{host}:{}", url.port_or_known_default().unwrap_or(443)),
    };
    let stream = TcpStream::connect(&address).await.map_err(|e| {
        let why = match e.kind() {
            std::io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
            _ => e.to_string(),
        };
        format!("dial tcp {address}: {why}")
    })?;
    let _ = stream.set_nodelay(true);
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting(bundle)?));
    let server = ServerName::try_from(name).map_err(|e| e.to_string())?;
    let stream = connector
        .connect(server, stream)
        .await
        .map_err(|e| unverified(&e))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| e.to_string())?;
    let driver = tokio::spawn(connection);
    let target = &url[url::Position::BeforePath..];
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = http::Request::post(target)
        .header("host", authority)
        .header("content-type", "application/json")
        .header("accept", "application/json, */*")
        .header("user-agent", "kube-apiserver-admission")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|e| e.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let code = response.status().as_u16();
        let body = Limited::new(response.into_body(), LIMIT).collect();
        Ok((code, body.await.map_err(|e| e.to_string())?.to_bytes()))
    }
    .await;
    driver.abort();
    answer
}

fn trusting(bundle: &str) -> Result<rustls::ClientConfig, String> {
    let unreadable = || "unable to load root certificates: unable to parse bytes as PEM block".to_owned();
    let pem = base64::engine::general_purpose::STANDARD
        .decode(bundle)
        .map_err(|_| unreadable())?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots
            .add(certificate.map_err(|_| unreadable())?)
            .map_err(|_| unreadable())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Why a certificate is not trusted.
fn unverified(error: &std::io::Error) -> String {
    use rustls::{CertificateError, Error};
    let why = match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "x509: certificate signed by unknown authority".to_owned()
        }
        Some(Error::InvalidCertificate(other)) => format!("x509: {other}"),
        _ => return error.to_string(),
    };
    format!("tls: failed to verify certificate: {why}")
}
