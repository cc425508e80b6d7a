//! What Gitea's API answers, as far as it is read.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::host::rest::{Account, Listed};
use crate::host::types::{AccessLevel, RepoPath, User, Visibility};

macro_rules! listed {
    ($($kind:ty),*) => {
        $(impl Listed for $kind {
            fn id(&self) -> u64 {
                self.id
            }
        })*
    };
}

listed!(
    WireUser, WireOrg, WireTeam, WireRepo, WireKey, WireHook, WireStatus
);

#[derive(Deserialize)]
pub(super) struct WireUser {
    id: u64,
    pub(super) login: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    visibility: Option<String>,
}

impl Account for WireUser {
    /// Returns the user. An address that a user hides is one that Gitea makes up, and may be missing.
    fn user(self, host: &str) -> User {
        let email = Some(self.email).filter(|email| email.contains('@'));
        User {
            id: self.id,
            email: email.unwrap_or_else(|| format!("{}@noreply.{host}", self.login)),
            name: self.login,
        }
    }
}

/// Reads how visible an organisation is.
fn visibility(word: Option<&str>) -> Visibility {
    match word {
        Some("public") => Visibility::Public,
        Some("limited") => Visibility::Internal,
        _ => Visibility::Private,
    }
}

/// Returns Gitea's word for the visibility of an organisation.
pub(super) const fn visibility_name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Private => "private",
        Visibility::Internal => "limited",
        Visibility::Public => "public",
    }
}

#[derive(Deserialize)]
pub(super) struct WireOrg {
    pub(super) id: u64,
    /// The name; `username` before version 1.18.
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    visibility: Option<String>,
}

impl WireOrg {
    pub(super) fn name(&self) -> &str {
        let names = [&self.name, &self.username];
        names
            .into_iter()
            .flatten()
            .find(|name| !name.is_empty())
            .map_or("", |name| name)
    }

    pub(super) fn visibility(&self) -> Visibility {
        visibility(self.visibility.as_deref())
    }
}

#[derive(Deserialize)]
pub(super) struct WireTeam {
    pub(super) id: u64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) permission: String,
    #[serde(default)]
    includes_all_repositories: bool,
    #[serde(default)]
    units_map: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(super) organization: Option<WireOrg>,
}

impl WireTeam {
    /// Returns the level in the group that the team gives.
    pub(super) fn level(&self) -> AccessLevel {
        let by_word = |word: &str| match word {
            "write" | "admin" | "owner" => AccessLevel::Developer,
            "read" => AccessLevel::Reporter,
            _ => AccessLevel::Guest,
        };
        match (self.permission.as_str(), &self.units_map) {
            ("owner", _) => AccessLevel::Owner,
            _ if !self.includes_all_repositories => AccessLevel::Guest,
            ("admin", _) => AccessLevel::Maintainer,
            (_, Some(units)) if !units.is_empty() => {
                by_word(units.get("repo.code").map_or("none", String::as_str))
            }
            (word, _) => by_word(word),
        }
    }

    /// Whether the team is for some repositories only.
    pub(super) fn is_partial(&self) -> bool {
        self.permission != "owner" && !self.includes_all_repositories
    }
}

#[derive(Deserialize)]
pub(super) struct WireRights {
    #[serde(default)]
    pub(super) admin: bool,
}

#[derive(Deserialize)]
pub(super) struct WireRepo {
    pub(super) id: u64,
    full_name: String,
    owner: WireUser,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) default_branch: String,
    #[serde(default)]
    pub(super) clone_url: String,
    #[serde(default)]
    pub(super) ssh_url: String,
    #[serde(default)]
    pub(super) permissions: Option<WireRights>,
}

impl WireRepo {
    pub(super) fn path(&self) -> Option<RepoPath> {
        self.full_name.parse().ok()
    }

    /// Returns how visible the organisation is.
    pub(super) fn around(&self) -> Visibility {
        visibility(self.owner.visibility.as_deref())
    }

    pub(super) fn visibility(&self) -> Visibility {
        if self.private {
            Visibility::Private
        } else {
            self.around()
        }
    }

    pub(super) fn is_managed(&self) -> bool {
        self.permissions.as_ref().is_some_and(|rights| rights.admin)
    }
}

#[derive(Deserialize)]
pub(super) struct WirePermission {
    #[serde(default)]
    permission: String,
}

impl WirePermission {
    pub(super) fn level(&self) -> AccessLevel {
        match self.permission.as_str() {
            "owner" => AccessLevel::Owner,
            "admin" => AccessLevel::Maintainer,
            "write" => AccessLevel::Developer,
            "read" => AccessLevel::Reporter,
            _ => AccessLevel::None,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct WireKey {
    /// The id of the key in this repository.
    pub(super) id: u64,
    /// The id of the public key, which is the same in every repository.
    pub(super) key_id: u64,
    pub(super) title: String,
    pub(super) key: String,
    #[serde(default)]
    pub(super) read_only: bool,
}

#[derive(Deserialize)]
pub(super) struct WireHook {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) config: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) events: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct WireRule {
    #[serde(default)]
    rule_name: String,
    #[serde(default)]
    branch_name: String,
    #[serde(default)]
    pub(super) enable_push: bool,
    #[serde(default)]
    pub(super) enable_push_whitelist: bool,
    #[serde(default)]
    pub(super) enable_force_push: bool,
    #[serde(default)]
    pub(super) enable_merge_whitelist: bool,
    #[serde(default)]
    pub(super) merge_whitelist_teams: Option<Vec<String>>,
}

impl WireRule {
    /// Returns the name, or the pattern; before version 1.19 it is the branch.
    pub(super) fn name(&self) -> &str {
        if self.rule_name.is_empty() {
            &self.branch_name
        } else {
            &self.rule_name
        }
    }
}

#[derive(Deserialize)]
pub(super) struct WireStatus {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) context: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) target_url: String,
}

#[derive(Deserialize)]
pub(super) struct WireToken {
    #[serde(default)]
    pub(super) scopes: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_team_gives_what_it_may_do_with_all_code() {
        for (permission, all, units, level) in [
            ("owner", false, json!(null), AccessLevel::Owner),
            (
                "admin",
                true,
                json!({ "repo.code": "admin" }),
                AccessLevel::Maintainer,
            ),
            ("write", true, json!({}), AccessLevel::Developer),
            ("read", true, json!(null), AccessLevel::Reporter),
            (
                "none",
                true,
                json!({ "repo.code": "write" }),
                AccessLevel::Developer,
            ),
            (
                "none",
                true,
                json!({ "repo.code": "read" }),
                AccessLevel::Reporter,
            ),
            (
                "write",
                true,
                json!({ "repo.issues": "write" }),
                AccessLevel::Guest,
            ),
            ("read", true, json!({ "repo.code": "none" }), AccessLevel::Guest),
            (
                "admin",
                false,
                json!({ "repo.code": "admin" }),
                AccessLevel::Guest,
            ),
        ] {
            let wire = json!({
                "id": 1, "name": "t", "permission": permission,
                "includes_all_repositories": all, "units_map": units,
            });
            let team: WireTeam = serde_json::from_value(wire.clone()).unwrap();
            assert_eq!(team.level(), level, "{wire}");
        }
    }
}
