//! Webhooks: one per repository whose events start pipelines.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use nautes_gitops::host::{Hook, HookEvent, HookSpec};
use nautes_gitops::{RepoPath, Session};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::secret::SecretRef;
use nautes_model::{Identity, Secret};
use nautes_vault::keys::{self, RepoCredential, RepoId};
use nautes_vault::rotation::{Phase, Slot};
use nautes_vault::{SecretStore, StoreError};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use url::Url;
use zeroize::Zeroizing;

use super::ForgeError;
use super::ring::{Kept, Rest, Turn};

/// The parameter of an address that tells which token a hook has.
const GENERATION: &str = "generation";

/// The address at which deliveries of a repository arrive. It tells which token a hook has: a forge never shows one.
pub(crate) fn address(base: &Url, product: &ProductName, repo: &ResourceName, generation: u64) -> String {
    let plain = format!("{}{product}/{repo}", prefix(base));
    match generation {
        0 | 1 => plain,
        n => format!("{plain}?{GENERATION}={n}"),
    }
}

/// The number of the token that the hook with an address of ours has.
fn generation_of(address: &str) -> u64 {
    let number = address
        .rsplit_once('?')
        .and_then(|(_, query)| query.strip_prefix(GENERATION)?.strip_prefix('='));
    number.and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// What the addresses of our hooks begin with.
pub(crate) fn prefix(base: &Url) -> String {
    format!("{}/hooks/", base.as_str().trim_end_matches('/'))
}

/// Returns where the token of the deliveries of a repository is.
pub(crate) fn token_at(provider: &str, id: &RepoId) -> Result<SecretRef, ForgeError> {
    keys::repo(provider, id, RepoCredential::Webhook).map_err(|_| ForgeError::Provider(provider.to_owned()))
}

/// Translates the names that manifests give to events; others are none that a forge can be asked for.
pub(crate) fn events_of(names: &BTreeSet<String>) -> BTreeSet<HookEvent> {
    HookEvent::ALL
        .into_iter()
        .filter(|event| names.contains(event.flag()))
        .collect()
}

/// What a hook of a repository is made of.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) session: &'a dyn Session,
    pub(super) store: &'a dyn SecretStore,
    pub(super) provider: &'a str,
    pub(super) base: &'a Url,
    pub(super) repo: &'a Identity,
    pub(super) path: &'a RepoPath,
    pub(super) id: &'a RepoId,
    pub(super) turn: &'a Turn<'a>,
}

/// What bringing a hook in line has led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hooked {
    pub(super) writes: u64,
    /// Whether somebody else was faster, so that it is to be looked at again.
    pub(super) late: bool,
    /// How long the token before works yet.
    pub(super) rest: Option<Duration>,
    /// When the token was made, and its number; 0 where there is no hook.
    pub(super) made: Option<Timestamp>,
    pub(super) generation: u64,
}

impl Site<'_> {
    /// Makes our hook of the repository exactly what is wanted. Returns how many writes it took.
    pub(super) async fn converge(&self, events: &BTreeSet<HookEvent>) -> Result<Hooked, ForgeError> {
        let failed = |source| ForgeError::host(format!("bring the webhook of {} in line", self.path), source);
        let hooks = self.session.hooks(self.path).await.map_err(failed)?;
        let prefix = prefix(self.base);
        let ours: Vec<&Hook> = hooks
            .iter()
            .filter(|hook| hook.url.starts_with(&prefix))
            .collect();
        let mut done = Hooked::default();
        if events.is_empty() {
            for hook in &ours {
                self.session
                    .delete_hook(self.path, hook.id)
                    .await
                    .map_err(failed)?;
            }
            done.writes = ours.len() as u64 + self.forget_token().await?;
            return Ok(done);
        }
        let Some(product) = &self.repo.product else {
            return Ok(done);
        };
        let newest = ours.iter().map(|hook| generation_of(&hook.url)).max();
        let Some(mut kept) = self.tokens(newest, &mut done).await? else {
            return Ok(done);
        };
        // The newest token: the receiver takes it before it is handed out.
        let Some((generation, slot)) = kept.ring.working().last() else {
            return Ok(done);
        };
        let url = address(self.base, product, &self.repo.name, generation);
        let is_good = |hook: &Hook| {
            let has: BTreeSet<HookEvent> = hook.events.iter().copied().collect();
            hook.url == url && has == *events
        };
        let good = ours.iter().find(|hook| is_good(hook)).map(|hook| hook.id);
        // The old hook delivers until the new one does.
        if good.is_none() {
            let spec = HookSpec {
                url,
                events: events.iter().copied().collect(),
                secret: slot.value.clone(),
            };
            self.session.create_hook(self.path, &spec).await.map_err(failed)?;
            done.writes += 1;
        }
        if kept.ring.phase() == Phase::Coming {
            kept.ring.promote(self.turn.now);
            if !self.write(&mut kept, &mut done).await? {
                return Ok(done);
            }
            tracing::info!(repository = %self.repo, generation, "the token of its webhook was replaced");
        }
        for hook in ours.iter().filter(|hook| Some(hook.id) != good) {
            let gone = self.session.delete_hook(self.path, hook.id).await;
            gone.map_err(failed)?;
            done.writes += 1;
        }
        // What the old hook has sent may come late.
        if kept.ring.phase() == Phase::Leaving {
            match self.turn.rest(&kept) {
                Rest::For(rest) => done.rest = Some(rest),
                Rest::Over | Rest::Cluster(_) => {
                    kept.ring.end();
                    self.write(&mut kept, &mut done).await?;
                }
            }
        }
        done.made = kept.ring.made();
        done.generation = kept.ring.generation();
        Ok(done)
    }

    /// The tokens, with a next one where it is due; `None` where somebody else was faster just now. `newest` is the number
    /// of the newest hook of ours that is there: where the tokens are lost, another one has to take its place.
    async fn tokens(&self, newest: Option<u64>, done: &mut Hooked) -> Result<Option<Kept>, ForgeError> {
        let at = token_at(self.provider, self.id)?;
        let found = Kept::read(self.store, &at, &[]).await;
        let mut kept = match found.map_err(|source| self.failed(source))? {
            Some(kept) if !self.turn.begins(&kept.ring) => return Ok(Some(kept)),
            Some(mut kept) => {
                kept.ring.begin(Slot::new(self.random()?));
                kept
            }
            None => {
                let slot = Slot::new(self.random()?);
                Kept::first(&at, slot, newest.map_or(1, |n| n + 1), self.turn.now)
            }
        };
        Ok(self.write(&mut kept, done).await?.then_some(kept))
    }

    async fn write(&self, kept: &mut Kept, done: &mut Hooked) -> Result<bool, ForgeError> {
        let written = kept
            .write(self.store)
            .await
            .map_err(|source| self.failed(source))?;
        done.writes += u64::from(written);
        done.late |= !written;
        Ok(written)
    }

    fn failed(&self, source: StoreError) -> ForgeError {
        ForgeError::Store {
            action: format!("keep the webhook token of {}", self.path),
            source,
        }
    }

    fn random(&self) -> Result<Secret, ForgeError> {
        let mut bytes = Zeroizing::new([0u8; 32]);
        OsRng
            .try_fill_bytes(&mut *bytes)
            .map_err(|_| ForgeError::BadKey(self.id.to_string()))?;
        Ok(Secret::from(URL_SAFE_NO_PAD.encode(*bytes)))
    }

    async fn forget_token(&self) -> Result<u64, ForgeError> {
        let at = token_at(self.provider, self.id)?;
        let failed = |source| ForgeError::Store {
            action: format!("forget the webhook token of {}", self.path),
            source,
        };
        if self.store.read(&at.path).await.map_err(failed)?.is_none() {
            return Ok(0);
        }
        self.store.delete(&at.path).await.map_err(failed)?;
        Ok(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_names_product_and_repository() {
        let (product, repo) = ("demo".parse().unwrap(), "api".parse().unwrap());
        for base in ["http://127.0.0.1:1", "http://127.0.0.1:1/"] {
            let base = Url::parse(base).unwrap();
            let of = |generation| address(&base, &product, &repo, generation);
            assert_eq!(of(1), "http://127.0.0.1:1/hooks/demo/api");
            assert_eq!(of(7), "http://127.0.0.1:1/hooks/demo/api?generation=7");
            for generation in [1, 7] {
                assert_eq!(generation_of(&of(generation)), generation);
            }
        }
    }

    #[test]
    fn every_event_that_manifests_name_is_asked_for() {
        let names: BTreeSet<String> = nautes_validate::catalogue::PIPELINE_EVENTS
            .iter()
            .chain(nautes_validate::catalogue::OTHER_EVENTS)
            .map(|name| (*name).to_owned())
            .collect();
        assert_eq!(events_of(&names), BTreeSet::from(HookEvent::ALL));
        let unknown = BTreeSet::from(["push".to_owned(), String::new()]);
        assert_eq!(events_of(&unknown), BTreeSet::new());
    }
}
