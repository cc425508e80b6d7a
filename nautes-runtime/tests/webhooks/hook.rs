//! A webhook on this machine.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Gives the `response` of a review from its `request`.
pub(crate) type Answers = Arc<dyn Fn(Value) -> BoxFuture<'static, Value> + Send + Sync>;

/// A running webhook; it ends with the test.
pub(crate) struct Hook {
    address: SocketAddr,
    authority: String,
    seen: Arc<Mutex<Vec<Value>>>,
}

/// Answers at once.
pub(crate) fn at_once(f: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Answers {
    Arc::new(move |request| {
        let response = f(&request);
        Box::pin(async move { response })
    })
}

/// A response that changes the object.
pub(crate) fn patch(operations: &Value) -> Value {
    json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string())})
}

impl Hook {
    pub(crate) async fn start(answers: Answers) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = rcgen::CertificateParams::new(names)
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let log = seen.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, log, answers) = (acceptor.clone(), log.clone(), answers.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = hyper::service::service_fn(move |request| {
                        let (log, answers) = (log.clone(), answers.clone());
                        async move { serve(request, &log, &answers).await }
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            authority: STANDARD.encode(certificate.pem()),
            seen,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/judge", self.address)
    }

    /// The requests since the last call.
    pub(crate) fn seen(&self) -> Vec<Value> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The part of a configuration that says where the webhook is.
    pub(crate) fn client(&self) -> Value {
        json!({"url": self.url(), "caBundle": self.authority})
    }
}

async fn serve(
    request: http::Request<hyper::body::Incoming>,
    log: &Mutex<Vec<Value>>,
    answers: &Answers,
) -> Result<http::Response<Full<bytes::Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let review: Value = serde_json::from_slice(&body).unwrap();
    let asked = review["request"].clone();
    log.lock().unwrap().push(asked.clone());
    let uid = asked["uid"].clone();
    let mut response = answers(asked).await;
    if let Some(status) = response.get("http").and_then(Value::as_u64) {
        let code = u16::try_from(status).unwrap();
        let answer = http::Response::builder().status(code);
        return Ok(answer.body(Full::new("out of order".into())).unwrap());
    }
    if response.get("uid").is_none() {
        response["uid"] = uid;
    }
    let answer = json!({"apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response});
    let answer = http::Response::new(Full::new(answer.to_string().into()));
    Ok(answer)
}
