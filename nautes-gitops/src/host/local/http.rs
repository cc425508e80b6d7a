//! Smart HTTP, as a forge serves it.
//!
//! Who is not known gets 401, who sees a repository and may not do this 403, who does not see it 404.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tower_http::decompression::RequestDecompressionLayer;

use super::Inner;
use super::auth::{Presented, digest, presented};
use super::process::{Run, Service};
use crate::host::HostError;
use crate::host::types::RepoPath;

/// Returns the routes.
pub(super) fn router(inner: Arc<Inner>) -> Router {
    Router::new()
        .fallback(serve)
        .layer(RequestDecompressionLayer::new())
        .with_state(inner)
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    path: RepoPath,
    service: Service,
    advertise: bool,
}

/// Why a request is not served.
#[derive(Debug)]
enum Refusal {
    Unauthenticated,
    Forbidden,
    NotFound,
    Method,
    MediaType,
    Busy,
    Failed(HostError),
}

async fn serve(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    match answer(inner, request).await {
        Ok(response) => response,
        Err(refusal) => refuse(refusal),
    }
}

async fn answer(inner: Arc<Inner>, request: Request) -> Result<Response, Refusal> {
    let asked = read(
        request.method(),
        request.uri().path(),
        request.uri().query(),
        request.headers(),
    )?;
    let user = authorise(&inner, &asked, request.headers())?;
    let id = inner
        .store
        .read()
        .repositories
        .get(&asked.path)
        .map(|repo| repo.id)
        .ok_or(Refusal::NotFound)?;
    let permit = timeout(inner.options.idle, Arc::clone(&inner.slots).acquire_owned()).await;
    let permit = permit.ok().and_then(Result::ok).ok_or(Refusal::Busy)?;
    let run = run(&inner, &asked, request.headers());
    let pushes = asked.service == Service::ReceivePack && !asked.advertise;
    if pushes {
        inner.observe(&asked.path, id).await.map_err(Refusal::Failed)?;
    }
    let child = run.start().map_err(Refusal::Failed)?;
    let (sender, receiver) = mpsc::channel::<Bytes>(8);
    let greeting = greeting(&asked, run.protocol.as_deref());
    let path = asked.path.clone();
    let exchanges = inner.exchanges.clone();
    exchanges.spawn(async move {
        let body = request.into_body();
        if let Some(greeting) = greeting {
            let _ = sender.send(greeting).await;
        }
        // The response ends when the last sender is gone: after the announcement, so that a client whose push has
        // returned knows that the hooks are on their way.
        run.pump(child, body, sender.clone()).await;
        if let (true, Some(user)) = (pushes, user) {
            inner.announce(&path, id, user).await;
        }
        drop((sender, permit));
    });
    let output = futures::StreamExt::map(ReceiverStream::new(receiver), Ok::<_, std::convert::Infallible>);
    let kind = if asked.advertise {
        "advertisement"
    } else {
        "result"
    };
    let mut response = Body::from_stream(output).into_response();
    let content_type = format!("application/x-{}-{kind}", asked.service.name());
    if let Ok(value) = HeaderValue::from_str(&content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Reads what a request asks for.
fn read(method: &Method, path: &str, query: Option<&str>, headers: &HeaderMap) -> Result<Asked, Refusal> {
    let path = path.trim_start_matches('/');
    let (repository, service, advertise) = if let Some(repository) = path.strip_suffix("/info/refs") {
        let named = query
            .unwrap_or_default()
            .split('&')
            .find_map(|pair| pair.strip_prefix("service="));
        // Without a service this is the protocol of the years before 2010.
        (
            repository,
            named.and_then(Service::from_name).ok_or(Refusal::Forbidden)?,
            true,
        )
    } else {
        let (repository, name) = path.rsplit_once('/').ok_or(Refusal::NotFound)?;
        (
            repository,
            Service::from_name(name).ok_or(Refusal::NotFound)?,
            false,
        )
    };
    if *method != (if advertise { Method::GET } else { Method::POST }) {
        return Err(Refusal::Method);
    }
    if !advertise {
        let expected = format!("application/x-{}-request", service.name());
        if headers
            .get(header::CONTENT_TYPE)
            .is_none_or(|value| value.as_bytes() != expected.as_bytes())
        {
            return Err(Refusal::MediaType);
        }
    }
    let repository = repository.strip_suffix(".git").unwrap_or(repository);
    let path = repository.parse().map_err(|_| Refusal::NotFound)?;
    Ok(Asked {
        path,
        service,
        advertise,
    })
}

/// Returns who asks, `None` for somebody unknown who may do it nevertheless.
fn authorise(inner: &Inner, asked: &Asked, headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let state = inner.store.read();
    let user = match presented(headers) {
        Presented::Nothing => None,
        Presented::Unreadable => return Err(Refusal::Unauthenticated),
        Presented::Token(token) => match state.tokens.get(&digest(&token)) {
            Some(token) => Some(token.user),
            None => return Err(Refusal::Unauthenticated),
        },
    };
    let allowed = match (asked.service, user) {
        (Service::UploadPack, None) if state.reads_repository(None, &asked.path) => Ok(()),
        (_, None) => return Err(Refusal::Unauthenticated),
        (Service::UploadPack, Some(user)) => state.may_read(user, &asked.path),
        (Service::ReceivePack, Some(user)) => state.may_push(user, &asked.path),
    };
    match allowed {
        Ok(()) => Ok(user),
        Err(HostError::Forbidden { .. }) => Err(Refusal::Forbidden),
        Err(_) => Err(Refusal::NotFound),
    }
}

fn run(inner: &Inner, asked: &Asked, headers: &HeaderMap) -> Run {
    let options = &inner.options;
    let pushes = asked.service == Service::ReceivePack;
    let known = |value: &str| {
        value.len() <= 64
            && value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b':' | b'.' | b'-'))
    };
    Run {
        git: inner.git.clone(),
        service: asked.service,
        repository: inner.storage.dir(&asked.path),
        advertise: asked.advertise,
        protocol: headers
            .get("git-protocol")
            .and_then(|value| value.to_str().ok())
            .filter(|value| known(value))
            .map(str::to_owned),
        input_bytes: if pushes {
            options.push_bytes
        } else {
            options.request_bytes
        },
        idle: options.idle,
        total: options.total,
    }
}

/// Returns what goes before the references, unless the client speaks version 2, which has no greeting.
fn greeting(asked: &Asked, protocol: Option<&str>) -> Option<Bytes> {
    let second = asked.service == Service::UploadPack
        && protocol.is_some_and(|value| value.split(':').any(|part| part == "version=2"));
    (asked.advertise && !second).then(|| {
        let line = format!("# service={}\n", asked.service.name());
        Bytes::from(format!("{:04x}{line}0000", line.len() + 4))
    })
}

fn refuse(refusal: Refusal) -> Response {
    let (status, text) = match refusal {
        Refusal::Unauthenticated => (StatusCode::UNAUTHORIZED, "HTTP Basic: access denied"),
        Refusal::Forbidden => (StatusCode::FORBIDDEN, "You are not allowed to do this"),
        Refusal::NotFound => (
            StatusCode::NOT_FOUND,
            "The repository could not be found, or you may not see it",
        ),
        Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "Only smart HTTP is served"),
        Refusal::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Only smart HTTP is served"),
        Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many requests at once"),
        Refusal::Failed(error) => {
            tracing::error!(%error, "the local forge cannot serve a repository");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The repository cannot be served",
            )
        }
    };
    let mut response = (status, format!("{text}\n")).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let realm = HeaderValue::from_static("Basic realm=\"Nautes\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_smart_http_is_understood() {
        let get = |path, query| read(&Method::GET, path, query, &HeaderMap::new());
        let asked = get("/demo/app.git/info/refs", Some("service=git-upload-pack")).unwrap();
        assert_eq!(asked.path.to_string(), "demo/app");
        assert!(get("/demo/team/app/info/refs", Some("service=git-receive-pack")).is_ok());
        for (path, query) in [
            ("/demo/app.git/info/refs", None),
            ("/demo/app.git/info/refs", Some("service=git-shell")),
            ("/demo/../../etc.git/info/refs", Some("service=git-upload-pack")),
            ("/app.git/info/refs", Some("service=git-upload-pack")),
            ("/demo/app.git/HEAD", None),
            ("/demo/app.git/git-upload-pack", None),
            ("/", None),
        ] {
            assert!(get(path, query).is_err(), "{path} {query:?}");
        }
    }
}
