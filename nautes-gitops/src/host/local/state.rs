//! What the local forge knows, as it is kept in `state.json`, and who may do what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::host::HostError;
use crate::host::types::{AccessLevel, HookEvent, Place, RepoPath, User, Visibility};

/// The form of `state.json` that this version reads and writes.
pub(super) const VERSION: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) version: u32,
    pub(super) last_id: u64,
    pub(super) users: BTreeMap<u64, UserRecord>,
    /// By digest.
    pub(super) tokens: BTreeMap<String, TokenRecord>,
    pub(super) groups: BTreeMap<String, GroupRecord>,
    pub(super) repositories: BTreeMap<RepoPath, RepoRecord>,
    pub(super) keys: BTreeMap<u64, KeyRecord>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct UserRecord {
    pub(super) name: String,
    pub(super) email: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TokenRecord {
    pub(super) user: u64,
    pub(super) label: String,
}

pub(super) type Members = BTreeMap<u64, AccessLevel>;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GroupRecord {
    pub(super) id: u64,
    pub(super) visibility: Visibility,
    pub(super) description: String,
    pub(super) marker: Option<String>,
    pub(super) members: Members,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RepoRecord {
    pub(super) id: u64,
    pub(super) default_branch: String,
    pub(super) visibility: Visibility,
    pub(super) description: String,
    pub(super) marker: Option<String>,
    pub(super) archived: bool,
    pub(super) members: Members,
    /// Deploy keys, and whether they may push.
    pub(super) keys: BTreeMap<u64, bool>,
    pub(super) hooks: BTreeMap<u64, HookRecord>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct HookRecord {
    pub(super) url: String,
    pub(super) events: Vec<HookEvent>,
    /// The secret, sealed.
    pub(super) sealed: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeyRecord {
    pub(super) title: String,
    pub(super) public_key: String,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            last_id: 0,
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            groups: BTreeMap::new(),
            repositories: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }
}

impl State {
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn user(&self, id: u64) -> Option<User> {
        let UserRecord { name, email } = self.users.get(&id)?.clone();
        Some(User { id, name, email })
    }

    pub(super) fn user_name(&self, id: u64) -> String {
        self.users
            .get(&id)
            .map_or_else(|| format!("user {id}"), |user| user.name.clone())
    }

    pub(super) fn user_by_name(&self, name: &str) -> Result<u64, HostError> {
        self.users
            .iter()
            .find(|(_, user)| user.name == name)
            .map(|(id, _)| *id)
            .ok_or_else(|| HostError::not_found(format!("user {name}")))
    }

    /// Returns the level of a user, inherited levels included.
    pub(super) fn level(&self, user: u64, place: &Place) -> AccessLevel {
        let of = |members: &Members| members.get(&user).copied().unwrap_or_default();
        match place {
            Place::Group(name) => self
                .lineage(name)
                .map(|group| of(&group.members))
                .max()
                .unwrap_or_default(),
            Place::Repository(path) => match self.repositories.get(path) {
                Some(repo) => of(&repo.members).max(self.level(user, &Place::group(path.group()))),
                None => AccessLevel::None,
            },
        }
    }

    /// A group and those that it lies in.
    fn lineage(&self, name: &str) -> impl Iterator<Item = &GroupRecord> {
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        ends.filter_map(|end| self.groups.get(&name[..end]))
            .collect::<Vec<_>>()
            .into_iter()
    }

    pub(super) fn sees_group(&self, user: u64, name: &str) -> bool {
        let Some(group) = self.groups.get(name) else {
            return false;
        };
        group.visibility > Visibility::Private
            || self.level(user, &Place::group(name)) > AccessLevel::None
            || self
                .repositories
                .iter()
                .any(|(path, repo)| path.group() == name && repo.members.contains_key(&user))
    }

    pub(super) fn sees_repository(&self, user: u64, path: &RepoPath) -> bool {
        self.repositories
            .get(path)
            .is_some_and(|repo| repo.visibility > Visibility::Private)
            || self.level(user, &path.into()) > AccessLevel::None
    }

    /// Whether a user, or everybody, may read the content of a repository.
    pub(super) fn reads_repository(&self, user: Option<u64>, path: &RepoPath) -> bool {
        let Some(repo) = self.repositories.get(path) else {
            return false;
        };
        match (repo.visibility, user) {
            (Visibility::Public, _) | (Visibility::Internal, Some(_)) => true,
            (_, Some(user)) => self.level(user, &path.into()) >= AccessLevel::Reporter,
            (_, None) => false,
        }
    }

    /// Fails unless a user has a level in a place that exists and that he sees.
    pub(super) fn need(
        &self,
        user: u64,
        place: &Place,
        level: AccessLevel,
        action: &str,
    ) -> Result<(), HostError> {
        let sees = match place {
            Place::Group(name) => self.sees_group(user, name),
            Place::Repository(path) => self.sees_repository(user, path),
        };
        if !sees {
            return Err(HostError::not_found(place.to_string()));
        }
        if self.level(user, place) < level {
            let action = format!("{action} {place}");
            return Err(HostError::Forbidden {
                user: self.user_name(user),
                action,
                needs: Some(level),
            });
        }
        Ok(())
    }

    pub(super) fn group_mut(&mut self, name: &str) -> Result<&mut GroupRecord, HostError> {
        self.groups
            .get_mut(name)
            .ok_or_else(|| HostError::not_found(format!("group {name}")))
    }

    pub(super) fn repository_mut(&mut self, path: &RepoPath) -> Result<&mut RepoRecord, HostError> {
        self.repositories
            .get_mut(path)
            .ok_or_else(|| HostError::not_found(format!("repository {path}")))
    }
}
