//! A product that the Go version called by its number, called as people know it; and a new one that is called otherwise
//! than its group.

use axum::http::{Method, StatusCode};
use nautes_gitops::{AccessLevel, GitHost as _, GroupSpec, Place, RepoSpec};
use nautes_model::Secret;
use serde_json::{Value, json};

use crate::groups::world;
use crate::support::{Answer, World, physical, product};

const ADDRESSES: [&str; 2] = ["shop", "product-560"];
const PRODUCTS: &str = "nautes/overlays/production/products";

async fn ok(world: &World, method: Method, path: &str, body: Value) -> Value {
    let answer = world.call(&world.admin, method, path, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {:#}", answer.body);
    answer.body
}

async fn read(world: &World, path: &str) -> Value {
    ok(world, Method::GET, path, Value::Null).await
}

async fn member(world: &World, name: &str, group: &str, level: AccessLevel) -> Secret {
    let token = world.user(name).await;
    let platform = world.forge.platform().await.unwrap();
    platform
        .add_member(&Place::group(group), name, level)
        .await
        .unwrap();
    token
}

fn registered(name: &str, group: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Product\nmetadata: {{ name: {name} }}\n\
         spec: {{ name: {group} }}\n"
    )
}

/// Registers products as somebody with git does.
async fn push(world: &World, products: &[(&str, &str)]) {
    for (name, group) in products {
        let (path, text) = (format!("{PRODUCTS}/{name}.yaml"), registered(name, group));
        world.push("nautes/management", &[(&path, &text)]).await;
    }
}

fn project(product: &str, name: &str) -> String {
    format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\n\
         spec: {{ name: {name}, product: {product}, language: go }}\n"
    )
}

#[tokio::test]
async fn a_product_is_found_by_its_number_and_by_its_group_and_shown_by_its_group() {
    let world = world().await;
    let mut all = Vec::new();
    for address in ADDRESSES {
        let base = format!("/api/v1/products/{address}");
        let shown = read(&world, &base).await;
        assert_eq!(shown["name"], "shop");
        assert_eq!(shown["git"]["gitlab"]["path"], "shop");
        let environment = read(&world, &format!("{base}/environments/dev")).await;
        assert_eq!(environment["product"], "shop");
        let manifest = read(&world, &format!("{base}?form=manifest")).await;
        assert_eq!(manifest["metadata"]["name"], "product-560");
        let projects = read(&world, &format!("{base}/projects")).await;
        assert_eq!(projects["items"][0]["product"], "shop");
        let selected = format!("/api/v1/products?field_selector=product_name=={address}");
        assert_eq!(read(&world, &selected).await["items"], json!([shown]));
        all.push((shown, environment, projects));
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(read(&world, "/api/v1/products").await["items"], json!([all[0].0]));
}

#[tokio::test]
async fn saving_by_the_group_means_what_is_there_and_nothing_in_git_is_called_otherwise() {
    let world = world().await;
    let body =
        json!({ "git": { "gitlab": { "path": "shop", "visibility": "private", "description": "more" } } });
    let saved = ok(&world, Method::POST, "/api/v1/products/shop", body).await;
    assert_eq!(saved["message"], "Successfully saved shop product");
    assert_eq!(saved["changed"], true);
    let body = json!({ "language": "go" });
    let path = "/api/v1/products/shop/projects/more";
    ok(&world, Method::POST, path, body.clone()).await;
    let same = ok(
        &world,
        Method::POST,
        "/api/v1/products/product-560/projects/more",
        body,
    )
    .await;
    assert_eq!(same["changed"], false, "both are the same project");
    let scopes = world.scopes().await;
    let products: Vec<_> = scopes.tenant.products().collect();
    assert_eq!(products.len(), 1);
    assert_eq!(products[0].0.identity.name.as_str(), "product-560");
    assert_eq!(products[0].1.spec.name, "shop");
    let (_, more) = scopes.products["product-560"].project("more").unwrap();
    assert_eq!(more.spec.product, "product-560");
    ok(&world, Method::DELETE, path, Value::Null).await;
    let scopes = world.scopes().await;
    assert!(scopes.products["product-560"].project("more").is_none());
}

#[tokio::test]
async fn manifests_may_name_the_group_and_answers_do() {
    let world = world().await;
    let text = [project("shop", "more"), "kind: Product\napiVersion: nautes.resource.nautes.io/v1alpha1\nspec: { name: shop, git: { gitlab: { visibility: private, description: other } } }\n".to_owned()];
    let reply = world.apply(&world.admin, &text.join("---\n")).await;
    let repositories = reply["repositories"].as_array().unwrap();
    assert_eq!(repositories[0]["resources"][0]["resource"]["name"], "shop");
    assert_eq!(repositories[1]["repository"], "shop/default.project");
    let outcome = &repositories[1]["resources"][0];
    assert_eq!(
        *outcome,
        json!({ "resource": { "kind": "Project", "product": "shop", "name": "more" }, "done": "created" })
    );
    let scopes = world.scopes().await;
    assert_eq!(scopes.tenant.products().count(), 1);
    let (_, more) = scopes.products["product-560"].project("more").unwrap();
    assert_eq!(more.spec.product, "product-560");

    let again = world.apply(&world.admin, &project("product-560", "more")).await;
    assert_eq!(
        again["repositories"][0]["resources"][0]["done"], "unchanged",
        "{again:#}"
    );
    let twice = [project("shop", "more"), project("product-560", "more")].join("---\n");
    let answer = world.post(&world.admin, "/api/v1/apply", &twice).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{:#}", answer.body);
    let stranger = world.user("stranger").await;
    let answer = world.post(&stranger, "/api/v1/apply", &twice).await;
    assert_eq!(
        answer.status,
        StatusCode::NOT_FOUND,
        "that they are the same is not for him"
    );
    let removed = world
        .post(&world.admin, "/api/v1/remove", &project("shop", "more"))
        .await;
    assert_eq!(
        removed.body["repositories"][0]["resources"][0],
        json!({ "resource": { "kind": "Project", "product": "shop", "name": "more" }, "done": "removed" })
    );
    assert!(
        world.scopes().await.products["product-560"]
            .project("more")
            .is_none()
    );
}

#[tokio::test]
async fn every_route_takes_both_and_answers_the_group() {
    let world = world().await;
    world.serve_kinds().await;
    nautes_runtime::controller::reconcile_all(&world.platform)
        .await
        .unwrap();
    for path in [
        "/api/v1/products/{p}/projects/web",
        "/api/v1/status",
        "/api/v1/status/{p}",
        "/api/v1/status/{p}/projects/web",
        "/api/v1/graph",
        "/api/v1/graph/{p}",
        "/api/v1/graph?focus=Project/{p}/web",
        "/api/v1/graph?focus=Product/{p}",
        "/api/v1/graph/{p}?format=dot",
        "/api/v1/graph/{p}?format=svg",
        "/api/v1/graph/{p}?format=mermaid",
        "/api/v1/audit",
        "/api/v1/audit/{p}",
        "/api/v1/audit?resource=Project/{p}/web",
        "/api/v1/access/who-can?item={p}/source",
        "/api/v1/access/can?subject={p}/web&item={p}/source",
        "/api/v1/access/explain?subject={p}/web",
        "/api/v1/plan/{p}?from=main",
    ] {
        let mut answers = Vec::new();
        for address in ADDRESSES {
            let path = path.replace("{p}", address);
            let answer = world.get(&world.admin, &path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {:#}", answer.body);
            assert!(answer.text.contains("shop"), "{path}: {:#}", answer.body);
            let without_files = answer.text.replace("products/product-560.yaml", "");
            assert!(
                !without_files.contains("product-560"),
                "{path}: {:#}",
                answer.body
            );
            answers.push(answer.text);
        }
        assert_eq!(answers[0], answers[1], "{path}");
    }
    let answer = world.get(&world.admin, "/api/v1/watch?product=shop").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text.contains(r#""product":"shop""#), "{}", answer.text);
    assert!(!answer.text.contains("/product-560/"), "{}", answer.text);
    let missing = world
        .get(&world.admin, "/api/v1/products/shop/projects/none")
        .await;
    assert_eq!(missing.body["message"], "Project/shop/none not found");
}

#[tokio::test]
async fn who_may_not_see_the_product_learns_neither_name_from_the_other() {
    let world = world().await;
    let stranger = world.user("stranger").await;
    for (address, other) in [("shop", "product-560"), ("product-560", "shop")] {
        let broken = format!("{}nosuchfield: 1\n", project(address, "web"));
        let mut answers: Vec<Answer> = Vec::new();
        for path in [
            "/api/v1/products/{p}",
            "/api/v1/products/{p}/projects/web",
            "/api/v1/status/{p}",
            "/api/v1/watch?product={p}",
            "/api/v1/graph?focus=Project/{p}/web",
            "/api/v1/access/who-can?item={p}/source",
            "/api/v1/access/can?subject={p}/web&item={p}/source",
            "/api/v1/access/explain?subject={p}/web",
        ] {
            answers.push(world.get(&stranger, &path.replace("{p}", address)).await);
        }
        for path in ["/api/v1/products/{p}", "/api/v1/products/{p}/projects/web"] {
            let path = path.replace("{p}", address);
            answers.push(world.call(&stranger, Method::POST, &path, json!({})).await);
            answers.push(world.call(&stranger, Method::DELETE, &path, Value::Null).await);
        }
        for path in ["/api/v1/apply", "/api/v1/remove", "/api/v1/validate"] {
            answers.push(world.post(&stranger, path, &project(address, "web")).await);
        }
        for answer in &answers {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text);
        }
        for path in ["/api/v1/apply", "/api/v1/validate"] {
            answers.push(world.post(&stranger, path, &broken).await);
        }
        for answer in &answers {
            assert!(!answer.text.contains(other), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_declared_name_goes_before_a_group_and_gives_no_right_on_the_product_of_the_group() {
    let world = world().await;
    let platform = world.forge.platform().await.unwrap();
    let group = GroupSpec {
        name: "evil".to_owned(),
        ..GroupSpec::default()
    };
    platform.create_group(&group).await.unwrap();
    let repo = "evil/default.project".parse().unwrap();
    platform
        .create_repository(&repo, &RepoSpec::default())
        .await
        .unwrap();
    let insider = member(&world, "insider", "shop", AccessLevel::Owner).await;
    let rival = member(&world, "rival", "evil", AccessLevel::Owner).await;
    assert_eq!(
        world.get(&insider, "/api/v1/products/shop").await.status,
        StatusCode::OK
    );
    push(&world, &[("shop", "evil")]).await;
    world.scopes().await;

    let get = async |token, path: &str| world.get(token, path).await;
    for (token, address, name) in [
        (&insider, "shop", None),
        (&insider, "product-560", Some("product-560")),
        (&rival, "shop", Some("shop")),
        (&rival, "product-560", None),
    ] {
        let answer = get(token, &format!("/api/v1/products/{address}")).await;
        match name {
            Some(name) => assert_eq!(answer.body["name"], name, "{:#}", answer.body),
            None => assert_eq!(answer.status, StatusCode::NOT_FOUND, "{:#}", answer.body),
        }
    }
    let before = world.tip("shop/default.project").await;
    for token in [&insider, &rival] {
        let path = "/api/v1/products/shop/projects/more";
        world
            .call(token, Method::POST, path, json!({ "language": "go" }))
            .await;
        world
            .post(
                token,
                "/api/v1/apply?insecure_skip_check=true",
                &project("shop", "more"),
            )
            .await;
    }
    assert_eq!(world.tip("shop/default.project").await, before);
}

#[tokio::test]
async fn a_group_that_two_have_means_neither_and_both_are_named_to_its_members() {
    let world = world().await;
    push(&world, &[("product-561", "shop")]).await;
    let (insider, stranger) = (
        member(&world, "insider", "shop", AccessLevel::Owner).await,
        world.user("stranger").await,
    );
    let projects = "/api/v1/products/shop/projects/more";
    for (method, path, status) in [
        (Method::GET, "/api/v1/products/shop", StatusCode::NOT_FOUND),
        (Method::GET, "/api/v1/status/shop", StatusCode::NOT_FOUND),
        (Method::POST, "/api/v1/products/shop", StatusCode::CONFLICT),
        (Method::DELETE, "/api/v1/products/shop", StatusCode::CONFLICT),
        (Method::POST, projects, StatusCode::CONFLICT),
    ] {
        let body = if method == Method::POST {
            json!({ "language": "go" })
        } else {
            Value::Null
        };
        let answer = world.call(&insider, method.clone(), path, body.clone()).await;
        assert_eq!(answer.status, status, "{method} {path}: {:#}", answer.body);
        assert!(
            answer.text.contains("product-560 or product-561"),
            "{}",
            answer.text
        );
        let answer = world.call(&stranger, method, path, body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(!answer.text.contains("product-56"), "{}", answer.text);
    }
    let path = "/api/v1/apply?insecure_skip_check=true";
    let answer = world.post(&insider, path, &project("shop", "more")).await;
    assert_eq!(answer.body["reason"], "AMBIGUOUS_NAME", "{:#}", answer.body);
    let answer = world.post(&stranger, path, &registered("shop", "shop")).await;
    assert_eq!(answer.body["reason"], "GROUP_EXISTS", "{:#}", answer.body);
    assert!(!answer.text.contains("product-56"), "{}", answer.text);
    assert_eq!(
        read(&world, "/api/v1/products/product-560").await["name"],
        "product-560"
    );
}

#[tokio::test]
async fn nobody_takes_the_group_or_the_name_of_another_product() {
    let world = world().await;
    let rival = world.user("rival").await;
    let skip = "/api/v1/apply?insecure_skip_check=true";
    for group in ["shop", "product-560"] {
        let answer = world.post(&rival, skip, &registered("mine", group)).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{:#}", answer.body);
        assert_eq!(answer.body["reason"], "GROUP_EXISTS");
    }
    // The name of a group is the product of that group.
    let answer = world.post(&rival, skip, &registered("shop", "evil")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{:#}", answer.body);

    world.apply(&rival, &registered("mine", "mine")).await;
    let answer = world.post(&rival, skip, &registered("mine", "shop")).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{:#}", answer.body);
    let scopes = world.scopes().await;
    assert_eq!(scopes.tenant.product("mine").unwrap().1.spec.name, "mine");
    assert_eq!(scopes.tenant.products().count(), 2);
}

#[tokio::test]
async fn a_product_that_is_called_otherwise_than_its_group_is_made_in_one_request() {
    let world = World::new().await;
    world
        .apply(&world.admin, &physical("deploys", "deployment", "6443"))
        .await;
    let user = world.user("user").await;
    let text = format!("{}---\n{}", registered("store", "shop"), project("store", "web"));
    let planned = world.post(&user, "/api/v1/apply?dry_run=true", &text).await;
    let names = |reply: &Value| -> Vec<String> {
        let all = reply["repositories"].as_array().unwrap();
        all.iter()
            .map(|r| r["repository"].as_str().unwrap().to_owned())
            .collect()
    };
    let wanted = ["nautes/management", "shop/default.project"];
    assert_eq!(names(&planned.body), wanted, "{:#}", planned.body);
    let made = world.apply(&user, &text).await;
    assert_eq!(names(&made), wanted);
    assert!(world.tip("shop/default.project").await.is_some());
    let platform = world.forge.platform().await.unwrap();
    assert!(platform.group("store").await.unwrap().is_none());
    let scopes = world.scopes().await;
    let (_, store) = scopes.tenant.product("store").unwrap();
    assert!(store.spec.registration.is_some());
    assert!(scopes.products["store"].project("web").is_some());
    for address in ["store", "shop"] {
        let path = format!("/api/v1/products/{address}");
        let shown = world.get(&user, &path).await;
        // A declared name that somebody has chosen is what people know.
        assert_eq!(shown.body["name"], "store", "{:#}", shown.body);
        let body = json!({ "git": { "gitlab": { "visibility": "private", "description": address } } });
        let saved = world.call(&user, Method::POST, &path, body).await;
        assert_eq!(saved.status, StatusCode::OK, "{:#}", saved.body);
    }
    let scopes = world.scopes().await;
    let (_, store) = scopes.tenant.product("store").unwrap();
    assert_eq!(store.spec.name, "shop");
    // The same group is of no other product, not even one of the same user.
    let answer = world
        .post(&user, "/api/v1/apply", &product("shop", "deploys"))
        .await;
    assert_eq!(
        answer.status,
        StatusCode::OK,
        "it means what is there: {:#}",
        answer.body
    );
    let scopes = world.scopes().await;
    assert_eq!(scopes.tenant.products().count(), 1);
    assert!(scopes.products["store"].environment("dev").is_some());
}
