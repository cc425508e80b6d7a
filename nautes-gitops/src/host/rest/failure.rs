//! What a forge refuses, as errors.

use nautes_model::Secret;
use reqwest::StatusCode;
use serde_json::Value;

use crate::host::HostError;
use crate::host::net::{Fault, Reply};
use crate::host::types::AccessLevel;

/// The longest text of the forge in a message, in characters.
const LONGEST: usize = 300;

/// What is attempted, to be named in errors.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// What is done: `delete`.
    pub(crate) action: &'static str,
    /// What it is done to: `group demo`.
    pub(crate) what: String,
    /// The level that it takes.
    pub(crate) needs: Option<AccessLevel>,
}

impl Task {
    pub(crate) fn new(action: &'static str, what: impl Into<String>) -> Self {
        Self {
            action,
            what: what.into(),
            needs: None,
        }
    }

    pub(crate) const fn needs(mut self, level: AccessLevel) -> Self {
        self.needs = Some(level);
        self
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.action, self.what)
    }

    pub(crate) fn forbidden(&self, user: &str) -> HostError {
        HostError::Forbidden {
            user: user.to_owned(),
            action: self.name(),
            needs: self.needs,
        }
    }
}

/// Makes an error of an answer that is none of success.
pub(crate) fn refused(reply: &Reply, host: &str, user: &str, token: &Secret, task: &Task) -> HostError {
    let said = said(reply.bytes(), token);
    match reply.status {
        StatusCode::UNAUTHORIZED => HostError::Unauthenticated {
            host: host.to_owned(),
        },
        // Gitea locks archives.
        StatusCode::FORBIDDEN | StatusCode::LOCKED => match lacking_scope(reply.bytes()) {
            Some(scope) => HostError::Forbidden {
                user: user.to_owned(),
                action: format!("{}: the token lacks the scope {scope}", task.name()),
                needs: None,
            },
            None => task.forbidden(user),
        },
        StatusCode::NOT_FOUND | StatusCode::GONE => HostError::not_found(&task.what),
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => HostError::conflict(&task.what, said),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY if is_taken(&said) => {
            HostError::conflict(&task.what, said)
        }
        StatusCode::BAD_REQUEST if is_denied(&said) => task.forbidden(user),
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Fault::Status(status).of(host, task.name())
        }
        status if status.is_client_error() => HostError::invalid(&task.what, said),
        status => Fault::Strange(format!("status {status}")).of(host, task.name()),
    }
}

/// Whether a refusal says that there is such a thing already.
fn is_taken(said: &str) -> bool {
    said.contains("already been taken") || said.contains("already exists")
}

/// Whether a refusal says that the caller may not create something in this group. GitLab says so with status 400.
fn is_denied(said: &str) -> bool {
    said.contains("namespace: is not valid") || said.to_ascii_lowercase().contains("permission")
}

/// Returns the scope that a token would have to have, in the words of GitLab or of Gitea.
fn lacking_scope(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if text("error") == Some("insufficient_scope") {
        return Some(clean(text("scope").unwrap_or("api")));
    }
    let (_, rest) = text("message")?.split_once("required scope(s), required=[")?;
    rest.split_once(']').map(|(scope, _)| clean(scope))
}

/// Returns what the forge says about a refusal, in one line that does not hold the token.
fn said(body: &[u8], token: &Secret) -> String {
    let mut parts = Vec::new();
    match serde_json::from_slice::<Value>(body) {
        Ok(body) => {
            for key in ["message", "error", "error_description"] {
                if let Some(value) = body.get(key) {
                    flatten(value, "", &mut parts);
                }
            }
        }
        Err(_) => parts.push("the forge gives no reason".to_owned()),
    }
    if parts.is_empty() {
        parts.push("the forge gives no reason".to_owned());
    }
    let text = parts.join("; ");
    let text = match token.expose_str() {
        Ok(token) if !token.is_empty() => text.replace(token, "(redacted)"),
        _ => text,
    };
    clean(&text)
}

fn flatten(value: &Value, name: &str, parts: &mut Vec<String>) {
    let named = |text: String| {
        if name.is_empty() {
            text
        } else {
            format!("{name}: {text}")
        }
    };
    match value {
        Value::Null => {}
        Value::String(text) => parts.push(named(text.clone())),
        Value::Bool(_) | Value::Number(_) => parts.push(named(value.to_string())),
        Value::Array(values) => values.iter().for_each(|value| flatten(value, name, parts)),
        Value::Object(values) => values
            .iter()
            .for_each(|(name, value)| flatten(value, name, parts)),
    }
}

fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nautes_model::Class;
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::host::net::Content;

    fn error(status: u16, body: &str) -> HostError {
        let reply = Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            content: Content::Whole(Bytes::copy_from_slice(body.as_bytes())),
            again: false,
        };
        let task = Task::new("create", "group demo").needs(AccessLevel::Owner);
        refused(&reply, "gitlab", "ann", &Secret::from("glpat-canary"), &task)
    }

    #[test]
    fn statuses_have_their_class() {
        for (status, body, class) in [
            (401, r#"{"message":"401 Unauthorized"}"#, Class::Denied),
            (403, r#"{"message":"403 Forbidden"}"#, Class::Denied),
            (
                403,
                r#"{"error":"insufficient_scope","scope":"api"}"#,
                Class::Denied,
            ),
            (423, r#"{"message":"is archived"}"#, Class::Denied),
            (404, r#"{"message":"404 Group Not Found"}"#, Class::NotFound),
            (409, r#"{"message":"Member already exists"}"#, Class::Conflict),
            (
                400,
                r#"{"message":"Failed to save group {:path=>[\"has already been taken\"]}"}"#,
                Class::Conflict,
            ),
            (
                400,
                r#"{"message":{"path":["has already been taken"]}}"#,
                Class::Conflict,
            ),
            (
                400,
                r#"{"message":{"namespace":["is not valid"]}}"#,
                Class::Denied,
            ),
            (400, r#"{"error":"name is missing"}"#, Class::Invalid),
            (422, r#"{"error":"Invalid url given"}"#, Class::Invalid),
            (502, "<html>", Class::Unreachable),
            (302, "", Class::Unreachable),
        ] {
            let error = error(status, body);
            assert_eq!(error.class(), class, "{status} {body}: {error}");
        }
        assert!(error(401, "").is_unauthenticated());
        for (body, scope) in [
            (r#"{"error":"insufficient_scope","scope":"api"}"#, "api"),
            (
                r#"{"message":"token does not have at least one of required scope(s), required=[write:organization], token scope=read:user"}"#,
                "write:organization",
            ),
        ] {
            let shown = error(403, body).to_string();
            assert!(
                shown.ends_with(&format!("the token lacks the scope {scope}")),
                "{shown}"
            );
        }
    }

    #[test]
    fn what_the_forge_says_is_tame_and_without_the_token() {
        let body = r#"{"message":{"key":["is bad: glpat-canary\u001b[31m\n","is short"]}}"#;
        let shown = error(400, body).to_string();
        assert_eq!(shown, "group demo: key: is bad: (redacted) [31m ; key: is short");
        assert!(
            error(400, &format!(r#"{{"message":"{}"}}"#, "x".repeat(5000)))
                .to_string()
                .len()
                < 400
        );
    }
}
