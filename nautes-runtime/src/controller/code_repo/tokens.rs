//! Access tokens of repositories for the forge's API, where the platform is told to make them.
//!
//! A token works as soon as it is made, so the next one is made and handed out in one step; the one before is revoked when
//! its time is over. A token of our name that is in no secret was made by somebody who could not write it down: it is
//! revoked.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use nautes_gitops::host::Extended;
use nautes_gitops::host::extended::{AccessToken, AccessTokenSpec};
use nautes_gitops::{AccessLevel, RepoPath, Session};
use nautes_model::Secret;
use nautes_model::secret::SecretRef;
use nautes_vault::rotation::{Phase, Slot};
use nautes_vault::{SecretStore, StoreError};

use super::ForgeError;
use super::ring::{Kept, Rest, Turn};

/// What our tokens are called on the forge.
const NAME: &str = "accesstoken-api";
/// The id of a token on the forge, beside the token.
const ID: &str = "id";
/// The day on which it ends, beside the token.
const EXPIRES: &str = "expires";
const COMPANIONS: [&str; 2] = [ID, EXPIRES];

/// The tokens of one repository.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    pub(super) session: &'a dyn Session,
    pub(super) store: &'a dyn SecretStore,
    pub(super) path: &'a RepoPath,
    pub(super) at: SecretRef,
}

/// What bringing them in line has led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Handed {
    pub(super) writes: u64,
    /// Whether somebody else was faster, so that it is to be looked at again.
    pub(super) late: bool,
    /// Whether the token before ends when a cluster has this one.
    pub(super) behind: bool,
    /// How long the token before works yet.
    pub(super) rest: Option<Duration>,
    /// When the token was made, and its number; 0 where the forge has no such tokens.
    pub(super) made: Option<Timestamp>,
    pub(super) generation: u64,
}

impl Tokens<'_> {
    /// Makes sure that there is one that works for some time yet. `lifetime` is how long a new one works, whole days.
    pub(super) async fn converge(&self, turn: &Turn<'_>, lifetime: Duration) -> Result<Handed, ForgeError> {
        let mut done = Handed::default();
        let Some(api) = self.session.extended() else {
            return Ok(done);
        };
        let listed = match api.access_tokens(self.path).await {
            Err(error) if error.is_unsupported() => return Ok(done),
            listed => listed.map_err(|source| self.on_forge("list", source))?,
        };
        let mut kept = self.read().await?;
        let today = turn.now.to_zoned(jiff::tz::TimeZone::UTC).date();
        let lasts = days(lifetime);
        // A third of its life is time enough to hand out the next one.
        let soon = today.saturating_add((lasts / 3).days());
        let works = |slot: &Slot| find(&listed, slot).is_some_and(|token| token.active);
        let is_old = |slot: &Slot| expires(&listed, slot).is_some_and(|day| day <= soon);
        let needed = kept.as_ref().is_none_or(|kept| {
            let ring = &kept.ring;
            !works(ring.current())
                || turn.begins(ring)
                || ring.phase() == Phase::Settled && is_old(ring.current())
        });
        if needed {
            let slot = self.make(api, today.saturating_add(lasts.days())).await?;
            let made = id_of(&slot);
            let mut next = match kept.take() {
                None => Kept::first(&self.at, slot, 1, turn.now),
                Some(mut kept) => {
                    // One that does not work needs no time to end.
                    kept.ring.end();
                    kept.ring.begin(slot);
                    kept.ring.promote(turn.now);
                    kept
                }
            };
            if !next
                .write(self.store)
                .await
                .map_err(|source| self.in_store(source))?
            {
                if let Some(id) = made {
                    self.revoke(api, id).await?;
                }
                done.late = true;
                return Ok(done);
            }
            done.writes += 2;
            kept = Some(next);
        }
        let Some(mut kept) = kept else { return Ok(done) };
        if kept.ring.phase() == Phase::Leaving {
            let is_dead = kept.ring.previous().is_some_and(|slot| !works(slot));
            match turn.rest(&kept) {
                Rest::For(rest) if !is_dead => done.rest = Some(rest),
                Rest::Cluster(_) if !is_dead => done.behind = true,
                _ => {
                    // Revoked below: it is in no secret then.
                    kept.ring.end();
                    let written = kept.write(self.store).await;
                    let written = written.map_err(|source| self.in_store(source))?;
                    done.writes += u64::from(written);
                    done.late |= !written;
                    if !written {
                        return Ok(done);
                    }
                }
            }
        }
        let ids: Vec<u64> = kept.ring.working().filter_map(|(_, slot)| id_of(slot)).collect();
        for token in listed
            .iter()
            .filter(|t| t.name == NAME && t.active && !ids.contains(&t.id))
        {
            self.revoke(api, token.id).await?;
            done.writes += 1;
        }
        done.made = kept.ring.made();
        done.generation = kept.ring.generation();
        Ok(done)
    }

    /// Revokes those that the secret holds. Returns how many writes it took.
    pub(super) async fn close(&self) -> Result<u64, ForgeError> {
        let (Some(api), Some(kept)) = (self.session.extended(), self.read().await?) else {
            return Ok(0);
        };
        let mut writes = 0;
        for id in kept.ring.working().filter_map(|(_, slot)| id_of(slot)) {
            self.revoke(api, id).await?;
            writes += 1;
        }
        Ok(writes)
    }

    async fn read(&self) -> Result<Option<Kept>, ForgeError> {
        let found = Kept::read(self.store, &self.at, &COMPANIONS).await;
        found.map_err(|source| self.in_store(source))
    }

    async fn make(&self, api: &dyn Extended, expires: Date) -> Result<Slot, ForgeError> {
        let spec = AccessTokenSpec {
            name: NAME.to_owned(),
            scopes: vec!["api".to_owned()],
            level: AccessLevel::Maintainer,
            expires,
        };
        let made = api.create_access_token(self.path, &spec).await;
        let (token, value) = made.map_err(|source| self.on_forge("make", source))?;
        let day = token.expires.unwrap_or(expires);
        let with = [(ID, token.id.to_string()), (EXPIRES, day.to_string())];
        Ok(Slot {
            value,
            with: BTreeMap::from(with.map(|(name, text)| (name.to_owned(), Secret::from(text)))),
        })
    }

    async fn revoke(&self, api: &dyn Extended, id: u64) -> Result<(), ForgeError> {
        match api.revoke_access_token(self.path, id).await {
            // Somebody was faster.
            Err(nautes_gitops::HostError::NotFound { .. }) => Ok(()),
            revoked => revoked.map_err(|source| self.on_forge("revoke", source)),
        }
    }

    fn on_forge(&self, verb: &str, source: nautes_gitops::HostError) -> ForgeError {
        ForgeError::host(format!("{verb} the access tokens of {}", self.path), source)
    }

    fn in_store(&self, source: StoreError) -> ForgeError {
        ForgeError::Store {
            action: format!("keep the access token of {}", self.path),
            source,
        }
    }
}

fn id_of(slot: &Slot) -> Option<u64> {
    slot.text(ID)?.parse().ok()
}

fn find<'t>(listed: &'t [AccessToken], slot: &Slot) -> Option<&'t AccessToken> {
    let id = id_of(slot)?;
    listed.iter().find(|token| token.id == id)
}

fn expires(listed: &[AccessToken], slot: &Slot) -> Option<Date> {
    find(listed, slot)?.expires
}

/// Whole days, at least one.
fn days(lifetime: Duration) -> i64 {
    i64::try_from(lifetime.as_secs() / 86_400)
        .unwrap_or(i64::MAX)
        .clamp(1, 3650)
}
