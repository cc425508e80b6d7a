//! What GitLab delivers to a hook, read as a hint.
//!
//! # Contract
//! * Who sends it is checked before anything of the body is read, in a time that depends on lengths only.
//! * Nothing of the body is believed: it names the repository that is looked at, and whoever has the secret can make it
//!   name any. A receiver that has one secret per repository takes the repository from there.
//! * The same delivery twice, late, or out of order does no harm: what happened is read from the forge.

use nautes_model::Secret;
use serde::Deserialize;

use crate::host::delivery::full;
pub use crate::host::delivery::{Event, MAX_BODY, Refused, Source};
use crate::host::types::{HookEvent, Poke, RepoPath};

/// The header with the secret.
pub const TOKEN_HEADER: &str = "x-gitlab-token";
/// The header that names the event.
pub const EVENT_HEADER: &str = "x-gitlab-event";

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    project: Option<Project>,
    #[serde(default)]
    repository: Option<Project>,
    #[serde(rename = "ref", default)]
    reference: Option<String>,
    #[serde(default)]
    tag: Option<serde_json::Value>,
    #[serde(default)]
    object_attributes: Option<Attributes>,
    /// Of a comment on a merge request.
    #[serde(default)]
    merge_request: Option<Attributes>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    path_with_namespace: Option<String>,
}

#[derive(Deserialize)]
struct Attributes {
    #[serde(rename = "ref", default)]
    reference: Option<String>,
    #[serde(default)]
    tag: Option<bool>,
    #[serde(default)]
    target_branch: Option<String>,
    #[serde(default)]
    source_branch: Option<String>,
    #[serde(default)]
    target_project_id: Option<u64>,
    #[serde(default)]
    source_project_id: Option<u64>,
}

/// Reads a delivery: the values of its headers, its body, and the secret of the hook.
///
/// # Errors
/// It does not come from the hook, or is none.
pub fn read(
    token: Option<&[u8]>,
    event: Option<&[u8]>,
    body: &[u8],
    secret: &Secret,
) -> Result<Event, Refused> {
    let given = Secret::new(token.unwrap_or_default());
    if secret.is_empty() || given != *secret {
        return Err(Refused::Token);
    }
    if body.len() > MAX_BODY {
        return Err(Refused::TooLarge);
    }
    let name = event.unwrap_or_default();
    let event = HookEvent::ALL
        .into_iter()
        .find(|event| event.header().as_bytes() == name)
        .ok_or(Refused::Event)?;
    let body: Body = serde_json::from_slice(body).map_err(|_| Refused::Body)?;
    let project = body.project.or(body.repository).ok_or(Refused::Body)?;
    let repo: Option<RepoPath> = project.path_with_namespace.and_then(|path| path.parse().ok());
    let source = body
        .object_attributes
        .as_ref()
        .and_then(source)
        .or_else(|| body.merge_request.as_ref().and_then(source));
    let commented = body.merge_request.and_then(|request| request.target_branch);
    let (inner, inner_tag, target) = match body.object_attributes {
        Some(attributes) => (
            attributes.reference,
            attributes.tag,
            attributes.target_branch.or(commented),
        ),
        None => (None, None, commented),
    };
    let (is_tag, released) = match body.tag {
        Some(serde_json::Value::Bool(is_tag)) => (is_tag, None),
        // Of a release it is the name of the tag.
        Some(serde_json::Value::String(name)) => (true, Some(name)),
        _ => (inner_tag.unwrap_or(event == HookEvent::TagPush), None),
    };
    let named = released.or(body.reference).or(inner).or(target);
    Ok(Event {
        event,
        poke: repo.map(|repo| Poke { repo }),
        reference: named.map(|name| full(&name, is_tag)),
        source,
    })
}

/// Of a merge request, where it comes from. Who does not say that it is the same repository comes from elsewhere.
fn source(request: &Attributes) -> Option<Source> {
    request.target_branch.as_ref()?;
    let same = request.source_project_id.is_some() && request.source_project_id == request.target_project_id;
    match &request.source_branch {
        Some(branch) if same => Some(Source::Branch(full(branch, false))),
        _ => Some(Source::Elsewhere),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn take(event: &str, body: &Value) -> Result<Event, Refused> {
        let secret = Secret::from("s3cret");
        read(
            Some(b"s3cret"),
            Some(event.as_bytes()),
            body.to_string().as_bytes(),
            &secret,
        )
    }

    #[test]
    fn every_event_pokes_its_repository() {
        let project = json!({ "path_with_namespace": "demo/team/app" });
        for (event, rest, reference) in [
            (
                HookEvent::Push,
                json!({ "ref": "refs/heads/main" }),
                Some("refs/heads/main"),
            ),
            (
                HookEvent::TagPush,
                json!({ "ref": "refs/tags/v1" }),
                Some("refs/tags/v1"),
            ),
            (
                HookEvent::MergeRequests,
                json!({ "object_attributes": { "target_branch": "main", "source_branch": "x" } }),
                Some("refs/heads/main"),
            ),
            (
                HookEvent::Note,
                json!({ "object_attributes": { "note": "hello" } }),
                None,
            ),
            (
                HookEvent::ConfidentialNote,
                json!({ "object_attributes": {} }),
                None,
            ),
            (
                HookEvent::Issues,
                json!({ "object_attributes": { "title": "t" } }),
                None,
            ),
            (
                HookEvent::ConfidentialIssues,
                json!({ "object_attributes": {} }),
                None,
            ),
            (
                HookEvent::Job,
                json!({ "ref": "main", "tag": false }),
                Some("refs/heads/main"),
            ),
            (
                HookEvent::Pipeline,
                json!({ "object_attributes": { "ref": "v1", "tag": true } }),
                Some("refs/tags/v1"),
            ),
            (HookEvent::Releases, json!({ "tag": "v1" }), Some("refs/tags/v1")),
            (
                HookEvent::Deployment,
                json!({ "ref": "main" }),
                Some("refs/heads/main"),
            ),
        ] {
            let mut body = rest;
            body["project"] = project.clone();
            let found = take(event.header(), &body).unwrap();
            assert_eq!(found.event, event);
            assert_eq!(found.poke.unwrap().repo.to_string(), "demo/team/app");
            assert_eq!(found.reference.as_deref(), reference, "{event:?}");
        }
    }

    #[test]
    fn who_sends_it_is_checked_first() {
        let secret = Secret::from("s3cret");
        for token in [None, Some(&b""[..]), Some(b"s3creT"), Some(b"s3cret ")] {
            assert_eq!(read(token, None, b"no json", &secret), Err(Refused::Token));
        }
        // A hook without a secret takes nothing.
        assert_eq!(
            read(Some(b""), None, b"{}", &Secret::from("")),
            Err(Refused::Token)
        );
        let large = vec![b' '; MAX_BODY + 1];
        assert_eq!(
            read(Some(b"s3cret"), None, &large, &secret),
            Err(Refused::TooLarge)
        );
        assert_eq!(take("System Hook", &json!({})), Err(Refused::Event));
        assert_eq!(take("Push Hook", &json!([])), Err(Refused::Body));
        assert_eq!(take("Push Hook", &json!({})), Err(Refused::Body));
        let foreign = json!({ "project": { "path_with_namespace": "../../etc" } });
        assert_eq!(take("Push Hook", &foreign).unwrap().poke, None);
    }

    #[test]
    fn a_merge_request_says_where_it_comes_from() {
        let of = |source: u64| {
            let request = json!({
                "source_branch": "ms-viewport", "target_branch": "main",
                "source_project_id": source, "target_project_id": 14,
            });
            json!({ "project": { "path_with_namespace": "demo/app" }, "object_attributes": request })
        };
        let near = take("Merge Request Hook", &of(14)).unwrap();
        assert_eq!(near.reference.as_deref(), Some("refs/heads/main"));
        assert_eq!(
            near.source,
            Some(Source::Branch("refs/heads/ms-viewport".to_owned()))
        );
        let fork = take("Merge Request Hook", &of(15)).unwrap();
        assert_eq!(fork.source, Some(Source::Elsewhere));
        // A comment brings its merge request along.
        let mut note = of(14);
        note["merge_request"] = note["object_attributes"].take();
        note["object_attributes"] = json!({ "note": "again, please" });
        let note = take("Note Hook", &note).unwrap();
        assert_eq!((note.reference, note.source), (near.reference, near.source));
        let issue = json!({ "project": {}, "object_attributes": { "title": "t" } });
        assert_eq!(take("Issue Hook", &issue).unwrap().source, None);
    }

    proptest! {
        #[test]
        fn noise_does_no_harm(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let secret = Secret::from("s3cret");
            let _ = read(Some(b"s3cret"), Some(b"Push Hook"), &body, &secret);
        }
    }
}
