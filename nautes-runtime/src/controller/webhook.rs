//! The webhook receiver: the door through which the forge says that something has happened.
//!
//! # Contract
//! * `POST /hooks/<product>/<repository>` with the token of that repository in `X-Gitlab-Token`, or with a signature of
//!   the body by it in `X-Gitea-Signature`.
//! * A token is compared before anything of the body is read, a signature before anything is believed; both in a time
//!   that depends on lengths only.
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
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::post;
use nautes_gitops::host::HookEvent;
use nautes_gitops::host::delivery::{Event, MAX_BODY, Refused, Source};
use nautes_gitops::host::gitea::event as gitea;
use nautes_gitops::host::gitlab::event as gitlab;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Resource, Secret};
use nautes_vault::rotation::Ring;

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
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);
    let (token, signature) = (header(gitlab::TOKEN_HEADER), header(gitea::SIGNATURE_HEADER));
    if token.or(signature).is_none() {
        return Err(DENIED);
    }
    let (identity, secrets) = hook(shared, product, repo).await?;
    let read = match token {
        Some(given) => {
            let given = Secret::new(given);
            // Secrets are compared in time that depends on their lengths only, and all of them are.
            let is_it = |secret: &Secret| !secret.is_empty() && *secret == given;
            let equal = secrets.iter().fold(
                None,
                |found, secret| if is_it(secret) { Some(secret) } else { found },
            );
            let secret = equal.ok_or(DENIED)?;
            let name = header(gitlab::EVENT_HEADER);
            gitlab::read(token, name, &whole(body).await?, secret)
        }
        None => {
            let name = header(gitea::EVENT_HEADER);
            let body = whole(body).await?;
            let mut read = Err(Refused::Token);
            for secret in &secrets {
                read = gitea::read(signature, name, &body, secret);
                if !matches!(read, Err(Refused::Token)) {
                    break;
                }
            }
            read
        }
    };
    match read {
        Ok(event) => hear(shared, &identity, &event),
        Err(Refused::Token) => Err(DENIED),
        Err(Refused::TooLarge) => Err(TOO_LARGE),
        Err(Refused::Event) => Ok((StatusCode::ACCEPTED, "nothing is done for such an event\n")),
        Err(Refused::Body) => Err((StatusCode::BAD_REQUEST, "the body is no delivery\n")),
    }
}

/// The repository that an address names, and the secrets of its hook: one, or more while it is replaced.
async fn hook(shared: &Shared, product: &str, repo: &str) -> Result<(Identity, Vec<Secret>), Answer> {
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
    match tokio::time::timeout(limit, shared.platform.store().read(&at.path)).await {
        Ok(Ok(found)) => {
            let ring = Ring::read(&at.key, &[], found.ok_or(DENIED)?.values).ok_or(DENIED)?;
            Ok((
                identity,
                ring.working().map(|(_, slot)| slot.value.clone()).collect(),
            ))
        }
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
