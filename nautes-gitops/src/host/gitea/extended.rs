//! Protected branches, statuses of commits, and what the caller's token may.

use std::collections::BTreeMap;

use async_trait::async_trait;
use nautes_model::Secret;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::failure::Task;
use super::wire::{WireRule, WireStatus, WireToken};
use crate::host::HostError;
use crate::host::extended::{
    AccessToken, AccessTokenSpec, CommitState, CommitStatus, Credential, Extended, HookHealth,
    ProtectedBranch,
};
use crate::host::types::{AccessLevel, RepoPath};
use crate::oid::Oid;

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Hook {
    #[serde(default)]
    active: Option<bool>,
}

/// Reads the state of a commit's work.
fn state_of(word: &str) -> CommitState {
    match word {
        "success" => CommitState::Success,
        "failure" | "error" => CommitState::Failed,
        "warning" => CommitState::Canceled,
        "skipped" => CommitState::Skipped,
        _ => CommitState::Pending,
    }
}

/// Returns Gitea's word for the state of a commit's work. Work that goes on is pending there, and what was not needed is no
/// failure to older versions, which know no better word.
const fn word(state: CommitState) -> &'static str {
    match state {
        CommitState::Pending | CommitState::Running => "pending",
        CommitState::Success => "success",
        CommitState::Failed => "failure",
        CommitState::Canceled => "warning",
        CommitState::Skipped => "skipped",
    }
}

impl Api {
    fn tokenless<T>(&self, path: &RepoPath) -> Result<T, HostError> {
        Err(HostError::unsupported(
            &self.forge.name,
            format!("make or show access tokens of repository {path}"),
            "use a deploy key, or a token of an account that is a member of this repository only",
        ))
    }

    async fn rules(&self, path: &RepoPath) -> Result<Vec<WireRule>, HostError> {
        let task = Task::new("see the protected branches of", format!("repository {path}"))
            .needs(AccessLevel::Maintainer);
        let at = ["repos", path.group(), path.name(), "branch_protections"];
        // Gitea does not divide this one into pages.
        self.ask(Method::GET, &at, &[], None, &task).await
    }

    /// Returns the teams of a group whose members are maintainers at least.
    async fn maintaining(&self, group: &str, task: &Task) -> Result<Vec<String>, HostError> {
        let teams = self.teams(group, task).await?;
        let high = teams
            .into_iter()
            .filter(|team| team.level() >= AccessLevel::Maintainer);
        Ok(high.map(|team| team.name).collect())
    }
}

fn shown(rule: &WireRule) -> ProtectedBranch {
    let limited = |closed: bool| {
        if closed {
            AccessLevel::Maintainer
        } else {
            AccessLevel::Developer
        }
    };
    let nobody = rule.merge_whitelist_teams.as_ref().is_none_or(Vec::is_empty);
    ProtectedBranch {
        name: rule.name().to_owned(),
        push: if rule.enable_push {
            limited(rule.enable_push_whitelist)
        } else {
            AccessLevel::None
        },
        merge: match (rule.enable_merge_whitelist, nobody) {
            (true, true) => AccessLevel::None,
            (closed, _) => limited(closed),
        },
        force: rule.enable_force_push,
    }
}

/// Whether only maintainers may do something, `None` where nobody may.
fn closed(level: AccessLevel) -> Result<Option<bool>, HostError> {
    match level {
        AccessLevel::None => Ok(None),
        AccessLevel::Developer => Ok(Some(false)),
        AccessLevel::Maintainer => Ok(Some(true)),
        AccessLevel::Guest | AccessLevel::Reporter | AccessLevel::Owner => Err(HostError::invalid(
            "the protection of a branch",
            "branches are protected for developers, maintainers, or everybody",
        )),
    }
}

#[async_trait]
impl Extended for Api {
    async fn credential(&self) -> Result<Credential, HostError> {
        let task = Task::new("ask", "what the token may be used for");
        let reply = self
            .send(Method::GET, self.url(&["token"], &[]), None, true)
            .await;
        let reply = reply.map_err(|fault| self.fault(fault, &task))?;
        let scopes = match reply.status {
            // Before version 1.26 Gitea does not say.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => None,
            status if status.is_success() => self.read::<WireToken>(&reply, &task)?.scopes,
            _ => return Err(self.refused(&reply, &task)),
        };
        // Tokens of Gitea do not end by themselves.
        Ok(Credential {
            scopes,
            expires: None,
        })
    }

    async fn version(&self) -> Result<String, HostError> {
        let task = Task::new("ask for", "the version");
        let version: Version = self.ask(Method::GET, &["version"], &[], None, &task).await?;
        Ok(version.version)
    }

    async fn hook_health(&self, path: &RepoPath, id: u64) -> Result<HookHealth, HostError> {
        let task = Task::new("look at", format!("hook {id} of {path}")).needs(AccessLevel::Maintainer);
        let at = ["repos", path.group(), path.name(), "hooks", &id.to_string()];
        let hook: Hook = self.ask(Method::GET, &at, &[], None, &task).await?;
        // Gitea keeps deliveries, and shows them on its pages only.
        Ok(HookHealth {
            enabled: hook.active,
            last: None,
        })
    }

    async fn access_tokens(&self, path: &RepoPath) -> Result<Vec<AccessToken>, HostError> {
        self.tokenless(path)
    }

    async fn create_access_token(
        &self,
        path: &RepoPath,
        _: &AccessTokenSpec,
    ) -> Result<(AccessToken, Secret), HostError> {
        self.tokenless(path)
    }

    async fn revoke_access_token(&self, path: &RepoPath, _: u64) -> Result<(), HostError> {
        self.tokenless(path)
    }

    async fn protected_branches(&self, path: &RepoPath) -> Result<Vec<ProtectedBranch>, HostError> {
        let mut branches: Vec<_> = self.rules(path).await?.iter().map(shown).collect();
        branches.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(branches)
    }

    async fn protect_branch(&self, path: &RepoPath, branch: &ProtectedBranch) -> Result<(), HostError> {
        let task =
            Task::new("protect a branch of", format!("repository {path}")).needs(AccessLevel::Maintainer);
        let (push, merge) = (closed(branch.push)?, closed(branch.merge)?);
        let present = self.rules(path).await?;
        let known = present.iter().find(|rule| rule.name() == branch.name);
        if known.is_some_and(|rule| shown(rule) == *branch) {
            return Ok(());
        }
        let teams = if [push, merge].contains(&Some(true)) {
            self.maintaining(path.group(), &task).await?
        } else {
            Vec::new()
        };
        let only = |closed: Option<bool>| {
            if closed == Some(true) {
                teams.as_slice()
            } else {
                &[]
            }
        };
        let mut body = json!({
            "enable_push": push.is_some(),
            "enable_push_whitelist": push == Some(true),
            "push_whitelist_teams": only(push),
            "enable_force_push": branch.force,
            "enable_merge_whitelist": merge != Some(false),
            "merge_whitelist_teams": only(merge),
        });
        let at = [
            "repos",
            path.group(),
            path.name(),
            "branch_protections",
            &branch.name,
        ];
        if known.is_some() {
            let changed: Result<Value, _> = self.ask(Method::PATCH, &at, &[], Some(body), &task).await;
            return changed.map(drop);
        }
        body["rule_name"] = branch.name.as_str().into();
        let made: Result<Value, _> = self.ask(Method::POST, &at[..4], &[], Some(body), &task).await;
        made.map(drop)
    }

    async fn unprotect_branch(&self, path: &RepoPath, name: &str) -> Result<(), HostError> {
        let task = Task::new("end", format!("the protection of the branch {name} of {path}"))
            .needs(AccessLevel::Maintainer);
        let at = ["repos", path.group(), path.name(), "branch_protections", name];
        self.remove(&at, &[], &task).await
    }

    async fn commit_statuses(&self, path: &RepoPath, commit: Oid) -> Result<Vec<CommitStatus>, HostError> {
        let what = format!("commit {} of {path}", commit.short());
        let task = Task::new("see the statuses of", &what).needs(AccessLevel::Reporter);
        let sha = commit.to_string();
        let at = ["repos", path.group(), path.name(), "commits", &sha, "statuses"];
        let found = self.list::<WireStatus>(&at, &[], &task).await?;
        let mut found = found.ok_or_else(|| HostError::not_found(what))?;
        found.sort_by_key(|status| status.id);
        // Of each name the latest counts.
        let latest: BTreeMap<String, CommitStatus> = found
            .into_iter()
            .map(|wire| {
                let status = CommitStatus {
                    name: wire.context.clone(),
                    state: state_of(&wire.status),
                    description: wire.description,
                    url: Some(wire.target_url).filter(|url| !url.is_empty()),
                    branch: None,
                };
                (wire.context, status)
            })
            .collect();
        Ok(latest.into_values().collect())
    }

    async fn set_commit_status(
        &self,
        path: &RepoPath,
        commit: Oid,
        status: &CommitStatus,
    ) -> Result<(), HostError> {
        let what = format!("commit {} of {path}", commit.short());
        let task = Task::new("set the status of", what).needs(AccessLevel::Developer);
        let body = json!({
            "context": status.name,
            "description": status.description.chars().take(255).collect::<String>(),
            "state": word(status.state),
            "target_url": status.url.as_deref().unwrap_or_default(),
        });
        let at = [
            "repos",
            path.group(),
            path.name(),
            "statuses",
            &commit.to_string(),
        ];
        // Of statuses of the same name the last counts, so that it may be sent twice.
        let set: Result<Value, _> = self.ask_as(Method::POST, &at, &[], Some(body), &task, true).await;
        set.map(drop)
    }
}
