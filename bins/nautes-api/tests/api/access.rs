//! Who may use what, as far as the caller may see it.

use axum::http::StatusCode;
use nautes_gitops::{AccessLevel, GitHost as _, Place};
use nautes_model::Secret;
use serde_json::Value;

use crate::support::{World, pipelines, product};

/// The repository of `shop` is open to a project of `books`, by a binding of `shop`.
pub(crate) async fn world() -> World {
    let world = World::new().await;
    world.serve_kinds().await;
    let text = [
        pipelines(),
        product("shop", "pipelines"),
        product("books", "pipelines"),
    ];
    world.apply(&world.admin, &text.join("---\n")).await;
    let path = "/api/v1/products/shop/coderepobindings/open";
    let body = serde_json::json!({
        "coderepo": "source", "product": "books", "permissions": "readonly", "projects": ["web"],
    });
    let answer = world
        .call(&world.admin, axum::http::Method::POST, path, body)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{:#}", answer.body);
    world
}

pub(crate) async fn reader(world: &World, name: &str, product: &str) -> Secret {
    let token = world.user(name).await;
    let platform = world.forge.platform().await.unwrap();
    platform
        .add_member(&Place::group(product), name, AccessLevel::Reporter)
        .await
        .unwrap();
    token
}

fn subjects(answer: &Value) -> Vec<&str> {
    let all = answer["who"].as_array().unwrap();
    all.iter().map(|one| one["subject"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn who_can_names_those_whom_the_caller_may_know() {
    let world = world().await;
    let path = "/api/v1/access/who-can?item=shop/source&level=read";
    let all = world.get(&world.admin, path).await;
    assert_eq!(all.status, StatusCode::OK, "{:#}", all.body);
    assert_eq!(
        subjects(&all.body),
        ["group:shop", "project:books/web", "project:shop/web"]
    );
    let binding = &all.body["who"][1]["chains"][0]["steps"][0];
    assert_eq!(binding["resource"]["name"], "open");
    assert!(
        binding["file"].as_str().unwrap().contains("open.yaml"),
        "{binding:#}"
    );

    let writers = world
        .get(
            &world.admin,
            "/api/v1/access/who-can?item=shop/source&level=write",
        )
        .await;
    assert_eq!(subjects(&writers.body), ["group:shop", "project:shop/web"]);

    let of_shop = reader(&world, "anna", "shop").await;
    let seen = world.get(&of_shop, path).await;
    assert_eq!(
        subjects(&seen.body),
        subjects(&all.body),
        "his own binding names the project"
    );
    let of_books = reader(&world, "boris", "books").await;
    let hidden = world.get(&of_books, path).await;
    assert_eq!(
        hidden.status,
        StatusCode::NOT_FOUND,
        "the repository is not his to see"
    );

    let page = world.get(&world.admin, &format!("{path}&limit=2")).await.body;
    assert_eq!(subjects(&page), ["group:shop", "project:books/web"]);
    let next = format!("{path}&limit=2&continue={}", page["continue"].as_str().unwrap());
    let last = world.get(&world.admin, &next).await.body;
    assert_eq!(subjects(&last), ["project:shop/web"]);
    assert!(last["continue"].is_null());
}

#[tokio::test]
async fn can_and_explain_show_one_side_to_those_who_see_one() {
    let world = world().await;
    let of_books = reader(&world, "boris", "books").await;
    let can =
        |who: &str, level: &str| format!("/api/v1/access/can?subject={who}&item=shop/source&level={level}");
    let yes = world.get(&of_books, &can("books/web", "read")).await;
    assert_eq!(yes.body["can"], true, "{:#}", yes.body);
    let no = world.get(&of_books, &can("books/web", "write")).await;
    assert_eq!(no.body["can"], false);
    let other = world.get(&of_books, &can("shop/web", "read")).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND, "neither end is his");

    let own = world
        .get(&of_books, "/api/v1/access/explain?subject=books/web")
        .await;
    let items = own.body["items"].as_array().unwrap();
    let names: Vec<&str> = items.iter().map(|i| i["item"].as_str().unwrap()).collect();
    assert_eq!(names, ["repo:books/source", "repo:shop/source"]);
    let foreign = &items[1]["chains"][0];
    assert_eq!(items[1]["level"], "read");
    assert_eq!(
        foreign["hidden"], 1,
        "where it is declared is not his to see: {foreign:#}"
    );
    assert!(foreign["steps"].as_array().unwrap().is_empty());
    assert!(!own.text.contains("open.yaml"));

    let of_shop = reader(&world, "anna", "shop").await;
    let granted = world
        .get(
            &of_shop,
            "/api/v1/access/explain?subject=books/web&item=shop/source",
        )
        .await;
    assert_eq!(granted.body["items"][0]["level"], "read");
    let unknown = world
        .get(
            &of_shop,
            "/api/v1/access/explain?subject=books/none&item=shop/source",
        )
        .await;
    assert!(
        unknown.body["items"][0]["level"].is_null(),
        "whether it is there does not show"
    );
}

#[tokio::test]
async fn questions_that_cannot_be_asked_are_told_how() {
    let world = world().await;
    for (path, status) in [
        ("who-can", StatusCode::BAD_REQUEST),
        ("who-can?item=source", StatusCode::BAD_REQUEST),
        ("who-can?item=shop/none", StatusCode::NOT_FOUND),
        ("who-can?item=shop/source&level=own", StatusCode::BAD_REQUEST),
        ("can?subject=shop/none&item=shop/source", StatusCode::NOT_FOUND),
        ("can?subject=robot:x&item=shop/source", StatusCode::BAD_REQUEST),
        ("explain?subject=none", StatusCode::NOT_FOUND),
    ] {
        let answer = world.get(&world.admin, &format!("/api/v1/access/{path}")).await;
        assert_eq!(answer.status, status, "{path}: {:#}", answer.body);
    }
    let outsider = world.user("other").await;
    let answer = world
        .get(&outsider, "/api/v1/access/who-can?item=shop/source")
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
