//! The forge, made from committed manifests as the platform's own account (decision D9): repositories, deploy
//! keys, webhooks and the secrets that belong to them.
//!
//! # Flow
//! 1. Each declared repository is made, or recognised as ours, and gets its own two keys.
//! 2. On each the managed keys are made exactly those that the access relation allows; a right that is gone is
//!    taken at once.
//! 3. Repositories whose events start pipelines get a hook; others lose it.
//! 4. Credentials that are due are replaced: the new one is everywhere before it is handed out, and the old one ends when
//!    every cluster has the new one and its time is over.
//! 5. What is declared no more is archived or deleted, as its manifest said, and its secrets are deleted.
//!
//! # Guarantees
//! * A repository that Nautes did not make is never changed, unless its manifest takes it over by its id. One that has been renamed or deleted by hand is a
//!   condition; it is never made again, and nothing is deleted because of it (decision D5).
//! * One repository that cannot be dealt with does not stop the others.

mod error;
mod grants;
pub(crate) mod hooks;
mod keys;
pub(crate) mod repository;
mod ring;
mod rotate;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nautes_gitops::host::{Abilities, HookEvent, Repository};
use nautes_gitops::{RepoPath, Session};
use nautes_model::kinds::{CodeRepo, Retention};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Resource, Scopes};
use nautes_validate::{Access, Level};
use nautes_vault::keys as store_keys;
use nautes_vault::keys::{RepoCredential, RepoId};
use nautes_vault::rotation::{Order, Policy};

use super::facts::{Fact, Facts};
use super::readers::Readers;
use super::removal::{self, Leaving, Step};
use crate::platform::{Platform, paths};
pub(crate) use error::ForgeError;
use keys::{Converged, LEVELS, Pairs, WantedKeys};
use ring::Turn;
use rotate::Held;

/// How many repositories are worked on at once.
const AT_ONCE: usize = 8;
/// The condition of a repository that says how it is on the forge.
pub(crate) const ON_FORGE: &str = "OnForge";

/// A repository that shall be on the forge.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) identity: Identity,
    pub(crate) declared: CodeRepo,
    pub(crate) path: RepoPath,
    /// Its id on the forge, where it was seen before.
    pub(crate) known_id: Option<String>,
    /// Whether it was declared no more, and is kept for a time.
    pub(crate) is_kept: bool,
    /// Whether it may be created: nothing is wrong with its manifest.
    pub(crate) may_create: bool,
    pub(crate) events: BTreeSet<HookEvent>,
}

/// A repository that is declared no more.
#[derive(Clone, Debug)]
pub(crate) struct Retired {
    pub(crate) identity: Identity,
    pub(crate) path: RepoPath,
    pub(crate) known_id: Option<u64>,
    pub(crate) leaving: Leaving,
    pub(crate) provider: String,
    pub(crate) metadata: ObjectMeta,
}

/// What a pass over the repositories of a product did.
#[derive(Debug, Default)]
pub(crate) struct ForgePass {
    pub(crate) writes: u64,
    pub(crate) facts: BTreeMap<Identity, Facts>,
    /// The ids on the forge of what is there.
    pub(crate) ids: BTreeMap<Identity, u64>,
    /// What is gone for good.
    pub(crate) gone: BTreeSet<Identity>,
    /// Whether something is to be tried again.
    pub(crate) unfinished: bool,
    /// Whether a credential was replaced, or one before has ended: others have work because of it.
    pub(crate) replaced: bool,
    /// Whether a credential ends when a cluster has the one after it.
    pub(crate) behind: bool,
    /// When there is something to do although nothing happens.
    pub(crate) again: Option<Duration>,
}

/// With what the forge is worked on.
#[derive(Debug)]
pub(crate) struct Forge<'a> {
    pub(crate) platform: &'a Platform,
    pub(crate) session: Arc<dyn Session>,
    pub(crate) scopes: Arc<Scopes>,
    pub(crate) access: Arc<Access>,
    /// The ids on the forge that are known of any product's repositories.
    pub(crate) ids: BTreeMap<Identity, u64>,
    /// Who has to have a new credential before the old one ends.
    pub(crate) readers: Readers,
    pub(crate) now: Timestamp,
}

impl Forge<'_> {
    /// Brings the declared repositories of a product in line.
    pub(crate) async fn converge(&self, wanted: &[Wanted]) -> ForgePass {
        let mut pass = ForgePass {
            ids: self.ids.clone(),
            ..ForgePass::default()
        };
        let mut there: Vec<(&Wanted, Repository)> = Vec::new();
        let mut known = BTreeSet::new();
        // Collected, so that the types of the streams name no closures: they have to be `Send`.
        let work: Vec<_> = wanted
            .iter()
            .map(|repo| async move { (repo, self.timed(self.make(repo)).await) })
            .collect();
        let mut made = futures::stream::iter(work).buffer_unordered(AT_ONCE);
        while let Some((repo, result)) = made.next().await {
            match result {
                Ok((repository, own, writes)) => {
                    pass.writes += writes;
                    pass.ids.insert(repo.identity.clone(), repository.id);
                    known.extend(own.into_values().map(|key| key.public_key));
                    there.push((repo, repository));
                }
                Err(error) => pass.note(&repo.identity, repo.known_id.as_deref(), &error),
            }
        }
        let ids = pass.ids.clone();
        let (ids, known) = (&ids, &known);
        let work: Vec<_> = there
            .into_iter()
            .map(|(repo, at)| async move {
                let result = self.timed(self.open(repo, ids, known)).await;
                (repo, at, result)
            })
            .collect();
        let opened: Vec<_> = futures::stream::iter(work)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        // Where a key has arrived is known when every repository of the product was opened.
        let work: Vec<_> = opened
            .into_iter()
            .map(|(repo, at, result)| async move {
                let result = match result {
                    Ok(done) => self.timed(self.advance(repo, ids, done)).await,
                    Err(error) => Err(error),
                };
                (repo, at, result)
            })
            .collect();
        let mut advanced = futures::stream::iter(work).buffer_unordered(AT_ONCE);
        while let Some((repo, at, result)) = advanced.next().await {
            match result {
                Ok(done) => pass.take(repo, &at, self.session.abilities(), done),
                Err(error) => pass.note(&repo.identity, Some(&at.id.to_string()), &error),
            }
        }
        pass
    }

    /// Archives or deletes what is declared no more, and forgets its secrets.
    pub(crate) async fn retire(&self, retired: &[Retired], pass: &mut ForgePass) {
        for repo in retired {
            match self.timed(self.retire_one(repo)).await {
                Ok((writes, Step::Delete | Step::Archive)) => {
                    pass.writes += writes;
                    pass.gone.insert(repo.identity.clone());
                }
                Ok((writes, Step::Keep(rest))) => {
                    pass.writes += writes;
                    pass.again = pass.again.into_iter().chain([rest]).min();
                    let what = format!("the repository {}", repo.path);
                    let mut facts = Facts::from(removal::kept(&what, self.platform.grace()));
                    if let Some(id) = repo.known_id {
                        facts = facts.field("repositoryId", id.to_string());
                    }
                    pass.facts.insert(repo.identity.clone(), facts);
                }
                Err(error) => {
                    let known = repo.known_id.map(|id| id.to_string());
                    pass.note(&repo.identity, known.as_deref(), &error);
                    pass.unfinished = true;
                }
            }
        }
    }

    fn provider(&self, repo: &CodeRepo) -> &str {
        provider_of(self.platform, &self.scopes, repo)
    }

    async fn timed<T>(&self, work: impl Future<Output = Result<T, ForgeError>>) -> Result<T, ForgeError> {
        // A repository takes a handful of calls; each of them is bounded by the host as well.
        match tokio::time::timeout(self.platform.timing().call * 4, work).await {
            Ok(result) => result,
            Err(_) => Err(ForgeError::Late),
        }
    }

    /// The repository and its own keys.
    async fn make(&self, repo: &Wanted) -> Result<(Repository, WantedKeys, u64), ForgeError> {
        let session = &*self.session;
        let (at, mut writes) = if repo.may_create {
            repository::ensure(
                session,
                &repo.identity,
                &repo.declared,
                &repo.path,
                repo.known_id.as_deref(),
                repo.is_kept,
            )
            .await?
        } else {
            let action = || format!("look at the repository {}", repo.path);
            let found = session.repository(&repo.path).await;
            let found = found.map_err(|e| ForgeError::host(action(), e))?;
            let waiting = || ForgeError::NotYet("it is made when nothing is wrong with it".to_owned());
            (
                found
                    .filter(|r| repository::is_ours(r, &repo.identity, &repo.declared.metadata))
                    .ok_or_else(waiting)?,
                0,
            )
        };
        let id = repo_id(&repo.identity, Some(at.id))?;
        let own = self.own_keys(self.provider(&repo.declared), repo, &id).await?;
        writes += own.1;
        if session.abilities().keys {
            writes += keys::add_missing(session, &repo.path, &own.0).await?;
        }
        Ok((at, own.0, writes))
    }

    async fn own_keys(
        &self,
        provider: &str,
        repo: &Wanted,
        id: &RepoId,
    ) -> Result<(WantedKeys, u64), ForgeError> {
        let mut own = WantedKeys::new();
        let mut made = 0;
        for level in LEVELS {
            let store = &**self.platform.store();
            let (pairs, new) = Pairs::ensure(store, provider, id, level, &self.turn(repo)).await?;
            made += new;
            own.extend(pairs.wanted(&repo.path)?);
        }
        Ok((own, made))
    }

    /// The keys of another repository; `None` while it has none. Only a pass over a repository itself makes its
    /// keys: another one may have an older state before it, in which a retired repository is still declared.
    async fn keys_of(
        &self,
        provider: &str,
        path: &RepoPath,
        id: &RepoId,
    ) -> Result<Option<WantedKeys>, ForgeError> {
        let mut all = WantedKeys::new();
        for level in LEVELS {
            let Some(pairs) = Pairs::find(&**self.platform.store(), provider, id, level).await? else {
                return Ok(None);
            };
            all.extend(pairs.wanted(path)?);
        }
        Ok(Some(all))
    }

    fn turn(&self, repo: &Wanted) -> Turn<'_> {
        let granted = self
            .access
            .grantees(&repo.identity)
            .map(|(who, ..)| who.product.clone());
        // Nobody can see whether a key that is kept by hand has arrived.
        let (policy, order) = if self.session.abilities().keys {
            (
                self.platform.rotation().policy,
                ring::order(&repo.declared.metadata),
            )
        } else {
            (Policy::default(), Order::default())
        };
        Turn {
            products: granted.chain(repo.identity.product.clone()).collect(),
            policy,
            order,
            now: self.now,
            readers: &self.readers,
        }
    }

    /// All keys and the hook of a repository; `known` are keys that are ours.
    async fn open(
        &self,
        repo: &Wanted,
        ids: &BTreeMap<Identity, u64>,
        known: &BTreeSet<String>,
    ) -> Result<(Converged, Held), ForgeError> {
        let id = repo_id(&repo.identity, ids.get(&repo.identity).copied())?;
        let provider = self.provider(&repo.declared);
        let (mut wanted, mut writes) = self.own_keys(provider, repo, &id).await?;
        let mut held = Held::default();
        let mut missing = false;
        for (identity, level) in grants::keys_on(&self.scopes, &self.access, &repo.identity) {
            let Some(home) = paths::find_code_repo(&self.scopes, &identity) else {
                continue;
            };
            let id = repo_id(&identity, ids.get(&identity).copied())?;
            let Some(Resource::CodeRepo(declared)) = self.scopes.get(&identity).map(|s| &s.resource) else {
                continue;
            };
            let Some(theirs) = self.keys_of(self.provider(declared), &home, &id).await? else {
                missing = true;
                continue;
            };
            wanted.extend(
                theirs
                    .into_iter()
                    .filter(|(_, key)| !key.can_push || level == Level::Write),
            );
        }
        let abilities = self.session.abilities();
        // An error counts later: the hook is one thing, and the keys are another.
        let keys = if abilities.keys {
            keys::converge(&*self.session, &repo.path, &wanted, known).await
        } else {
            Ok(keys::Converged::default())
        };
        let turn = self.turn(repo);
        let site = hooks::Site {
            session: &*self.session,
            store: &**self.platform.store(),
            provider,
            base: self.platform.webhook_url(),
            repo: &repo.identity,
            path: &repo.path,
            id: &id,
            turn: &turn,
        };
        if !abilities.hooks.is_empty() {
            let told = repo.events.iter().filter(|event| abilities.hooks.contains(event));
            let hooked = site.converge(&told.copied().collect()).await?;
            writes += hooked.writes;
            missing |= hooked.late;
            held.wait(hooked.rest);
            held.tell("webhook", hooked.generation, hooked.made);
        }
        if let Some(lifetime) = self.platform.rotation().access_tokens {
            let handed = self
                .tokens(&repo.path, provider, &id)?
                .converge(&turn, lifetime)
                .await?;
            writes += handed.writes;
            missing |= handed.late || handed.behind;
            held.behind |= handed.behind;
            held.wait(handed.rest);
            held.tell("accesstoken-api", handed.generation, handed.made);
        }
        let mut done = keys?;
        done.writes += writes;
        done.late |= missing;
        Ok((done, held))
    }

    async fn retire_one(&self, repo: &Retired) -> Result<(u64, Step), ForgeError> {
        let step = repo.leaving.step(self.platform.grace(), self.now);
        let session = &*self.session;
        let id = repo_id(&repo.identity, repo.known_id)?;
        let action = || format!("look at the repository {}", repo.path);
        let found = session
            .repository(&repo.path)
            .await
            .map_err(|e| ForgeError::host(action(), e))?;
        let mut writes = 0;
        // Where repositories are made by hand, they go by hand.
        let managed = found.filter(|r| {
            session.abilities().manages && repository::is_ours(r, &repo.identity, &repo.metadata)
        });
        if let Some(found) = managed {
            if !found.archived {
                writes += self.tokens(&repo.path, &repo.provider, &id)?.close().await?;
                writes += self.close(&repo.path).await?;
            }
            writes += repository::retire(session, &found, step).await?;
        }
        for what in RepoCredential::ALL {
            let at = store_keys::repo(&repo.provider, &id, what)
                .map_err(|_| ForgeError::Provider(repo.provider.clone()))?;
            let failed = |source| ForgeError::Store {
                action: format!("forget the secrets of {}", repo.path),
                source,
            };
            let store = self.platform.store();
            if store.read(&at.path).await.map_err(failed)?.is_some() {
                store.delete(&at.path).await.map_err(failed)?;
                writes += 1;
            }
        }
        Ok((writes, step))
    }

    fn tokens<'t>(
        &'t self,
        path: &'t RepoPath,
        provider: &str,
        id: &RepoId,
    ) -> Result<tokens::Tokens<'t>, ForgeError> {
        let at = store_keys::repo(provider, id, RepoCredential::AccessToken)
            .map_err(|_| ForgeError::Provider(provider.to_owned()))?;
        Ok(tokens::Tokens {
            session: &*self.session,
            store: &**self.platform.store(),
            path,
            at,
        })
    }

    /// Takes every key and hook of ours from a repository.
    async fn close(&self, path: &RepoPath) -> Result<u64, ForgeError> {
        let session = &*self.session;
        let keys = keys::converge(session, path, &WantedKeys::new(), &BTreeSet::new()).await?;
        let mut writes = keys.writes;
        let failed = |source| ForgeError::host(format!("remove the webhook of {path}"), source);
        let prefix = hooks::prefix(self.platform.webhook_url());
        for hook in session.hooks(path).await.map_err(failed)? {
            if hook.url.starts_with(&prefix) {
                session.delete_hook(path, hook.id).await.map_err(failed)?;
                writes += 1;
            }
        }
        Ok(writes)
    }
}

impl ForgePass {
    /// Takes note of a repository that is as declared.
    fn take(
        &mut self,
        repo: &Wanted,
        at: &Repository,
        abilities: Abilities,
        (done, held): (Converged, Held),
    ) {
        self.writes += done.writes;
        self.unfinished |= done.late || held.waits;
        self.replaced |= held.replaced;
        self.behind |= held.behind;
        self.again = self.again.into_iter().chain(held.rest).min();
        let by_hand = if abilities.keys && !abilities.hooks.is_empty() {
            ""
        } else {
            "; its deploy keys and its webhook are kept by hand, and pushes are found by polling"
        };
        let mut said = format!("{} is there{by_hand}", repo.path);
        for what in &held.said {
            said = format!("{said}; {what}");
        }
        if !done.foreign.is_empty() {
            said = format!("{said}; not made by Nautes: {}", done.foreign.join("; "));
        }
        let facts = Facts::from(Fact::ready(ON_FORGE, said))
            .field("repositoryId", at.id.to_string())
            .field("url", at.http_url.clone())
            .field("credentials", held.credentials());
        self.facts.insert(repo.identity.clone(), facts);
    }

    /// Takes note of a failure. The id by which a repository is known stays known: without it, one that is gone would be
    /// made again.
    fn note(&mut self, identity: &Identity, known_id: Option<&str>, error: &ForgeError) {
        // What people do by hand is looked for again.
        self.unfinished |= error.class().is_retryable() || error.is_by_hand();
        tracing::info!(%identity, error = %super::facts::chain(error), "not as declared on the forge");
        let mut facts = Facts::from(error.fact());
        if let Some(id) = known_id {
            facts = facts.field("repositoryId", id.to_owned());
        }
        self.facts.insert(identity.clone(), facts);
    }
}

/// Returns the type of provider under which the secrets of a repository are kept.
pub(crate) fn provider_of<'a>(platform: &'a Platform, scopes: &'a Scopes, repo: &CodeRepo) -> &'a str {
    paths::provider_type(&scopes.tenant, repo).unwrap_or_else(|| platform.host().provider_type())
}

/// Returns the id of a repository in the secret store.
pub(crate) fn repo_id(identity: &Identity, forge_id: Option<u64>) -> Result<RepoId, ForgeError> {
    let product = identity
        .product
        .as_ref()
        .ok_or_else(|| ForgeError::Path(identity.to_string()))?;
    Ok(RepoId::of(product, &identity.name, forge_id))
}

/// Returns where the token of deliveries for a repository is.
pub(crate) fn token_of(
    provider: &str,
    product: &ProductName,
    repo: &ResourceName,
    forge_id: Option<u64>,
) -> Option<nautes_model::secret::SecretRef> {
    hooks::token_at(provider, &RepoId::of(product, repo, forge_id)).ok()
}

/// Returns the retention of a resource as last declared.
pub(crate) fn retention_of(resource: &Resource) -> Retention {
    match resource {
        Resource::CodeRepo(repo) => repo.spec.retention.unwrap_or_default(),
        Resource::Product(product) => product.spec.retention.unwrap_or_default(),
        _ => Retention::default(),
    }
}
