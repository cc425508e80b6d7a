//! Calling registered hooks, with bodies in the shape of GitLab's.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nautes_model::Secret;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::Inner;
use super::seal::Sealer;
use super::state::{HookRecord, RepoRecord, State};
use crate::host::HostError;
use crate::host::types::{HookEvent, RefMove, RepoPath, Visibility};
use crate::oid::Oid;
use crate::repo::history::{self, Commit};

/// How many deliveries are remembered.
const REMEMBERED: usize = 1000;
/// How many deliveries go on at once.
const AT_ONCE: usize = 16;
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How many commits a body lists.
const COMMITS: usize = 20;
/// Of how many references of one push hooks are told.
const MOVES: usize = 50;

/// What became of a call to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Delivered,
    /// It was answered with another status than 2xx, each time.
    Refused(u16),
    /// It was not answered.
    Unanswered,
}

/// One call to a hook, with all its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The hook.
    pub hook: u64,
    /// The repository.
    pub repo: RepoPath,
    /// What it was about.
    pub event: HookEvent,
    /// The full name of the reference.
    pub reference: String,
    /// The id by which the receiver can tell repetitions, as in `X-Gitlab-Event-UUID`.
    pub uuid: String,
    /// How often it was attempted.
    pub attempts: usize,
    /// What became of it.
    pub outcome: Outcome,
}

/// A call that is to be made.
#[derive(Clone)]
pub(super) struct Job {
    /// By which the receiver can tell repetitions.
    uuid: String,
    hook: u64,
    url: String,
    secret: Secret,
    repo: RepoPath,
    event: HookEvent,
    reference: String,
    body: Value,
}

pub(super) struct Courier {
    sealer: Sealer,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

struct Shared {
    client: reqwest::Client,
    pauses: Vec<Duration>,
    slots: Semaphore,
    log: Mutex<VecDeque<(Delivery, Job)>>,
    ended: watch::Sender<u64>,
}

impl Courier {
    pub(super) fn new(data: &Path, pauses: Vec<Duration>) -> Result<Self, HostError> {
        let sealer = Sealer::open(data)?;
        let client = client()?;
        let (ended, _) = watch::channel(0);
        let shared = Shared {
            client,
            pauses,
            slots: Semaphore::new(AT_ONCE),
            log: Mutex::default(),
            ended,
        };
        Ok(Self {
            sealer,
            shared: Arc::new(shared),
            stop: CancellationToken::new(),
        })
    }

    pub(super) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    pub(super) fn log(&self) -> Vec<Delivery> {
        self.shared
            .log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(delivery, _)| delivery.clone())
            .collect()
    }

    /// Makes the latest call of every hook once more, under the same id, and returns how many those are.
    pub(super) fn repeat(&self) -> usize {
        let latest: BTreeMap<u64, Job> = {
            let log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.iter().map(|(_, job)| (job.hook, job.clone())).collect()
        };
        let count = latest.len();
        self.deliver(latest.into_values().collect());
        count
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.shared.ended.subscribe()
    }

    /// Makes calls in the background.
    pub(super) fn deliver(&self, jobs: Vec<Job>) {
        for job in jobs {
            let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(shared.deliver(job)).await });
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Returns a client for loopback: plain HTTP, no proxy, no redirects. TLS is configured and never used, because the
/// client cannot be built without.
pub(crate) fn client() -> Result<reqwest::Client, HostError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        HostError::internal("preparing to call hooks", error)
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ATTEMPT)
        .build()
        .map_err(|error| failed(error.into()))
}

impl Shared {
    async fn deliver(&self, job: Job) {
        let Ok(_slot) = self.slots.acquire().await else {
            return;
        };
        let mut attempts = 0;
        let mut outcome = Outcome::Unanswered;
        for pause in std::iter::once(&Duration::ZERO).chain(&self.pauses) {
            // Nothing to wait for but the time itself; the caller cancels when the forge closes.
            let _ = tokio::time::timeout(*pause, std::future::pending::<()>()).await;
            attempts += 1;
            outcome = self.attempt(&job).await;
            if outcome == Outcome::Delivered {
                break;
            }
        }
        if outcome != Outcome::Delivered {
            tracing::warn!(hook = job.hook, repo = %job.repo, ?outcome, attempts, "a hook was not reached");
        }
        let delivery = Delivery {
            hook: job.hook,
            repo: job.repo.clone(),
            event: job.event,
            reference: job.reference.clone(),
            uuid: job.uuid.clone(),
            attempts,
            outcome,
        };
        self.remember(delivery, job);
    }

    async fn attempt(&self, job: &Job) -> Outcome {
        let mut request = self
            .client
            .post(&job.url)
            .header("X-Gitlab-Event", job.event.header())
            .header("X-Gitlab-Event-UUID", &job.uuid)
            .json(&job.body);
        if !job.secret.is_empty() {
            let Ok(mut value) = reqwest::header::HeaderValue::from_bytes(job.secret.expose()) else {
                return Outcome::Unanswered;
            };
            value.set_sensitive(true);
            request = request.header("X-Gitlab-Token", value);
        }
        match request.send().await {
            Ok(response) if response.status().is_success() => Outcome::Delivered,
            Ok(response) => Outcome::Refused(response.status().as_u16()),
            Err(_) => Outcome::Unanswered,
        }
    }

    fn remember(&self, delivery: Delivery, job: Job) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == REMEMBERED {
            log.pop_front();
        }
        log.push_back((delivery, job));
        drop(log);
        self.ended.send_modify(|count| *count += 1);
    }
}

impl Inner {
    /// Writes down the calls that a push asks for. Blocks.
    pub(super) fn jobs(&self, path: &RepoPath, user: u64, moves: &[RefMove]) -> Vec<Job> {
        let state = self.store.read();
        let Some(record) = state.repositories.get(path) else {
            return Vec::new();
        };
        if record.hooks.is_empty() {
            return Vec::new();
        }
        let mut jobs = Vec::new();
        for moved in moves.iter().take(MOVES) {
            let event = event_of(moved);
            let wanted = record
                .hooks
                .iter()
                .filter(|(_, hook)| hook.events.contains(&event));
            let commits = self.commits(path, moved);
            let body = body(&state, record, path, user, moved, &commits, &self.url(path));
            jobs.extend(wanted.filter_map(|(id, hook)| self.job(*id, hook, path, moved, body.clone())));
        }
        jobs
    }

    fn job(&self, id: u64, hook: &HookRecord, path: &RepoPath, moved: &RefMove, body: Value) -> Option<Job> {
        let secret = match self.courier.sealer.unseal(id, &hook.sealed) {
            Ok(secret) => secret,
            Err(error) => {
                tracing::error!(%error, hook = id, "a hook cannot be called");
                return None;
            }
        };
        let (event, reference) = (event_of(moved), moved.name.clone());
        Some(Job {
            uuid: uuid::Uuid::new_v4().to_string(),
            hook: id,
            url: hook.url.clone(),
            secret,
            repo: path.clone(),
            event,
            reference,
            body,
        })
    }

    /// Returns what a push has added to a branch, oldest first.
    fn commits(&self, path: &RepoPath, moved: &RefMove) -> Vec<Commit> {
        let Some(new) = moved.new else { return Vec::new() };
        let limit = if moved.old.is_some() { COMMITS } else { 1 };
        let read = || history::range(&self.storage.repository(path).ok()?, new, moved.old, limit).ok();
        let mut commits = read().unwrap_or_default();
        commits.reverse();
        commits
    }
}

fn event_of(moved: &RefMove) -> HookEvent {
    if moved.name.starts_with("refs/tags/") {
        HookEvent::TagPush
    } else {
        HookEvent::Push
    }
}

fn body(
    state: &State,
    repo: &RepoRecord,
    path: &RepoPath,
    user: u64,
    moved: &RefMove,
    commits: &[Commit],
    url: &str,
) -> Value {
    let id = |id: Option<Oid>| id.map_or_else(|| Oid::ZERO.to_owned(), |id| id.to_string());
    let kind = if event_of(moved) == HookEvent::TagPush {
        "tag_push"
    } else {
        "push"
    };
    let who = state.user(user);
    let visibility = match repo.visibility {
        Visibility::Private => 0,
        Visibility::Internal => 10,
        Visibility::Public => 20,
    };
    let checkout = commits.last().map(|commit| commit.id).or(moved.new);
    json!({
        "object_kind": kind,
        "event_name": kind,
        "ref": moved.name,
        "before": id(moved.old),
        "after": id(moved.new),
        "checkout_sha": checkout,
        "message": null,
        "user_id": user,
        "user_name": who.as_ref().map(|user| &user.name),
        "user_username": who.as_ref().map(|user| &user.name),
        "user_email": who.as_ref().map(|user| &user.email),
        "project_id": repo.id,
        "project": {
            "id": repo.id,
            "name": path.name(),
            "description": repo.description,
            "namespace": path.group(),
            "path_with_namespace": path.to_string(),
            "default_branch": repo.default_branch,
            "visibility_level": visibility,
            "web_url": url,
            "git_http_url": format!("{url}.git"),
        },
        "commits": commits.iter().map(|commit| json!({
            "id": commit.id,
            "title": commit.subject,
            "message": commit.message,
            "timestamp": jiff::Timestamp::from_second(commit.seconds).ok().map(|time| time.to_string()),
            "author": { "name": commit.author, "email": commit.email },
        })).collect::<Vec<_>>(),
        "total_commits_count": commits.len(),
    })
}
