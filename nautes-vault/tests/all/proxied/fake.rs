//! A stateful vault-proxy for tests: TLS on both sides, access lists by the common name of the client's certificate, and a
//! real server behind it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::http::{Method, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::vault::server::Server;

/// What happens once, with the next secret that is written.
#[derive(Clone, Debug)]
pub(crate) enum Twist {
    /// Somebody else writes this value before.
    Before(String),
    /// It is written, and the answer is an error that quotes the request.
    AnswerLost,
    /// It is not written, and the answer is an error that quotes the request.
    Refused,
}

/// A certificate and its key, PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

struct Inner {
    upstream: String,
    token: String,
    http: reqwest::Client,
    /// Who may write below which paths.
    rules: Vec<(&'static str, &'static str)>,
    twist: Mutex<Option<Twist>>,
    seen: Mutex<Vec<String>>,
}

/// A proxy in this process.
pub(crate) struct Fake {
    inner: Arc<Inner>,
    pub(crate) address: String,
    pub(crate) ca: String,
    users: BTreeMap<&'static str, Identity>,
    task: JoinHandle<()>,
}

/// Who asks: the common name of the certificate, if there is one.
#[derive(Clone)]
struct User(Option<&'static str>);

impl Fake {
    /// Starts one before a server, for these users.
    pub(crate) async fn before(
        server: &Server,
        users: &[&'static str],
        rules: &[(&'static str, &'static str)],
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "authority");
        let key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let mut known = HashMap::new();
        let mut identities = BTreeMap::new();
        for &user in users {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(DnType::CommonName, user);
            let key = KeyPair::generate().unwrap();
            let made = params.signed_by(&key, &issuer).unwrap();
            known.insert(made.der().to_vec(), user);
            let identity = Identity {
                certificate: made.pem(),
                key: key.serialize_pem(),
            };
            identities.insert(user, identity);
        }
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let own = params.signed_by(&key, &issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let clients = WebPkiClientVerifier::builder(Arc::new(roots))
            .allow_unauthenticated()
            .build()
            .unwrap();
        let config = ServerConfig::builder()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![own.der().clone()], key.serialize_der().try_into().unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            upstream: server.address.clone(),
            token: server.token.clone(),
            http: reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .build()
                .unwrap(),
            rules: rules.to_vec(),
            twist: Mutex::default(),
            seen: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let known = Arc::new(known);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router, known) = (acceptor.clone(), router.clone(), Arc::clone(&known));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                    let user = certificate.and_then(|der| known.get(der.as_ref()).copied());
                    let service = TowerToHyperService::new(router.layer(Extension(User(user))));
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            inner,
            address,
            ca: ca.pem(),
            users: identities,
            task,
        }
    }

    pub(crate) fn identity(&self, user: &str) -> &Identity {
        &self.users[user]
    }

    /// Twists the next secret that is written.
    pub(crate) fn twist(&self, twist: Twist) {
        *self.inner.twist.lock().unwrap() = Some(twist);
    }

    /// What was asked, as method and path.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.inner.seen.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a request ends with that is not done.
type Refusal = (StatusCode, &'static str);

async fn answer(
    State(inner): State<Arc<Inner>>,
    Extension(user): Extension<User>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let text = to_bytes(body, usize::MAX).await.unwrap();
    let body: Value = serde_json::from_slice(&text).unwrap_or_default();
    let path = parts.uri.path().to_owned();
    inner
        .seen
        .lock()
        .unwrap()
        .push(format!("{} {path}", parts.method));
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let done = match user.0 {
        None => Err((StatusCode::UNAUTHORIZED, "AUTH_FAILED")),
        Some(user) => inner.work(user, &parts.method, &path, &body, &query).await,
    };
    let (status, answer) = match done {
        Ok(answer) => (StatusCode::OK, answer),
        // It quotes what it was sent, as some do.
        Err((status, reason)) => (
            status,
            json!({"reason": reason, "message": String::from_utf8_lossy(&text)}),
        ),
    };
    Response::builder()
        .status(status)
        .body(Body::from(answer.to_string()))
        .unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, Refusal> {
    let text = value[field].as_str().filter(|text| !text.is_empty());
    text.ok_or((StatusCode::BAD_REQUEST, "VALIDATOR"))
}

/// Returns mount, path and policy of a secret, from its `meta`.
fn secret(kind: &str, meta: &Value) -> Result<(String, String, String), Refusal> {
    let of = |names: &[&str]| {
        names
            .iter()
            .map(|name| text(meta, name))
            .collect::<Result<Vec<_>, _>>()
    };
    let (mount, parts) = match kind {
        "git" => ("git", of(&["provider_type", "id", "username", "permission"])?),
        "cluster" => ("cluster", of(&["type", "id", "username", "permission"])?),
        "repo" if meta["project"].is_string() => ("repo", of(&["provider_id", "product", "project"])?),
        "repo" => ("repo", of(&["provider_id", "product"])?),
        "tenant/git" => ("tenant", [vec!["git"], of(&["id", "permission"])?].concat()),
        _ => ("tenant", [vec!["repo"], of(&["id", "permission"])?].concat()),
    };
    let policy = parts.join("-");
    let policy = if mount == "tenant" {
        format!("tenant-{policy}")
    } else {
        policy
    };
    Ok((mount.to_owned(), parts.join("/"), policy))
}

/// Returns what is kept of a request.
fn values(kind: &str, body: &Value) -> Result<Map<String, Value>, Refusal> {
    let (from, fixed): (&Value, &[(&str, &str)]) = match kind {
        "git" | "tenant/git" => (
            &body["kvs"],
            &[("/deploy_key", "deploykey"), ("/access_token", "accesstoken")],
        ),
        "cluster" => (&body["account"], &[("/kubeconfig", "kubeconfig")]),
        _ => (
            &body["account"],
            &[
                ("/auth_type", "authType"),
                ("/token/token", "token"),
                ("/account/username", "username"),
                ("/account/password", "password"),
            ],
        ),
    };
    if !from.is_object() {
        return Err((StatusCode::BAD_REQUEST, "VALIDATOR"));
    }
    let mut kept = from["additionals"].as_object().cloned().unwrap_or_default();
    for (pointer, key) in fixed {
        if let Some(value) = from.pointer(pointer) {
            kept.insert((*key).to_owned(), value.clone());
        }
    }
    Ok(kept)
}

/// Makes `meta` of the parameters of a query below a name.
fn below(query: &BTreeMap<String, String>, name: &str) -> Value {
    let begin = format!("{name}.");
    let fields = query
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(&begin)?.to_owned(), json!(value))));
    Value::Object(fields.collect())
}

impl Inner {
    /// Whether a user may change what is below a path.
    fn check(&self, user: &str, path: &str) -> Result<(), Refusal> {
        let allowed = self
            .rules
            .iter()
            .any(|(who, below)| *who == user && path.starts_with(below));
        if allowed {
            Ok(())
        } else {
            Err((StatusCode::FORBIDDEN, "ACTION_NOT_ALLOW"))
        }
    }

    async fn work(
        &self,
        user: &str,
        method: &Method,
        path: &str,
        body: &Value,
        query: &BTreeMap<String, String>,
    ) -> Result<Value, Refusal> {
        let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        let post = *method == Method::POST;
        match parts.as_slice() {
            ["auth"] if post => {
                let cluster = text(body, "cluster_name")?;
                self.check(user, &format!("auth/{cluster}"))?;
                let kubernetes = &body["kubernetes"];
                if self
                    .root("GET", &format!("auth/{cluster}/config"), Value::Null)
                    .await
                    .is_err()
                {
                    self.root(
                        "POST",
                        &format!("sys/auth/{cluster}"),
                        json!({"type": "kubernetes"}),
                    )
                    .await?;
                }
                let config = json!({"kubernetes_host": text(kubernetes, "url")?, "kubernetes_ca_cert": kubernetes["cabundle"],
                    "token_reviewer_jwt": text(kubernetes, "token")?});
                self.root("POST", &format!("auth/{cluster}/config"), config).await
            }
            ["auth", cluster, "role"] if post => {
                self.check(user, &format!("auth/{cluster}"))?;
                self.root("GET", &format!("auth/{cluster}/config"), Value::Null)
                    .await?;
                let role = json!({"bound_service_account_names": body["kubernetes"]["service_accounts"],
                    "bound_service_account_namespaces": body["kubernetes"]["namespaces"]});
                self.root(
                    "POST",
                    &format!("auth/{cluster}/role/{}", text(body, "dest_user")?),
                    role,
                )
                .await
            }
            ["auth", cluster, "role", role] if !post => {
                self.check(user, &format!("auth/{cluster}"))?;
                self.root("DELETE", &format!("auth/{cluster}/role/{role}"), Value::Null)
                    .await
            }
            ["auth", cluster, "role", role, "policies", kind @ ..] => {
                let meta = if post {
                    body["secret"].clone()
                } else {
                    below(query, "secret")
                };
                let kind = kind.join("/").replace("tenant/repo", "tenant/repos");
                self.grant(user, &format!("auth/{cluster}/role/{role}"), &kind, &meta, post)
                    .await
            }
            kind if post => self.create(user, &kind.join("/"), body).await,
            ["git", a, b, c, d] if query.contains_key("kvs.deploy_key") => {
                let meta = json!({"provider_type": a, "id": b, "username": c, "permission": d});
                self.delete(user, "git", &meta).await
            }
            ["cluster", a, b, c, d] if query.contains_key("account.kubeconfig") => {
                let meta = json!({"type": a, "id": b, "username": c, "permission": d});
                self.delete(user, "cluster", &meta).await
            }
            _ => Err((StatusCode::BAD_REQUEST, "INPUT_ARG_ERROR")),
        }
    }

    async fn create(&self, user: &str, kind: &str, body: &Value) -> Result<Value, Refusal> {
        let (mount, path, policy) = secret(kind, &body["meta"])?;
        self.check(user, &format!("{mount}/data/{path}"))?;
        let values = values(kind, body)?;
        let data = format!("{mount}/data/{path}");
        let twist = self.twist.lock().unwrap().take();
        match &twist {
            Some(Twist::Refused) => {
                return Err((StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVICE_ERROR"));
            }
            Some(Twist::Before(value)) => {
                self.root("POST", &data, json!({"data": {"key": value}})).await?;
            }
            Some(Twist::AnswerLost) | None => {}
        }
        let written = self.root("POST", &data, json!({ "data": values })).await?;
        let rules = format!(
            "path \"{data}\" {{ capabilities = [\"read\"] }}\npath \"{mount}/metadata/{path}\" {{ capabilities = [\"read\"] }}"
        );
        self.root(
            "PUT",
            &format!("sys/policies/acl/{policy}"),
            json!({"policy": rules}),
        )
        .await?;
        if matches!(twist, Some(Twist::AnswerLost)) {
            return Err((StatusCode::BAD_GATEWAY, "INTERNAL_SERVICE_ERROR"));
        }
        Ok(json!({"secret": {"name": mount, "path": path, "version": written["data"]["version"]}}))
    }

    async fn delete(&self, user: &str, kind: &str, meta: &Value) -> Result<Value, Refusal> {
        let (mount, path, policy) = secret(kind, meta)?;
        self.check(user, &format!("{mount}/data/{path}"))?;
        self.root("DELETE", &format!("sys/policies/acl/{policy}"), Value::Null)
            .await?;
        self.root("DELETE", &format!("{mount}/metadata/{path}"), Value::Null)
            .await
    }

    /// Reads a role, changes its policies and writes it, as the reference does: without a lock.
    async fn grant(
        &self,
        user: &str,
        role: &str,
        kind: &str,
        meta: &Value,
        give: bool,
    ) -> Result<Value, Refusal> {
        let (mount, path, policy) = secret(kind, meta)?;
        self.check(user, &format!("{mount}/data/{path}"))?;
        if give {
            self.root("GET", &format!("{mount}/metadata/{path}"), Value::Null)
                .await?;
            self.root("GET", &format!("sys/policies/acl/{policy}"), Value::Null)
                .await?;
        }
        let live = match self.root("GET", role, Value::Null).await {
            Err(_) if !give => return Ok(json!({"msg": ""})),
            read => read?,
        };
        let mut policies: Vec<String> =
            serde_json::from_value(live["data"]["token_policies"].clone()).unwrap_or_default();
        policies.retain(|name| *name != policy);
        if give {
            policies.push(policy);
        }
        let mut next = live["data"].clone();
        next["token_policies"] = json!(policies);
        self.root("POST", role, next).await
    }

    async fn root(&self, method: &str, path: &str, body: Value) -> Result<Value, Refusal> {
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}/v1/{path}", self.upstream))
            .header("X-Vault-Token", &self.token);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let answer = request.send().await.unwrap();
        match answer.status().as_u16() {
            200..300 => Ok(answer.json().await.unwrap_or_else(|_| json!({"msg": ""}))),
            404 => Err((StatusCode::NOT_FOUND, "RESOURCE_NOT_FOUND")),
            _ => Err((StatusCode::BAD_REQUEST, "INPUT_ARG_ERROR")),
        }
    }
}
