//! One caller on a server of Git.

use std::sync::Arc;

use async_trait::async_trait;
use nautes_model::Secret;
use sha2::{Digest as _, Sha256};

use super::Inner;
use crate::host::abilities::Abilities;
use crate::host::net::{Auth, Gate};
use crate::host::smart::Remote;
use crate::host::types::{
    AccessLevel, DeployKey, DeployKeySpec, Group, GroupChange, GroupSpec, Hook, HookSpec, Member, Place,
    RepoChange, RepoPath, RepoSpec, Repository, User, Visibility, check_group,
};
use crate::host::{HostError, PushError, Refs, Session};
use crate::oid::Oid;
use crate::repo::Mirror;

/// The repository of a product, by which its group is known.
const DEFAULT_PROJECT: &str = "default.project";
/// The name that goes with a token alone.
const ANYBODY: &str = "git";

/// Whom a credential says to be of.
#[derive(Debug)]
pub(super) struct Claim {
    name: String,
    password: Secret,
}

#[derive(Debug)]
pub(super) struct Caller {
    pub(super) forge: Arc<Inner>,
    pub(super) user: Claim,
    pub(super) gate: Gate,
}

/// Reads a credential: `USER:PASSWORD`, or a token alone.
pub(super) fn read(credential: &Secret, forge: &Inner) -> Result<Claim, HostError> {
    let nobody = || HostError::Unauthenticated {
        host: forge.name.clone(),
    };
    let (name, password) = match credential.expose_str().map_err(|_| nobody())?.split_once(':') {
        Some((name, password)) => (name.to_owned(), Secret::from(password)),
        None => (ANYBODY.to_owned(), credential.clone()),
    };
    let plain = !name.is_empty() && !name.contains(|c: char| c.is_control() || c.is_whitespace());
    if !plain || password.is_empty() {
        return Err(nobody());
    }
    Ok(Claim { name, password })
}

/// Makes a number of a text, which is the same each time.
fn id_of(text: &str) -> u64 {
    let digest = Sha256::digest(text);
    let bytes = digest.iter().take(6);
    bytes.fold(0, |id, byte| id << 8 | u64::from(*byte))
}

impl Caller {
    /// Fails where the server knows no such credential, as far as that shows.
    pub(super) async fn prove(&self) -> Result<(), HostError> {
        let Some(known) = &self.forge.known else {
            return Ok(());
        };
        match self.remote(known).refs().await {
            // He is somebody, and may not read this one, or it is still to be made.
            Ok(_) | Err(HostError::Forbidden { .. } | HostError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn remote(&self, path: &RepoPath) -> Remote<'_> {
        let file = format!("{}.git", path.name());
        let segments = path.group().split('/').chain([file.as_str()]);
        Remote {
            net: &self.forge.net,
            gate: &self.gate,
            url: self.forge.net.address().join(segments),
            auth: Auth::Basic(&self.user.name, &self.user.password),
            host: &self.forge.name,
            user: &self.user.name,
            repo: path.to_string(),
            watcher: self.forge.watcher.0.as_ref(),
        }
    }

    /// Returns the references of a repository; `None` where the caller cannot read it. What cannot be told from a
    /// credential that has ended is an error.
    async fn seen(&self, path: &RepoPath) -> Result<Option<Refs>, HostError> {
        match self.remote(path).refs().await {
            Ok(refs) => Ok(Some(refs)),
            Err(HostError::NotFound { .. } | HostError::Forbidden { .. }) => Ok(None),
            // So some servers hide what one may not read.
            Err(error @ HostError::Unauthenticated { .. }) => match &self.forge.known {
                Some(known) if known != path && self.remote(known).refs().await.is_ok() => Ok(None),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn level(&self, path: &RepoPath) -> Result<AccessLevel, HostError> {
        if self.seen(path).await?.is_none() {
            return Ok(AccessLevel::None);
        }
        match self.remote(path).takes_pushes().await {
            Ok(()) => Ok(AccessLevel::Owner),
            Err(
                HostError::Unauthenticated { .. } | HostError::Forbidden { .. } | HostError::NotFound { .. },
            ) => Ok(AccessLevel::Reporter),
            Err(error) => Err(error),
        }
    }

    fn by_hand<T>(&self, action: impl Into<String>, instead: impl Into<String>) -> Result<T, HostError> {
        Err(HostError::unsupported(&self.forge.name, action, instead))
    }

    /// Tells what Git's protocol does not: whether a repository is hidden from the caller, or he may not push to it.
    async fn push_refused(&self, error: HostError, path: &RepoPath) -> HostError {
        let refused = matches!(
            error,
            HostError::Unauthenticated { .. } | HostError::NotFound { .. } | HostError::Forbidden { .. }
        );
        match refused.then_some(self.seen(path)) {
            None => error,
            Some(seen) => match seen.await {
                Ok(Some(_)) => HostError::Forbidden {
                    user: self.user.name.clone(),
                    action: format!("push to repository {path}"),
                    needs: None,
                },
                Ok(None) => HostError::not_found(format!("repository {path}")),
                Err(error) => error,
            },
        }
    }

    fn shown(&self, path: &RepoPath, refs: &Refs) -> Repository {
        let branches = refs.keys().filter_map(|name| name.strip_prefix("refs/heads/"));
        let has = |name: &&str| refs.contains_key(&format!("refs/heads/{name}"));
        let usual = ["main", "master"].into_iter().find(has);
        let branch = usual.or_else(|| branches.min()).unwrap_or("main");
        Repository {
            id: id_of(&path.to_string()),
            default_branch: branch.to_owned(),
            http_url: self.remote(path).url.to_string(),
            ssh_url: None,
            archived: false,
            visibility: Visibility::Private,
            description: String::new(),
            marker: None,
            path: path.clone(),
        }
    }
}

fn default_project(group: &str) -> Option<RepoPath> {
    check_group(group).ok()?;
    RepoPath::new(group, DEFAULT_PROJECT).ok()
}

#[async_trait]
impl Session for Caller {
    fn host(&self) -> &str {
        &self.forge.name
    }

    fn abilities(&self) -> Abilities {
        Abilities::NONE
    }

    async fn user(&self) -> Result<User, HostError> {
        self.prove().await?;
        let name = self.user.name.clone();
        Ok(User {
            id: id_of(&name),
            email: format!("{name}@noreply.{}", self.forge.net.address().host()),
            name,
        })
    }

    async fn access(&self, place: &Place) -> Result<AccessLevel, HostError> {
        match place {
            Place::Repository(path) => self.level(path).await,
            Place::Group(group) => match default_project(group) {
                Some(path) => self.level(&path).await,
                None => Ok(AccessLevel::None),
            },
        }
    }

    async fn group(&self, name: &str) -> Result<Option<Group>, HostError> {
        let Some(path) = default_project(name) else {
            return Ok(None);
        };
        Ok(self.seen(&path).await?.map(|_| Group {
            id: id_of(name),
            name: name.to_owned(),
            visibility: Visibility::Private,
            description: String::new(),
            marker: None,
        }))
    }

    async fn groups(&self) -> Result<Vec<Group>, HostError> {
        self.by_hand("list groups", "name the group")
    }

    async fn create_group(&self, spec: &GroupSpec) -> Result<Group, HostError> {
        let name = &spec.name;
        self.by_hand(
            format!("create group {name}"),
            format!(
                "make the repository {name}/{DEFAULT_PROJECT} on the server, and let the platform's account and those who \
                 own the product push to it"
            ),
        )
    }

    async fn update_group(&self, name: &str, _: &GroupChange) -> Result<Group, HostError> {
        self.by_hand(format!("change group {name}"), "change it on the server")
    }

    async fn delete_group(&self, name: &str) -> Result<(), HostError> {
        self.by_hand(format!("delete group {name}"), "delete it on the server")
    }

    async fn members(&self, place: &Place) -> Result<Vec<Member>, HostError> {
        self.by_hand(
            format!("list the members of {place}"),
            "look at the server's own list",
        )
    }

    async fn add_member(&self, place: &Place, user: &str, _: AccessLevel) -> Result<(), HostError> {
        self.by_hand(
            format!("make {user} a member of {place}"),
            "give him the right to read or to push on the server",
        )
    }

    async fn remove_member(&self, place: &Place, user: &str) -> Result<(), HostError> {
        self.by_hand(
            format!("end the membership of {user} in {place}"),
            "take his rights on the server",
        )
    }

    async fn repository(&self, path: &RepoPath) -> Result<Option<Repository>, HostError> {
        Ok(self.seen(path).await?.map(|refs| self.shown(path, &refs)))
    }

    async fn repositories(&self, group: &str) -> Result<Vec<Repository>, HostError> {
        self.by_hand(
            format!("list the repositories of group {group}"),
            "name the repository",
        )
    }

    async fn create_repository(&self, path: &RepoPath, _: &RepoSpec) -> Result<Repository, HostError> {
        self.by_hand(
            format!("create repository {path}"),
            "make it on the server, empty, and let the platform's account read it (and push to a default.project)",
        )
    }

    async fn update_repository(&self, path: &RepoPath, _: &RepoChange) -> Result<Repository, HostError> {
        self.by_hand(format!("change repository {path}"), "change it on the server")
    }

    async fn archive_repository(&self, path: &RepoPath, _: bool) -> Result<Repository, HostError> {
        self.by_hand(
            format!("archive repository {path}"),
            "take the right to push from everybody on the server",
        )
    }

    async fn delete_repository(&self, path: &RepoPath) -> Result<(), HostError> {
        self.by_hand(format!("delete repository {path}"), "delete it on the server")
    }

    async fn deploy_keys(&self, path: &RepoPath) -> Result<Vec<DeployKey>, HostError> {
        self.by_hand(
            format!("list the deploy keys of repository {path}"),
            "look at the server's own list",
        )
    }

    async fn create_deploy_key(&self, path: &RepoPath, spec: &DeployKeySpec) -> Result<DeployKey, HostError> {
        let may = if spec.can_push { "push" } else { "read" };
        self.by_hand(
            format!("add the deploy key {} to repository {path}", spec.title),
            format!(
                "add this public key on the server, with the right to {may}: {}",
                spec.public_key
            ),
        )
    }

    async fn enable_deploy_key(&self, path: &RepoPath, id: u64, _: bool) -> Result<DeployKey, HostError> {
        self.by_hand(
            format!("enable deploy key {id} for repository {path}"),
            "add it on the server",
        )
    }

    async fn delete_deploy_key(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        self.by_hand(
            format!("take deploy key {id} from repository {path}"),
            "take it on the server",
        )
    }

    async fn hooks(&self, path: &RepoPath) -> Result<Vec<Hook>, HostError> {
        self.by_hand(
            format!("list the hooks of repository {path}"),
            "look at the server's own list",
        )
    }

    async fn create_hook(&self, path: &RepoPath, spec: &HookSpec) -> Result<Hook, HostError> {
        self.by_hand(
            format!("add a hook to repository {path}"),
            format!(
                "without one pushes are found by polling; or let the server call {} in the way of GitLab or Gitea",
                spec.url
            ),
        )
    }

    async fn delete_hook(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        self.by_hand(
            format!("delete hook {id} of repository {path}"),
            "delete it on the server",
        )
    }

    async fn refs(&self, path: &RepoPath) -> Result<Refs, HostError> {
        let seen = self.seen(path).await?;
        seen.ok_or_else(|| HostError::not_found(format!("repository {path}")))
    }

    async fn fetch(&self, path: &RepoPath, mirror: &Mirror) -> Result<Refs, HostError> {
        match self.remote(path).fetch(mirror).await {
            Err(
                error @ (HostError::Unauthenticated { .. }
                | HostError::NotFound { .. }
                | HostError::Forbidden { .. }),
            ) => match self.seen(path).await? {
                None => Err(HostError::not_found(format!("repository {path}"))),
                Some(_) => Err(error),
            },
            fetched => fetched,
        }
    }

    async fn push(
        &self,
        path: &RepoPath,
        mirror: &Mirror,
        branch: &str,
        expected_old: Option<Oid>,
        new: Oid,
    ) -> Result<(), PushError> {
        match self.remote(path).push(mirror, branch, expected_old, new).await {
            Err(PushError::Host(error)) => Err(self.push_refused(error, path).await.into()),
            pushed => pushed,
        }
    }
}
