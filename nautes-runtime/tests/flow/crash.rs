//! The controllers die at every single request that writes, and each life goes on where the last one ended: the end is
//! that of controllers that never died, with nothing twice and nothing left over. All units of work have their part in the
//! story: clusters, projection, status, forge, rights, applying, deploying, runs, and the end of a product.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, ListParams};
use kube::discovery::{Discovery, verbs};
use nautes_gitops::RepoRef;
use nautes_runtime::controller::Controllers;
use nautes_runtime::local::fault::Crash;
use nautes_runtime::status_report::State;
use nautes_vault::SecretStore as _;

use crate::world::{On, World};
use crate::{PIPELINE, SHOP, map};

/// How many lives a step of the story may take: it has far fewer writes.
const LIVES: u64 = 500;

/// One life after the other, until one ends by itself and has written nothing. In each, `allowed` requests that write are
/// served; one more after a life that has changed nothing, because some requests are refused and lead to others.
async fn live(world: &World, death: Option<(Crash, u64)>) -> u64 {
    let (mut more, mut before) = (0, revisions(world).await);
    for life in 0..LIVES {
        let hits = world.faults.hits();
        if let Some((crash, allowed)) = death {
            world.faults.crash(None, allowed + more, crash);
        }
        let controllers = Controllers::new(world.platform.clone());
        let pass = controllers.reconcile_all().await;
        let died = world.faults.hits() > hits;
        world.faults.clear();
        drop(controllers);
        match pass {
            Ok(totals) if !died && totals.writes == 0 => return life,
            Err(error) if !died => panic!("life {life}: {error}"),
            _ => {}
        }
        let now = revisions(world).await;
        more = if now == before { more + 1 } else { 0 };
        before = now;
    }
    panic!("it does not come to an end");
}

/// At which revision each cluster is.
async fn revisions(world: &World) -> Vec<Option<String>> {
    let mut all = Vec::new();
    for cluster in world.clusters.values().chain([&world.tenant]) {
        let spaces: Api<Namespace> = Api::all(cluster.client());
        let list = spaces.list(&ListParams::default()).await.unwrap();
        all.push(list.metadata.resource_version);
    }
    all
}

/// What a product needs from the first commit to the last object.
async fn story(death: Option<(Crash, u64)>) -> (World, u64) {
    let world = World::with_clusters(On::Local, Duration::from_secs(30)).await;
    let mut lives = live(&world, death).await;
    world.save(SHOP).await;
    lives += live(&world, death).await;
    let pipeline = [("pipelines/main.yaml", Some(PIPELINE))];
    world.push("shop/web-pipeline", "main", &pipeline).await;
    let (red, green, blue) = (map("a", "red"), map("a", "green"), map("b", "blue"));
    let first = [
        ("deployments/test/a.yaml", Some(&*red)),
        ("deployments/test/b.yaml", Some(&*blue)),
    ];
    world.push("shop/web-deploy", "main", &first).await;
    lives += live(&world, death).await;
    let source = [("main.rs", Some("fn main() {}"))];
    world.push("shop/web-source", "main", &source).await;
    lives += live(&world, death).await;
    let second = [
        ("deployments/test/a.yaml", Some(&*green)),
        ("deployments/test/b.yaml", None),
    ];
    world.push("shop/web-deploy", "main", &second).await;
    lives += live(&world, death).await;
    (world, lives)
}

/// Everything that there is: objects of all clusters, repositories with their keys and hooks, secrets, grants.
async fn everything(world: &World) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let clusters = world.clusters.iter().map(|(name, cluster)| (*name, cluster));
    for (cluster, server) in clusters.chain([("tenant", &world.tenant)]) {
        let found = Discovery::new(server.client()).run().await.unwrap();
        for (resource, capabilities) in found.groups().flat_map(|group| group.recommended_resources()) {
            if !capabilities.supports_operation(verbs::LIST) || resource.kind == "Event" {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(server.client(), &resource);
            for object in api.list(&ListParams::default()).await.unwrap() {
                let namespace = object.metadata.namespace.unwrap_or_default();
                let mut name = object.metadata.name.unwrap();
                // The name of a run has the time of its event in it.
                if resource.kind == "PipelineRun" {
                    name = "a run".to_owned();
                }
                let line = format!("{cluster} {} {namespace} {name}", resource.kind);
                assert!(all.insert(line.clone()), "twice: {line}");
            }
        }
    }
    let session = world.platform.host().platform().await.unwrap();
    for group in session.groups().await.unwrap() {
        for repository in session.repositories(&group.name).await.unwrap() {
            let path = repository.path;
            let keys = session.deploy_keys(&path).await.unwrap();
            let titles: BTreeMap<String, usize> = keys.iter().fold(BTreeMap::new(), |mut all, key| {
                *all.entry(format!("{} {}", key.title, key.can_push)).or_default() += 1;
                all
            });
            let hooks = session.hooks(&path).await.unwrap().len();
            all.insert(format!("forge {path}: {titles:?}, {hooks} hooks"));
        }
    }
    for path in world.store.list("").await.unwrap() {
        all.insert(format!("secret {path}"));
    }
    for scope in world.store.grant_scopes().await.unwrap() {
        let grants = world.store.grants(&scope).await.unwrap();
        all.extend(grants.iter().map(|grant| format!("{scope}: {grant:?}")));
    }
    all
}

async fn is_settled(world: &World) {
    let tree = world.report().await;
    let open: Vec<String> = tree
        .nodes()
        .filter(|node| node.state != State::Ready)
        .map(|node| format!("{} {}: {}", node.resource, node.reason, node.message))
        .collect();
    assert!(open.is_empty(), "{open:#?}");
    let again = Controllers::new(world.platform.clone())
        .reconcile_all()
        .await
        .unwrap();
    assert_eq!(again.writes, 0, "{again:#?}");
    assert_eq!(world.runs().await.len(), 1);
}

/// Plays the story with deaths, and compares it with the one without.
async fn dies(crash: Crash, allowed: u64) {
    let (calm, none) = story(None).await;
    is_settled(&calm).await;
    let (world, lives) = story(Some((crash, allowed))).await;
    is_settled(&world).await;
    assert!(lives > none + 40, "{lives} lives");
    let (want, have) = (everything(&calm).await, everything(&world).await);
    let missing: Vec<_> = want.difference(&have).collect();
    let extra: Vec<_> = have.difference(&want).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:#?}\nextra {extra:#?}"
    );

    world.remove(RepoRef::Tenant, &["Product/shop"]).await;
    // Namespaces end when they are empty; nobody else wakes these controllers.
    world
        .eventually("nothing of shop is left", async || {
            live(&world, Some((crash, allowed))).await;
            let mut left = everything(&world).await;
            left.retain(|line| line.contains("shop"));
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:#?}"))
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_each_request_that_was_served_and_not_answered() {
    dies(Crash::After, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_each_second_request() {
    dies(Crash::Before, 1).await;
}
