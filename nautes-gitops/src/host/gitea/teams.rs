//! Teams, by which Gitea gives levels in an organisation.

use reqwest::Method;
use serde_json::{Map, json};

use super::Api;
use super::failure::Task;
use super::wire::{WireTeam, WireUser};
use crate::host::HostError;
use crate::host::types::AccessLevel;

/// What a team may be allowed to do in repositories.
const UNITS: [&str; 8] = [
    "repo.code",
    "repo.issues",
    "repo.pulls",
    "repo.releases",
    "repo.wiki",
    "repo.projects",
    "repo.packages",
    "repo.actions",
];
/// What a guest may look at, so that he sees that a repository exists.
const GUEST_UNITS: [&str; 1] = ["repo.issues"];

/// Returns the name of the team for a level, and Gitea's word for what it may do.
const fn team_of(level: AccessLevel) -> Option<(&'static str, &'static str)> {
    match level {
        AccessLevel::None | AccessLevel::Owner => None,
        AccessLevel::Guest => Some(("nautes-guests", "read")),
        AccessLevel::Reporter => Some(("nautes-reporters", "read")),
        AccessLevel::Developer => Some(("nautes-developers", "write")),
        AccessLevel::Maintainer => Some(("nautes-maintainers", "admin")),
    }
}

impl Api {
    /// Returns the teams of an organisation that the caller can see.
    pub(super) async fn teams(&self, group: &str, task: &Task) -> Result<Vec<WireTeam>, HostError> {
        let found = self
            .list::<WireTeam>(&["orgs", group, "teams"], &[], task)
            .await?;
        found.ok_or_else(|| HostError::not_found(format!("group {group}")))
    }

    /// Returns the caller's teams in an organisation.
    pub(super) async fn own_teams(&self, group: &str) -> Result<Vec<WireTeam>, HostError> {
        let task = Task::new("ask for the level in", format!("group {group}"));
        let found = self.list::<WireTeam>(&["user", "teams"], &[], &task).await?;
        let inside = |team: &WireTeam| team.organization.as_ref().is_some_and(|org| org.name() == group);
        Ok(found.unwrap_or_default().into_iter().filter(inside).collect())
    }

    pub(super) async fn team_members(
        &self,
        team: &WireTeam,
        task: &Task,
    ) -> Result<Vec<WireUser>, HostError> {
        let id = team.id.to_string();
        let found = self
            .list::<WireUser>(&["teams", &id, "members"], &[], task)
            .await?;
        found.ok_or_else(|| HostError::not_found(format!("team {}", team.name)))
    }

    pub(super) async fn is_in_team(
        &self,
        team: &WireTeam,
        user: &str,
        task: &Task,
    ) -> Result<bool, HostError> {
        self.exists(&["teams", &team.id.to_string(), "members", user], task)
            .await
    }

    /// Returns the team that gives a level; makes it where there is none yet.
    pub(super) async fn need_team(
        &self,
        group: &str,
        level: AccessLevel,
        teams: &[WireTeam],
        task: &Task,
    ) -> Result<u64, HostError> {
        let Some((name, permission)) = team_of(level) else {
            let owners = teams.iter().find(|team| team.level() == AccessLevel::Owner);
            return owners
                .map(|team| team.id)
                .ok_or_else(|| task.forbidden(self.name()));
        };
        if let Some(team) = teams.iter().find(|team| team.name == name) {
            if team.level() == level {
                return Ok(team.id);
            }
            let why = format!(
                "the team {name} gives the level {} now; let it give {level} in all repositories, or delete it",
                team.level()
            );
            return Err(HostError::conflict(format!("group {group}"), why));
        }
        let units = if level == AccessLevel::Guest {
            &GUEST_UNITS[..]
        } else {
            &UNITS[..]
        };
        let map: Map<_, _> = units
            .iter()
            .map(|unit| ((*unit).to_owned(), permission.into()))
            .collect();
        let body = json!({
            "name": name,
            "description": format!("Members at the level {level}, kept by Nautes"),
            "permission": permission,
            "includes_all_repositories": true,
            "can_create_org_repo": level == AccessLevel::Maintainer,
            "units": units,
            "units_map": map,
        });
        let made: WireTeam = self
            .ask(Method::POST, &["orgs", group, "teams"], &[], Some(body), task)
            .await?;
        Ok(made.id)
    }
}
