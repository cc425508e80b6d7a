//! Routes of single resources.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{World, pipelines, product};

#[tokio::test]
async fn what_is_saved_is_read_back_and_listed() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    let saved = world
        .call(
            &world.admin,
            Method::POST,
            "/api/v1/products/shop",
            json!({ "git": { "gitlab": { "visibility": "private", "description": "text" } } }),
        )
        .await;
    assert_eq!(saved.status, StatusCode::OK, "{:#}", saved.body);
    let body = json!({ "cluster": "pipelines", "env_type": "dev" });
    let path = "/api/v1/products/shop/environments/dev";
    let saved = world.call(&world.admin, Method::POST, path, body).await;
    assert_eq!(
        saved.body["message"], "Successfully saved dev environment",
        "{:#}",
        saved.body
    );
    let read = world.get(&world.admin, path).await.body;
    assert_eq!(
        read,
        json!({ "name": "dev", "product": "shop", "cluster": "pipelines", "env_type": "dev" })
    );
    let list = world
        .get(&world.admin, "/api/v1/products/shop/environments")
        .await
        .body;
    assert_eq!(list["items"], json!([read]));
    let none = world
        .get(
            &world.admin,
            "/api/v1/products/shop/environments?field_selector=env_type=prod",
        )
        .await;
    assert_eq!(none.body["items"], json!([]));
    let bad = world
        .get(
            &world.admin,
            "/api/v1/products/shop/environments?field_selector=colour=red",
        )
        .await;
    assert_eq!(bad.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    world.apply(&world.admin, &pipelines()).await;
    world.apply(&world.admin, &product("shop", "pipelines")).await;
    for path in [
        "/api/v1/clusters/nothing",
        "/api/v1/products/nothing",
        "/api/v1/products/shop/projects/nothing",
        "/api/v1/products/shop/environments/nothing",
        "/api/v1/nothing",
    ] {
        let answer = world.get(&world.admin, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.body["message"].is_string(), "{path}");
    }
    let path = "/api/v1/products/shop/environments/nothing";
    assert_eq!(
        world
            .call(&world.admin, Method::DELETE, path, Value::Null)
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}
