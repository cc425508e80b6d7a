//! Deliveries: what the local forge tells in the words of GitLab is passed on in those of Gitea, and signed.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::World;
use crate::host::HostError;
use crate::host::gitea::event::{EVENT_HEADER, SIGNATURE_HEADER};

/// Returns a client for loopback.
pub(super) fn client() -> Result<reqwest::Client, HostError> {
    crate::host::local::loopback_client()
}

pub(super) async fn pass(State(world): State<Arc<World>>, Path(id): Path<u64>, body: Bytes) -> StatusCode {
    let record = {
        let state = world.state();
        let hook = state.relays.get(&id);
        hook.and_then(|hook| state.hooks.get(hook)).cloned()
    };
    let (Some(record), Ok(told)) = (record, serde_json::from_slice::<Value>(&body)) else {
        return StatusCode::GONE;
    };
    let Some((event, body)) = translated(&told, |event| record.events.contains(event)) else {
        return StatusCode::NO_CONTENT;
    };
    let body = body.to_string();
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(record.secret.expose()) else {
        return StatusCode::INTERNAL_SERVER_ERROR;
    };
    let code = mac.chain_update(&body).finalize().into_bytes();
    let signature: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    let sent = world
        .client
        .post(&record.url)
        .header("content-type", "application/json")
        .header(EVENT_HEADER, event)
        .header(SIGNATURE_HEADER, signature)
        .body(body)
        .send()
        .await;
    sent.map_or(StatusCode::BAD_GATEWAY, |reply| {
        StatusCode::from_u16(reply.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY)
    })
}

/// Returns the first event that is wanted of those that Gitea has for a push, with its body.
fn translated(told: &Value, wanted: impl Fn(&str) -> bool) -> Option<(&'static str, Value)> {
    let word = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default();
    let full = word("ref");
    let zero = |sha: &str| sha.bytes().all(|byte| byte == b'0');
    let (kind, short) = match (full.strip_prefix("refs/tags/"), full.strip_prefix("refs/heads/")) {
        (Some(tag), _) => ("tag", tag),
        (_, Some(branch)) => ("branch", branch),
        _ => return None,
    };
    let repository = json!({ "full_name": told.pointer("/project/path_with_namespace") });
    if zero(word("after")) {
        let body = json!({ "ref": short, "ref_type": kind, "repository": repository });
        return wanted("delete").then_some(("delete", body));
    }
    if wanted("push") {
        let body = json!({
            "ref": full,
            "before": word("before"),
            "after": word("after"),
            "repository": repository,
        });
        return Some(("push", body));
    }
    let made = kind == "tag" || zero(word("before"));
    let body = json!({ "ref": short, "ref_type": kind, "sha": word("after"), "repository": repository });
    (made && wanted("create")).then_some(("create", body))
}
