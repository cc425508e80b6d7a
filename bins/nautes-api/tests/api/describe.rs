//! What the API says about itself.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use nautes_api::describe::reference;
use nautes_api::routes::table::table;
use serde_json::Value;

use crate::support::{Answer, World};

async fn get(world: &World, path: &str) -> Answer {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    world.send(request).await
}

/// Collects the references of a document.
fn references(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            out.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|inner| references(inner, out));
        }
        Value::Array(all) => all.iter().for_each(|inner| references(inner, out)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_has_every_operation_and_no_loose_end() {
    let world = World::new().await;
    let answer = get(&world, "/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.content_type, "application/json");
    let document = answer.body;
    assert_eq!(document["openapi"], "3.1.1");
    let mut described = 0;
    for operation in table() {
        let method = operation.method.as_str().to_ascii_lowercase();
        let made = &document["paths"][&operation.path][&method];
        assert_eq!(made["operationId"], operation.id, "{}", operation.path);
        assert!(made["responses"].as_object().is_some_and(|r| !r.is_empty()));
        described += 1;
    }
    let all: usize = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    assert_eq!(all, described, "nothing is described that is not there");
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for reference in &used {
        let at = document.pointer(reference.trim_start_matches('#'));
        assert!(at.is_some(), "{reference} leads nowhere");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(
            used.contains(&format!("#/components/schemas/{name}")),
            "{name} is not used"
        );
    }
}

#[tokio::test]
async fn the_page_shows_every_operation_without_scripts_or_other_hosts() {
    let world = World::new().await;
    let page = get(&world, "/docs").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    for operation in table() {
        assert!(
            page.text.contains(&format!("<section id=\"{}\">", operation.id)),
            "{}",
            operation.id
        );
    }
    for forbidden in ["<script", "style=", "http://", "https://", "javascript:", " on"] {
        let found = page.text.split('<').filter(|tag| {
            let tag = tag.split('>').next().unwrap_or_default();
            format!("<{tag}").contains(forbidden)
        });
        assert_eq!(found.count(), 0, "{forbidden}");
    }
    let ids: BTreeSet<&str> = page
        .text
        .split("id=\"")
        .skip(1)
        .filter_map(|t| t.split('"').next())
        .collect();
    for target in page
        .text
        .split("href=\"#")
        .skip(1)
        .filter_map(|t| t.split('"').next())
    {
        assert!(ids.contains(target), "#{target} leads nowhere");
    }
    let style = get(&world, "/docs/style.css").await;
    assert_eq!(style.content_type, "text/css; charset=utf-8");
}

#[test]
fn the_page_of_the_documentation_is_what_the_table_says() {
    let page = reference();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/api.md");
    if std::env::var("UPDATE").is_ok_and(|v| v == "1") {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/reference/api.md is not what the table says (UPDATE=1 writes it)"
    );
}
