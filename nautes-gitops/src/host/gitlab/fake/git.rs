//! What GitLab looks at before Git does: tokens that have ended or may not do it, and protected branches.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use nautes_model::Secret;

use super::World;
use super::state::{Protected, text};
use crate::host::GitHost as _;
use crate::host::fake::password;
use crate::host::gitlab::wire::level;
use crate::host::types::{AccessLevel, Place, RepoPath};

pub(super) async fn gate(State(world): State<Arc<World>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let writes = request.uri().to_string().contains("git-receive-pack");
    let token = password(request.headers());
    if let Some(token) = &token
        && let Some(record) = world.state().tokens.get(&text(token))
    {
        let scope = if writes {
            "write_repository"
        } else {
            "read_repository"
        };
        let has = |wanted: &str| record.scopes.iter().any(|had| had == wanted);
        if !record.is_active() || !(has("api") || has(scope) || has("write_repository")) {
            return (StatusCode::UNAUTHORIZED, "HTTP Basic: Access denied\n").into_response();
        }
    }
    let path = request.uri().path().to_owned();
    let Some(repository) = path.strip_suffix(".git/git-receive-pack") else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 64 << 20).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    if let Some(token) = &token
        && let Some(branch) = refused(&world, repository, token, &body).await
    {
        return decline(&branch);
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// Returns the full name of a branch that a push wants to move and the caller may not.
async fn refused(world: &World, repository: &str, token: &Secret, body: &Bytes) -> Option<String> {
    let path: RepoPath = repository.trim_start_matches('/').parse().ok()?;
    let line = body.get(4..)?;
    let end = line.iter().position(|byte| *byte == 0)?;
    let command = std::str::from_utf8(&line[..end]).ok()?;
    let name = command.split(' ').nth(2)?.to_owned();
    let branch = name.strip_prefix("refs/heads/")?;
    let session = world.forge.session(token).await.ok()?;
    let project = session.repository(&path).await.ok()??;
    let own = session.access(&Place::from(&path)).await.ok()?;
    let state = world.state();
    let rules = state.protected.get(&project.id)?;
    let keeps_out = |rule: &&Protected| {
        let lowest = level(rule.push);
        lowest == AccessLevel::None || own < lowest
    };
    let rule = rules.iter().find(|rule| matches(&rule.name, branch))?;
    Some(rule).filter(keeps_out).map(|_| name)
}

/// Whether a name, or a pattern with one `*`, is that of a branch.
fn matches(pattern: &str, branch: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == branch,
        Some((before, after)) => {
            branch.len() >= before.len() + after.len()
                && branch.starts_with(before)
                && branch.ends_with(after)
        }
    }
}

/// Answers as GitLab's hook does.
fn decline(branch: &str) -> Response {
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
    let report = format!(
        "{}{}0000",
        line("unpack ok\n"),
        line(&format!("ng {branch} pre-receive hook declined\n"))
    );
    let said = "GitLab: You are not allowed to push code to protected branches on this project.\n";
    let band = |number: char, text: &str| format!("{:04x}{number}{text}", text.len() + 5);
    let body = format!("{}{}0000", band('\u{2}', said), band('\u{1}', &report));
    ([("content-type", "application/x-git-receive-pack-result")], body).into_response()
}
