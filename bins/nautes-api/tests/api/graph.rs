//! The graph: what the caller may read, and the names of what that refers to.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use nautes_model::Secret;
use serde_json::Value;

use crate::access::{reader, world};
use crate::support::{Answer, World};

fn ids(answer: &Value) -> Vec<&str> {
    let all = answer["nodes"].as_array().unwrap();
    all.iter().map(|node| node["id"].as_str().unwrap()).collect()
}

async fn accepting(world: &World, token: &Secret, media: &str) -> Answer {
    let request = Request::builder()
        .uri("/api/v1/graph/shop")
        .header("authorization", format!("Bearer {}", token.expose_str().unwrap()))
        .header("accept", media)
        .body(Body::empty())
        .unwrap();
    world.send(request).await
}

#[tokio::test]
async fn a_graph_is_answered_in_the_form_that_is_asked_for() {
    let world = world().await;
    let json = world.get(&world.admin, "/api/v1/graph/shop").await;
    assert_eq!(json.status, StatusCode::OK, "{:#}", json.body);
    assert!(ids(&json.body).contains(&"Project/shop/web"));
    assert!(
        json.body["edges"]
            .as_array()
            .unwrap()
            .iter()
            .any(|edge| { edge["from"] == "CodeRepo/shop/source" && edge["to"] == "Project/shop/web" })
    );
    for (media, format, begin) in [
        ("text/vnd.graphviz", "dot", "digraph"),
        ("image/svg+xml", "svg", "<svg"),
        ("text/vnd.mermaid", "mermaid", "graph LR"),
    ] {
        let accepted = accepting(&world, &world.admin, media).await;
        assert_eq!(accepted.content_type, media);
        assert!(accepted.text.contains(begin), "{}", accepted.text);
        let asked = world
            .get(&world.admin, &format!("/api/v1/graph/shop?format={format}"))
            .await;
        assert_eq!(asked.text, accepted.text);
        assert!(asked.headers.contains_key("content-security-policy"));
    }
    let around = world
        .get(
            &world.admin,
            "/api/v1/graph/shop?focus=project/web&depth=1&kind=project,coderepo",
        )
        .await;
    assert_eq!(ids(&around.body), ["Project/shop/web", "CodeRepo/shop/source"]);
    assert_eq!(around.body["nodes"][0]["focus"], true);
    for bad in [
        "?depth=0",
        "?format=png",
        "?kind=x",
        "?focus=web",
        "?focus=a/b/c/d",
    ] {
        let answer = world.get(&world.admin, &format!("/api/v1/graph/shop{bad}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn nothing_of_other_products_shows_but_names_that_are_referred_to() {
    let world = world().await;
    let of_books = reader(&world, "boris", "books").await;
    let own = world.get(&of_books, "/api/v1/graph").await;
    assert!(
        !own.text.contains("shop"),
        "nothing of books refers to shop: {}",
        own.text
    );
    let of_shop = reader(&world, "anna", "shop").await;
    let own = world.get(&of_shop, "/api/v1/graph").await.body;
    let named: Vec<&str> = ids(&own).into_iter().filter(|id| id.contains("books")).collect();
    assert_eq!(
        named,
        ["Product/books", "Project/books/web"],
        "the binding names them"
    );
    for node in own["nodes"].as_array().unwrap() {
        let id = node["id"].as_str().unwrap();
        if !id.contains("shop") {
            assert_eq!(node["presence"], "elsewhere", "{id}");
            assert!(node["faults"].is_null(), "{id}");
        }
    }
    for edge in own["edges"].as_array().unwrap() {
        assert!(edge["from"].as_str().unwrap().contains("shop"), "{edge}");
    }
    let hidden = world
        .get(&of_shop, "/api/v1/graph?focus=coderepo/books/source")
        .await;
    assert_eq!(hidden.status, StatusCode::NOT_FOUND);
}
