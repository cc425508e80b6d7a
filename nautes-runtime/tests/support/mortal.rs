//! A forge and a secret store at which a process can die: after so many calls, whoever makes the next one stops there for
//! good, and so does everybody else at his next call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use nautes_gitops::host::extended::{
    AccessToken, AccessTokenSpec, CommitStatus, Credential, HookHealth, ProtectedBranch,
};
use nautes_gitops::host::{
    Abilities, AccessLevel, DeployKey, DeployKeySpec, Extended, Group, GroupChange, GroupSpec, Hook,
    HookSpec, Member, Place, Poke, PushError, Refs, RepoChange, RepoSpec, Repository, Session, User,
};
use nautes_gitops::{GitHost, HostError, Mirror, Oid, RepoPath};
use nautes_model::Secret;
use nautes_model::secret::{Grant, GrantScope, Principal, SecretPath, SecretRef};
use nautes_runtime::local::fault::{Counted, Crash};
use nautes_vault::vault::ClusterLogins;
use nautes_vault::{
    Expect, GrantChange, Promise, SecretDigest, SecretStore, StoreError, VersionInfo, Versioned, Written,
};
use tokio::sync::{broadcast, watch};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Nobody dies.
    Forever,
    /// So many calls that count are served; at the next one it ends.
    Until(Counted, u64, Crash),
    Over,
}

/// When the process dies.
#[derive(Clone)]
pub(crate) struct Death {
    life: Arc<Mutex<Life>>,
    over: watch::Sender<bool>,
}

impl fmt::Debug for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Death").finish_non_exhaustive()
    }
}

impl Default for Death {
    fn default() -> Self {
        Self {
            life: Arc::new(Mutex::new(Life::Forever)),
            over: watch::Sender::new(false),
        }
    }
}

impl Death {
    /// Lets the process die at a call that counts, after `allowed` others.
    pub(crate) fn comes(&self, counted: Counted, allowed: u64, crash: Crash) {
        *self.life.lock().unwrap() = Life::Until(counted, allowed, crash);
        self.over.send_replace(false);
    }

    /// Lets those who call from now on live, and returns whether somebody has died.
    pub(crate) fn is_past(&self) -> bool {
        *self.life.lock().unwrap() = Life::Forever;
        self.over.send_replace(false)
    }

    /// Ends when the process is dead.
    pub(crate) async fn came(&self) {
        let mut over = self.over.subscribe();
        let _ = over.wait_for(|over| *over).await;
    }

    /// How a call is served; `None` for never.
    fn served(&self, writes: bool) -> Option<Served> {
        let mut life = self.life.lock().unwrap();
        match *life {
            Life::Over => return None,
            Life::Until(Counted::Writes, ..) if !writes => {}
            Life::Until(_, 0, crash) => {
                *life = Life::Over;
                return Some(Served::Last(crash));
            }
            Life::Until(counted, allowed, crash) => *life = Life::Until(counted, allowed - 1, crash),
            Life::Forever => {}
        }
        Some(Served::Well)
    }

    async fn read<T>(&self, call: impl Future<Output = T>) -> T {
        self.call(false, call).await
    }

    async fn write<T>(&self, call: impl Future<Output = T>) -> T {
        self.call(true, call).await
    }

    async fn call<T>(&self, writes: bool, call: impl Future<Output = T>) -> T {
        match self.served(writes) {
            Some(Served::Well) => return call.await,
            Some(Served::Last(crash)) => {
                // Also where the caller does not wait for the end of the call.
                let _end = End(&self.over);
                if crash == Crash::After {
                    drop(call.await);
                }
            }
            None => {}
        }
        pending().await
    }
}

/// The process is dead when this goes.
struct End<'a>(&'a watch::Sender<bool>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

enum Served {
    Well,
    /// It is the last one of this life.
    Last(Crash),
}

/// Something outside of the process.
#[derive(Debug)]
pub(crate) struct Mortal<T: ?Sized> {
    death: Death,
    inner: Arc<T>,
}

impl<T: ?Sized> Mortal<T> {
    pub(crate) fn new(death: &Death, inner: Arc<T>) -> Self {
        Self {
            death: death.clone(),
            inner,
        }
    }
}

/// Implements a trait by passing every call on, as long as there is life.
macro_rules! passing {
    (
        $trait:ident for $inner:ty, by $via:ident: { $($plain:tt)* }
        $($kind:ident $name:ident($($arg:ident: $type:ty),*) -> $ret:ty;)*
    ) => {
        #[async_trait]
        impl $trait for Mortal<$inner> {
            $($plain)*
            $(async fn $name(&self, $($arg: $type),*) -> $ret {
                self.death.$kind(self.$via().$name($($arg),*)).await
            })*
        }
    };
}

type Of<T> = Result<T, HostError>;

passing! { Session for dyn Session, by inner: {
        fn host(&self) -> &str {
            self.inner.host()
        }
        fn abilities(&self) -> Abilities {
            self.inner.abilities()
        }
        fn extended(&self) -> Option<&dyn Extended> {
            self.inner.extended().map(|_| self as &dyn Extended)
        }
    }
    read user() -> Of<User>;
    read access(place: &Place) -> Of<AccessLevel>;
    read group(name: &str) -> Of<Option<Group>>;
    read groups() -> Of<Vec<Group>>;
    write create_group(spec: &GroupSpec) -> Of<Group>;
    write update_group(name: &str, change: &GroupChange) -> Of<Group>;
    write delete_group(name: &str) -> Of<()>;
    read members(place: &Place) -> Of<Vec<Member>>;
    write add_member(place: &Place, user: &str, level: AccessLevel) -> Of<()>;
    write remove_member(place: &Place, user: &str) -> Of<()>;
    read repository(path: &RepoPath) -> Of<Option<Repository>>;
    read repository_by_id(id: u64) -> Of<Option<Repository>>;
    read repositories(group: &str) -> Of<Vec<Repository>>;
    write create_repository(path: &RepoPath, spec: &RepoSpec) -> Of<Repository>;
    write update_repository(path: &RepoPath, change: &RepoChange) -> Of<Repository>;
    write archive_repository(path: &RepoPath, archived: bool) -> Of<Repository>;
    write delete_repository(path: &RepoPath) -> Of<()>;
    read deploy_keys(path: &RepoPath) -> Of<Vec<DeployKey>>;
    write create_deploy_key(path: &RepoPath, spec: &DeployKeySpec) -> Of<DeployKey>;
    write enable_deploy_key(path: &RepoPath, id: u64, can_push: bool) -> Of<DeployKey>;
    write delete_deploy_key(path: &RepoPath, id: u64) -> Of<()>;
    read hooks(path: &RepoPath) -> Of<Vec<Hook>>;
    write create_hook(path: &RepoPath, spec: &HookSpec) -> Of<Hook>;
    write delete_hook(path: &RepoPath, id: u64) -> Of<()>;
    read refs(path: &RepoPath) -> Of<Refs>;
    read fetch(path: &RepoPath, mirror: &Mirror) -> Of<Refs>;
    write push(path: &RepoPath, mirror: &Mirror, branch: &str, old: Option<Oid>, new: Oid) -> Result<(), PushError>;
}

passing! { Extended for dyn Session, by more: {}
    read credential() -> Of<Credential>;
    read version() -> Of<String>;
    read creates_groups() -> Of<Option<bool>>;
    read hook_health(path: &RepoPath, id: u64) -> Of<HookHealth>;
    read access_tokens(path: &RepoPath) -> Of<Vec<AccessToken>>;
    write create_access_token(path: &RepoPath, spec: &AccessTokenSpec) -> Of<(AccessToken, Secret)>;
    write revoke_access_token(path: &RepoPath, id: u64) -> Of<()>;
    read protected_branches(path: &RepoPath) -> Of<Vec<ProtectedBranch>>;
    write protect_branch(path: &RepoPath, branch: &ProtectedBranch) -> Of<()>;
    write unprotect_branch(path: &RepoPath, name: &str) -> Of<()>;
    read commit_statuses(path: &RepoPath, commit: Oid) -> Of<Vec<CommitStatus>>;
    write set_commit_status(path: &RepoPath, commit: Oid, status: &CommitStatus) -> Of<()>;
}

impl<T: ?Sized> Mortal<T> {
    fn inner(&self) -> &T {
        &self.inner
    }
}

impl Mortal<dyn Session> {
    fn more(&self) -> &dyn Extended {
        self.inner.extended().unwrap()
    }

    fn of(death: &Death, inner: Arc<dyn Session>) -> Arc<dyn Session> {
        Arc::new(Self::new(death, inner))
    }
}

#[async_trait]
impl GitHost for Mortal<dyn GitHost> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn provider_type(&self) -> &str {
        self.inner.provider_type()
    }

    async fn session(&self, credential: &Secret) -> Of<Arc<dyn Session>> {
        let session = self.death.read(self.inner.session(credential)).await?;
        Ok(Mortal::of(&self.death, session))
    }

    async fn platform(&self) -> Of<Arc<dyn Session>> {
        let session = self.death.read(self.inner.platform()).await?;
        Ok(Mortal::of(&self.death, session))
    }

    fn subscribe(&self) -> broadcast::Receiver<Poke> {
        self.inner.subscribe()
    }
}

type Values = BTreeMap<String, Secret>;
type Kept<T> = Result<T, StoreError>;

passing! { SecretStore for dyn SecretStore, by inner: {
        fn name(&self) -> &'static str {
            self.inner.name()
        }
        fn lacks(&self) -> &'static [Promise] {
            self.inner.lacks()
        }
        fn logins(&self) -> Option<&dyn ClusterLogins> {
            self.inner.logins()
        }
    }
    read read(path: &SecretPath) -> Kept<Option<Versioned>>;
    read read_version(path: &SecretPath, version: u64) -> Kept<Option<Versioned>>;
    read versions(path: &SecretPath) -> Kept<Vec<VersionInfo>>;
    write write(path: &SecretPath, values: Values, expect: Expect) -> Kept<Written>;
    write remove_version(path: &SecretPath, version: u64) -> Kept<()>;
    write delete(path: &SecretPath) -> Kept<()>;
    read list(prefix: &str) -> Kept<Vec<SecretPath>>;
    write converge_grants(scope: &GrantScope, wanted: &BTreeSet<Grant>) -> Kept<GrantChange>;
    read grants(scope: &GrantScope) -> Kept<BTreeSet<Grant>>;
    read grant_scopes() -> Kept<Vec<GrantScope>>;
    read read_as(principal: &Principal, path: &SecretPath) -> Kept<Option<Versioned>>;
    write write_as(principal: &Principal, path: &SecretPath, values: Values, expect: Expect) -> Kept<Written>;
    read digest(reference: &SecretRef) -> Kept<Option<SecretDigest>>;
    read resolve(reference: &SecretRef) -> Kept<Option<Secret>>;
}
