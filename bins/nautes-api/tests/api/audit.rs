//! Who changed what.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::{reader, world};
use crate::support::CANARY;

fn entries(answer: &Value) -> Vec<Value> {
    answer["items"].as_array().unwrap().clone()
}

fn done(entry: &Value) -> Vec<String> {
    let all = entry["resources"].as_array().unwrap();
    let text = |one: &Value| {
        let of = &one["resource"];
        format!(
            "{} {}/{}",
            one["done"].as_str().unwrap(),
            of["kind"].as_str().unwrap(),
            of["name"].as_str().unwrap()
        )
    };
    all.iter().map(text).collect()
}

#[tokio::test]
async fn every_change_says_who_when_by_which_request_and_what() {
    let world = world().await;
    let path = "/api/v1/products/shop/projects/web";
    let body = json!({ "language": "go" });
    let changed = world.call(&world.admin, Method::POST, path, body).await;
    assert_eq!(changed.status, StatusCode::OK, "{:#}", changed.body);
    let request = changed.headers["x-request-id"].to_str().unwrap();
    let gone = "/api/v1/products/shop/coderepobindings/open";
    world.call(&world.admin, Method::DELETE, gone, Value::Null).await;

    let answer = world.get(&world.admin, "/api/v1/audit/shop").await;
    assert_eq!(answer.status, StatusCode::OK, "{:#}", answer.body);
    let all = entries(&answer.body);
    let told: Vec<Vec<String>> = all.iter().map(done).collect();
    assert_eq!(told[0], ["removed CodeRepoBinding/open"]);
    assert_eq!(told[1], ["changed Project/web"]);
    assert_eq!(told[2], ["created CodeRepoBinding/open"]);
    assert!(told[3].contains(&"created Project/web".to_owned()), "{told:?}");
    assert_eq!(
        all[0]["revision"],
        world.tip("shop/default.project").await.unwrap().as_str()
    );
    assert_eq!(all[1]["requestId"], request);
    assert_eq!(all[1]["author"], "admin");
    assert_eq!(all[1]["product"], "shop");
    assert_eq!(all[1]["complete"], true);
    assert!(all[1]["time"].as_str().unwrap().ends_with('Z'));

    let tenant = world
        .get(&world.admin, "/api/v1/audit?resource=cluster/pipelines")
        .await;
    assert_eq!(entries(&tenant.body).len(), 1);
    assert!(entries(&tenant.body)[0]["product"].is_null());
    assert!(!tenant.text.contains(CANARY));
}

#[tokio::test]
async fn changes_are_filtered_and_come_in_pages() {
    let world = world().await;
    let pushed = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata: {name: hand}\nspec: {language: c}\n";
    let hand = world
        .push("shop/default.project", &[("projects/hand/hand.yaml", pushed)])
        .await;
    let all = entries(&world.get(&world.admin, "/api/v1/audit").await.body);
    let mut seen = Vec::new();
    let mut path = "/api/v1/audit?limit=2".to_owned();
    loop {
        let page = world.get(&world.admin, &path).await.body;
        let items = entries(&page);
        assert!(items.len() <= 2);
        seen.extend(items);
        match page["continue"].as_str() {
            Some(mark) => path = format!("/api/v1/audit?limit=2&continue={mark}"),
            None => break,
        }
    }
    assert_eq!(seen, all, "the pages are the whole");
    assert!(all.len() > 4);

    let get = async |query: &str| {
        let answer = world.get(&world.admin, &format!("/api/v1/audit{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {:#}", answer.body);
        entries(&answer.body)
    };
    let by_bob = get("?author=BOB@example.org").await;
    assert_eq!(by_bob.len(), 1);
    assert_eq!(by_bob[0]["revision"], hand.as_str());
    assert!(by_bob[0]["requestId"].is_null());
    assert_eq!(done(&by_bob[0]), ["created Project/hand"]);
    let of_web = get("?resource=project/shop/web").await;
    assert_eq!(of_web.len(), 1);
    assert!(get("/shop?since=2999-01-01").await.is_empty());
    assert_eq!(get("?since=1970-01-01T00:00:00Z").await.len(), all.len());
    for bad in ["?since=yesterday", "?limit=0", "?continue=x", "?resource=web"] {
        let answer = world.get(&world.admin, &format!("/api/v1/audit{bad}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }

    let of_books = reader(&world, "boris", "books").await;
    let own = world.get(&of_books, "/api/v1/audit").await.body;
    assert!(
        entries(&own)
            .iter()
            .all(|entry| entry["repository"] == "books/default.project")
    );
    assert!(!entries(&own).is_empty());
    let other = world
        .get(&of_books, "/api/v1/audit?resource=project/shop/web")
        .await
        .body;
    assert!(entries(&other).is_empty());
}
