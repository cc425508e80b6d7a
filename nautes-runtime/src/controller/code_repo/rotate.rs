//! Replacing the deploy keys of a repository, one step a pass, and telling how far it is.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use nautes_gitops::RepoPath;
use nautes_model::Identity;
use nautes_model::kinds::code_repo::CredentialStatus;
use nautes_validate::Level;
use nautes_vault::keys::RepoCredential;
use nautes_vault::rotation::Phase;
use serde_json::Value;

use super::keys::{Converged, LEVELS, Pairs};
use super::ring::Rest;
use super::{Forge, ForgeError, Wanted, grants, repo_id};
use crate::platform::paths;

/// The credentials of a repository, and what is still to be done with them.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Whether it has to be looked at again soon.
    pub(super) waits: bool,
    /// Whether one before ends when a cluster has the one after it.
    pub(super) behind: bool,
    /// Whether one was replaced, or one before has ended.
    pub(super) replaced: bool,
    /// How long one before works yet.
    pub(super) rest: Option<Duration>,
    /// What is going on, in words.
    pub(super) said: Vec<String>,
    all: BTreeMap<&'static str, CredentialStatus>,
}

impl Held {
    pub(super) fn wait(&mut self, rest: Option<Duration>) {
        self.rest = self.rest.into_iter().chain(rest).min();
    }

    /// Says which credential is there; none of generation 0.
    pub(super) fn tell(&mut self, name: &'static str, generation: u64, made: Option<Timestamp>) {
        if generation > 0 {
            let status = CredentialStatus {
                name: name.to_owned(),
                generation: i64::try_from(generation).unwrap_or(i64::MAX),
                made: made.map(|at| at.to_string()),
                public_key: None,
            };
            self.all.insert(name, status);
        }
    }

    /// Says which deploy key is there.
    fn tell_key(&mut self, level: RepoCredential, pairs: &Pairs) -> Result<(), ForgeError> {
        let (name, ring) = (level.segment(), &pairs.kept.ring);
        self.tell(name, ring.generation(), ring.made());
        if let Some(status) = self.all.get_mut(name) {
            status.public_key = Some(pairs.public()?);
        }
        Ok(())
    }

    /// The field of the status.
    pub(super) fn credentials(&self) -> Value {
        serde_json::to_value(self.all.values().collect::<Vec<_>>()).unwrap_or_default()
    }
}

impl Forge<'_> {
    /// Hands out keys that have arrived everywhere, and ends those before whose time is over.
    pub(super) async fn advance(
        &self,
        repo: &Wanted,
        ids: &BTreeMap<Identity, u64>,
        (mut done, mut held): (Converged, Held),
    ) -> Result<(Converged, Held), ForgeError> {
        let id = repo_id(&repo.identity, ids.get(&repo.identity).copied())?;
        let provider = self.provider(&repo.declared);
        let store = &**self.platform.store();
        let turn = self.turn(repo);
        held.wait(turn.until_order());
        for level in LEVELS {
            let Some(mut pairs) = Pairs::find(store, provider, &id, level).await? else {
                continue;
            };
            if !self.session.abilities().keys {
                held.tell_key(level, &pairs)?;
                continue;
            }
            let word = level.segment();
            match pairs.kept.ring.phase() {
                Phase::Settled => {}
                Phase::Coming if self.has_arrived(repo, level, &pairs).await? => {
                    pairs.kept.ring.promote(self.now);
                    if pairs.write(store).await? {
                        done.writes += 1;
                        held.replaced = true;
                        let generation = pairs.kept.ring.generation();
                        tracing::info!(repository = %repo.identity, key = word, generation, "a deploy key was replaced");
                        held.wait(Some(turn.policy.overlap));
                        held.said.push(format!(
                            "the {word} key before works until clusters have the new one"
                        ));
                    } else {
                        held.waits = true;
                    }
                }
                Phase::Coming => {
                    held.waits = true;
                    held.said.push(format!("a new {word} key is being made known"));
                }
                Phase::Leaving => match turn.rest(&pairs.kept) {
                    Rest::Over => {
                        pairs.kept.ring.end();
                        if pairs.write(store).await? {
                            done.writes += 1;
                            held.replaced = true;
                            tracing::info!(repository = %repo.identity, key = word, "the deploy key before has ended");
                        } else {
                            held.waits = true;
                        }
                    }
                    Rest::For(rest) => {
                        held.wait(Some(rest));
                        held.said.push(format!(
                            "the {word} key before works until clusters have the new one"
                        ));
                    }
                    Rest::Cluster(name) => {
                        held.waits = true;
                        held.behind = true;
                        held.said.push(format!(
                            "the {word} key before works until cluster {name} has the new one"
                        ));
                    }
                },
            }
            held.tell_key(level, &pairs)?;
        }
        Ok((done, held))
    }

    /// Whether the next key works wherever the current one does.
    async fn has_arrived(
        &self,
        repo: &Wanted,
        level: RepoCredential,
        pairs: &Pairs,
    ) -> Result<bool, ForgeError> {
        let session = &*self.session;
        let mut places: Vec<RepoPath> = vec![repo.path.clone()];
        let all = self.scopes.products.values().flat_map(|scope| scope.code_repos());
        for (other, _) in all.filter(|(other, _)| other.identity != repo.identity) {
            let opened = grants::keys_on(&self.scopes, &self.access, &other.identity);
            let may = opened.get(&repo.identity).copied();
            if may.is_some_and(|may| level == RepoCredential::Readonly || may == Level::Write) {
                places.extend(paths::find_code_repo(&self.scopes, &other.identity));
            }
        }
        for place in places {
            if !pairs.has_arrived(session, &place).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
