//! What a file declares that cannot be read now is not declared a second time, and not taken by others.

use axum::http::{Method, StatusCode};
use nautes_gitops::{AccessLevel, GitHost as _, GroupSpec, Place};
use serde_json::{Value, json};

use crate::support::Answer;

const SKIP: &str = "/api/v1/apply?insecure_skip_check=true";
const REPO: &str = "code-repos/repo-297/repo-297.yaml";
const PRODUCT: &str = "nautes/overlays/production/products/product-560.yaml";

fn refused(answer: &Answer, file: &str) {
    assert_eq!(answer.status, StatusCode::CONFLICT, "{:#}", answer.body);
    assert_eq!(answer.body["reason"], "UNREADABLE_FILE");
    assert_eq!(answer.body["metadata"]["file"], file);
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.contains(file), "{message}");
}

fn repo(name: &str, more: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepo\nmetadata: {{ name: {name} }}\n\
         spec: {{ product: shop, project: web{more} }}\n"
    )
}

#[tokio::test]
async fn a_repository_whose_file_is_unreadable_is_not_made_again_under_its_path() {
    let world = crate::names::world().await;
    let home = "shop/default.project";
    world.push(home, &[(REPO, "spec: [")]).await;
    let before = world.tip(home).await;
    let body = json!({ "project": "web" });
    for name in ["source", "repo-297"] {
        let path = format!("/api/v1/products/shop/coderepos/{name}?insecure_skip_check=true");
        refused(
            &world.call(&world.admin, Method::POST, &path, body.clone()).await,
            REPO,
        );
        refused(&world.post(&world.admin, SKIP, &repo(name, "")).await, REPO);
        let dry = world
            .post(&world.admin, "/api/v1/apply?dry_run=true", &repo(name, ""))
            .await;
        refused(&dry, REPO);
        let judged = world
            .post(&world.admin, "/api/v1/validate", &repo(name, ""))
            .await;
        refused(&judged, REPO);
    }
    assert_eq!(world.tip(home).await, before);
    // Other things go on.
    let path = "/api/v1/products/shop/projects/more";
    let other = world
        .call(&world.admin, Method::POST, path, json!({ "language": "go" }))
        .await;
    assert_eq!(other.status, StatusCode::OK, "{:#}", other.body);
    // Who may not see the product does not learn of its files.
    let stranger = world.user("stranger").await;
    let answer = world.post(&stranger, SKIP, &repo("source", "")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(!answer.text.contains("repo-297"), "{}", answer.text);
    // Who says where it is declares it anew.
    world
        .apply(&world.admin, &repo("repo-297", ", repoName: source"))
        .await;
    let scopes = world.scopes().await;
    let all: Vec<_> = scopes.products["shop"].code_repos().collect();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].1.spec.repo_name, "source");
}

#[tokio::test]
async fn an_unreadable_file_of_a_repository_that_is_called_by_its_path_holds_up_no_other() {
    let world = crate::names::world().await;
    world.apply(&world.admin, &repo("web", "")).await;
    world
        .push("shop/default.project", &[("code-repos/web/web.yaml", "spec: [")])
        .await;
    for name in ["other", "web"] {
        world.apply(&world.admin, &repo(name, "")).await;
    }
    assert_eq!(world.scopes().await.products["shop"].code_repos().count(), 3);
}

#[tokio::test]
async fn a_product_whose_file_is_unreadable_is_not_made_again_and_not_taken() {
    let world = crate::groups::world().await;
    let platform = world.forge.platform().await.unwrap();
    // Whoever makes a group of the number has no right on the product, also while nobody can tell its group.
    let rival = world.user("rival").await;
    let session = world.forge.session(&rival).await.unwrap();
    let group = GroupSpec {
        name: "product-560".to_owned(),
        ..GroupSpec::default()
    };
    session.create_group(&group).await.unwrap();
    let insider = world.user("insider").await;
    platform
        .add_member(&Place::group("shop"), "insider", AccessLevel::Owner)
        .await
        .unwrap();
    world.push("nautes/management", &[(PRODUCT, "spec: [")]).await;
    let tips = async || {
        let mut all = Vec::new();
        for path in ["nautes/management", "shop/default.project"] {
            all.push(world.tip(path).await);
        }
        all
    };
    let before = tips().await;
    let manifest = |name: &str, group: &str| {
        format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Product\nmetadata: {{ name: {name} }}\n\
             spec: {{ name: {group} }}\n"
        )
    };
    for token in [&rival, &insider, &world.admin] {
        for text in [
            manifest("product-560", "product-560"),
            manifest("product-560", "shop"),
            manifest("shop", "shop"),
            manifest("new", "shop"),
        ] {
            refused(&world.post(token, SKIP, &text).await, PRODUCT);
        }
    }
    let path = "/api/v1/products/product-560";
    refused(&world.call(&rival, Method::POST, path, json!({})).await, PRODUCT);
    refused(
        &world.call(&rival, Method::DELETE, path, Value::Null).await,
        PRODUCT,
    );
    refused(
        &world
            .post(&rival, "/api/v1/remove", &manifest("product-560", "shop"))
            .await,
        PRODUCT,
    );
    for (token, address) in [(&rival, "product-560"), (&insider, "shop")] {
        let path = format!("/api/v1/products/{address}/projects/more?insecure_skip_check=true");
        let answer = world
            .call(token, Method::POST, &path, json!({ "language": "go" }))
            .await;
        refused(&answer, PRODUCT);
    }
    assert_eq!(tips().await, before);
    // A group that nobody has is nobody's product.
    world.apply(&rival, &manifest("fresh", "fresh")).await;
}
