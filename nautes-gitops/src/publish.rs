//! One change, one commit: the only road by which Nautes writes to a repository.
//!
//! # Flow
//! fetch with the caller's session -> read the tip -> apply the change to it -> check what would be declared against
//! what is -> commit with author and trailers -> push if the branch is still where it was; else begin again.
//!
//! # Guarantees
//! * What is committed was checked as it is: the merged tree, not the request alone.
//! * A change that was acknowledged is in the history; one that was not is nowhere, except after
//!   [`HostError::Unreachable`] while pushing, when nobody can know. Publishing again is always safe.
//! * Nothing changed, nothing committed.
//! * A change that names the revision on which it must land lands on no other.
//! * Publishers in one process take turns per repository; those elsewhere are met by compare-and-swap.
//! * A change with a key is committed once, however many publish it at once: whoever comes second is given the commit
//!   of the first, whatever has happened to the repository since.
//!
//! # Caveats
//! There is no deadline here: the session's calls have theirs, and a caller who gives up drops the future. A push that
//! is on its way then may still arrive.

mod draft;
pub mod trailer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use nautes_model::{Class, Identity};

use crate::change::{ChangeError, ChangeSet};
use crate::host::{HostError, PushError, RepoPath, Session, User};
use crate::oid::Oid;
use crate::place::RepoRef;
use crate::repo::{Commit, CommitSpec, Mirror, RepoError, Signature};
use crate::tree::{Scope, TreeReader};
use draft::{Draft, draft};

/// How often a change is tried again after somebody else was faster.
const ATTEMPTS: usize = 10;
/// How many foreign commits a conflict names.
const NAMED: usize = 5;
/// How many new commits are looked through for the key of a change.
const LOOKED: usize = 500;

/// Who wants a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

impl From<User> for Author {
    fn from(user: User) -> Self {
        Self {
            name: user.name,
            email: user.email,
        }
    }
}

/// Where a change goes.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The caller, whose rights decide.
    pub session: &'a dyn Session,
    /// Whose repository it is.
    pub of: &'a RepoRef,
    /// Where it is on the forge.
    pub path: &'a RepoPath,
    /// The mirror of it.
    pub mirror: &'a Mirror,
    /// The branch, a short name.
    pub branch: &'a str,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The commit, `None` where there was nothing to change.
    pub commit: Option<Oid>,
    /// The revision that declares what was wanted; `None` where nothing was wanted of an empty repository.
    pub revision: Option<Oid>,
    /// What is newly declared.
    pub created: Vec<Identity>,
    /// What is declared otherwise than before.
    pub updated: Vec<Identity>,
    /// What is declared no more.
    pub removed: Vec<Identity>,
    /// How often it took.
    pub attempts: usize,
}

/// A commit that got in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The commit.
    pub id: Oid,
    /// Who made it.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
}

/// Why a change was not published. `E` is what the check says.
#[derive(Debug, thiserror::Error)]
pub enum PublishError<E> {
    /// The check rejected what would be declared.
    #[error("the change of {path} was rejected")]
    Rejected {
        /// The repository.
        path: RepoPath,
        /// What the check said.
        because: E,
    },
    /// The change cannot be made in this tree.
    #[error("the change cannot be made in {path}")]
    Change {
        /// The repository.
        path: RepoPath,
        /// Why.
        #[source]
        source: ChangeError,
    },
    /// Others kept changing the repository.
    #[error("{path} was changed by others {attempts} times meanwhile")]
    Conflict {
        /// The repository.
        path: RepoPath,
        /// How often it was tried.
        attempts: usize,
        /// What got in the way last, newest first.
        moved: Vec<Moved>,
    },
    /// The branch is not at the revision on which the change was to land.
    #[error("{path} is at {}, not at {expected}", .found.map_or_else(|| "no revision".to_owned(), |id| id.to_string()))]
    Stale {
        /// The repository.
        path: RepoPath,
        /// Where it was to be.
        expected: Oid,
        /// Where it is.
        found: Option<Oid>,
        /// What has happened since, newest first.
        moved: Vec<Moved>,
    },
    /// There is a commit of the same key already.
    #[error("{path} has the commit {} of the same key", found.id)]
    Repeated {
        /// The repository.
        path: RepoPath,
        /// The commit. Its key may stand for another request.
        found: Box<Commit>,
    },
    /// The forge refused the push.
    #[error("pushing to {path} failed")]
    Push {
        /// The repository.
        path: RepoPath,
        /// Why.
        #[source]
        source: PushError,
    },
    /// The forge failed otherwise.
    #[error("reading {path} failed")]
    Host {
        /// The repository.
        path: RepoPath,
        /// Why.
        #[source]
        source: HostError,
    },
    /// The mirror on this side failed.
    #[error("the mirror of {path} failed")]
    Mirror {
        /// The repository.
        path: RepoPath,
        /// Why.
        #[source]
        source: RepoError,
    },
}

impl<E> PublishError<E> {
    /// Returns the class, by which callers decide.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Rejected { .. } => Class::Invalid,
            Self::Change { source, .. } => source.class(),
            Self::Conflict { .. } | Self::Stale { .. } | Self::Repeated { .. } => Class::Conflict,
            Self::Push { source, .. } => source.class(),
            Self::Host { source, .. } => source.class(),
            Self::Mirror { source, .. } => source.class(),
        }
    }

    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Mirror { source, .. } if source.lacks_room() => {
                Some(crate::host::error::NO_ROOM.to_owned())
            }
            Self::Rejected { .. } | Self::Mirror { .. } | Self::Repeated { .. } => None,
            Self::Change { source, .. } => source.hint(),
            Self::Conflict { moved, .. } | Self::Stale { moved, .. } => Some(conflict_hint(moved)),
            Self::Push { source, .. } => source.hint(),
            Self::Host { source, .. } => source.hint(),
        }
    }
}

fn conflict_hint(moved: &[Moved]) -> String {
    let named: Vec<_> = moved
        .iter()
        .map(|m| format!("{} by {} ({})", m.id.short(), m.author, m.subject))
        .collect();
    if named.is_empty() {
        "try again".to_owned()
    } else {
        format!("try again; last moved by {}", named.join(", "))
    }
}

/// Publishes changes. Cloning gives another handle on the same one.
#[derive(Clone, Debug)]
pub struct Publisher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    committer: Author,
    lanes: Mutex<HashMap<(RepoPath, RepoRef), Arc<Lane>>>,
}

/// What is shared by those who publish to one repository.
#[derive(Debug)]
struct Lane {
    turn: tokio::sync::Mutex<()>,
    reader: TreeReader,
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new(Author {
            name: "Nautes".to_owned(),
            email: "nautes@localhost".to_owned(),
        })
    }
}

impl Publisher {
    /// Makes a publisher that commits in a name; authors are the callers.
    #[must_use]
    pub fn new(committer: Author) -> Self {
        Self {
            inner: Arc::new(Inner {
                committer,
                lanes: Mutex::default(),
            }),
        }
    }

    /// Publishes a change. `check` is given what the branch declares and what it would declare; it is called again
    /// whenever somebody else was faster.
    ///
    /// # Errors
    /// See [`PublishError`]. In each case but an unreachable forge nothing has changed.
    pub async fn publish<E, C>(
        &self,
        target: &Target<'_>,
        change: &ChangeSet,
        author: &Author,
        check: C,
    ) -> Result<Published, PublishError<E>>
    where
        E: Send,
        C: Fn(&Scope, &Scope) -> Result<(), E> + Send + Sync,
    {
        self.commit_change(target, change, author, check, false).await
    }

    /// Gives an empty repository its first commit: the generated list of no manifests. A repository without a branch
    /// cannot be told from one that cannot be read, so whoever makes a repository begins it. One that has a branch
    /// already is left alone.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn begin(
        &self,
        target: &Target<'_>,
        author: &Author,
    ) -> Result<Published, PublishError<std::convert::Infallible>> {
        let change = ChangeSet {
            message: "begin with no manifests".to_owned(),
            ..ChangeSet::default()
        };
        self.commit_change(target, &change, author, |_, _| Ok(()), true)
            .await
    }

    async fn commit_change<E, C>(
        &self,
        target: &Target<'_>,
        change: &ChangeSet,
        author: &Author,
        check: C,
        begin: bool,
    ) -> Result<Published, PublishError<E>>
    where
        E: Send,
        C: Fn(&Scope, &Scope) -> Result<(), E> + Send + Sync,
    {
        let lane = self.lane(target);
        let _turn = lane.turn.lock().await;
        let mut before: Option<Option<Oid>> = None;
        let mut seen = change.seen;
        for attempt in 1..=ATTEMPTS {
            let tip = self.fetch(target).await?;
            if let Some(found) = repeated(target, change, tip, seen).await? {
                return Err(PublishError::Repeated {
                    path: target.path.clone(),
                    found: Box::new(found),
                });
            }
            seen = tip;
            if let Some(expected) = change.onto.filter(|onto| tip != Some(*onto)) {
                return Err(PublishError::Stale {
                    path: target.path.clone(),
                    expected,
                    found: tip,
                    moved: self.moved(target, Some(expected)).await,
                });
            }
            let draft = draft(target, &lane.reader, change, tip).await?;
            if draft.edits.is_empty() && !(begin && tip.is_none()) {
                return Ok(draft.published(None, tip, attempt));
            }
            check(&draft.before.scope, &draft.after.scope).map_err(|because| PublishError::Rejected {
                path: target.path.clone(),
                because,
            })?;
            let commit = self.commit(target, change, author, tip, &draft).await?;
            let Some(commit) = commit else {
                return Ok(draft.published(None, tip, attempt));
            };
            match target
                .session
                .push(target.path, target.mirror, target.branch, tip, commit)
                .await
            {
                Ok(()) => return Ok(draft.published(Some(commit), Some(commit), attempt)),
                Err(PushError::Moved { .. }) => before = before.or(Some(tip)),
                Err(source) => {
                    return Err(PublishError::Push {
                        path: target.path.clone(),
                        source,
                    });
                }
            }
        }
        let moved = self.moved(target, before.flatten()).await;
        Err(PublishError::Conflict {
            path: target.path.clone(),
            attempts: ATTEMPTS,
            moved,
        })
    }

    fn lane(&self, target: &Target<'_>) -> Arc<Lane> {
        let mut lanes = self.inner.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (target.path.clone(), target.of.clone());
        let lane = lanes.entry(key).or_insert_with(|| {
            Arc::new(Lane {
                turn: tokio::sync::Mutex::new(()),
                reader: TreeReader::new(target.of.clone()),
            })
        });
        Arc::clone(lane)
    }

    /// Fetches, and returns the tip of the branch. A damaged mirror is made anew once.
    async fn fetch<E>(&self, target: &Target<'_>) -> Result<Option<Oid>, PublishError<E>> {
        let host = |source| PublishError::Host {
            path: target.path.clone(),
            source,
        };
        let refs = fetch_or_rebuild(target.session, target.path, target.mirror)
            .await
            .map_err(host)?;
        Ok(refs.get(&format!("refs/heads/{}", target.branch)).copied())
    }

    async fn commit<E>(
        &self,
        target: &Target<'_>,
        change: &ChangeSet,
        author: &Author,
        parent: Option<Oid>,
        draft: &Draft,
    ) -> Result<Option<Oid>, PublishError<E>> {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let signature = |of: &Author| Signature {
            name: of.name.clone(),
            email: of.email.clone(),
            seconds,
        };
        let spec = CommitSpec {
            parent,
            edits: draft.files.clone(),
            author: signature(author),
            committer: signature(&self.inner.committer),
            message: draft.edits.message(&change.message),
            trailers: trailer::write(change, &draft.edits),
        };
        target.mirror.commit(spec).await.map_err(|source| match source {
            RepoError::Path { path, .. } => PublishError::Change {
                path: target.path.clone(),
                source: draft.taken(path),
            },
            source => PublishError::Mirror {
                path: target.path.clone(),
                source,
            },
        })
    }

    /// Says what has got in the way since a tip.
    async fn moved(&self, target: &Target<'_>, since: Option<Oid>) -> Vec<Moved> {
        let Ok(Some(tip)) = self.fetch::<()>(target).await else {
            return Vec::new();
        };
        let commits = target.mirror.range(tip, since, NAMED).await.unwrap_or_default();
        commits
            .into_iter()
            .map(|c| Moved {
                id: c.id,
                author: c.author,
                subject: c.subject,
            })
            .collect()
    }
}

/// Looks for a commit of the key of a change among those that nobody has looked at.
async fn repeated<E>(
    target: &Target<'_>,
    change: &ChangeSet,
    tip: Option<Oid>,
    seen: Option<Oid>,
) -> Result<Option<Commit>, PublishError<E>> {
    let Some(tip) = tip.filter(|tip| !change.key.is_empty() && Some(*tip) != seen) else {
        return Ok(None);
    };
    let key = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    let wanted = key(&change.key);
    let commits = target.mirror.range(tip, seen, LOOKED).await;
    let commits = commits.map_err(|source| PublishError::Mirror {
        path: target.path.clone(),
        source,
    })?;
    let is_of_key = |commit: &Commit| {
        let used = trailer::Facts::read(&commit.trailers).key;
        used.is_some_and(|used| key(&used) == wanted)
    };
    Ok(commits.into_iter().find(is_of_key))
}

/// Fetches a repository into its mirror; a mirror that turns out to be damaged is made anew once.
///
/// # Errors
/// The forge fails, or the mirror fails again.
pub async fn fetch_or_rebuild(
    session: &dyn Session,
    path: &RepoPath,
    mirror: &Mirror,
) -> Result<crate::host::Refs, HostError> {
    match session.fetch(path, mirror).await {
        Err(HostError::Mirror { source, .. }) if source.is_damage() => {
            tracing::warn!(%path, error = %source, "a mirror is damaged");
            let action = format!("rebuilding the mirror of {path}");
            mirror
                .rebuild()
                .await
                .map_err(|source| HostError::Mirror { action, source })?;
            session.fetch(path, mirror).await
        }
        result => result,
    }
}
