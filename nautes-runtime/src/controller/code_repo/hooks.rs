//! Webhooks: one per repository whose events start pipelines.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nautes_gitops::host::{Hook, HookEvent, HookSpec};
use nautes_gitops::{RepoPath, Session};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::secret::SecretRef;
use nautes_model::{Identity, Secret};
use nautes_vault::keys::{self, RepoCredential, RepoId};
use nautes_vault::{Expect, SecretStore};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use url::Url;
use zeroize::Zeroizing;

use super::ForgeError;

/// The address at which deliveries of a repository arrive.
pub(crate) fn address(base: &Url, product: &ProductName, repo: &ResourceName) -> String {
    format!("{}{product}/{repo}", prefix(base))
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
}

impl Site<'_> {
    /// Makes our hook of the repository exactly what is wanted. Returns how many writes it took.
    pub(super) async fn converge(&self, events: &BTreeSet<HookEvent>) -> Result<u64, ForgeError> {
        let failed = |source| ForgeError::host(format!("bring the webhook of {} in line", self.path), source);
        let hooks = self.session.hooks(self.path).await.map_err(failed)?;
        let prefix = prefix(self.base);
        let ours: Vec<&Hook> = hooks
            .iter()
            .filter(|hook| hook.url.starts_with(&prefix))
            .collect();
        if events.is_empty() {
            for hook in &ours {
                self.session
                    .delete_hook(self.path, hook.id)
                    .await
                    .map_err(failed)?;
            }
            return Ok(ours.len() as u64 + self.forget_token().await?);
        }
        let Some(product) = &self.repo.product else {
            return Ok(0);
        };
        let url = address(self.base, product, &self.repo.name);
        let (token, is_new) = self.token().await?;
        let mut writes = u64::from(is_new);
        let is_good = |hook: &Hook| {
            let has: BTreeSet<HookEvent> = hook.events.iter().copied().collect();
            !is_new && hook.url == url && has == *events
        };
        let good = ours.iter().find(|hook| is_good(hook)).map(|hook| hook.id);
        // The old hook delivers until the new one does.
        if good.is_none() {
            let spec = HookSpec {
                url: url.clone(),
                events: events.iter().copied().collect(),
                secret: token,
            };
            self.session.create_hook(self.path, &spec).await.map_err(failed)?;
            writes += 1;
        }
        for hook in ours.iter().filter(|hook| Some(hook.id) != good) {
            let gone = self.session.delete_hook(self.path, hook.id).await;
            gone.map_err(failed)?;
            writes += 1;
        }
        Ok(writes)
    }

    /// The forge never shows a token again, so a token that is lost means a new hook.
    async fn token(&self) -> Result<(Secret, bool), ForgeError> {
        let at = token_at(self.provider, self.id)?;
        let failed = |source| ForgeError::Store {
            action: format!("keep the webhook token of {}", self.path),
            source,
        };
        if let Some(token) = self.store.resolve(&at).await.map_err(failed)? {
            return Ok((token, false));
        }
        let mut bytes = Zeroizing::new([0u8; 32]);
        OsRng
            .try_fill_bytes(&mut *bytes)
            .map_err(|_| ForgeError::BadKey(self.id.to_string()))?;
        let token = Secret::from(URL_SAFE_NO_PAD.encode(*bytes));
        let values = BTreeMap::from([(at.key.clone(), token.clone())]);
        let _ = self
            .store
            .write(&at.path, values, Expect::Absent)
            .await
            .map_err(failed)?;
        Ok((token, true))
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
            assert_eq!(
                address(&base, &product, &repo),
                "http://127.0.0.1:1/hooks/demo/api"
            );
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
