//! A forge and a secret store in weather: each call may be let through, refused, swallowed, or cut off after it was
//! done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use nautes_gitops::host::{
    AccessLevel, DeployKey, DeployKeySpec, Group, GroupChange, GroupSpec, Hook, HookSpec, Member, Place,
    Poke, Refs, RepoChange, RepoSpec, Repository, User,
};
use nautes_gitops::{GitHost, HostError, Mirror, Oid, PushError, RepoPath, Session};
use nautes_model::Secret;
use nautes_model::secret::{Grant, GrantScope, Principal, SecretPath, SecretRef};
use nautes_vault::{
    Expect, GrantChange, LocalStore, SecretDigest, SecretStore, StoreError, VersionInfo, Versioned, Written,
};
use tokio::sync::watch;

/// What is below the surface, and no client's business.
pub(crate) const INSIDE: &str = "connect to 10.66.0.7:443: refused";

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    /// The method.
    pub(crate) call: &'static str,
    /// What it is about.
    pub(crate) on: String,
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not made: nobody answers.
    Down,
    /// It is made, and the answer is lost.
    Lost,
    /// It is made when the weather has changed.
    Slow,
    /// It is made up to where something is to be written.
    Full,
}

type Forecast = Box<dyn FnMut(&Step) -> Option<Fault> + Send>;

/// What happens to calls, and which there were.
pub(crate) struct Weather {
    forecast: Mutex<Option<Forecast>>,
    seen: Mutex<Vec<Step>>,
    /// How often the weather has cleared, and how many calls were held up.
    clear: watch::Sender<usize>,
    held: watch::Sender<usize>,
}

impl std::fmt::Debug for Weather {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Weather").finish_non_exhaustive()
    }
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            forecast: Mutex::default(),
            seen: Mutex::default(),
            clear: watch::Sender::new(0),
            held: watch::Sender::new(0),
        }
    }
}

impl Weather {
    /// From now on the forecast says what happens to calls.
    pub(crate) fn turn(&self, forecast: impl FnMut(&Step) -> Option<Fault> + Send + 'static) {
        *self.forecast.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(forecast));
    }

    /// The `nth` call (from 0) like `step` is hit once.
    pub(crate) fn hit(&self, step: &Step, nth: usize, fault: Fault) {
        let (step, mut left) = (step.clone(), Some(nth));
        self.turn(move |now| {
            if *now != step {
                return None;
            }
            let hit = left == Some(0);
            left = left.and_then(|left| left.checked_sub(1));
            hit.then_some(fault)
        });
    }

    /// From now on a call is held up until the weather clears.
    pub(crate) fn hold(&self, call: &'static str) {
        self.turn(move |step| (step.call == call).then_some(Fault::Slow));
    }

    /// From now on every call is let through, those that were held up as well.
    pub(crate) fn clear(&self) {
        *self.forecast.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.clear.send_modify(|times| *times += 1);
    }

    /// Returns the calls since this was asked last.
    pub(crate) fn steps(&self) -> Vec<Step> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until a call is held up.
    pub(crate) async fn somebody_waits(&self) {
        let _ = self.held.subscribe().wait_for(|held| *held > 0).await;
    }

    async fn meet<T, E>(
        &self,
        (call, on): (&'static str, String),
        made: impl Future<Output = Result<T, E>>,
        broken: impl Fn(&str, &'static str) -> E,
    ) -> Result<T, E> {
        let step = Step { call, on };
        let fault = self
            .forecast
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .and_then(|forecast| forecast(&step));
        let action = format!("{call} {}", step.on);
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(step);
        match fault {
            None => made.await,
            Some(Fault::Down) => Err(broken(&action, INSIDE)),
            Some(Fault::Lost) => {
                let _ = made.await;
                Err(broken(&action, INSIDE))
            }
            Some(Fault::Full) => Err(broken(&action, "full")),
            Some(Fault::Slow) => {
                let mut clear = self.clear.subscribe();
                self.held.send_modify(|held| *held += 1);
                let _ = clear.changed().await;
                self.held.send_modify(|held| *held -= 1);
                made.await
            }
        }
    }
}

fn forge_down(action: &str, why: &'static str) -> HostError {
    let action = action.to_owned();
    if why == "full" {
        return HostError::Internal {
            action,
            source: std::io::Error::from(std::io::ErrorKind::StorageFull).into(),
        };
    }
    HostError::Unreachable {
        host: "forge".to_owned(),
        action,
        source: why.into(),
    }
}

fn store_down(action: &str, why: &'static str) -> StoreError {
    StoreError::Unreachable {
        action: format!("ask https://vault.internal:8200: {action}"),
        source: why.into(),
    }
}

/// A forge in weather.
#[derive(Debug)]
pub(crate) struct Forge {
    pub(crate) inner: Arc<dyn GitHost>,
    pub(crate) weather: Arc<Weather>,
}

impl Forge {
    fn session(&self, inner: Arc<dyn Session>) -> Arc<dyn Session> {
        Arc::new(Caller {
            inner,
            weather: Arc::clone(&self.weather),
        })
    }
}

#[async_trait]
impl GitHost for Forge {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn provider_type(&self) -> &str {
        self.inner.provider_type()
    }

    async fn session(&self, credential: &Secret) -> Result<Arc<dyn Session>, HostError> {
        let made = self.inner.session(credential);
        let session = self
            .weather
            .meet(("session", String::new()), made, forge_down)
            .await?;
        Ok(Self::session(self, session))
    }

    async fn platform(&self) -> Result<Arc<dyn Session>, HostError> {
        let made = self.inner.platform();
        let session = self
            .weather
            .meet(("platform", String::new()), made, forge_down)
            .await?;
        Ok(Self::session(self, session))
    }

    fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Poke> {
        self.inner.subscribe()
    }
}

#[derive(Debug)]
struct Caller {
    inner: Arc<dyn Session>,
    weather: Arc<Weather>,
}

/// Makes an implementation that passes calls on through the weather: those in braces are written out, of the others the
/// first argument says what they are about.
macro_rules! through {
    (
        impl $trait:ident for $type:ident, $error:expr;
        { $($written:tt)* }
        $($name:ident($first:ident: $of:ty $(, $arg:ident: $arg_type:ty)*) -> $reply:ty;)*
    ) => {
        #[async_trait]
        impl $trait for $type {
            $($written)*

            $(async fn $name(&self, $first: $of $(, $arg: $arg_type)*) -> $reply {
                let made = self.inner.$name($first $(, $arg)*);
                self.weather.meet((stringify!($name), on(&$first)), made, $error).await
            })*
        }
    };
}

trait On {
    fn on(&self) -> String;
}

macro_rules! shown {
    ($($type:ty),*) => {$(
        impl On for $type {
            fn on(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

shown!(
    &str,
    &Place,
    &RepoPath,
    &SecretPath,
    &SecretRef,
    &GrantScope,
    &Principal
);

impl On for &GroupSpec {
    fn on(&self) -> String {
        self.name.clone()
    }
}

fn on(what: &impl On) -> String {
    what.on()
}

through! {
    impl Session for Caller, forge_down;
    {
        fn host(&self) -> &str {
            self.inner.host()
        }

        async fn user(&self) -> Result<User, HostError> {
            self.weather
                .meet(("user", String::new()), self.inner.user(), forge_down)
                .await
        }

        async fn groups(&self) -> Result<Vec<Group>, HostError> {
            self.weather
                .meet(("groups", String::new()), self.inner.groups(), forge_down)
                .await
        }

        async fn push(
            &self,
            path: &RepoPath,
            mirror: &Mirror,
            branch: &str,
            expected_old: Option<Oid>,
            new: Oid,
        ) -> Result<(), PushError> {
            let made = self.inner.push(path, mirror, branch, expected_old, new);
            self.weather
                .meet(("push", path.to_string()), made, |action, why| {
                    forge_down(action, why).into()
                })
                .await
        }
    }
    access(place: &Place) -> Result<AccessLevel, HostError>;
    group(name: &str) -> Result<Option<Group>, HostError>;
    create_group(spec: &GroupSpec) -> Result<Group, HostError>;
    update_group(name: &str, change: &GroupChange) -> Result<Group, HostError>;
    delete_group(name: &str) -> Result<(), HostError>;
    members(place: &Place) -> Result<Vec<Member>, HostError>;
    add_member(place: &Place, user: &str, level: AccessLevel) -> Result<(), HostError>;
    remove_member(place: &Place, user: &str) -> Result<(), HostError>;
    repository(path: &RepoPath) -> Result<Option<Repository>, HostError>;
    repositories(group: &str) -> Result<Vec<Repository>, HostError>;
    create_repository(path: &RepoPath, spec: &RepoSpec) -> Result<Repository, HostError>;
    update_repository(path: &RepoPath, change: &RepoChange) -> Result<Repository, HostError>;
    archive_repository(path: &RepoPath, archived: bool) -> Result<Repository, HostError>;
    delete_repository(path: &RepoPath) -> Result<(), HostError>;
    deploy_keys(path: &RepoPath) -> Result<Vec<DeployKey>, HostError>;
    create_deploy_key(path: &RepoPath, spec: &DeployKeySpec) -> Result<DeployKey, HostError>;
    enable_deploy_key(path: &RepoPath, id: u64, can_push: bool) -> Result<DeployKey, HostError>;
    delete_deploy_key(path: &RepoPath, id: u64) -> Result<(), HostError>;
    hooks(path: &RepoPath) -> Result<Vec<Hook>, HostError>;
    create_hook(path: &RepoPath, spec: &HookSpec) -> Result<Hook, HostError>;
    delete_hook(path: &RepoPath, id: u64) -> Result<(), HostError>;
    refs(path: &RepoPath) -> Result<Refs, HostError>;
    fetch(path: &RepoPath, mirror: &Mirror) -> Result<Refs, HostError>;
}

/// A secret store in weather.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) inner: Arc<LocalStore>,
    pub(crate) weather: Arc<Weather>,
}

through! {
    impl SecretStore for Store, store_down;
    {
        fn name(&self) -> &'static str {
            self.inner.name()
        }

        async fn grant_scopes(&self) -> Result<Vec<GrantScope>, StoreError> {
            let made = self.inner.grant_scopes();
            self.weather
                .meet(("grant_scopes", String::new()), made, store_down)
                .await
        }
    }
    read(path: &SecretPath) -> Result<Option<Versioned>, StoreError>;
    read_version(path: &SecretPath, version: u64) -> Result<Option<Versioned>, StoreError>;
    versions(path: &SecretPath) -> Result<Vec<VersionInfo>, StoreError>;
    write(path: &SecretPath, values: BTreeMap<String, Secret>, expect: Expect) -> Result<Written, StoreError>;
    remove_version(path: &SecretPath, version: u64) -> Result<(), StoreError>;
    delete(path: &SecretPath) -> Result<(), StoreError>;
    list(prefix: &str) -> Result<Vec<SecretPath>, StoreError>;
    converge_grants(scope: &GrantScope, wanted: &BTreeSet<Grant>) -> Result<GrantChange, StoreError>;
    grants(scope: &GrantScope) -> Result<BTreeSet<Grant>, StoreError>;
    read_as(principal: &Principal, path: &SecretPath) -> Result<Option<Versioned>, StoreError>;
    write_as(
        principal: &Principal, path: &SecretPath, values: BTreeMap<String, Secret>, expect: Expect
    ) -> Result<Written, StoreError>;
    digest(reference: &SecretRef) -> Result<Option<SecretDigest>, StoreError>;
}
