//! What reads ask the forge for.

use axum::http::StatusCode;

use crate::support::{World, pipelines, product};

#[tokio::test]
async fn a_read_of_one_product_asks_for_its_repository_and_the_tenants() {
    let world = World::new().await;
    let text = [
        pipelines(),
        product("shop", "pipelines"),
        product("books", "pipelines"),
    ];
    world.apply(&world.admin, &text.join("---\n")).await;
    let asked = async |path: &str| {
        let _ = world.forge_weather.steps();
        let answer = world.get(&world.admin, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {:#}", answer.body);
        let steps = world.forge_weather.steps();
        let mut refs: Vec<String> = steps
            .into_iter()
            .filter(|s| s.call == "refs")
            .map(|s| s.on)
            .collect();
        refs.sort();
        refs
    };
    let (tenant, shop, books) = (
        "nautes/management",
        "shop/default.project",
        "books/default.project",
    );
    for (path, wanted) in [
        ("/api/v1/products/shop/projects/web", vec![tenant, shop]),
        ("/api/v1/products/shop/coderepos", vec![tenant, shop]),
        (
            "/api/v1/products/shop/coderepos/source",
            vec![tenant, tenant, shop, shop],
        ),
        ("/api/v1/clusters/pipelines", vec![tenant]),
        ("/api/v1/graph", vec![books, tenant, shop]),
    ] {
        let mut wanted = wanted;
        wanted.sort_unstable();
        let mut found = asked(path).await;
        if path.contains("graph") {
            found.dedup();
        }
        assert_eq!(found, wanted, "{path}");
    }
}
