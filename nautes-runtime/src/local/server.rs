//! One request from its bytes to its answer.

use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Admission,
    audit::{self, Audit},
    authn::{self, SigningKey},
    authz,
    call::{Call, Target, User},
    discovery,
    duplicates::Twice,
    evictions,
    fault::{self, Effect, Faults, Lost},
    kinds::{Registry, ResourceType, Version},
    logs, openapi, plugins, read, review, scale,
    status::Status,
    store::{Progress, Store},
    watch as watching,
    webhooks::{self, judged},
    write,
};

/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The largest request body: what etcd would take.
const BODY_LIMIT: usize = 3 << 20;

/// How long a request may take to send its body, and a write to be kept.
const DEADLINE: Duration = Duration::from_secs(60);

/// Everything that changes together.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) name: String,
    /// Tells this start of the server from others, for clients that keep documents.
    pub(crate) boot: uuid::Uuid,
    pub(crate) state: Mutex<State>,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) audit: Audit,
    pub(crate) admission: Option<Admission>,
    pub(crate) faults: Faults,
    pub(crate) tokens: RwLock<BTreeMap<String, User>>,
    pub(crate) logs: logs::Logs,
    pub(crate) signing: SigningKey,
    /// Rung after writes that the controllers of the server may have to follow up.
    pub(crate) follow_up: Notify,
    pub(crate) stopped: CancellationToken,
}

impl Server {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request with everything looked up that serving it needs.
pub(crate) struct Scope<'a> {
    pub(crate) server: &'a Server,
    pub(crate) call: &'a Call,
    pub(crate) user: &'a User,
    pub(crate) target: &'a Target,
    pub(crate) kind: Arc<ResourceType>,
    pub(crate) version: Arc<Version>,
    pub(crate) body: Bytes,
    /// The fields that the body gives more than once.
    pub(crate) twice: Twice,
    /// What admission webhooks say about the request.
    pub(crate) hooks: webhooks::Hooks,
}

impl Scope<'_> {
    pub(crate) fn namespace(&self) -> &str {
        self.target.namespace.as_deref().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn subresource(&self) -> &str {
        self.target.subresource.as_deref().unwrap_or_default()
    }

    /// Where Kubernetes keeps the object, which some messages show.
    pub(crate) fn registry_key(&self) -> String {
        let kind = if self.kind.custom {
            format!("{}/{}", self.kind.group, self.kind.plural)
        } else {
            self.kind.plural.clone()
        };
        let parts = ["/registry", &kind, self.namespace(), self.name()];
        parts
            .into_iter()
            .filter(|p| !p.is_empty())
            .collect::<Vec<_>>()
            .join("/")
    }

    pub(crate) fn api_version(&self) -> String {
        self.kind.api_version(&self.version.name)
    }
}

/// An answer with a JSON body.
pub(crate) fn respond(code: u16, value: &Value, warnings: &[String]) -> Response<Body> {
    let mut response = plain(code, "application/json", value.to_string());
    warn(&mut response, warnings);
    response
}

/// Adds warnings to an answer.
pub(crate) fn warn(response: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings.iter().take(20) {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(header) = http::HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append("warning", header);
        }
    }
}

pub(crate) fn plain(code: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(body.into())
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static(content_type));
    response
}

pub(crate) fn fail(status: &Status) -> Response<Body> {
    if status.is_no_such_group() {
        return plain(404, "text/plain; charset=utf-8", format!("{}\n", status.message));
    }
    let mut response = respond(status.code, &status.to_json(), &[]);
    if status.code == 401 {
        let challenge = http::HeaderValue::from_static("Bearer realm=\"kubernetes-master\"");
        response.headers_mut().insert("www-authenticate", challenge);
    }
    if matches!(status.code, 429 | 503) {
        response
            .headers_mut()
            .insert("retry-after", status.retry_after().into());
    }
    response
}

/// Why there is no answer as it should be.
enum Failure {
    /// The request is refused.
    Refused(Status),
    /// There is no answer at all.
    Lost(Lost),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

/// Serves one request. In-process clients come with their identity; others are authenticated.
///
/// # Errors
/// A fault that was asked for ends the connection.
pub(crate) async fn serve<B>(
    server: Arc<Server>,
    request: Request<B>,
    identity: Option<User>,
) -> Result<Response<Body>, Lost>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let mut log = audit::Entry {
        number: 0,
        verb: "",
        path: head.uri.path().to_owned(),
        user: String::new(),
        code: 0,
        write: false,
    };
    let served = AssertUnwindSafe(serve_inner(&server, &head, body, identity, &mut log))
        .catch_unwind()
        .await;
    let response = match served {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(Failure::Refused(status))) => Ok(fail(&status)),
        Ok(Err(Failure::Lost(lost))) => Err(lost),
        Err(_) => Ok(fail(&Status::internal("the request could not be served"))),
    };
    log.code = response.as_ref().map_or(0, |response| response.status().as_u16());
    server.audit.add(log);
    response
}

async fn serve_inner<B>(
    server: &Arc<Server>,
    head: &http::request::Parts,
    body: B,
    identity: Option<User>,
    log: &mut audit::Entry,
) -> Result<Response<Body>, Failure>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let call = Call::read(&head.method, &head.uri, &head.headers)?;
    log.verb = call.verb;
    if server.stopped.is_cancelled() {
        return Err(Status::new(503, "ServiceUnavailable", "the server is shutting down").into());
    }
    if ["/healthz", "/livez", "/readyz"].iter().any(|p| call.path == *p) {
        return Ok(plain(200, "text/plain; charset=utf-8", "ok"));
    }
    let user = match identity {
        Some(user) => user,
        None => authn::authenticate(server, &head.headers)?,
    };
    log.user.clone_from(&user.name);
    let effect = server.faults.decide(&call, &user.name);
    match &effect {
        Some(Effect::LoseRequest) => return Err(Failure::Lost(Lost)),
        Some(Effect::Refuse(code)) => return Err(fault::refusal(*code).into()),
        Some(Effect::Delay(by)) => fault::delay(*by.start()).await,
        _ => {}
    }
    let client = user.name.clone();
    let answer = answer(server, head, &call, user, body, log).await;
    match effect {
        Some(Effect::LoseAnswer) => Err(Failure::Lost(Lost)),
        effect if call.verb == "watch" => {
            let pieces = match effect {
                Some(Effect::CutWatch(pieces)) => Some(pieces),
                _ => None,
            };
            let faults = server.faults.clone();
            Ok(answer?.map(|body| fault::obeying(faults, call, client, body, pieces)))
        }
        _ => Ok(answer?),
    }
}

async fn answer<B>(
    server: &Arc<Server>,
    head: &http::request::Parts,
    call: &Call,
    user: User,
    body: B,
    log: &mut audit::Entry,
) -> Result<Response<Body>, Status>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = read_body(body).await?;
    let user = authn::impersonate(server, user, &head.headers)?;
    log.user.clone_from(&user.name);
    authz::check(&server.state(), &user, call)?;
    let Some(target) = &call.target else {
        return no_resource(server, call);
    };
    let mut scope = scope(server, call, &user, target)?;
    if scope.call.is_write() && scope.call.media() != "application/json-patch+json" {
        scope.twice = Twice::of(&body, scope.call.media());
    }
    scope.body = body.clone();
    log.write = call.is_write() && scope.kind.is_stored() && !call.is_dry_run()?;
    let served = route(server, &scope, &body).await;
    let warnings = read::warnings(&scope);
    match served {
        // That a version is deprecated is told with a refusal too.
        Err(status) if !warnings.is_empty() => {
            let mut response = fail(&status);
            warn(&mut response, &warnings);
            Ok(response)
        }
        served => served,
    }
}

fn no_resource(server: &Server, call: &Call) -> Result<Response<Body>, Status> {
    if !matches!(call.method.as_str(), "GET" | "HEAD") {
        return Err(Status::method_not_allowed());
    }
    if let Some(told) = authn::serve_issuer(server, call) {
        return told;
    }
    match call.path.trim_end_matches('/') {
        path if path.starts_with("/openapi") => openapi::serve(server, call),
        _ => discovery::serve(server, call),
    }
}

async fn read_body<B>(body: B) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let collected = tokio::time::timeout(DEADLINE, Limited::new(body, BODY_LIMIT).collect());
    match collected.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Status::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {BODY_LIMIT}"),
        )),
        Ok(Err(error)) => Err(Status::bad_request(format!(
            "cannot read the body of the request: {error}"
        ))),
        Err(_) => Err(Status::new(
            408,
            "Timeout",
            "the body of the request did not arrive in time",
        )),
    }
}

fn scope<'a>(
    server: &'a Server,
    call: &'a Call,
    user: &'a User,
    target: &'a Target,
) -> Result<Scope<'a>, Status> {
    let state = server.state();
    // Of groups that definitions bring, the server knows nothing but the paths of their kinds.
    let none = if state.registry.is_built_in(&target.group) {
        Status::no_such_path
    } else {
        Status::no_such_group
    };
    let kind = state.registry.get(&target.group, &target.plural);
    let kind = kind.ok_or_else(none)?.clone();
    let version = kind.version(&target.version).ok_or_else(none)?.clone();
    if !kind.namespaced && target.namespace.is_some() {
        return Err(none());
    }
    Ok(Scope {
        server,
        call,
        user,
        target,
        kind,
        version,
        body: Bytes::new(),
        twice: Twice::default(),
        hooks: webhooks::Hooks::default(),
    })
}

async fn route(server: &Arc<Server>, scope: &Scope<'_>, body: &Bytes) -> Result<Response<Body>, Status> {
    let needs_namespace = scope.kind.namespaced && scope.target.namespace.is_none();
    let of_one = scope.target.name.is_some() || scope.call.verb == "create";
    let all = scope.call.verb == "deletecollection";
    if needs_namespace && (of_one || all) || all && scope.kind.is("", "namespaces") {
        return Err(Status::method_not_allowed());
    }
    if !scope.kind.is_stored() {
        return match scope.call.verb {
            "create" if scope.target.name.is_none() => review::serve(scope, body),
            _ => Err(Status::method_not_allowed()),
        };
    }
    let has_status = scope.version.status;
    match (scope.subresource(), scope.call.verb) {
        ("", "get") => read::get(scope),
        ("", "list") => read::list(scope),
        ("", "watch") => watching::serve(server.clone(), scope),
        ("", "create") if scope.target.name.is_none() => {
            kept(server, judged(scope, || write::create(scope, body)).await).await
        }
        ("", "update" | "patch") if scope.target.name.is_some() => {
            kept(server, judged(scope, || write::change(scope, body)).await).await
        }
        ("", "delete") => kept(server, judged(scope, || write::delete(scope, body)).await).await,
        ("", "deletecollection") => {
            kept(
                server,
                judged(scope, || write::delete_collection(scope, body)).await,
            )
            .await
        }
        ("status", "get") if has_status => read::get(scope),
        ("status", "update" | "patch") if has_status => {
            kept(server, judged(scope, || write::change(scope, body)).await).await
        }
        ("scale", "get") if scope.version.scale.is_some() => scale::get(scope),
        ("scale", "update" | "patch") if scope.version.scale.is_some() => {
            kept(server, judged(scope, || scale::change(scope, body)).await).await
        }
        ("log", "get") if scope.kind.is("", "pods") => logs::get(scope),
        ("eviction", "create") if scope.kind.is("", "pods") => {
            kept(server, judged(scope, || evictions::evict(scope, body)).await).await
        }
        ("ephemeralcontainers" | "resize", "get") if scope.kind.is("", "pods") => read::get(scope),
        ("ephemeralcontainers" | "resize", "update" | "patch") if scope.kind.is("", "pods") => {
            kept(server, judged(scope, || write::change(scope, body)).await).await
        }
        ("ephemeralcontainers" | "eviction" | "resize", _) if scope.kind.is("", "pods") => {
            Err(Status::method_not_allowed())
        }
        ("finalize", "update") if scope.kind.is("", "namespaces") => {
            kept(server, judged(scope, || write::change(scope, body)).await).await
        }
        ("token", "create") if scope.kind.is("", "serviceaccounts") => {
            judged(scope, || authn::token_request(scope, body)).await
        }
        ("status" | "scale", _) if scope.kind.custom && scope.target.name.is_some() => {
            let there = if scope.subresource() == "status" {
                has_status
            } else {
                scope.version.scale.is_some()
            };
            Err(if there {
                Status::method_not_allowed()
            } else {
                Status::not_found(&scope.kind, scope.name())
            })
        }
        ("status", _) if !has_status => Err(Status::no_such_path()),
        ("scale", _) if scope.version.scale.is_none() => Err(Status::no_such_path()),
        ("" | "status" | "scale", _) => Err(Status::method_not_allowed()),
        _ => Err(Status::no_such_path()),
    }
}

/// Waits until what was written is kept, then answers.
async fn kept(server: &Server, answer: Result<Response<Body>, Status>) -> Result<Response<Body>, Status> {
    let answer = answer?;
    let revision = {
        let mut state = server.state();
        plugins::recount(&mut state);
        state.store.revision()
    };
    let mut progress = server.progress.clone();
    let done = tokio::time::timeout(
        DEADLINE,
        progress.wait_for(|p| p.failed || p.revision >= revision),
    )
    .await;
    server.follow_up.notify_one();
    match done {
        Ok(Ok(p)) if !p.failed => Ok(answer),
        Ok(_) => Err(Status::internal("the data folder cannot be written")),
        Err(_) => Err(Status::new(504, "Timeout", "the write was not kept in time")),
    }
}
