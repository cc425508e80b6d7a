//! What Gitea delivers to a hook, read as a hint.
//!
//! The contract is that of [GitLab's](crate::host::gitlab::event): who sends it is checked before anything of the body is
//! read, nothing of the body is believed, and deliveries may come twice, late or out of order. Gitea does not send the
//! secret but a signature of the body by it (HMAC with SHA-256).

use hmac::{Hmac, Mac as _};
use nautes_model::Secret;
use serde::Deserialize;
use sha2::Sha256;

use crate::host::delivery::full;
pub use crate::host::delivery::{Event, MAX_BODY, Refused, Source};
use crate::host::types::{HookEvent, Poke, RepoPath};

/// The header with the signature, in hexadecimal digits. Forgejo sends it, too.
pub const SIGNATURE_HEADER: &str = "x-gitea-signature";
/// The header that names the event.
pub const EVENT_HEADER: &str = "x-gitea-event";

#[derive(Deserialize)]
struct Body {
    repository: Repository,
    #[serde(rename = "ref", default)]
    reference: Option<String>,
    #[serde(default)]
    ref_type: Option<String>,
    #[serde(default)]
    pull_request: Option<PullRequest>,
    #[serde(default)]
    release: Option<Release>,
    #[serde(default)]
    workflow_run: Option<Work>,
    #[serde(default)]
    workflow_job: Option<Work>,
}

#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    full_name: Option<String>,
}

#[derive(Deserialize)]
struct PullRequest {
    #[serde(default)]
    base: Option<End>,
    #[serde(default)]
    head: Option<End>,
}

/// Where a pull request goes to or comes from.
#[derive(Deserialize)]
struct End {
    #[serde(rename = "ref", default)]
    reference: Option<String>,
    #[serde(default)]
    repo_id: Option<u64>,
}

#[derive(Deserialize)]
struct Release {
    #[serde(default)]
    tag_name: Option<String>,
}

#[derive(Deserialize)]
struct Work {
    #[serde(default)]
    head_branch: Option<String>,
}

/// Whether a signature is that of a body by a secret, in a time that depends on lengths only. Nothing is signed by a
/// secret that is empty.
#[must_use]
pub fn is_signed(signature: Option<&[u8]>, body: &[u8], secret: &Secret) -> bool {
    let given = signature.and_then(bytes_of);
    let (Some(given), false) = (given, secret.is_empty()) else {
        return false;
    };
    Hmac::<Sha256>::new_from_slice(secret.expose())
        .is_ok_and(|mac| mac.chain_update(body).verify_slice(&given).is_ok())
}

/// Reads hexadecimal digits.
fn bytes_of(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

/// Reads a delivery: the values of its headers, its body, and the secret of the hook.
///
/// # Errors
/// It does not come from the hook, or is none.
pub fn read(
    signature: Option<&[u8]>,
    event: Option<&[u8]>,
    body: &[u8],
    secret: &Secret,
) -> Result<Event, Refused> {
    // To sign it takes time; what is too large is none of the forge's.
    if body.len() > MAX_BODY {
        return Err(Refused::TooLarge);
    }
    if !is_signed(signature, body, secret) {
        return Err(Refused::Token);
    }
    let name = event.unwrap_or_default();
    let body: Body = match (known(name), serde_json::from_slice(body)) {
        (false, _) => return Err(Refused::Event),
        (true, body) => body.map_err(|_| Refused::Body)?,
    };
    let repo: Option<RepoPath> = body.repository.full_name.and_then(|path| path.parse().ok());
    let named = body.reference.as_deref();
    let is_tag =
        body.ref_type.as_deref() == Some("tag") || named.is_some_and(|name| name.starts_with("refs/tags/"));
    let source = body.pull_request.as_ref().and_then(source);
    let (event, reference) = match name {
        b"push" | b"create" | b"delete" => {
            let event = if is_tag {
                HookEvent::TagPush
            } else {
                HookEvent::Push
            };
            (event, named.map(|name| full(name, is_tag)))
        }
        b"issues" => (HookEvent::Issues, None),
        b"issue_comment" | b"pull_request_comment" => (HookEvent::Note, None),
        b"release" => {
            let tag = body.release.and_then(|release| release.tag_name);
            (HookEvent::Releases, tag.map(|tag| full(&tag, true)))
        }
        b"workflow_run" => (HookEvent::Pipeline, branch(body.workflow_run)),
        b"workflow_job" => (HookEvent::Job, branch(body.workflow_job)),
        _ => {
            let base = body.pull_request.and_then(|request| request.base);
            let target = base.and_then(|base| base.reference);
            (HookEvent::MergeRequests, target.map(|name| full(&name, false)))
        }
    };
    Ok(Event {
        event,
        poke: repo.map(|repo| Poke { repo }),
        reference,
        source,
    })
}

/// Of a pull request, where it comes from. Who does not say that it is the same repository comes from elsewhere.
fn source(request: &PullRequest) -> Option<Source> {
    let base = request.base.as_ref()?;
    let Some(head) = &request.head else {
        return Some(Source::Elsewhere);
    };
    let same = head.repo_id.is_some() && head.repo_id == base.repo_id;
    match &head.reference {
        Some(branch) if same => Some(Source::Branch(full(branch, false))),
        _ => Some(Source::Elsewhere),
    }
}

fn branch(work: Option<Work>) -> Option<String> {
    work?.head_branch.map(|name| full(&name, false))
}

fn known(name: &[u8]) -> bool {
    const EVENTS: [&[u8]; 12] = [
        b"push",
        b"create",
        b"delete",
        b"issues",
        b"issue_comment",
        b"pull_request",
        b"pull_request_comment",
        b"pull_request_approved",
        b"pull_request_rejected",
        b"release",
        b"workflow_run",
        b"workflow_job",
    ];
    EVENTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Signs as Gitea does.
    fn signature(secret: &str, body: &[u8]) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        let code = mac.chain_update(body).finalize().into_bytes();
        code.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn take(event: &str, body: &Value) -> Result<Event, Refused> {
        let text = body.to_string();
        let signature = signature("s3cret", text.as_bytes());
        let secret = Secret::from("s3cret");
        read(
            Some(signature.as_bytes()),
            Some(event.as_bytes()),
            text.as_bytes(),
            &secret,
        )
    }

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        let code = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let (body, secret) = (b"what do ya want for nothing?", Secret::from("Jefe"));
        assert!(is_signed(Some(code.as_bytes()), body, &secret));
        assert!(is_signed(
            Some(code.to_ascii_uppercase().as_bytes()),
            body,
            &secret
        ));
        let flipped = code.replace("5b", "5a");
        for wrong in [
            "",
            "5b",
            &code[1..],
            &code[2..],
            "zz",
            &flipped,
            &format!("{code}00"),
        ] {
            assert!(!is_signed(Some(wrong.as_bytes()), body, &secret), "{wrong}");
        }
        assert!(!is_signed(None, body, &secret));
        assert!(!is_signed(Some(code.as_bytes()), b"another body", &secret));
        let empty = signature("", body);
        assert!(!is_signed(Some(empty.as_bytes()), body, &Secret::from("")));
    }

    #[test]
    fn every_event_pokes_its_repository() {
        for (name, rest, event, reference) in [
            (
                "push",
                json!({ "ref": "refs/heads/main" }),
                HookEvent::Push,
                Some("refs/heads/main"),
            ),
            (
                "push",
                json!({ "ref": "refs/tags/v1" }),
                HookEvent::TagPush,
                Some("refs/tags/v1"),
            ),
            (
                "create",
                json!({ "ref": "v1", "ref_type": "tag" }),
                HookEvent::TagPush,
                Some("refs/tags/v1"),
            ),
            (
                "create",
                json!({ "ref": "x", "ref_type": "branch" }),
                HookEvent::Push,
                Some("refs/heads/x"),
            ),
            (
                "delete",
                json!({ "ref": "x", "ref_type": "branch" }),
                HookEvent::Push,
                Some("refs/heads/x"),
            ),
            (
                "delete",
                json!({ "ref": "v1", "ref_type": "tag" }),
                HookEvent::TagPush,
                Some("refs/tags/v1"),
            ),
            (
                "pull_request",
                json!({ "pull_request": { "base": { "ref": "main" }, "head": { "ref": "x" } } }),
                HookEvent::MergeRequests,
                Some("refs/heads/main"),
            ),
            ("pull_request_approved", json!({}), HookEvent::MergeRequests, None),
            ("issues", json!({ "action": "opened" }), HookEvent::Issues, None),
            ("issue_comment", json!({ "comment": {} }), HookEvent::Note, None),
            (
                "release",
                json!({ "release": { "tag_name": "v1" } }),
                HookEvent::Releases,
                Some("refs/tags/v1"),
            ),
            (
                "workflow_run",
                json!({ "workflow_run": { "head_branch": "main" } }),
                HookEvent::Pipeline,
                Some("refs/heads/main"),
            ),
            (
                "workflow_job",
                json!({ "workflow_job": { "head_branch": "main" } }),
                HookEvent::Job,
                Some("refs/heads/main"),
            ),
        ] {
            let mut body = rest;
            body["repository"] = json!({ "id": 1, "full_name": "demo/app" });
            let found = take(name, &body).unwrap();
            assert_eq!(
                (found.event, found.reference.as_deref()),
                (event, reference),
                "{name}"
            );
            assert_eq!(found.poke.unwrap().repo.to_string(), "demo/app");
        }
    }

    #[test]
    fn who_sends_it_is_checked_first() {
        let secret = Secret::from("s3cret");
        assert_eq!(read(None, None, b"no json", &secret), Err(Refused::Token));
        assert_eq!(read(Some(b"00"), None, b"no json", &secret), Err(Refused::Token));
        let large = vec![b' '; MAX_BODY + 1];
        assert_eq!(read(None, None, &large, &secret), Err(Refused::TooLarge));
        assert_eq!(take("wiki", &json!({})), Err(Refused::Event));
        assert_eq!(take("push", &json!([])), Err(Refused::Body));
        assert_eq!(take("push", &json!({})), Err(Refused::Body));
        let foreign = json!({ "repository": { "full_name": "../../etc" } });
        assert_eq!(take("push", &foreign).unwrap().poke, None);
    }

    proptest! {
        #[test]
        fn noise_does_no_harm(body in prop::collection::vec(any::<u8>(), 0..300), signature in "[0-9a-f]{0,70}") {
            let secret = Secret::from("s3cret");
            prop_assert_eq!(
                read(Some(signature.as_bytes()), Some(b"push"), &body, &secret), Err(Refused::Token));
        }
    }
}
