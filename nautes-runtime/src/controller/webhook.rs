//! The webhook receiver: the door through which the forge says that something has happened.
//!
//! # Contract
//! * `POST /hooks/<product>/<repository>` with the token of that repository in `X-Gitlab-Token`, or with a signature of
//!   the body by it in `X-Gitea-Signature`.
//! * The payload is a hint only: what happened is read from the forge. So whoever has a token can make Nautes look
//!   early, and nothing else.
//! * 401 for a token that is missing, wrong, or of a repository that has no hook, without a difference; 413 for a
//!   body of more than 1 MiB; 400 for a body that is not JSON; 503 when the store does not answer; else 202.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use nautes_gitops::host::gitea::event as gitea;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Resource, Secret};

use super::code_repo::{provider_of, token_of};
use super::state::{Shared, Unit, lock};
use super::sync::poked;

/// The largest body, in bytes.
const MAX_BODY: usize = 1 << 20;
/// The header with the token.
const TOKEN: &str = "x-gitlab-token";

/// Returns the routes of the receiver.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/hooks/{product}/{repo}", post(receive))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    Path((product, repo)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    const DENIED: (StatusCode, &str) = (
        StatusCode::UNAUTHORIZED,
        "the token is not that of a hook of this repository\n",
    );
    let (Ok(product), Ok(repo)) = (ProductName::new(&product), ResourceName::new(&repo)) else {
        return DENIED;
    };
    let given = headers.get(TOKEN).map(|value| Secret::new(value.as_bytes()));
    let signature = headers.get(gitea::SIGNATURE_HEADER).map(HeaderValue::as_bytes);
    if given.is_none() && signature.is_none() {
        return DENIED;
    }
    let proves = |token: &Secret| match &given {
        Some(given) => !token.is_empty() && token == given,
        None => gitea::is_signed(signature, &body, token),
    };
    let identity = Identity::product(Kind::CodeRepo, product.clone(), repo.clone());
    let forge_id = lock(&shared.ids).get(&identity).copied();
    let world = shared.world();
    let Some(Resource::CodeRepo(declared)) = world.scopes().get(&identity).map(|s| &s.resource) else {
        return DENIED;
    };
    let provider = provider_of(&shared.platform, world.scopes(), declared);
    let Some(at) = token_of(provider, &product, &repo, forge_id) else {
        return DENIED;
    };
    let limit = shared.platform.timing().call;
    match tokio::time::timeout(limit, shared.platform.store().resolve(&at)).await {
        // Secrets are compared in time that depends on their lengths only.
        Ok(Ok(Some(token))) if proves(&token) => {}
        Ok(Ok(_)) => return DENIED,
        Ok(Err(error)) => {
            tracing::warn!(%identity, %error, "a delivery could not be checked");
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "the token cannot be checked now\n",
            );
        }
        Err(_) => {
            return (
                StatusCode::SERVICE_UNAVAILABLE,
                "the token cannot be checked now\n",
            );
        }
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err() {
        return (StatusCode::BAD_REQUEST, "the body is not JSON\n");
    }
    shared.queue.add(Unit::Runs(identity.clone()));
    if let Some(path) = shared.path_of(&identity) {
        poked(&shared, &path);
    }
    (StatusCode::ACCEPTED, "the repository is looked at\n")
}
