//! Revisions of watched repositories, as a stream.
//!
//! # Flow
//! a poke or the passing of time -> list the references -> fetch -> one event per reference that differs from what
//! was known.
//!
//! # Guarantees
//! * Every watched repository is looked at by itself: one that does not answer holds up no other.
//! * A listing that fails is [`Event::Failed`] and changes nothing: a branch is reported as gone only by a complete
//!   listing that lacks it.
//! * When a revision is reported, the mirror has its objects.
//! * What was missed, poked or not, is found by the next look; between two looks, only the last position counts.
//!
//! # Caveats
//! A consumer that does not read is waited for: events are not dropped, and looking pauses.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nautes_model::Class;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::host::{HostError, Poke, Refs, RepoPath, Session};
use crate::oid::Oid;
use crate::publish::fetch_or_rebuild;
use crate::repo::Mirror;

/// How many events wait for the consumer.
const WAITING: usize = 1024;

/// Which references of a repository are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interest {
    /// The branch that is the repository's default at the time of looking.
    DefaultBranch,
    /// One branch, a short name.
    Branch(String),
    /// All branches.
    Branches,
    /// All branches and tags.
    All,
}

/// A repository to watch.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Where it is.
    pub repo: RepoPath,
    /// The mirror of it.
    pub mirror: Mirror,
    /// Which of its references are watched.
    pub interest: Interest,
    /// Where these references are known to be already: they are not reported again.
    pub known: Refs,
}

/// A reference is somewhere else than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The repository.
    pub repo: RepoPath,
    /// The full name of the reference, `refs/heads/main`.
    pub reference: String,
    /// Where it was, `None` where it was not known.
    pub old: Option<Oid>,
    /// Where it is, `None` where it is gone.
    pub new: Option<Oid>,
    /// Whether it does not follow from where it was: somebody has rewritten the history.
    pub forced: bool,
}

impl Revision {
    /// Returns the short name, if it is a branch.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        self.reference.strip_prefix("refs/heads/")
    }
}

/// What a feed reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A reference has moved.
    Revision(Revision),
    /// A repository could not be looked at. Nothing is known about it until [`Event::Recovered`]. Reported when it
    /// begins and when the reason changes.
    Failed {
        /// The repository.
        repo: RepoPath,
        /// What kind of failure it is.
        class: Class,
        /// What happened, with its causes.
        message: String,
    },
    /// A repository can be looked at again; what has moved meanwhile follows.
    Recovered {
        /// The repository.
        repo: RepoPath,
    },
}

/// How often and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How often a repository is looked at without a poke.
    pub interval: Duration,
    /// How long one look may take.
    pub deadline: Duration,
}

/// Watches repositories. Dropping it ends the stream.
pub struct Feed {
    session: Arc<dyn Session>,
    pace: Pace,
    events: mpsc::Sender<Event>,
    watched: Arc<Mutex<Watched>>,
    stop: CancellationToken,
    _stop: DropGuard,
}

type Watched = BTreeMap<RepoPath, Watcher>;

struct Watcher {
    wake: Arc<Notify>,
    _stop: DropGuard,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed")
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// Starts a feed without repositories, and returns it with its stream. Has to be called within a runtime.
    #[must_use]
    pub fn start(
        session: Arc<dyn Session>,
        pokes: broadcast::Receiver<Poke>,
        pace: Pace,
    ) -> (Self, ReceiverStream<Event>) {
        let (events, receiver) = mpsc::channel(WAITING);
        let watched = Arc::new(Mutex::new(Watched::new()));
        let stop = CancellationToken::new();
        let dispatch = dispatch(pokes, Arc::clone(&watched));
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(dispatch).await });
        let guard = stop.clone().drop_guard();
        (
            Self {
                session,
                pace,
                events,
                watched,
                stop,
                _stop: guard,
            },
            ReceiverStream::new(receiver),
        )
    }

    /// Begins to watch a repository, and looks at it at once. One that is watched already is begun anew.
    pub fn watch(&self, watch: Watch) {
        let wake = Arc::new(Notify::new());
        let stop = self.stop.child_token();
        let repo = watch.repo.clone();
        let looker = Looker {
            session: Arc::clone(&self.session),
            pace: self.pace,
            events: self.events.clone(),
            wake: Arc::clone(&wake),
            known: watch.known.clone(),
            failing: None,
            watch,
        };
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(looker.run()).await });
        let watcher = Watcher {
            wake,
            _stop: stop.drop_guard(),
        };
        self.watched().insert(repo, watcher);
    }

    /// Ends watching a repository. Events that are on their way still arrive.
    pub fn unwatch(&self, repo: &RepoPath) {
        self.watched().remove(repo);
    }

    /// Returns the watched repositories, in order.
    #[must_use]
    pub fn repositories(&self) -> Vec<RepoPath> {
        self.watched().keys().cloned().collect()
    }

    /// Looks at a repository soon, as after a poke. Returns whether it is watched.
    pub fn poke(&self, repo: &RepoPath) -> bool {
        let watched = self.watched();
        let watcher = watched.get(repo);
        if let Some(watcher) = watcher {
            watcher.wake.notify_one();
        }
        watcher.is_some()
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the watchers of poked repositories; all of them where pokes were lost.
async fn dispatch(mut pokes: broadcast::Receiver<Poke>, watched: Arc<Mutex<Watched>>) {
    loop {
        let poked = match pokes.recv().await {
            Ok(poke) => Some(poke.repo),
            Err(broadcast::error::RecvError::Lagged(_)) => None,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
        for (repo, watcher) in watched.iter() {
            if poked.as_ref().is_none_or(|poked| poked == repo) {
                watcher.wake.notify_one();
            }
        }
    }
}

/// Looks at one repository.
struct Looker {
    session: Arc<dyn Session>,
    pace: Pace,
    events: mpsc::Sender<Event>,
    wake: Arc<Notify>,
    watch: Watch,
    known: Refs,
    failing: Option<String>,
}

impl Looker {
    async fn run(mut self) {
        loop {
            let looked = match timeout(self.pace.deadline, self.look()).await {
                Ok(looked) => looked,
                Err(elapsed) => Err(HostError::Unreachable {
                    host: self.session.host().to_owned(),
                    action: format!("looking at {}", self.watch.repo),
                    source: elapsed.into(),
                }),
            };
            let going_on = match looked {
                Ok(revisions) => self.report(revisions).await,
                Err(error) => self.fail(&error).await,
            };
            if !going_on {
                return;
            }
            // Woken or not, the next step is the same.
            let _ = timeout(self.pace.interval, self.wake.notified()).await;
        }
    }

    /// Returns what has moved. Fetches only if something has.
    async fn look(&self) -> Result<Vec<Revision>, HostError> {
        let Watch {
            repo,
            mirror,
            interest,
            ..
        } = &self.watch;
        let branch = match interest {
            Interest::DefaultBranch => {
                let found = self.session.repository(repo).await?;
                Some(
                    found
                        .ok_or_else(|| HostError::not_found(format!("repository {repo}")))?
                        .default_branch,
                )
            }
            Interest::Branch(branch) => Some(branch.clone()),
            Interest::Branches | Interest::All => None,
        };
        let of_interest = |name: &str| match (&branch, interest) {
            (Some(branch), _) => name.strip_prefix("refs/heads/") == Some(branch),
            (None, Interest::All) => true,
            (None, _) => name.starts_with("refs/heads/"),
        };
        let select =
            |refs: Refs| -> Refs { refs.into_iter().filter(|(name, _)| of_interest(name)).collect() };
        if select(self.session.refs(repo).await?) == self.known {
            return Ok(Vec::new());
        }
        let now = select(fetch_or_rebuild(&*self.session, repo, mirror).await?);
        let mut revisions = Vec::new();
        for moved in crate::repo::transfer::moves(&self.known, &now) {
            let forced = match (moved.old, moved.new) {
                (Some(old), Some(new)) => !self.follows(new, old).await?,
                _ => false,
            };
            let (repo, reference) = (repo.clone(), moved.name);
            revisions.push(Revision {
                repo,
                reference,
                old: moved.old,
                new: moved.new,
                forced,
            });
        }
        Ok(revisions)
    }

    async fn follows(&self, new: Oid, old: Oid) -> Result<bool, HostError> {
        let repo = &self.watch.repo;
        match self.watch.mirror.descends_from(new, old).await {
            Ok(follows) => Ok(follows),
            // A tag may point to something that is no commit, which follows from nothing.
            Err(error) if error.class() == Class::NotFound => Ok(false),
            Err(source) => Err(HostError::Mirror {
                action: format!("comparing revisions of {repo}"),
                source,
            }),
        }
    }

    /// Sends what has moved. Returns whether somebody still listens.
    async fn report(&mut self, revisions: Vec<Revision>) -> bool {
        if self.failing.take().is_some() {
            let repo = self.watch.repo.clone();
            if self.events.send(Event::Recovered { repo }).await.is_err() {
                return false;
            }
        }
        for revision in revisions {
            let (name, new) = (revision.reference.clone(), revision.new);
            if self.events.send(Event::Revision(revision)).await.is_err() {
                return false;
            }
            match new {
                Some(new) => self.known.insert(name, new),
                None => self.known.remove(&name),
            };
        }
        true
    }

    /// Sends that a look has failed, unless that is known. Returns whether somebody still listens.
    async fn fail(&mut self, error: &HostError) -> bool {
        let message = chain(error);
        if self.failing.as_ref() == Some(&message) {
            return !self.events.is_closed();
        }
        self.failing = Some(message.clone());
        let repo = self.watch.repo.clone();
        self.events
            .send(Event::Failed {
                repo,
                class: error.class(),
                message,
            })
            .await
            .is_ok()
    }
}

/// Writes an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
