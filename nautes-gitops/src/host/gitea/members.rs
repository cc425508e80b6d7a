//! Members and levels.

use std::collections::BTreeMap;

use serde_json::json;

use super::Api;
use super::failure::Task;
use super::wire::{WirePermission, WireTeam, WireUser};
use crate::host::HostError;
use crate::host::rest::Account as _;
use crate::host::types::{AccessLevel, Member, Place, RepoPath};

fn changing(place: &Place, needs: AccessLevel) -> Task {
    Task::new("change the members of", place.to_string()).needs(needs)
}

impl Api {
    /// Returns the level of the caller, inherited ones included.
    pub(super) async fn level(&self, place: &Place) -> Result<AccessLevel, HostError> {
        let highest = |teams: &[WireTeam]| teams.iter().map(WireTeam::level).max().unwrap_or_default();
        let path = match place {
            Place::Group(name) => return Ok(highest(&self.own_teams(name).await?)),
            Place::Repository(path) => path,
        };
        let teams = self.own_teams(path.group()).await?;
        let inherited = highest(&teams);
        if inherited == AccessLevel::Owner {
            return Ok(inherited);
        }
        let partial = teams.iter().any(WireTeam::is_partial);
        if partial || self.collaborates(path, self.name()).await? {
            let own = self.permission(path, self.name()).await?;
            return Ok(inherited.max(own));
        }
        // A level in the group is none in a repository that does not exist.
        if inherited == AccessLevel::None || self.find_repo(path).await?.is_some() {
            return Ok(inherited);
        }
        Ok(AccessLevel::None)
    }

    async fn collaborates(&self, path: &RepoPath, user: &str) -> Result<bool, HostError> {
        let task = Task::new("ask for the members of", format!("repository {path}"));
        let at = ["repos", path.group(), path.name(), "collaborators", user];
        match self.exists(&at, &task).await {
            Err(HostError::Forbidden { .. }) => Ok(false),
            other => other,
        }
    }

    async fn permission(&self, path: &RepoPath, user: &str) -> Result<AccessLevel, HostError> {
        let task = Task::new("ask for the levels in", format!("repository {path}"));
        let at = [
            "repos",
            path.group(),
            path.name(),
            "collaborators",
            user,
            "permission",
        ];
        let found: Option<WirePermission> = self.look(&at, &[], &task).await?;
        Ok(found.map_or(AccessLevel::None, |wire| wire.level()))
    }

    pub(super) async fn show_members(&self, place: &Place) -> Result<Vec<Member>, HostError> {
        let task = Task::new("list the members of", place.to_string()).needs(AccessLevel::Owner);
        let host = self.forge.net.address().host();
        let mut levels: BTreeMap<String, Member> = BTreeMap::new();
        let mut enter = |wire: WireUser, level: AccessLevel| {
            let name = wire.login.clone();
            let entry = levels.entry(name).or_insert_with(|| Member {
                user: wire.user(host),
                level,
            });
            entry.level = entry.level.max(level);
        };
        match place {
            Place::Group(name) => {
                self.need_group(name).await?;
                // To others Gitea shows some of the teams only.
                self.need_level(place, &task).await?;
                for team in self.teams(name, &task).await? {
                    for member in self.team_members(&team, &task).await? {
                        enter(member, team.level());
                    }
                }
            }
            Place::Repository(path) => {
                let at = ["repos", path.group(), path.name(), "collaborators"];
                let found = self.list::<WireUser>(&at, &[], &task).await?;
                for member in found.ok_or_else(|| HostError::not_found(place.to_string()))? {
                    let level = self.permission(path, &member.login).await?;
                    enter(member, level);
                }
            }
        }
        Ok(levels.into_values().collect())
    }

    pub(super) async fn set_member(
        &self,
        place: &Place,
        name: &str,
        to: AccessLevel,
    ) -> Result<(), HostError> {
        if to == AccessLevel::None {
            return Err(HostError::invalid("member", "the level none is no membership"));
        }
        match place {
            Place::Group(group) => self.set_group_member(place, group, name, to).await,
            Place::Repository(path) => self.set_collaborator(place, path, name, to).await,
        }
    }

    async fn set_group_member(
        &self,
        place: &Place,
        group: &str,
        name: &str,
        to: AccessLevel,
    ) -> Result<(), HostError> {
        let task = changing(place, AccessLevel::Owner);
        self.need_group(group).await?;
        self.need_level(place, &task).await?;
        self.need_user(name).await?;
        let teams = self.teams(group, &task).await?;
        let mut others = Vec::new();
        for team in teams
            .iter()
            .filter(|team| team.level() != to && !team.is_partial())
        {
            if self.is_in_team(team, name, &task).await? {
                others.push(team);
            }
        }
        if others.iter().any(|team| team.level() == AccessLevel::Owner) {
            self.keep_an_owner(place, &teams, name, &task).await?;
        }
        let id = self.need_team(group, to, &teams, &task).await?.to_string();
        self.put(&["teams", &id, "members", name], None, &task).await?;
        for team in others {
            let at = ["teams", &team.id.to_string(), "members", name];
            self.remove(&at, &[], &task).await?;
        }
        Ok(())
    }

    async fn set_collaborator(
        &self,
        place: &Place,
        path: &RepoPath,
        name: &str,
        to: AccessLevel,
    ) -> Result<(), HostError> {
        let task = changing(place, AccessLevel::Maintainer);
        self.need_repo(path).await?;
        let own = self.level(place).await?;
        if own < AccessLevel::Maintainer || own < to {
            return Err(task.forbidden(self.name()));
        }
        let permission = match to {
            AccessLevel::Reporter => "read",
            AccessLevel::Developer => "write",
            AccessLevel::Maintainer => "admin",
            AccessLevel::None | AccessLevel::Guest | AccessLevel::Owner => {
                return Err(HostError::unsupported(
                    &self.forge.name,
                    format!("make {name} {to} of repository {path} alone"),
                    "a repository of Gitea has reporters, developers and maintainers; others are members of the group",
                ));
            }
        };
        self.need_user(name).await?;
        let at = ["repos", path.group(), path.name(), "collaborators", name];
        self.put(&at, Some(&json!({ "permission": permission })), &task)
            .await
    }

    pub(super) async fn drop_member(&self, place: &Place, name: &str) -> Result<(), HostError> {
        let missing = || HostError::not_found(format!("member {name} of {place}"));
        match place {
            Place::Group(group) => {
                let task = changing(place, AccessLevel::Owner);
                self.need_group(group).await?;
                self.need_level(place, &task).await?;
                let at = ["orgs", group, "members", name];
                if !self.exists(&at, &task).await? {
                    return Err(missing());
                }
                let teams = self.teams(group, &task).await?;
                self.keep_an_owner(place, &teams, name, &task).await?;
                self.remove(&at, &[], &task).await
            }
            Place::Repository(path) => {
                let task = changing(place, AccessLevel::Maintainer);
                self.need_repo(path).await?;
                if !self.collaborates(path, name).await? {
                    return Err(missing());
                }
                let at = ["repos", path.group(), path.name(), "collaborators", name];
                self.remove(&at, &[], &task).await
            }
        }
    }

    /// Fails where a user is the only owner.
    async fn keep_an_owner(
        &self,
        place: &Place,
        teams: &[WireTeam],
        name: &str,
        task: &Task,
    ) -> Result<(), HostError> {
        for team in teams.iter().filter(|team| team.level() == AccessLevel::Owner) {
            let owners = self.team_members(team, task).await?;
            if owners.iter().all(|owner| owner.login.eq_ignore_ascii_case(name)) {
                let why = "it would be left without an owner";
                return Err(HostError::conflict(place.to_string(), why));
            }
        }
        Ok(())
    }

    async fn need_user(&self, name: &str) -> Result<(), HostError> {
        let task = Task::new("look up", format!("user {name}"));
        if self.exists(&["users", name], &task).await? {
            Ok(())
        } else {
            Err(HostError::not_found(task.what))
        }
    }
}
