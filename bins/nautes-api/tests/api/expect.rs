//! Writes that insist: on a revision, or on the plan that was shown.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, World, pipelines, product};

async fn shop() -> World {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    world
}

const WEB: &str = "/api/v1/products/shop/projects/web";

async fn save(world: &World, query: &str, language: &str) -> Answer {
    let path = format!("{WEB}?{query}");
    world
        .call(&world.admin, Method::POST, &path, json!({ "language": language }))
        .await
}

fn project(name: &str, language: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
spec: {{ name: {name}, product: shop, language: {language} }}
"
    )
}

#[tokio::test]
async fn a_write_lands_on_the_revision_that_it_expects_or_nowhere() {
    let world = shop().await;
    let read = world.get(&world.admin, WEB).await;
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let first = tag.trim_matches('"').to_owned();
    assert_eq!(Some(first.clone()), world.tip("shop/default.project").await);

    let saved = save(&world, &format!("expected_revision={first}"), "go").await;
    assert_eq!(saved.status, StatusCode::OK, "{:#}", saved.body);
    let second = world.tip("shop/default.project").await.unwrap();
    assert_eq!(saved.body["commit"], second);
    assert_eq!(saved.body["revision"], second);
    assert_eq!(saved.body["changed"], true);

    for query in [
        format!("expected_revision={first}"),
        format!("expectedRevision=shop/default.project%3D{first}"),
    ] {
        let stale = save(&world, &query, "java").await;
        assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{:#}", stale.body);
        assert_eq!(stale.body["reason"], "STALE_REVISION");
        assert_eq!(stale.body["metadata"]["repository"], "shop/default.project");
        assert_eq!(stale.body["metadata"]["expected"], first);
        assert_eq!(stale.body["metadata"]["found"], second);
    }
    let request = Request::builder()
        .method("DELETE")
        .uri("/api/v1/products/shop/coderepos/source")
        .header(
            "authorization",
            format!("Bearer {}", world.admin.expose_str().unwrap()),
        )
        .header("if-match", &tag)
        .body(Body::empty())
        .unwrap();
    assert_eq!(world.send(request).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(world.tip("shop/default.project").await, Some(second));
}

#[tokio::test]
async fn one_of_many_expectations_that_fails_stops_everything() {
    let world = shop().await;
    let tenant = world.tip("nautes/management").await.unwrap();
    let shop = world.tip("shop/default.project").await.unwrap();
    let text = format!(
        "{}---\n{}",
        project("more", "go"),
        pipelines().replace("example.org", "example.net")
    );
    let ask = |expected: String| {
        let path = format!("/api/v1/apply?expected_revision={expected}");
        let (world, text) = (&world, &text);
        async move { world.post(&world.admin, &path, text).await }
    };
    let vague = ask(shop.clone()).await;
    assert_eq!(vague.status, StatusCode::BAD_REQUEST, "{:#}", vague.body);
    let unknown = ask(format!("other/thing%3D{shop}")).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST, "{:#}", unknown.body);
    assert!(
        unknown.body["metadata"]["hint"]
            .as_str()
            .unwrap()
            .contains("shop/default.project")
    );
    let stale = ask(format!(
        "nautes/management%3D{tenant},shop/default.project%3D{tenant}"
    ))
    .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED, "{:#}", stale.body);
    assert_eq!(
        world.tip("nautes/management").await,
        Some(tenant.clone()),
        "the first is not written either"
    );
    for bad in ["x", "shop/default.project%3Dx", "%3D"] {
        assert_eq!(ask(bad.to_owned()).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let fits = ask(format!(
        "nautes/management%3D{tenant},shop/default.project%3D{shop}"
    ))
    .await;
    assert_eq!(fits.status, StatusCode::OK, "{:#}", fits.body);
    let second = fits.body["repositories"][1]["revision"]
        .as_str()
        .map(str::to_owned);
    assert_eq!(second, world.tip("shop/default.project").await);
}

#[tokio::test]
async fn what_was_shown_is_what_is_done_or_nothing() {
    let world = shop().await;
    let shown = world
        .post(&world.admin, "/api/v1/apply?dry_run=true", &project("more", "go"))
        .await;
    let hash = shown.body["planHash"].as_str().unwrap().to_owned();
    assert_eq!(hash.len(), 64);
    let again = world
        .post(&world.admin, "/api/v1/apply?dry_run=true", &project("more", "go"))
        .await;
    assert_eq!(again.body["planHash"], hash, "the same plan has the same hash");
    let path = format!("/api/v1/apply?plan_hash={hash}");

    let before = world.tip("shop/default.project").await;
    let refused = |answer: Answer| {
        assert_eq!(
            answer.status,
            StatusCode::PRECONDITION_FAILED,
            "{:#}",
            answer.body
        );
        assert_eq!(answer.body["reason"], "PLAN_CHANGED");
        assert_ne!(answer.body["metadata"]["planHash"], hash);
    };
    // Another request, another verb, other skips.
    refused(world.post(&world.admin, &path, &project("more", "java")).await);
    refused(
        world
            .post(
                &world.admin,
                &format!("/api/v1/remove?plan_hash={hash}"),
                &project("more", "go"),
            )
            .await,
    );
    let skip = format!("{path}&insecure_skip_check=true");
    refused(world.post(&world.admin, &skip, &project("more", "go")).await);
    let both = format!("{path}&dry_run=true");
    let both = world.post(&world.admin, &both, &project("more", "go")).await;
    assert_eq!(both.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.tip("shop/default.project").await, before);

    let done = world.post(&world.admin, &path, &project("more", "go")).await;
    assert_eq!(done.status, StatusCode::OK, "{:#}", done.body);
    // The repository has moved, so the plan is another one, even though it would change nothing.
    refused(world.post(&world.admin, &path, &project("more", "go")).await);
}

#[tokio::test]
async fn a_plan_stands_for_the_secret_that_came_with_it() {
    let world = World::new().await;
    let text = pipelines();
    let shown = world
        .post(&world.admin, "/api/v1/apply?dry_run=true", &text)
        .await;
    let hash = shown.body["planHash"].as_str().unwrap();
    let path = format!("/api/v1/apply?plan_hash={hash}");
    let other = text.replace(crate::support::CANARY, "another-token");
    let refused = world.post(&world.admin, &path, &other).await;
    assert_eq!(
        refused.status,
        StatusCode::PRECONDITION_FAILED,
        "{:#}",
        refused.body
    );
    let done = world.post(&world.admin, &path, &text).await;
    assert_eq!(done.status, StatusCode::OK, "{:#}", done.body);
}

#[tokio::test]
async fn single_resources_have_plans_as_well_and_say_when_nothing_changes() {
    let world = shop().await;
    let shown = save(&world, "dry_run=true", "go").await;
    assert_eq!(shown.body["changed"], false);
    let hash = shown.body["plan_hash"].as_str().unwrap().to_owned();
    let refused = save(&world, &format!("plan_hash={hash}"), "java").await;
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
    let done = save(&world, &format!("plan_hash={hash}"), "go").await;
    assert_eq!(done.body["changed"], true, "{:#}", done.body);
    let tip = world.tip("shop/default.project").await;
    let same = save(&world, "", "go").await;
    assert_eq!(same.body["changed"], false, "{:#}", same.body);
    assert_eq!(same.body["commit"], Value::Null);
    assert_eq!(same.body["revision"].as_str().map(str::to_owned), tip);
    let same = world.apply(&world.admin, &project("web", "go")).await;
    assert!(
        same["message"].as_str().unwrap().contains("no commit"),
        "{same:#}"
    );
    assert_eq!(world.tip("shop/default.project").await, tip);
}
