//! Every operation of the table, asked by everybody: `tests/api/matrix.txt` says what becomes of it. `UPDATE=1` writes
//! it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use nautes_api::legacy::example;
use nautes_api::routes::operation::{Needs, Operation, Place};
use nautes_api::routes::table::table;
use nautes_gitops::{AccessLevel, GitHost as _};
use nautes_model::{Kind, Secret};
use nautes_vault::SecretStore as _;

use crate::support::{Answer, World, physical, pipelines, product};
use crate::support_clusters::serve_runs;

const HEAD: &str = "\
# Who may do what: the answer to each operation of the table, for each caller, with the examples of the table.
# 401 nobody knows the caller; 403 he may see it but not do it; 404 he may not even see it.
# Everything else passed the gate. Written by a test (UPDATE=1): read the difference.
#
# outsider to owner: users by their role in the product's group, without any on the tenant's repository.
# t-guest to t-writer: users by their role on the tenant's repository (reporter reads, developer pushes), without any in
# the product.
";

/// Who asks; the place and level of the others.
const ROLES: &[(&str, Option<(&str, AccessLevel)>)] = &[
    ("outsider", None),
    ("reporter", Some(("shop", AccessLevel::Reporter))),
    ("developer", Some(("shop", AccessLevel::Developer))),
    ("maintainer", Some(("shop", AccessLevel::Maintainer))),
    ("owner", Some(("shop", AccessLevel::Owner))),
    ("t-guest", Some(("nautes", AccessLevel::Guest))),
    ("t-reader", Some(("nautes", AccessLevel::Reporter))),
    ("t-writer", Some(("nautes", AccessLevel::Developer))),
];

/// The kinds of the examples, in the order in which they can be created.
const KINDS: &[Kind] = &[
    Kind::Cluster,
    Kind::Product,
    Kind::Project,
    Kind::Environment,
    Kind::CodeRepo,
    Kind::CodeRepoBinding,
    Kind::ProjectPipelineRuntime,
    Kind::DeploymentRuntime,
];

const LIVE: &str = "
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: {name: live, product: shop, cluster: live, envType: live}
";

/// Puts everything in place that the examples speak of.
async fn settle(world: &World) {
    let text = [
        pipelines(),
        physical("live", "deployment", "6444"),
        product("shop", "pipelines"),
        LIVE.to_owned(),
    ];
    world.apply(&world.admin, &text.join("---\n")).await;
    for operation in table() {
        let Needs::Resource(kind, _) = operation.needs else {
            continue;
        };
        if operation.body.is_some() && KINDS.contains(&kind) {
            let answer = ask(world, &operation, Some(&world.admin)).await;
            assert_eq!(
                answer.status,
                StatusCode::OK,
                "the example of {kind} works: {:#}",
                answer.body
            );
        }
    }
}

/// Sends the example of an operation.
async fn ask(world: &World, operation: &Operation, token: Option<&Secret>) -> Answer {
    let mut path = operation.path.clone();
    for parameter in operation.parameters.iter().filter(|p| p.place == Place::Path) {
        path = path.replace(&format!("{{{}}}", parameter.name), parameter.example.unwrap());
    }
    let asked: Vec<String> = operation
        .parameters
        .iter()
        .filter(|p| p.place == Place::Query)
        .filter_map(|p| Some(format!("{}={}", p.name, p.example?)))
        .collect();
    if !asked.is_empty() {
        path = format!("{path}?{}", asked.join("&"));
    }
    let mut request = Request::builder()
        .method(&operation.method)
        .uri(path)
        .header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {}", token.expose_str().unwrap()));
    }
    let body = operation.body.as_ref().map(|body| body.example.to_string());
    world
        .send(request.body(body.map_or_else(Body::empty, Body::from)).unwrap())
        .await
}

/// Everything that is written anywhere: the whole folder of the forge, and the versions in the store.
async fn written(world: &World) -> BTreeMap<String, Vec<u8>> {
    fn walk(dir: &Path, out: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else {
                out.insert(path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(&world.dir.path().join("forge"), &mut all);
    for path in world.store.list("").await.unwrap() {
        let stored = world.store.read(&path).await.unwrap().unwrap();
        all.insert(format!("store {path}"), stored.version.to_be_bytes().to_vec());
    }
    all
}

#[tokio::test]
async fn every_operation_answers_every_caller_as_the_matrix_says() {
    let world = World::new().await;
    world.serve_kinds().await;
    for name in ["pipelines", "live"] {
        world.clusters.put(name, &world.cluster);
    }
    serve_runs(&world.cluster).await;
    settle(&world).await;
    let platform = world.forge.platform().await.unwrap();
    let mut callers: Vec<(&str, Option<Secret>)> = vec![
        ("no token", None),
        ("unknown", Some(Secret::from("nobody's-token"))),
    ];
    for (name, role) in ROLES {
        let token = world.user(name).await;
        if let Some((group, level)) = role {
            let place = nautes_gitops::Place::group(*group);
            platform.add_member(&place, name, *level).await.unwrap();
        }
        callers.push((name, Some(token)));
    }

    let mut text = HEAD.to_owned();
    let names: Vec<String> = callers.iter().map(|(name, _)| format!("{name:>11}")).collect();
    writeln!(text, "{:<70}{}", "", names.concat()).unwrap();
    for operation in table() {
        let mut line = format!("{:<7}{:<63}", operation.method.as_str(), operation.path);
        for (name, token) in &callers {
            let before = written(&world).await;
            let answer = ask(&world, &operation, token.as_ref()).await;
            let status = answer.status.as_u16();
            write!(line, "{status:>11}").unwrap();
            let what = format!("{} by {name}: {:#}", operation.id, answer.body);
            assert!(status < 500, "{what}");
            let known = token.is_some() && *name != "unknown";
            assert_eq!(
                status == 401,
                !known && operation.needs != Needs::Public,
                "only who is not known is asked who he is: {what}"
            );
            let denied = matches!(status, 401 | 403) || answer.body["reason"] == "RESOURCE_NOT_FOUND";
            if denied || !operation.writes {
                assert!(before == written(&world).await, "nothing was written: {what}");
            } else {
                settle(&world).await;
            }
        }
        writeln!(text, "{}", line.trim_end()).unwrap();
    }

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/matrix.txt");
    if std::env::var("UPDATE").is_ok_and(|v| v == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "who may do what is not as kept (UPDATE=1 writes it):\n{text}"
    );
}

#[test]
fn every_kind_with_an_example_has_routes() {
    let saved: Vec<Kind> = table()
        .iter()
        .filter(|o| o.body.is_some())
        .filter_map(|o| match o.needs {
            Needs::Resource(kind, _) => Some(kind),
            _ => None,
        })
        .collect();
    for kind in KINDS {
        assert!(saved.contains(kind), "{kind}");
        assert_ne!(example::name(*kind), "example");
    }
}
