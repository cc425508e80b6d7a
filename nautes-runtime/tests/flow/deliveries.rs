//! Deliveries of the forge: who is believed, what each kind of event starts, and that nothing starts twice.

use axum::http::{Request, StatusCode};
use nautes_gitops::Oid;
use nautes_model::Secret;
use nautes_runtime::status_report::State;
use nautes_vault::SecretStore as _;
use nautes_vault::keys::{RepoCredential, RepoId};
use serde_json::{Value, json};

use crate::shop;
use crate::world::{On, Served, World};

pub(super) const PATH: &str = "/hooks/shop/web-source";
const LARGE: usize = 2 << 20;

/// Somebody who calls the receiver.
pub(super) struct Caller {
    router: axum::Router,
    token: Option<String>,
}

impl Caller {
    pub(super) async fn of(world: &World) -> Self {
        let token = token(world, "web-source").await;
        Self {
            router: world.controllers().router(),
            token: Some(token.expose_str().unwrap().to_owned()),
        }
    }

    pub(super) async fn post(&self, path: &str, event: &str, body: impl Into<String>) -> u16 {
        let mut request = Request::post(path).header("X-Gitlab-Event", event);
        if let Some(token) = &self.token {
            request = request.header("X-Gitlab-Token", token);
        }
        let request = request.body(axum::body::Body::from(body.into())).unwrap();
        let answer = tower::ServiceExt::oneshot(self.router.clone(), request).await;
        answer.unwrap().status().as_u16()
    }

    fn with(&self, token: Option<&str>) -> Self {
        Self {
            router: self.router.clone(),
            token: token.map(str::to_owned),
        }
    }
}

async fn token(world: &World, repo: &str) -> Secret {
    let id = RepoId::new(&"shop".parse().unwrap(), &repo.parse().unwrap());
    let provider = world.platform.host().provider_type();
    let at = nautes_vault::keys::repo(provider, &id, RepoCredential::Webhook).unwrap();
    world.store.resolve(&at).await.unwrap().unwrap()
}

fn project() -> Value {
    json!({
        "id": 15, "name": "web-source", "namespace": "shop", "path_with_namespace": "shop/web-source",
        "web_url": "http://gitlab.internal/shop/web-source", "default_branch": "main",
        "git_http_url": "http://gitlab.internal/shop/web-source.git",
    })
}

pub(super) fn push(reference: &str, after: &str) -> String {
    json!({
        "object_kind": "push", "event_name": "push", "before": Oid::ZERO, "after": after, "ref": reference,
        "checkout_sha": after, "user_id": 4, "user_username": "ann", "project_id": 15, "project": project(),
        "commits": [], "total_commits_count": 0,
    })
    .to_string()
}

pub(super) async fn the_receiver_believes_nobody_without_the_token(on: On) {
    let world = shop(on).await;
    let good = Caller::of(&world).await;
    let body = push("refs/heads/main", Oid::ZERO);
    assert_eq!(good.post(PATH, "Push Hook", &*body).await, 202);
    for token in [None, Some("wrong"), Some("")] {
        let bad = good.with(token);
        assert_eq!(bad.post(PATH, "Push Hook", &*body).await, 401, "{token:?}");
        // Who it is counts before what he says, however much that is.
        assert_eq!(bad.post(PATH, "Push Hook", "no json").await, 401);
        assert_eq!(bad.post(PATH, "Push Hook", "x".repeat(LARGE)).await, 401);
    }
    for other in [
        "/hooks/shop/web-deploy",
        "/hooks/none/none",
        "/hooks/shop/..%2f",
        "/hooks/%00/x",
    ] {
        assert_eq!(good.post(other, "Push Hook", &*body).await, 401, "{other}");
    }
    for (said, status) in [("no json", 400), ("[]", 400), ("{}", 400), ("", 400)] {
        assert_eq!(good.post(PATH, "Push Hook", said).await, status, "{said}");
    }
    assert_eq!(good.post(PATH, "Push Hook", "x".repeat(LARGE)).await, 413);
    // GitLab has events that nobody has asked for.
    assert_eq!(good.post(PATH, "Wiki Page Hook", &*body).await, 202);
    assert_eq!(world.runs().await.len(), 0);
    let counts = world.controllers().deliveries();
    assert_eq!((counts.denied, counts.refused), (13, 5));

    // In the way of Gitea the token is not sent, but signs the body.
    let secret = good.token.clone().unwrap();
    let body = json!({"ref": "refs/heads/other", "repository": {"full_name": "shop/web-source"}}).to_string();
    let signed = async |path: &str, signature: &str, body: &str| {
        let request = Request::post(path)
            .header("X-Gitea-Event", "push")
            .header("X-Gitea-Signature", signature)
            .body(axum::body::Body::from(body.to_owned()))
            .unwrap();
        let answer = tower::ServiceExt::oneshot(good.router.clone(), request).await;
        answer.unwrap().status().as_u16()
    };
    let mac = <hmac::Hmac<sha2::Sha256> as hmac::Mac>::new_from_slice(secret.as_bytes()).unwrap();
    let code = hmac::Mac::finalize(hmac::Mac::chain_update(mac, &body)).into_bytes();
    let signature: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(signed(PATH, &signature, &body).await, 202);
    for (path, signature, body) in [
        (PATH, &*signature, &*format!("{body} ")),
        (PATH, "", &*body),
        (PATH, &*secret, &*body),
        ("/hooks/shop/web-deploy", &*signature, &*body),
    ] {
        assert_eq!(signed(path, signature, body).await, 401, "{path} {signature}");
    }
    assert_eq!(world.runs().await.len(), 0);
}

/// The pipeline of the shop with one event source for each kind of event.
fn listener() -> String {
    let kinds = nautes_validate::catalogue::PIPELINE_EVENTS;
    let source = |kind: &&str| {
        let name = kind.replace('_', "-");
        format!(
            "    - {{name: {name}, gitlab: {{repoName: web-source, revision: REVISION, events: [{kind}]}}}}\n"
        )
        .replace(
            "REVISION",
            match *kind {
                "tag_push_events" | "releases_events" => "v1",
                _ => "main",
            },
        )
    };
    let trigger = |kind: &&str| {
        let name = kind.replace('_', "-");
        let input = "{source: {fromEvent: commitID}, transmissionMethod: {kustomization: {path: /spec/params/0/value}}}";
        format!("    - {{eventSource: {name}, pipeline: build, revision: main, inputs: [{input}]}}\n")
    };
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: ProjectPipelineRuntime\nspec:\n  name: web-pipelines\n  \
         product: shop\n  project: web\n  account: web-builder\n  pipelineSource: web-pipeline\n  \
         pipelines: [{{name: build, label: main, path: pipelines/main.yaml}}]\n  \
         destination: {{environment: dev, namespace: shop-pipelines}}\n  isolation: shared\n  \
         eventSources:\n{}  pipelineTriggers:\n{}",
        kinds.iter().map(source).collect::<String>(),
        kinds.iter().map(trigger).collect::<String>(),
    )
}

/// What GitLab delivers of each kind that references do not show, and the branch or tag that is run because of it.
fn deliveries() -> Vec<(&'static str, &'static str, Value)> {
    let user = json!({ "id": 1, "name": "Ann", "username": "ann" });
    let request = json!({
        "id": 99, "iid": 1, "source_branch": "feature", "source_project_id": 15, "target_branch": "main",
        "target_project_id": 15, "state": "opened", "action": "open", "title": "A feature",
        "last_commit": { "id": Oid::ZERO, "message": "not believed" },
    });
    vec![
        (
            "Merge Request Hook",
            "refs/heads/feature",
            json!({ "object_kind": "merge_request", "event_type": "merge_request", "user": user, "project": project(),
                "object_attributes": request, "labels": [], "changes": {} }),
        ),
        (
            "Note Hook",
            "refs/heads/feature",
            json!({ "object_kind": "note", "event_type": "note", "user": user, "project_id": 15, "project": project(),
                "object_attributes": { "id": 1244, "note": "again", "noteable_type": "MergeRequest" },
                "merge_request": request }),
        ),
        (
            "Issue Hook",
            "refs/heads/main",
            json!({ "object_kind": "issue", "event_type": "issue", "user": user, "project": project(),
                "object_attributes": { "id": 301, "iid": 23, "title": "New", "state": "opened", "action": "open" } }),
        ),
        (
            "Job Hook",
            "refs/heads/main",
            json!({ "object_kind": "build", "ref": "main", "tag": false, "before_sha": Oid::ZERO, "sha": Oid::ZERO,
                "build_id": 1977, "build_name": "test", "build_status": "created", "project_id": 15,
                "project_name": "shop / web-source", "user": user,
                "repository": { "name": "web-source", "homepage": "http://gitlab.internal/shop/web-source" } }),
        ),
        (
            "Pipeline Hook",
            "refs/heads/main",
            json!({ "object_kind": "pipeline", "user": user, "project": project(),
                "object_attributes": { "id": 31, "ref": "main", "tag": false, "sha": Oid::ZERO, "status": "success" },
                "builds": [] }),
        ),
        (
            "Release Hook",
            "refs/tags/v1",
            json!({ "object_kind": "release", "id": 1, "name": "v1", "tag": "v1", "action": "create",
                "project": project(), "commit": { "id": Oid::ZERO }, "assets": { "count": 0 } }),
        ),
        (
            "Deployment Hook",
            "refs/heads/main",
            json!({ "object_kind": "deployment", "status": "success", "deployment_id": 15, "environment": "staging",
                "ref": "main", "short_sha": "00000000", "project": project(), "user": user }),
        ),
    ]
}

pub(super) async fn each_kind_of_event_starts_what_listens_to_it_once(on: On) {
    let world = shop(on).await;
    world.push("shop/web-source", "main", &[("a", Some("a"))]).await;
    world
        .push("shop/web-source", "feature", &[("b", Some("b"))])
        .await;
    world.tag("shop/web-source", "v1", "main").await;
    world.save(&listener()).await;
    // What was there before is not started; from now on events are heard.
    let kinds = nautes_validate::catalogue::PIPELINE_EVENTS.len();
    world
        .eventually("every trigger has taken note of what is there", async || {
            let hooks = world.session().await;
            let hooks = hooks.hooks(&"shop/web-source".parse().unwrap()).await.unwrap();
            let seen = world.triggers("ProjectPipelineRuntime/shop/web-pipelines").await;
            match hooks.as_slice() {
                [hook] if hook.events.len() == kinds && seen == kinds => Ok(()),
                other => Err(format!("{other:#?} {seen}")),
            }
        })
        .await;
    let before = world.runs().await.len();
    let caller = Caller::of(&world).await;
    let session = world.session().await;
    let refs = session.refs(&"shop/web-source".parse().unwrap()).await.unwrap();
    let mut started: Vec<String> = Vec::new();
    for (event, reference, body) in deliveries() {
        assert_eq!(caller.post(PATH, event, body.to_string()).await, 202, "{event}");
        started.push(refs[reference].to_string());
        world.run_commits(before, &mut started, event).await;
    }
    // All of it again, in another order, and what comes from a fork or is about what is not there.
    let mut again = deliveries();
    again.reverse();
    let mut fork = deliveries().remove(0);
    fork.2["object_attributes"]["source_project_id"] = json!(16);
    let mut gone = deliveries().remove(6);
    gone.2["ref"] = json!("gone");
    again.extend([fork, gone]);
    for (event, _, body) in again {
        assert_eq!(caller.post(PATH, event, body.to_string()).await, 202, "{event}");
    }
    let totals = world.controllers().reconcile_all().await.unwrap();
    assert!(totals.failures.is_empty(), "{totals:#?}");
    world.run_commits(before, &mut started, "nothing new").await;
    world
        .until("ProjectPipelineRuntime/shop/web-pipelines", State::Ready)
        .await;
}

pub(super) async fn a_delivery_is_answered_while_the_forge_is_silent_and_what_waits_is_bounded(on: On) {
    let mut world = shop(on).await;
    let caller = Caller::of(&world).await;
    // Nobody works on what is asked for now, so all of it waits.
    world.stop().await;
    if let Served::Gitlab(fake, _) = &world.forge {
        fake.set_latency(std::time::Duration::from_secs(3600));
    }
    let mut said = Vec::new();
    for number in 0..300 {
        let reference = format!("branch-{number}");
        let body = json!({ "ref": reference, "tag": false, "project": project() });
        said.push(caller.post(PATH, "Job Hook", body.to_string()).await);
    }
    let taken = said.iter().filter(|status| **status == 202).count();
    assert_eq!((taken, said.len()), (256, 300));
    let refused = StatusCode::SERVICE_UNAVAILABLE.as_u16();
    assert!(said[256..].iter().all(|status| *status == refused), "{said:?}");
    // The same again takes no room, and a push takes none at all.
    let body = json!({ "ref": "branch-0", "tag": false, "project": project() });
    assert_eq!(caller.post(PATH, "Job Hook", body.to_string()).await, 202);
    assert_eq!(
        caller
            .post(PATH, "Push Hook", push("refs/heads/main", Oid::ZERO))
            .await,
        202
    );
}

on_every_forge! {
    the_receiver_believes_nobody_without_the_token,
    each_kind_of_event_starts_what_listens_to_it_once,
    a_delivery_is_answered_while_the_forge_is_silent_and_what_waits_is_bounded,
}
