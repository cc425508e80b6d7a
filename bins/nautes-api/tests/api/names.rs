//! Repositories that the Go version called by their number, called as people know them.

use axum::http::{Method, StatusCode};
use nautes_model::{Resource, Secret};
use serde_json::{Value, json};

use crate::support::{World, physical};

const REPOS: &str = "/api/v1/products/shop/coderepos";

/// A product `shop` whose repository `source` is declared as `repo-297`, and a product `books`.
pub(crate) async fn world() -> World {
    let world = World::new().await;
    let admin = &world.admin;
    world
        .apply(admin, &physical("deploys", "deployment", "6443"))
        .await;
    for name in ["shop", "books"] {
        let text = format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: {{ name: dev, product: {name}, cluster: deploys, envType: dev }}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
spec: {{ name: web, product: {name}, language: rust }}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Product
spec:
  name: {name}
  git: {{ gitlab: {{ visibility: private, description: a product }} }}
"
        );
        world.apply(admin, &text).await;
    }
    let repo = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
metadata:
  name: repo-297
spec:
  product: shop
  project: web
  repoName: source
  deploymentRuntime: true
";
    let files = [("code-repos/repo-297/repo-297.yaml", repo)];
    world.push("shop/default.project", &files).await;
    world
}

async fn ok(world: &World, method: Method, path: &str, body: Value) -> Value {
    let answer = world.call(&world.admin, method, path, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {:#}", answer.body);
    answer.body
}

async fn read(world: &World, path: &str) -> Value {
    ok(world, Method::GET, path, Value::Null).await
}

async fn status_of(world: &World, token: &Secret, path: &str) -> StatusCode {
    world.get(token, path).await.status
}

#[tokio::test]
async fn a_repository_is_found_by_its_number_and_by_its_path_and_shown_by_its_path() {
    let world = world().await;
    let by_path = read(&world, &format!("{REPOS}/source")).await;
    assert_eq!(by_path["name"], "source");
    assert_eq!(by_path["git"]["gitlab"]["path"], Value::Null);
    assert_eq!(by_path, read(&world, &format!("{REPOS}/repo-297")).await);
    for selector in [
        "",
        "?field_selector=coderepo_name==source",
        "?field_selector=coderepo_name==repo-297",
    ] {
        let all = read(&world, &format!("{REPOS}{selector}")).await;
        assert_eq!(all["items"], json!([by_path]), "{selector}");
    }
    let others = read(&world, &format!("{REPOS}?field_selector=coderepo_name!=source")).await;
    assert_eq!(others["items"], json!([]));
    // What is declared is answered as it is declared.
    let manifest = read(&world, &format!("{REPOS}/source?form=manifest")).await;
    assert_eq!(manifest["metadata"]["name"], "repo-297");
}

#[tokio::test]
async fn saving_and_removing_by_the_path_mean_what_is_there() {
    let world = world().await;
    let path = format!("{REPOS}/source");
    let body = json!({ "project": "web", "deployment_runtime": true, "pipeline_runtime": true,
        "git": { "gitlab": { "path": "source", "visibility": "private" } } });
    let saved = ok(&world, Method::POST, &path, body).await;
    assert_eq!(saved["changed"], true, "{saved:#}");
    assert_eq!(saved["message"], "Successfully saved source coderepo");
    let scopes = world.scopes().await;
    let all: Vec<_> = scopes.products["shop"].code_repos().collect();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].0.identity.name.as_str(), "repo-297");
    assert_eq!(all[0].1.spec.repo_name, "source");
    assert!(all[0].1.spec.pipeline_runtime);
    let removed = ok(&world, Method::DELETE, &path, Value::Null).await;
    assert_eq!(removed["message"], "Successfully deleted source coderepo");
    assert_eq!(world.scopes().await.products["shop"].code_repos().count(), 0);
    assert_eq!(
        status_of(&world, &world.admin, &path).await,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn references_are_shown_as_people_know_them_also_from_another_product() {
    let world = world().await;
    let binding = "/api/v1/products/shop/coderepobindings/opened";
    let body = json!({ "coderepo": "repo-297", "product": "books", "permissions": "readonly" });
    ok(&world, Method::POST, binding, body).await;
    assert_eq!(read(&world, binding).await["coderepo"], "source");
    for selector in ["coderepo=source", "coderepo=repo-297"] {
        let path = format!("/api/v1/products/shop/coderepobindings?field_selector={selector}");
        assert_eq!(
            read(&world, &path).await["items"][0]["name"],
            "opened",
            "{selector}"
        );
    }
    let runtime = "/api/v1/products/books/deploymentruntimes/run";
    let body = json!({ "projects_ref": ["web"], "destination": { "environment": "dev" },
        "manifest_source": { "code_repo": "shop/repo-297", "target_revision": "main", "path": "deploy" } });
    ok(&world, Method::POST, runtime, body).await;
    let shown = read(&world, runtime).await;
    assert_eq!(shown["manifest_source"]["code_repo"], "shop/source");
    // What is read can be saved again, and means the same.
    ok(&world, Method::POST, runtime, shown).await;
    let scopes = world.scopes().await;
    let found = scopes.products["books"].deployment_runtime("run").unwrap();
    assert!(matches!(&found.0.resource, Resource::DeploymentRuntime(_)));
    let text = &found.1.spec.manifest_source.code_repo;
    let (repo, _) = scopes
        .find_code_repo(&scopes.products["books"].product, text)
        .unwrap();
    assert_eq!(repo.identity.name.as_str(), "repo-297");
}

#[tokio::test]
async fn a_path_tells_nothing_to_those_who_may_not_see_the_product() {
    let world = world().await;
    let stranger = world.user("stranger").await;
    for name in ["source", "repo-297", "nothing"] {
        let path = format!("{REPOS}/{name}");
        assert_eq!(status_of(&world, &stranger, &path).await, StatusCode::NOT_FOUND);
        let answer = world.call(&stranger, Method::DELETE, &path, Value::Null).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(
            !answer.text.contains("repo-297") || name == "repo-297",
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_path_that_two_have_means_neither_and_both_are_named() {
    let world = world().await;
    let manifest = |name: &str| {
        format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: CodeRepo\nmetadata: {{ name: {name} }}\n\
             spec: {{ product: shop, project: web, repoName: twice }}\n"
        )
    };
    let (one, other) = (manifest("repo-298"), manifest("repo-299"));
    let files = [
        ("code-repos/repo-298/repo-298.yaml", one.as_str()),
        ("code-repos/repo-299/repo-299.yaml", other.as_str()),
    ];
    world.push("shop/default.project", &files).await;
    let path = format!("{REPOS}/twice");
    for (method, status) in [
        (Method::GET, StatusCode::NOT_FOUND),
        (Method::POST, StatusCode::CONFLICT),
        (Method::DELETE, StatusCode::CONFLICT),
    ] {
        let body = if method == Method::POST {
            json!({ "project": "web" })
        } else {
            Value::Null
        };
        let answer = world.call(&world.admin, method, &path, body).await;
        assert_eq!(answer.status, status, "{:#}", answer.body);
        assert!(answer.text.contains("repo-298 or repo-299"), "{}", answer.text);
    }
    assert_eq!(
        read(&world, &format!("{REPOS}/repo-298")).await["name"],
        "repo-298"
    );
    let stranger = world.user("stranger").await;
    assert!(!world.get(&stranger, &path).await.text.contains("repo-298"));
}
