//! Tokens of projects, protected branches, statuses of commits.

use async_trait::async_trait;
use jiff::civil::Date;
use nautes_model::Secret;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::failure::Task;
use super::wire::{WireLevel, WireProtected, WireStatus, WireToken, level, number};
use crate::host::HostError;
use crate::host::extended::{
    AccessToken, AccessTokenSpec, CommitState, CommitStatus, Credential, Delivered, Extended, HookHealth,
    ProtectedBranch,
};
use crate::host::types::{AccessLevel, RepoPath};
use crate::oid::Oid;

/// The state of each commit's work, and GitLab's words for it.
const STATES: [(CommitState, &str); 6] = [
    (CommitState::Pending, "pending"),
    (CommitState::Running, "running"),
    (CommitState::Success, "success"),
    (CommitState::Failed, "failed"),
    (CommitState::Canceled, "canceled"),
    (CommitState::Skipped, "skipped"),
];

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Rights {
    #[serde(default)]
    can_create_group: Option<bool>,
}

#[derive(Deserialize)]
struct Alert {
    /// `executable`, `disabled` or `temporarily_disabled`; older versions do not say.
    #[serde(default)]
    alert_status: Option<String>,
}

#[derive(Deserialize)]
struct Delivery {
    #[serde(default)]
    created_at: String,
    /// A number, mostly as a text, or words where there was no answer.
    #[serde(default)]
    response_status: Value,
}

#[derive(Deserialize)]
struct Made {
    #[serde(flatten)]
    token: WireToken,
    #[serde(rename = "token")]
    value: String,
}

fn task(action: &'static str, path: &RepoPath, needs: AccessLevel) -> Task {
    Task::new(action, format!("repository {path}")).needs(needs)
}

impl Api {
    async fn protections(&self, path: &RepoPath) -> Result<Vec<ProtectedBranch>, HostError> {
        let task = task("see the protected branches of", path, AccessLevel::Developer);
        let full = path.to_string();
        let found = self
            .list::<WireProtected>(&["projects", &full, "protected_branches"], &[], &task)
            .await?
            .ok_or_else(|| HostError::not_found(&task.what))?;
        let mut branches: Vec<_> = found
            .into_iter()
            .map(|branch| ProtectedBranch {
                name: branch.name,
                push: lowest(&branch.push_access_levels),
                merge: lowest(&branch.merge_access_levels),
                force: branch.allow_force_push,
            })
            .collect();
        branches.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(branches)
    }
}

#[async_trait]
impl Extended for Api {
    async fn credential(&self) -> Result<Credential, HostError> {
        let task = Task::new("ask", "what the token may be used for");
        let url = self.url(&["personal_access_tokens", "self"], &[]);
        let reply = self.send(Method::GET, url, None, true).await;
        let reply = reply.map_err(|fault| self.fault(fault, &task))?;
        match reply.status {
            // It is one of OAuth, of which GitLab does not speak here.
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(Credential {
                scopes: None,
                expires: None,
            }),
            status if status.is_success() => {
                let token: WireToken = self.read(&reply, &task)?;
                Ok(Credential {
                    expires: date(token.expires_at.as_deref()),
                    scopes: Some(token.scopes),
                })
            }
            _ => Err(self.refused(&reply, &task)),
        }
    }

    async fn version(&self) -> Result<String, HostError> {
        let task = Task::new("ask for", "the version");
        let version: Version = self.ask(Method::GET, &["version"], &[], None, &task).await?;
        Ok(version.version)
    }

    async fn creates_groups(&self) -> Result<Option<bool>, HostError> {
        let task = Task::new("ask", "whether the caller may make groups");
        let rights: Rights = self.ask(Method::GET, &["user"], &[], None, &task).await?;
        Ok(rights.can_create_group)
    }

    async fn hook_health(&self, path: &RepoPath, id: u64) -> Result<HookHealth, HostError> {
        let task = Task::new("look at", format!("hook {id} of {path}")).needs(AccessLevel::Maintainer);
        let (full, id) = (path.to_string(), id.to_string());
        let at = ["projects", &full, "hooks", &id];
        let alert: Alert = self.ask(Method::GET, &at, &[], None, &task).await?;
        let at = ["projects", &full, "hooks", &id, "events"];
        // Older versions keep deliveries and do not show them here.
        let deliveries: Option<Vec<Delivery>> = self.look(&at, &[], &task).await?;
        let last = deliveries
            .into_iter()
            .flatten()
            .max_by(|a, b| a.created_at.cmp(&b.created_at));
        Ok(HookHealth {
            enabled: alert.alert_status.map(|status| status == "executable"),
            last: last.map(|delivery| {
                let status = match &delivery.response_status {
                    Value::String(text) => text.parse().ok(),
                    other => other.as_u64().and_then(|status| u16::try_from(status).ok()),
                };
                status.map_or(Delivered::Unanswered, Delivered::Answered)
            }),
        })
    }

    async fn access_tokens(&self, path: &RepoPath) -> Result<Vec<AccessToken>, HostError> {
        let task = task("see the access tokens of", path, AccessLevel::Maintainer);
        let full = path.to_string();
        let found = self
            .list::<WireToken>(&["projects", &full, "access_tokens"], &[], &task)
            .await?
            .ok_or_else(|| HostError::not_found(&task.what))?;
        let mut tokens: Vec<_> = found.into_iter().map(shown).collect();
        tokens.sort_by_key(|token| token.id);
        Ok(tokens)
    }

    async fn create_access_token(
        &self,
        path: &RepoPath,
        spec: &AccessTokenSpec,
    ) -> Result<(AccessToken, Secret), HostError> {
        let task = task("make an access token of", path, AccessLevel::Maintainer);
        let body = json!({
            "name": spec.name,
            "scopes": spec.scopes,
            "access_level": number(spec.level),
            "expires_at": spec.expires.to_string(),
        });
        let full = path.to_string();
        let made: Made = self
            .ask(
                Method::POST,
                &["projects", &full, "access_tokens"],
                &[],
                Some(body),
                &task,
            )
            .await?;
        Ok((shown(made.token), Secret::from(made.value)))
    }

    async fn revoke_access_token(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        let task = Task::new("revoke", format!("access token {id} of {path}")).needs(AccessLevel::Maintainer);
        let (full, id) = (path.to_string(), id.to_string());
        self.remove(&["projects", &full, "access_tokens", &id], &[], &task)
            .await
    }

    async fn protected_branches(&self, path: &RepoPath) -> Result<Vec<ProtectedBranch>, HostError> {
        self.protections(path).await
    }

    async fn protect_branch(&self, path: &RepoPath, branch: &ProtectedBranch) -> Result<(), HostError> {
        let task = task("protect a branch of", path, AccessLevel::Maintainer);
        let body = json!({
            "name": branch.name,
            "push_access_level": allowed(branch.push)?,
            "merge_access_level": allowed(branch.merge)?,
            "allow_force_push": branch.force,
        });
        let present = self.protections(path).await?;
        match present.iter().find(|known| known.name == branch.name) {
            Some(known) if known == branch => return Ok(()),
            Some(_) => self.unprotect_branch(path, &branch.name).await?,
            None => {}
        }
        let full = path.to_string();
        self.ask::<Value>(
            Method::POST,
            &["projects", &full, "protected_branches"],
            &[],
            Some(body),
            &task,
        )
        .await
        .map(drop)
    }

    async fn unprotect_branch(&self, path: &RepoPath, name: &str) -> Result<(), HostError> {
        let task = Task::new("end", format!("the protection of the branch {name} of {path}"))
            .needs(AccessLevel::Maintainer);
        let full = path.to_string();
        self.remove(&["projects", &full, "protected_branches", name], &[], &task)
            .await
    }

    async fn commit_statuses(&self, path: &RepoPath, commit: Oid) -> Result<Vec<CommitStatus>, HostError> {
        let task = task("see the statuses of a commit of", path, AccessLevel::Reporter);
        let (full, sha) = (path.to_string(), commit.to_string());
        let query = [("pagination", "keyset"), ("order_by", "id"), ("sort", "asc")];
        let found = self
            .list::<WireStatus>(
                &["projects", &full, "repository", "commits", &sha, "statuses"],
                &query,
                &task,
            )
            .await?
            .ok_or_else(|| HostError::not_found(format!("commit {} of {path}", commit.short())))?;
        let mut statuses: Vec<_> = found.into_iter().filter_map(status).collect();
        statuses.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(statuses)
    }

    async fn set_commit_status(
        &self,
        path: &RepoPath,
        commit: Oid,
        status: &CommitStatus,
    ) -> Result<(), HostError> {
        let task = Task::new(
            "set the status of",
            format!("commit {} of {path}", commit.short()),
        )
        .needs(AccessLevel::Developer);
        let state = STATES.iter().find(|(state, _)| *state == status.state);
        let mut body = json!({
            "state": state.map(|(_, name)| name),
            "name": status.name,
            "description": status.description.chars().take(255).collect::<String>(),
        });
        if let Some(url) = &status.url {
            body["target_url"] = url.as_str().into();
        }
        if let Some(branch) = &status.branch {
            body["ref"] = branch.as_str().into();
        }
        let (full, sha) = (path.to_string(), commit.to_string());
        let url = self.url(&["projects", &full, "statuses", &sha], &[]);
        // A second status of the same name takes the place of the first, so that it may be sent twice.
        let reply = self.send(Method::POST, url, Some(&body), true).await;
        let reply = reply.map_err(|fault| self.fault(fault, &task))?;
        let said = String::from_utf8_lossy(reply.bytes());
        // GitLab takes no step to the state in which it is.
        if reply.status.is_success() || said.contains("Cannot transition status") {
            Ok(())
        } else {
            Err(self.refused(&reply, &task))
        }
    }
}

fn shown(token: WireToken) -> AccessToken {
    AccessToken {
        id: token.id,
        name: token.name,
        scopes: token.scopes,
        level: level(token.access_level.unwrap_or_default()),
        active: token.active,
        expires: date(token.expires_at.as_deref()),
    }
}

/// Reads a day, which some versions write with a time.
fn date(text: Option<&str>) -> Option<Date> {
    text?.get(..10)?.parse().ok()
}

/// Returns the lowest level that may do something. Single users and keys are left out of account.
fn lowest(levels: &[WireLevel]) -> AccessLevel {
    let levels = levels.iter().filter_map(|wire| wire.access_level).map(level);
    levels
        .filter(|level| *level > AccessLevel::None)
        .min()
        .unwrap_or_default()
}

/// Returns the number of a level by which branches can be protected.
fn allowed(level: AccessLevel) -> Result<u32, HostError> {
    match level {
        AccessLevel::None => Ok(0),
        AccessLevel::Developer | AccessLevel::Maintainer => Ok(number(level)),
        AccessLevel::Guest | AccessLevel::Reporter | AccessLevel::Owner => Err(HostError::invalid(
            "the protection of a branch",
            "GitLab protects for developers, maintainers, or everybody",
        )),
    }
}

fn status(wire: WireStatus) -> Option<CommitStatus> {
    let (state, _) = STATES.iter().find(|(_, name)| *name == wire.status)?;
    Some(CommitStatus {
        name: wire.name,
        state: *state,
        description: wire.description.unwrap_or_default(),
        url: wire.target_url,
        branch: wire.branch,
    })
}
