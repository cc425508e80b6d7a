//! Deploy keys: one pair per repository and level, enabled on every repository that the access relation opens.

mod steps;

use std::collections::{BTreeMap, BTreeSet};

use nautes_gitops::host::DeployKeySpec;
use nautes_gitops::{HostError, RepoPath, Session};
use nautes_model::Secret;
use nautes_vault::SecretStore;
use nautes_vault::keys::{self, RepoCredential, RepoId};
use nautes_vault::rotation::Slot;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{LineEnding, PrivateKey};
use zeroize::Zeroizing;

use super::ForgeError;
use super::ring::{Kept, Turn};
use steps::Step;

/// The levels that have a key of their own.
pub(super) const LEVELS: [RepoCredential; 2] = [RepoCredential::Readonly, RepoCredential::Readwrite];

/// A key that shall be on a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WantedKey {
    /// The public half, `type base64`.
    pub(super) public_key: String,
    pub(super) can_push: bool,
    /// The repository to which the key belongs.
    pub(super) home: RepoPath,
}

/// Keys by title.
pub(super) type WantedKeys = BTreeMap<String, WantedKey>;

/// The title of a key on the forge: the first of a level has no number.
pub(super) fn title(id: &RepoId, level: RepoCredential, generation: u64) -> String {
    match generation {
        0 | 1 => format!("{id}-{}", level.segment()),
        n => format!("{id}-{}-{n}", level.segment()),
    }
}

/// Whether a title is of the form that Nautes gives. Such titles are Nautes' own within its groups: a key that
/// has one and is not wanted is a right that nobody has any more.
pub(super) fn is_managed(title: &str) -> bool {
    let numbered = title.rsplit_once('-').filter(|(_, number)| {
        let n: Option<u64> = number.parse().ok();
        n.is_some_and(|n| n > 1 && n.to_string() == *number)
    });
    let plain = numbered.map_or(title, |(rest, _)| rest);
    LEVELS.iter().any(|level| {
        plain
            .strip_suffix(level.segment())
            .and_then(|rest| rest.strip_suffix('-'))
            .is_some_and(|id| !id.is_empty())
    })
}

/// The pairs of a repository at a level.
#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) kept: Kept,
    id: RepoId,
    level: RepoCredential,
}

impl Pairs {
    /// Reads them; `None` if there is none.
    pub(super) async fn find(
        store: &dyn SecretStore,
        provider: &str,
        id: &RepoId,
        level: RepoCredential,
    ) -> Result<Option<Self>, ForgeError> {
        let at = keys::repo(provider, id, level).map_err(|_| ForgeError::Provider(provider.to_owned()))?;
        let found = Kept::read(store, &at, &[]).await;
        let found = found.map_err(|source| ForgeError::Store {
            action: format!("read the {} key of {id}", level.segment()),
            source,
        })?;
        Ok(found.map(|kept| Self {
            kept,
            id: id.clone(),
            level,
        }))
    }

    /// Makes sure that there is one, and that a next one is there where it is due. Returns how many were made.
    pub(super) async fn ensure(
        store: &dyn SecretStore,
        provider: &str,
        id: &RepoId,
        level: RepoCredential,
        turn: &Turn<'_>,
    ) -> Result<(Self, u64), ForgeError> {
        let mut made = 0;
        // Whoever was faster has made one that counts.
        for _ in 0..2 {
            let found = Self::find(store, provider, id, level).await?;
            let mut pairs = match found {
                Some(pairs) if !turn.begins(&pairs.kept.ring) => return Ok((pairs, made)),
                Some(mut pairs) => {
                    pairs.kept.ring.begin(Slot::new(generate(id)?));
                    pairs
                }
                None => {
                    let at = keys::repo(provider, id, level)
                        .map_err(|_| ForgeError::Provider(provider.to_owned()))?;
                    let kept = Kept::first(&at, Slot::new(generate(id)?), 1, turn.now);
                    let (id, level) = (id.clone(), level);
                    Self { kept, id, level }
                }
            };
            if pairs.write(store).await? {
                made += 1;
                return Ok((pairs, made));
            }
        }
        let found = Self::find(store, provider, id, level).await?;
        Ok((found.ok_or_else(|| ForgeError::BadKey(id.to_string()))?, made))
    }

    pub(super) async fn write(&mut self, store: &dyn SecretStore) -> Result<bool, ForgeError> {
        self.kept.write(store).await.map_err(|source| ForgeError::Store {
            action: format!("keep the {} key of {}", self.level.segment(), self.id),
            source,
        })
    }

    /// The public half of the one that is handed out.
    pub(super) fn public(&self) -> Result<String, ForgeError> {
        public_half(&self.kept.ring.current().value, &self.id)
    }

    /// Every key that has to work, for a repository that the keys belong to.
    pub(super) fn wanted(&self, home: &RepoPath) -> Result<WantedKeys, ForgeError> {
        let of = |(generation, slot): (u64, &Slot)| {
            let key = WantedKey {
                public_key: public_half(&slot.value, &self.id)?,
                can_push: self.level == RepoCredential::Readwrite,
                home: home.clone(),
            };
            Ok((title(&self.id, self.level, generation), key))
        };
        self.kept.ring.working().map(of).collect()
    }

    /// Whether the next key works on a repository of which the current one does; so also where neither does.
    pub(super) async fn has_arrived(
        &self,
        session: &dyn Session,
        path: &RepoPath,
    ) -> Result<bool, ForgeError> {
        let ring = &self.kept.ring;
        let Some(next) = ring.next() else { return Ok(false) };
        let failed =
            |source| ForgeError::host(format!("look for the new key of {} on {path}", self.id), source);
        let present = match session.deploy_keys(path).await {
            Err(HostError::NotFound { .. }) => return Ok(true),
            listed => listed.map_err(failed)?,
        };
        let right = |slot: &Slot| -> Result<Option<bool>, ForgeError> {
            let public_key = public_half(&slot.value, &self.id)?;
            let found = present.iter().find(|key| key.public_key == public_key);
            Ok(found.map(|key| key.can_push))
        };
        Ok(right(ring.current())? <= right(next)?)
    }
}

/// Adds keys that are missing, and removes none. Returns how many writes it took.
pub(super) async fn add_missing(
    session: &dyn Session,
    path: &RepoPath,
    wanted: &WantedKeys,
) -> Result<u64, ForgeError> {
    let failed = |source| ForgeError::host(format!("list the deploy keys of {path}"), source);
    let present = session.deploy_keys(path).await.map_err(failed)?;
    let mut writes = 0;
    for (title, key) in wanted {
        if !present.iter().any(|there| there.public_key == key.public_key) {
            writes += u64::from(add(session, path, title, key).await?);
        }
    }
    Ok(writes)
}

/// What bringing the keys of a repository in line has led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Converged {
    pub(super) writes: u64,
    /// Whether a key of another repository is not there yet.
    pub(super) late: bool,
    /// What others have put there, in words.
    pub(super) foreign: Vec<String>,
}

/// Makes our keys of a repository exactly `wanted`; `known` are public keys that are ours under any title. What is
/// missing comes first and what is too much goes last, and it goes also where something could not be added.
pub(super) async fn converge(
    session: &dyn Session,
    path: &RepoPath,
    wanted: &WantedKeys,
    known: &BTreeSet<String>,
) -> Result<Converged, ForgeError> {
    let failed = |source| ForgeError::host(format!("bring the deploy keys of {path} in line"), source);
    let present = session.deploy_keys(path).await.map_err(failed)?;
    let mut done = Converged {
        foreign: steps::foreign(&present, wanted, known),
        ..Converged::default()
    };
    let mut broken = None;
    let mut absent: BTreeSet<&str> = BTreeSet::new();
    for step in steps::steps(&present, wanted, known) {
        let result = match &step {
            Step::Add(title) => match wanted.get(*title) {
                Some(key) => add(session, path, title, key).await,
                None => Ok(true),
            },
            Step::Allow { id, can_push } => {
                let changed = session.enable_deploy_key(path, *id, *can_push).await;
                changed.map(|_| true).map_err(failed)
            }
            // The old key works until the new one does.
            Step::Remove {
                replaced: Some(title),
                ..
            } if absent.contains(title) => continue,
            Step::Remove { id, .. } => match session.delete_deploy_key(path, *id).await {
                // Somebody was faster.
                Err(HostError::NotFound { .. }) => Ok(true),
                removed => removed.map(|()| true).map_err(failed),
            },
        };
        let was_done = *result.as_ref().unwrap_or(&false);
        done.writes += u64::from(was_done);
        done.late |= matches!(result, Ok(false));
        if let (false, Step::Add(title)) = (was_done, &step) {
            absent.insert(title);
        }
        if let Err(error) = result {
            broken.get_or_insert(error);
        }
    }
    match broken {
        Some(error) => Err(error),
        None => Ok(done),
    }
}

/// A key that another repository has is enabled; a forge refuses the same key twice. Returns `false` if the
/// other repository does not have it yet.
async fn add(
    session: &dyn Session,
    path: &RepoPath,
    title: &str,
    key: &WantedKey,
) -> Result<bool, ForgeError> {
    let failed = |source| ForgeError::host(format!("add the deploy key {title} to {path}"), source);
    if *path != key.home {
        let Some(id) = id_at(session, &key.home, &key.public_key).await.map_err(failed)? else {
            return Ok(false);
        };
        let enabled = session.enable_deploy_key(path, id, key.can_push).await;
        enabled.map_err(failed)?;
        return Ok(true);
    }
    let spec = DeployKeySpec {
        title: title.to_owned(),
        public_key: key.public_key.clone(),
        can_push: key.can_push,
    };
    match session.create_deploy_key(path, &spec).await {
        // It was taken from its own repository by hand, and others still have it.
        Err(HostError::Conflict { what, why }) => {
            let Some(id) = id_elsewhere(session, &key.public_key).await.map_err(failed)? else {
                return Err(failed(HostError::Conflict { what, why }));
            };
            let enabled = session.enable_deploy_key(path, id, key.can_push).await;
            enabled.map_err(failed)?;
        }
        made => {
            made.map_err(failed)?;
        }
    }
    Ok(true)
}

/// The id of a key in a repository; `None` where there is no such key, or no such repository.
async fn id_at(session: &dyn Session, path: &RepoPath, public_key: &str) -> Result<Option<u64>, HostError> {
    match session.deploy_keys(path).await {
        Err(HostError::NotFound { .. }) => Ok(None),
        listed => Ok(listed?.iter().find(|k| k.public_key == public_key).map(|k| k.id)),
    }
}

/// The id of a key in any repository of which the keys can be seen.
async fn id_elsewhere(session: &dyn Session, public_key: &str) -> Result<Option<u64>, HostError> {
    for group in session.groups().await? {
        for repository in session.repositories(&group.name).await? {
            match id_at(session, &repository.path, public_key).await {
                Ok(None) | Err(HostError::Forbidden { .. }) => {}
                found => return found,
            }
        }
    }
    Ok(None)
}

/// Makes a private key.
fn generate(id: &RepoId) -> Result<Secret, ForgeError> {
    let broken = || ForgeError::BadKey(id.to_string());
    let mut seed = Zeroizing::new([0u8; 32]);
    OsRng.try_fill_bytes(&mut *seed).map_err(|_| broken())?;
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
    let key = PrivateKey::new(pair, id.as_str()).map_err(|_| broken())?;
    let text = key.to_openssh(LineEnding::LF).map_err(|_| broken())?;
    Ok(Secret::new(text.as_bytes()))
}

fn public_half(private: &Secret, id: &RepoId) -> Result<String, ForgeError> {
    // The error of the parser is not passed on: nobody has promised that it shows nothing.
    PrivateKey::from_openssh(private.expose())
        .ok()
        .and_then(|key| public_text(&key))
        .ok_or_else(|| ForgeError::BadKey(id.to_string()))
}

fn public_text(key: &PrivateKey) -> Option<String> {
    let text = key.public_key().to_openssh().ok()?;
    let mut parts = text.split_whitespace();
    Some(format!("{} {}", parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RepoId {
        RepoId::new(&"demo".parse().unwrap(), &"api".parse().unwrap())
    }

    #[test]
    fn a_generated_pair_is_read_back_and_no_two_are_the_same() {
        let public = || public_half(&generate(&id()).unwrap(), &id()).unwrap();
        assert!(public().starts_with("ssh-ed25519 AAAA"));
        assert_eq!(public().split(' ').count(), 2, "no comment");
        assert_ne!(public(), public());
        let error = public_half(&Secret::from("canary"), &id()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }

    #[test]
    fn only_titles_of_our_form_are_managed() {
        for generation in [1, 2, 10] {
            for level in LEVELS {
                assert!(is_managed(&title(&id(), level, generation)));
            }
        }
        for ours in ["demo-api-readonly", "repo-7-readwrite", "repo-7-readwrite-2"] {
            assert!(is_managed(ours), "{ours}");
        }
        for other in [
            "laptop",
            "readonly",
            "-readonly",
            "readonly-2",
            "ci-readonly-1",
            "ci-readonly-02",
            "ci-readonly-x",
        ] {
            assert!(!is_managed(other), "{other}");
        }
    }
}
