//! The webhook receiver: the door through which the forge says that something has happened.
//!
//! # Contract
//! * `POST /hooks/<product>/<repository>` with the token of that repository in `X-Gitlab-Token`.
//! * The token is compared before anything of the body is read, in a time that depends on lengths only.
//! * The payload is a hint only: what happened is read from the forge. So whoever has a token can make Nautes look
//!   early, and start for what is there now what the manifests start for such an event; nothing else.
//! * Nothing is done before the answer: what a delivery asks for waits in the queue. The same delivery twice, late, or in
//!   another order starts nothing twice.
//! * 401 for a token that is missing, wrong, or of a repository that has no hook, without a difference; 413 for a
//!   body of more than 1 MiB; 408 for one that does not arrive; 400 for one that is no delivery; 503 when the store does
//!   not answer, or too many events of the repository wait; else 202, also for events that are not known.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use nautes_gitops::host::HookEvent;
use nautes_gitops::host::gitlab::event::{
    EVENT_HEADER, Event, MAX_BODY, Refused, Source, TOKEN_HEADER, read,
};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Resource, Secret};

use super::code_repo::{provider_of, token_of};
use super::state::{Hint, Shared, Unit, lock};

/// How long the store and the body may take: a forge gives up on a receiver after ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many events of one repository may wait.
const WAITING: usize = 256;

type Answer = (StatusCode, &'static str);

const DENIED: Answer = (
    StatusCode::UNAUTHORIZED,
    "the token is not that of a hook of this repository\n",
);
const UNCHECKED: Answer = (
    StatusCode::SERVICE_UNAVAILABLE,
    "the token cannot be checked now\n",
);

/// Returns the routes of the receiver.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/hooks/{product}/{repo}", post(receive))
        .with_state(shared)
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    Path((product, repo)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let answer = match take(&shared, &product, &repo, &headers, body).await {
        Ok(answer) | Err(answer) => answer,
    };
    let counts = &shared.deliveries;
    let counter = match answer.0 {
        StatusCode::ACCEPTED => &counts.accepted,
        StatusCode::UNAUTHORIZED => &counts.denied,
        _ => &counts.refused,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    answer
}

async fn take(
    shared: &Shared,
    product: &str,
    repo: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Answer, Answer> {
    let given = headers.get(TOKEN_HEADER).ok_or(DENIED)?.as_bytes();
    let (identity, secret) = hook(shared, product, repo).await?;
    // Secrets are compared in time that depends on their lengths only.
    if secret.is_empty() || secret != Secret::new(given) {
        return Err(DENIED);
    }
    let body = whole(body).await?;
    let name = headers.get(EVENT_HEADER).map(|value| value.as_bytes());
    match read(Some(given), name, &body, &secret) {
        Ok(event) => hear(shared, &identity, &event),
        Err(Refused::Token) => Err(DENIED),
        Err(Refused::TooLarge) => Err(TOO_LARGE),
        Err(Refused::Event) => Ok((StatusCode::ACCEPTED, "nothing is done for such an event\n")),
        Err(Refused::Body) => Err((StatusCode::BAD_REQUEST, "the body is no delivery\n")),
    }
}

/// The repository that an address names, and the secret of its hook.
async fn hook(shared: &Shared, product: &str, repo: &str) -> Result<(Identity, Secret), Answer> {
    let (Ok(product), Ok(repo)) = (ProductName::new(product), ResourceName::new(repo)) else {
        return Err(DENIED);
    };
    let identity = Identity::product(Kind::CodeRepo, product.clone(), repo.clone());
    let forge_id = lock(&shared.ids).get(&identity).copied();
    let world = shared.world();
    let Some(Resource::CodeRepo(declared)) = world.scopes().get(&identity).map(|s| &s.resource) else {
        return Err(DENIED);
    };
    let provider = provider_of(&shared.platform, world.scopes(), declared);
    let at = token_of(provider, &product, &repo, forge_id).ok_or(DENIED)?;
    let limit = shared.platform.timing().call.min(PATIENCE);
    match tokio::time::timeout(limit, shared.platform.store().resolve(&at)).await {
        Ok(Ok(token)) => Ok((identity, token.ok_or(DENIED)?)),
        Ok(Err(error)) => {
            tracing::warn!(%identity, %error, "a delivery could not be checked");
            Err(UNCHECKED)
        }
        Err(_) => Err(UNCHECKED),
    }
}

const TOO_LARGE: Answer = (StatusCode::PAYLOAD_TOO_LARGE, "the body has more than 1 MiB\n");

async fn whole(body: Body) -> Result<axum::body::Bytes, Answer> {
    match tokio::time::timeout(PATIENCE, axum::body::to_bytes(body, MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // A connection that breaks is answered to nobody.
        Ok(Err(_)) => Err(TOO_LARGE),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n")),
    }
}

/// Takes note of an event, and asks for the work that it means.
fn hear(shared: &Shared, identity: &Identity, event: &Event) -> Result<Answer, Answer> {
    match hint(event) {
        Heard::Moved => {}
        Heard::Happened(hint) => {
            let mut hints = lock(&shared.hints);
            let waiting = hints.entry(identity.clone()).or_default();
            if waiting.len() >= WAITING && !waiting.contains(&hint) {
                return Err((
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many events of this repository wait\n",
                ));
            }
            waiting.insert(hint);
        }
        Heard::Nothing => {
            let said = "nothing is started for what comes from another repository\n";
            return Ok((StatusCode::ACCEPTED, said));
        }
    }
    shared.queue.add(Unit::Runs(identity.clone()));
    // Who else has work because of it is found out in the queue.
    if let Some(path) = shared.path_of(identity) {
        shared.queue.add(Unit::Poked(path));
    }
    Ok((StatusCode::ACCEPTED, "the repository is looked at\n"))
}

/// What a delivery says.
enum Heard {
    /// References have moved: the forge shows which.
    Moved,
    /// Something that the forge does not show afterwards.
    Happened(Hint),
    /// Something that nothing is started for.
    Nothing,
}

fn hint(event: &Event) -> Heard {
    let source = match &event.source {
        // Whoever can fork a repository must not run what he likes as its product.
        Some(Source::Elsewhere) => return Heard::Nothing,
        Some(Source::Branch(branch)) => Some(branch.clone()),
        None => None,
    };
    match event.event {
        HookEvent::Push
        | HookEvent::TagPush
        | HookEvent::ConfidentialNote
        | HookEvent::ConfidentialIssues => Heard::Moved,
        HookEvent::MergeRequests
        | HookEvent::Note
        | HookEvent::Issues
        | HookEvent::Job
        | HookEvent::Pipeline
        | HookEvent::Releases
        | HookEvent::Deployment => Heard::Happened(Hint {
            event: event.event,
            reference: event.reference.clone(),
            source,
        }),
    }
}
