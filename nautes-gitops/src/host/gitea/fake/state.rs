//! What Gitea knows and the local forge does not.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::Secret;
use serde_json::Value;

use crate::host::fake::Exchange;

/// A team other than that of the owners.
#[derive(Clone, Debug)]
pub(super) struct Team {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) permission: String,
    pub(super) everywhere: bool,
    pub(super) creates: bool,
    pub(super) units: BTreeMap<String, String>,
    pub(super) members: BTreeSet<String>,
}

/// A hook, as its owner made it.
#[derive(Clone, Debug)]
pub(super) struct HookRecord {
    pub(super) url: String,
    pub(super) secret: Secret,
    pub(super) events: BTreeSet<String>,
}

pub(super) struct State {
    last_id: u64,
    /// By the token itself: its scopes, where it does not have all.
    pub(super) tokens: BTreeMap<String, Vec<String>>,
    /// By organisation: the id of the team of the owners, and the other teams.
    pub(super) teams: BTreeMap<u64, (u64, Vec<Team>)>,
    /// By repository and public key: the id of the deploy key.
    pub(super) rows: BTreeMap<(u64, u64), u64>,
    pub(super) hooks: BTreeMap<u64, HookRecord>,
    /// Hooks that are not called.
    pub(super) sleeping: BTreeSet<u64>,
    /// By the number in the address that the local forge calls: the hook.
    pub(super) relays: BTreeMap<u64, u64>,
    /// Repositories that are not private.
    pub(super) open: BTreeSet<u64>,
    pub(super) rules: BTreeMap<u64, Vec<Value>>,
    /// By repository and commit.
    pub(super) statuses: BTreeMap<(u64, String), Vec<Value>>,
    pub(super) page_size: usize,
    pub(super) exchanges: Vec<Exchange>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            last_id: 1_000_000,
            tokens: BTreeMap::new(),
            teams: BTreeMap::new(),
            rows: BTreeMap::new(),
            hooks: BTreeMap::new(),
            sleeping: BTreeSet::new(),
            relays: BTreeMap::new(),
            open: BTreeSet::new(),
            rules: BTreeMap::new(),
            statuses: BTreeMap::new(),
            page_size: 50,
            exchanges: Vec::new(),
        }
    }
}

impl State {
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Returns the teams of an organisation: the id of that of the owners, and the others.
    pub(super) fn teams_of(&mut self, org: u64) -> &mut (u64, Vec<Team>) {
        if !self.teams.contains_key(&org) {
            let id = self.next_id();
            self.teams.insert(org, (id, Vec::new()));
        }
        self.teams.entry(org).or_default()
    }

    /// Returns the id of a deploy key in a repository.
    pub(super) fn row(&mut self, repository: u64, key: u64) -> u64 {
        if let Some(row) = self.rows.get(&(repository, key)) {
            return *row;
        }
        let row = self.next_id();
        self.rows.insert((repository, key), row);
        row
    }
}

/// Returns a token as text.
pub(super) fn text(token: &Secret) -> String {
    String::from_utf8_lossy(token.expose()).into_owned()
}
