//! A product that the Go version called by its number: rights are those on its group, whatever else has its name.

use axum::http::{Method, StatusCode};
use nautes_gitops::{AccessLevel, GitHost as _, GroupSpec, Place, RepoPath, RepoSpec};
use nautes_model::kind::API_VERSION;
use serde_json::{Value, json};

use crate::support::{World, physical, product};

const PROJECTS: &str = "/api/v1/products/product-560/projects";

/// A product `product-560` in the group `shop`.
pub(crate) async fn world() -> World {
    let world = World::new().await;
    let admin = &world.admin;
    world
        .apply(admin, &physical("deploys", "deployment", "6443"))
        .await;
    world.apply(admin, &product("shop", "deploys")).await;
    let scopes = world.scopes().await;
    let (registered, _) = scopes.tenant.product("shop").unwrap();
    let mut manifest = registered.resource.without_status().to_json().unwrap();
    manifest["metadata"] = json!({ "name": "product-560" });
    const FOLDER: &str = "nautes/overlays/production/products";
    world
        .push(
            "nautes/management",
            &[(&format!("{FOLDER}/product-560.yaml"), &manifest.to_string())],
        )
        .await;
    world
        .remove_file("nautes/management", &format!("{FOLDER}/shop.yaml"))
        .await;
    let manifest = |kind: &str, name: &str, more: Value| {
        let mut spec = more;
        spec["product"] = json!("product-560");
        json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": { "name": name }, "spec": spec })
            .to_string()
    };
    let files = [
        (
            "envs/dev.yaml",
            manifest(
                "Environment",
                "dev",
                json!({ "cluster": "deploys", "envType": "dev" }),
            ),
        ),
        (
            "projects/web/web.yaml",
            manifest("Project", "web", json!({ "language": "rust" })),
        ),
        (
            "code-repos/source/source.yaml",
            manifest("CodeRepo", "source", json!({ "project": "web" })),
        ),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    world.push("shop/default.project", &files).await;
    let scopes = world.scopes().await;
    assert!(scopes.tenant.product("shop").is_none());
    assert_eq!(scopes.products["product-560"].resources.len(), 3);
    world
}

#[tokio::test]
async fn who_owns_a_group_of_the_number_has_no_right_on_the_product() {
    let world = world().await;
    let insider = world.user("insider").await;
    let rival = world.user("rival").await;
    let platform = world.forge.platform().await.unwrap();
    let group = GroupSpec {
        name: "product-560".to_owned(),
        ..GroupSpec::default()
    };
    platform.create_group(&group).await.unwrap();
    let decoy: RepoPath = "product-560/default.project".parse().unwrap();
    platform
        .create_repository(&decoy, &RepoSpec::default())
        .await
        .unwrap();
    for (place, name, level) in [
        ("shop", "insider", AccessLevel::Developer),
        ("product-560", "rival", AccessLevel::Owner),
    ] {
        platform
            .add_member(&Place::group(place), name, level)
            .await
            .unwrap();
    }

    assert_eq!(world.get(&insider, PROJECTS).await.status, StatusCode::OK);
    assert_eq!(world.get(&rival, PROJECTS).await.status, StatusCode::NOT_FOUND);
    let path = format!("{PROJECTS}/more");
    let save = async |token| {
        let body = json!({ "language": "go" });
        world.call(token, Method::POST, &path, body).await
    };
    let before = world.tip("shop/default.project").await;
    let refused = save(&rival).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{:#}", refused.body);
    assert_eq!(world.tip("shop/default.project").await, before);
    let saved = save(&insider).await;
    assert_eq!(saved.status, StatusCode::OK, "{:#}", saved.body);
    assert_ne!(world.tip("shop/default.project").await, before);
    assert_eq!(world.tip("product-560/default.project").await, None);
    let removed = world.call(&insider, Method::DELETE, &path, Value::Null).await;
    assert_eq!(removed.status, StatusCode::OK, "{:#}", removed.body);
}
