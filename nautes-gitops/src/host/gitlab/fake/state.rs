//! What GitLab knows and the local forge does not.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::Secret;
use serde_json::Value;

use crate::host::fake::Exchange;

/// A token that is not simply a user's.
#[derive(Clone, Debug)]
pub(super) struct TokenRecord {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) scopes: Vec<String>,
    pub(super) expires: Option<String>,
    pub(super) revoked: bool,
    /// Of a token of a project: the project, the level, and the user that it acts as.
    pub(super) project: Option<(u64, u32, String)>,
}

impl TokenRecord {
    pub(super) fn personal(id: u64, name: &str, scopes: &[&str]) -> Self {
        Self {
            id,
            name: name.to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            expires: None,
            revoked: false,
            project: None,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        let today = jiff::Timestamp::now().to_string();
        let ended = self.expires.as_deref().is_some_and(|day| *day <= today[..10]);
        !self.revoked && !ended
    }
}

/// A protected branch.
#[derive(Clone, Debug)]
pub(super) struct Protected {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) push: u32,
    pub(super) merge: u32,
    pub(super) force: bool,
}

/// What is said of a hook.
#[derive(Clone, Debug)]
pub(super) struct HookTold {
    pub(super) alert: &'static str,
    /// The status of the last delivery.
    pub(super) last: Option<String>,
}

pub(super) struct State {
    last_id: u64,
    /// By the token itself.
    pub(super) tokens: BTreeMap<String, TokenRecord>,
    /// By group, what `default_branch_protection` says; without an entry it is what GitLab does by default.
    pub(super) defaults: BTreeMap<u64, u64>,
    pub(super) protected: BTreeMap<u64, Vec<Protected>>,
    /// Deploy keys as they were sent, with comments.
    pub(super) keys: BTreeMap<u64, String>,
    /// By project and commit.
    pub(super) statuses: BTreeMap<(u64, String), Vec<Value>>,
    pub(super) marked: BTreeSet<u64>,
    /// By hook, where it is otherwise than it is at first.
    pub(super) told: BTreeMap<u64, HookTold>,
    pub(super) no_groups: bool,
    pub(super) delayed_deletion: bool,
    pub(super) page_size: usize,
    pub(super) exchanges: Vec<Exchange>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            last_id: 1_000_000,
            tokens: BTreeMap::new(),
            defaults: BTreeMap::new(),
            protected: BTreeMap::new(),
            keys: BTreeMap::new(),
            statuses: BTreeMap::new(),
            marked: BTreeSet::new(),
            told: BTreeMap::new(),
            no_groups: false,
            delayed_deletion: false,
            page_size: 100,
            exchanges: Vec::new(),
        }
    }
}

impl State {
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// Returns a token as text.
pub(super) fn text(token: &Secret) -> String {
    String::from_utf8_lossy(token.expose()).into_owned()
}
