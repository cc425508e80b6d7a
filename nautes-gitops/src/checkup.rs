//! What a forge lets the platform's account do: facts by which an installation is judged. Nothing is changed.
//!
//! # Guarantees
//! * Only what reads is asked for.
//! * Each fact is asked for by itself, with a deadline: one that cannot be had leaves the others as they are.
//!
//! # Caveats
//! What repositories declare is read into mirrors below a folder of this machine, which the caller throws away.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};

use crate::host::extended::{Credential, HookHealth, ProtectedBranch};
use crate::host::{AccessLevel, GitHost, Hook, HostError, Place, RepoPath, Repository, Session, User};
use crate::place::RepoRef;
use crate::repo::{Mirror, RepoError};
use crate::tree::{Paths, Reading, TreeReader};

/// A fact, or why it is not known.
pub type Fact<T> = Result<T, HostError>;

/// The platform's account on a forge.
#[derive(Debug)]
pub struct Account {
    /// Its session; an error where the token is nobody's, or the forge does not answer.
    pub session: Fact<Arc<dyn Session>>,
    /// What can be known with the session; `None` without one, and on a forge that says nothing of it.
    pub known: Option<Known>,
}

/// What a forge says of the platform's account.
#[derive(Debug)]
pub struct Known {
    /// Whose token it is.
    pub user: Fact<User>,
    /// What the token may be used for; `None` where the forge cannot say.
    pub credential: Option<Fact<Credential>>,
    /// The version of the forge; `None` where it cannot say.
    pub version: Option<Fact<String>>,
    /// Whether the account may make groups that are in no other; `None` where the forge cannot say.
    pub creates_groups: Option<Fact<Option<bool>>>,
}

/// A repository with manifests, as far as the platform's account may see and use it.
#[derive(Debug)]
pub struct Manifests {
    /// Where it is.
    pub path: RepoPath,
    /// The repository; `None` where it does not show.
    pub repository: Fact<Option<Repository>>,
    /// The level of the account there.
    pub level: Fact<AccessLevel>,
    /// Which branches are protected; `None` where the forge does not know protection.
    pub protected: Option<Fact<Vec<ProtectedBranch>>>,
    /// What it declares; `None` where it has no such branch yet.
    pub reading: Fact<Option<Reading>>,
}

/// A hook, and what the forge says of it; `None` where the forge says nothing.
pub type Looked = (Hook, Option<Fact<HookHealth>>);

/// Signs in with the platform's token, and asks what it may be used for.
pub async fn account(host: &dyn GitHost, limit: Duration) -> Account {
    let session = within(limit, host.name(), "sign in", host.platform()).await;
    let known = match &session {
        Ok(session) => Some(known(&**session, limit).await),
        Err(_) => None,
    };
    Account { session, known }
}

async fn known(session: &dyn Session, limit: Duration) -> Known {
    let host = session.host();
    let user = within(limit, host, "ask who the account is", session.user());
    let Some(extended) = session.extended() else {
        return Known {
            user: user.await,
            credential: None,
            version: None,
            creates_groups: None,
        };
    };
    let credential = within(
        limit,
        host,
        "ask for the scopes of the token",
        extended.credential(),
    );
    let version = within(limit, host, "ask for the version", extended.version());
    let groups = within(
        limit,
        host,
        "ask for the rights of the account",
        extended.creates_groups(),
    );
    let ((user, credential), (version, groups)) = join(join(user, credential), join(version, groups)).await;
    Known {
        user,
        credential: Some(credential),
        version: Some(version),
        creates_groups: Some(groups),
    }
}

/// Returns the level of the account in a place.
///
/// # Errors
/// The forge does not say, or not in time.
pub async fn level(session: &dyn Session, place: &Place, limit: Duration) -> Fact<AccessLevel> {
    within(
        limit,
        session.host(),
        "ask for the level of the account",
        session.access(place),
    )
    .await
}

/// Looks at a repository with manifests, and reads what a branch of it declares. `scratch` is a folder of its own, which
/// need not be there.
pub async fn manifests(
    session: &dyn Session,
    (of, path): (RepoRef, RepoPath),
    branch: &str,
    scratch: &Path,
    limit: Duration,
) -> Manifests {
    let host = session.host();
    let place = Place::from(&path);
    let repository = within(limit, host, "look for the repository", session.repository(&path));
    let level = level(session, &place, limit);
    let protected = async {
        let extended = session.extended()?;
        let asked = extended.protected_branches(&path);
        Some(within(limit, host, "ask for the protected branches", asked).await)
    };
    let read = read(session, of, &path, branch, scratch);
    let reading = within(limit, host, "read the repository", read);
    let ((repository, level), (protected, reading)) =
        join(join(repository, level), join(protected, reading)).await;
    Manifests {
        repository,
        level,
        protected,
        reading,
        path,
    }
}

async fn read(
    session: &dyn Session,
    of: RepoRef,
    path: &RepoPath,
    branch: &str,
    scratch: &Path,
) -> Fact<Option<Reading>> {
    let failed = |source: RepoError| HostError::Mirror {
        action: format!("read {path}"),
        source,
    };
    let mirror = Mirror::open_or_create(scratch).await.map_err(failed)?;
    let refs = session.fetch(path, &mirror).await?;
    let Some(tip) = refs.get(&format!("refs/heads/{branch}")) else {
        return Ok(None);
    };
    let reading = TreeReader::new(of).read(&mirror, *tip, &Paths::new()).await;
    reading.map(Some).map_err(failed)
}

/// Returns the hooks of a repository, by id, with what the forge says of those that `ours` picks by their address.
///
/// # Errors
/// The account may not see the hooks, or the forge does not answer in time.
pub async fn hooks(
    session: &dyn Session,
    path: &RepoPath,
    ours: impl Fn(&str) -> bool,
    limit: Duration,
) -> Fact<Vec<Looked>> {
    let host = session.host();
    let hooks = within(limit, host, "see the hooks", session.hooks(path)).await?;
    let looked = hooks
        .into_iter()
        .filter(|hook| ours(&hook.url))
        .map(async |hook| {
            let health = match session.extended() {
                Some(extended) => {
                    let asked = extended.hook_health(path, hook.id);
                    Some(within(limit, host, "look at the hook", asked).await)
                }
                None => None,
            };
            (hook, health)
        });
    Ok(join_all(looked).await)
}

/// Does something that ends in time, or is an error that says so.
async fn within<T>(
    limit: Duration,
    host: &str,
    action: &str,
    work: impl Future<Output = Fact<T>>,
) -> Fact<T> {
    let late = |_| {
        Err(HostError::Unreachable {
            host: host.to_owned(),
            action: action.to_owned(),
            source: format!("there was no complete answer within {} seconds", limit.as_secs()).into(),
        })
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(late)
}
