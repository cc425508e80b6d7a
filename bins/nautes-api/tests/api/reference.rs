//! Plans between revisions, rules and kinds.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::{reader, world};
use crate::support::World;

/// Removes the repository of `shop` by hand: a project of `books` may use it, and a binding of `shop` names it.
async fn without_source(world: &World) -> (String, String) {
    let before = world.tip("shop/default.project").await.unwrap();
    let path = "/api/v1/products/shop/projects/web";
    let saved = world
        .call(&world.admin, Method::POST, path, json!({ "language": "go" }))
        .await;
    assert_eq!(saved.status, StatusCode::OK);
    let gone = "/api/v1/products/shop/coderepobindings/open";
    let removed = world.call(&world.admin, Method::DELETE, gone, Value::Null).await;
    assert_eq!(removed.status, StatusCode::OK);
    (before, world.tip("shop/default.project").await.unwrap())
}

#[tokio::test]
async fn a_plan_between_revisions_says_what_changes_and_what_follows() {
    let world = world().await;
    let (before, after) = without_source(&world).await;
    let plan = world
        .get(&world.admin, &format!("/api/v1/plan/shop?from={before}&to=main"))
        .await;
    assert_eq!(plan.status, StatusCode::OK, "{:#}", plan.body);
    assert_eq!(plan.body["from"], before.as_str());
    assert_eq!(plan.body["to"], after.as_str());
    let changes: Vec<(&str, &str)> = plan.body["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["resource"].as_str().unwrap(), r["action"].as_str().unwrap()))
        .collect();
    assert_eq!(
        changes,
        [
            ("Project/shop/web", "change"),
            ("CodeRepoBinding/shop/open", "remove")
        ]
    );
    assert_eq!(plan.body["resources"][0]["fields"][0]["field"], "spec.language");
    assert_eq!(plan.body["removals"][0]["resource"], "CodeRepoBinding/shop/open");

    let back = world
        .get(
            &world.admin,
            &format!("/api/v1/plan/shop?from={after}&to={before}"),
        )
        .await
        .body;
    assert_eq!(back["resources"][1]["action"], "make", "{back:#}");
    let same = world.get(&world.admin, "/api/v1/plan/shop?from=main").await.body;
    assert!(same["resources"].as_array().unwrap().is_empty());

    let live = world.get(&world.admin, "/api/v1/plan/shop").await;
    assert_eq!(live.status, StatusCode::OK, "{:#}", live.body);
    assert!(
        live.body["changes"].is_array(),
        "without revisions it is against what is live"
    );
    for (query, status) in [
        ("from=nonsense", StatusCode::NOT_FOUND),
        (
            "from=0000000000000000000000000000000000000000",
            StatusCode::NOT_FOUND,
        ),
        ("to=main", StatusCode::BAD_REQUEST),
    ] {
        let answer = world
            .get(&world.admin, &format!("/api/v1/plan/shop?{query}"))
            .await;
        assert_eq!(answer.status, status, "{query}: {:#}", answer.body);
        assert!(!answer.body["metadata"]["hint"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_breaks_where_the_caller_may_not_read_is_counted() {
    let world = world().await;
    let from = world.tip("shop/default.project").await.unwrap();
    // `books` deploys from the repository of `shop`.
    let runtime = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: DeploymentRuntime\n\
        spec:\n  name: far\n  product: books\n  projectsRef: [web]\n\
        \x20 manifestSource: {codeRepo: shop/source, targetRevision: main, path: far}\n\
        \x20 destination: {environment: dev}\n";
    let applied = world
        .post(&world.admin, "/api/v1/apply?insecure_skip_check=true", runtime)
        .await;
    assert_eq!(applied.status, StatusCode::OK, "{:#}", applied.body);
    let path = "code-repos/source/source.yaml";
    world.remove_file("shop/default.project", path).await;
    let url = format!("/api/v1/plan/shop?from={from}");
    let whole = world.get(&world.admin, &url).await;
    assert_eq!(whole.status, StatusCode::OK, "{:#}", whole.body);
    assert!(
        whole.text.contains("DeploymentRuntime/books/far"),
        "{:#}",
        whole.body
    );
    assert_eq!(whole.body["hidden"], 0);
    let of_shop = reader(&world, "anna", "shop").await;
    let part = world.get(&of_shop, &url).await;
    assert!(!part.text.contains("books/far"), "{:#}", part.body);
    assert!(part.body["hidden"].as_u64().unwrap() > 0, "{:#}", part.body);
}

#[tokio::test]
async fn rules_are_listed_in_pages_and_explained() {
    let world = world().await;
    let token = world.user("other").await;
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/api/v1/rules?limit=20".to_owned();
    loop {
        let page = world.get(&token, &path).await.body;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|rule| rule["id"].as_str().unwrap().to_owned()));
        match page["continue"].as_str() {
            Some(mark) => path = format!("/api/v1/rules?limit=20&continue={mark}"),
            None => break,
        }
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "each once, in order");
    assert!(seen.contains(&"EnvironmentMissing".to_owned()) && seen.contains(&"ManifestSyntax".to_owned()));
    for id in &seen {
        let rule = world.get(&token, &format!("/api/v1/rules/{id}")).await;
        assert_eq!(rule.body["id"], id.as_str());
        assert!(!rule.body["explanation"].as_str().unwrap().is_empty(), "{id}");
    }
    let shouted = world.get(&token, "/api/v1/rules/ENVIRONMENTMISSING").await;
    assert!(
        shouted.body["bad"]["findings"]
            .as_str()
            .unwrap()
            .contains("EnvironmentMissing")
    );
    assert_eq!(
        world.get(&token, "/api/v1/rules/none").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn kinds_and_their_fields_are_explained_to_everybody() {
    let world = World::new().await;
    let get = async |path: &str| {
        let request = axum::http::Request::builder()
            .uri(format!("/api/v1/kinds{path}"))
            .body(axum::body::Body::empty())
            .unwrap();
        world.send(request).await
    };
    let all = get("").await.body;
    assert_eq!(
        all["items"].as_array().unwrap().len(),
        nautes_model::kind::KINDS.len()
    );
    let kind = get("/env").await.body;
    assert_eq!(kind["kind"], "Environment");
    assert_eq!(kind["scope"], "product");
    assert!(
        kind["field"]["fields"]
            .as_array()
            .unwrap()
            .iter()
            .any(|f| f["name"] == "spec")
    );
    let field = get("/ppr/spec.pipelines[0].Name").await.body;
    assert_eq!(field["path"], "spec.pipelines.name");
    assert_eq!(field["field"]["type"], "string");
    assert_eq!(field["field"]["required"], true);
    let deep = get("/cluster?recursive=true").await.text;
    assert!(deep.len() > get("/cluster").await.text.len());
    let wrong = get("/environment/spec.clutser").await;
    assert_eq!(wrong.status, StatusCode::NOT_FOUND);
    assert!(
        wrong.body["metadata"]["hint"]
            .as_str()
            .unwrap()
            .contains("cluster")
    );
    assert_eq!(get("/nonsense").await.status, StatusCode::NOT_FOUND);
}
