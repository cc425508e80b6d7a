//! What GitLab's API answers, as far as it is read.

use nautes_model::kinds::Visibility;
use serde::Deserialize;

use crate::host::rest::{Account, Listed};
use crate::host::types::{AccessLevel, HookEvent, RepoPath, User};

#[derive(Deserialize)]
pub(super) struct WireUser {
    pub(super) id: u64,
    pub(super) username: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    commit_email: Option<String>,
    #[serde(default)]
    public_email: Option<String>,
}

impl Listed for WireUser {
    fn id(&self) -> u64 {
        self.id
    }
}

impl Account for WireUser {
    /// Returns the user. GitLab shows addresses to few; without one it is that of commits from its pages.
    fn user(self, host: &str) -> User {
        let addresses = [self.commit_email, self.email, self.public_email];
        let email = addresses.into_iter().flatten().find(|email| email.contains('@'));
        User {
            id: self.id,
            email: email.unwrap_or_else(|| format!("{}-{}@users.noreply.{host}", self.id, self.username)),
            name: self.username,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct WireGroup {
    pub(super) id: u64,
    pub(super) full_path: String,
    #[serde(default)]
    pub(super) visibility: Option<Visibility>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) marked_for_deletion_on: Option<String>,
}

impl Listed for WireGroup {
    fn id(&self) -> u64 {
        self.id
    }
}

#[derive(Deserialize)]
pub(super) struct WireProject {
    pub(super) id: u64,
    pub(super) path_with_namespace: String,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) default_branch: Option<String>,
    #[serde(default)]
    pub(super) http_url_to_repo: Option<String>,
    #[serde(default)]
    pub(super) ssh_url_to_repo: Option<String>,
    #[serde(default)]
    pub(super) visibility: Option<Visibility>,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) empty_repo: bool,
    #[serde(default)]
    pub(super) marked_for_deletion_on: Option<String>,
    #[serde(default)]
    pub(super) marked_for_deletion_at: Option<String>,
}

impl Listed for WireProject {
    fn id(&self) -> u64 {
        self.id
    }
}

impl WireProject {
    pub(super) const fn is_marked(&self) -> bool {
        self.marked_for_deletion_on.is_some() || self.marked_for_deletion_at.is_some()
    }

    pub(super) fn path(&self) -> Option<RepoPath> {
        self.path_with_namespace.parse().ok()
    }
}

#[derive(Deserialize)]
pub(super) struct WireMember {
    #[serde(flatten)]
    pub(super) user: WireUser,
    pub(super) access_level: u32,
    #[serde(default)]
    pub(super) state: Option<String>,
}

impl Listed for WireMember {
    fn id(&self) -> u64 {
        self.user.id
    }
}

#[derive(Deserialize)]
pub(super) struct WireKey {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) key: String,
    #[serde(default)]
    pub(super) can_push: bool,
}

impl Listed for WireKey {
    fn id(&self) -> u64 {
        self.id
    }
}

#[derive(Deserialize)]
pub(super) struct WireHook {
    pub(super) id: u64,
    pub(super) url: String,
    /// Everything else, the flags of events among it.
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Listed for WireHook {
    fn id(&self) -> u64 {
        self.id
    }
}

impl WireHook {
    pub(super) fn events(&self) -> Vec<HookEvent> {
        let is_set = |event: &HookEvent| self.rest.get(event.flag()).and_then(serde_json::Value::as_bool);
        HookEvent::ALL
            .into_iter()
            .filter(|event| is_set(event) == Some(true))
            .collect()
    }
}

#[derive(Deserialize)]
pub(super) struct WireToken {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    #[serde(default)]
    pub(super) active: bool,
    #[serde(default)]
    pub(super) access_level: Option<u32>,
    #[serde(default)]
    pub(super) expires_at: Option<String>,
}

impl Listed for WireToken {
    fn id(&self) -> u64 {
        self.id
    }
}

#[derive(Deserialize)]
pub(super) struct WireLevel {
    #[serde(default)]
    pub(super) access_level: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct WireProtected {
    pub(super) id: u64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) push_access_levels: Vec<WireLevel>,
    #[serde(default)]
    pub(super) merge_access_levels: Vec<WireLevel>,
    #[serde(default)]
    pub(super) allow_force_push: bool,
}

impl Listed for WireProtected {
    fn id(&self) -> u64 {
        self.id
    }
}

#[derive(Deserialize)]
pub(super) struct WireStatus {
    pub(super) id: u64,
    pub(super) status: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) target_url: Option<String>,
    #[serde(default)]
    pub(super) description: Option<String>,
    #[serde(rename = "ref", default)]
    pub(super) branch: Option<String>,
}

impl Listed for WireStatus {
    fn id(&self) -> u64 {
        self.id
    }
}

/// Reads the number of a level. Those between two that are known here count as the lower one.
pub(super) const fn level(number: u32) -> AccessLevel {
    match number {
        0..=9 => AccessLevel::None,
        10..=19 => AccessLevel::Guest,
        20..=29 => AccessLevel::Reporter,
        30..=39 => AccessLevel::Developer,
        40..=49 => AccessLevel::Maintainer,
        _ => AccessLevel::Owner,
    }
}

/// Returns the number of a level.
pub(super) const fn number(level: AccessLevel) -> u32 {
    match level {
        AccessLevel::None => 0,
        AccessLevel::Guest => 10,
        AccessLevel::Reporter => 20,
        AccessLevel::Developer => 30,
        AccessLevel::Maintainer => 40,
        AccessLevel::Owner => 50,
    }
}

pub(super) const fn visibility_name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Private => "private",
        Visibility::Internal => "internal",
        Visibility::Public => "public",
    }
}
