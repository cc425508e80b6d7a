//! Hooks, and Gitea's names of what they are called for.

use reqwest::Method;
use serde_json::json;

use super::Api;
use super::failure::Task;
use super::wire::WireHook;
use crate::host::HostError;
use crate::host::rest::given::hook_secret;
use crate::host::types::{AccessLevel, Hook, HookEvent, HookSpec, RepoPath};

/// For each event that Gitea knows: what to ask for, and what shows that it was asked for.
///
/// A branch or tag that is deleted is an event of its own, so that both kinds of pushes ask for it; a tag that is made or
/// moved is told as `create`, too. `issues` and `pull_request` would stand for comments as well, so that each of their
/// kinds is asked for by itself.
const EVENTS: [(HookEvent, &[&str], &str); 8] = [
    (HookEvent::Push, &["push", "delete"], "push"),
    (HookEvent::TagPush, &["create", "delete"], "create"),
    (
        HookEvent::MergeRequests,
        &[
            "pull_request_only",
            "pull_request_assign",
            "pull_request_label",
            "pull_request_milestone",
            "pull_request_review",
            "pull_request_sync",
        ],
        "pull_request",
    ),
    (
        HookEvent::Note,
        &["issue_comment", "pull_request_comment"],
        "issue_comment",
    ),
    (
        HookEvent::Issues,
        &["issues_only", "issue_assign", "issue_label", "issue_milestone"],
        "issues",
    ),
    (HookEvent::Job, &["workflow_job"], "workflow_job"),
    (HookEvent::Pipeline, &["workflow_run"], "workflow_run"),
    (HookEvent::Releases, &["release"], "release"),
];

/// The events that Gitea knows.
pub(super) const KNOWN: &[HookEvent] = &[
    HookEvent::Push,
    HookEvent::TagPush,
    HookEvent::MergeRequests,
    HookEvent::Note,
    HookEvent::Issues,
    HookEvent::Job,
    HookEvent::Pipeline,
    HookEvent::Releases,
];

impl Api {
    pub(super) async fn show_hooks(&self, path: &RepoPath) -> Result<Vec<Hook>, HostError> {
        let task = Task::new("see the hooks of", format!("repository {path}")).needs(AccessLevel::Maintainer);
        let at = ["repos", path.group(), path.name(), "hooks"];
        let found = self.list::<WireHook>(&at, &[], &task).await?;
        let found = found.ok_or_else(|| HostError::not_found(&task.what))?;
        let mut hooks: Vec<_> = found.into_iter().map(shown).collect();
        hooks.sort_by_key(|hook| hook.id);
        Ok(hooks)
    }

    pub(super) async fn make_hook(&self, path: &RepoPath, spec: &HookSpec) -> Result<Hook, HostError> {
        let task = Task::new("add", format!("a hook to repository {path}")).needs(AccessLevel::Maintainer);
        let secret = hook_secret(spec)?;
        let wanted = EVENTS.iter().filter(|(event, ..)| spec.events.contains(event));
        let mut events: Vec<&str> = wanted.flat_map(|(_, ask, _)| ask.iter().copied()).collect();
        events.sort_unstable();
        events.dedup();
        if events.is_empty() {
            return Err(HostError::unsupported(
                &self.forge.name,
                format!("call a hook of repository {path} for any of these events"),
                "ask for pushes, merge requests, comments, issues, jobs, pipelines or releases",
            ));
        }
        let body = json!({
            "type": "gitea",
            "config": { "url": spec.url, "content_type": "json", "secret": secret },
            "events": events,
            "active": true,
        });
        let at = ["repos", path.group(), path.name(), "hooks"];
        let made: WireHook = self.ask(Method::POST, &at, &[], Some(body), &task).await?;
        Ok(shown(made))
    }

    pub(super) async fn drop_hook(&self, path: &RepoPath, id: u64) -> Result<(), HostError> {
        let task = Task::new("delete", format!("hook {id} of {path}")).needs(AccessLevel::Maintainer);
        let at = ["repos", path.group(), path.name(), "hooks", &id.to_string()];
        self.remove(&at, &[], &task).await
    }
}

fn shown(mut hook: WireHook) -> Hook {
    let is_set = |sign: &str| hook.events.iter().any(|event| event == sign);
    let events = EVENTS.iter().filter(|(.., sign)| is_set(sign));
    Hook {
        id: hook.id,
        events: events.map(|(event, ..)| *event).collect(),
        url: hook.config.remove("url").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_can_be_asked_for_and_is_read_back() {
        assert_eq!(EVENTS.map(|(event, ..)| event), KNOWN);
        for (event, ask, sign) in EVENTS {
            let told = ask.iter().any(|name| name.trim_end_matches("_only") == sign);
            assert!(told, "{event:?}");
        }
    }
}
