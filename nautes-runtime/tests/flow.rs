//! The main process on the local twins: from commits and pushes to objects, and back to nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

#[path = "flow/forges.rs"]
#[macro_use]
mod forges;
#[path = "support/mortal.rs"]
mod mortal;
#[path = "support/flow_world.rs"]
mod world;
// After the macro.
#[path = "flow/crash.rs"]
mod crash;
#[path = "flow/deliveries.rs"]
mod deliveries;
#[path = "flow/drift.rs"]
mod drift;
#[path = "flow/plain_git.rs"]
mod plain_git;
#[path = "flow/removal.rs"]
mod removal;
#[path = "flow/rotation.rs"]
mod rotation;

use std::time::Duration;

use nautes_gitops::RepoRef;
use nautes_runtime::platform::Rotation;
use nautes_runtime::status_report::State;
use nautes_vault::SecretStore as _;
use serde_json::json;
use world::{On, Setup, World, api, delete, list, put};

const SHOP: &str = include_str!("../../examples/manifests/shop.yaml");
const BOOKS: &str = include_str!("../../examples/manifests/books.yaml");
const PIPELINE: &str = include_str!("../../examples/manifests/repos/pipeline/pipelines/main.yaml");
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {color: COLOR}\n";

fn map(name: &str, color: &str) -> String {
    MAP.replace("NAME", name).replace("COLOR", color)
}

/// A product whose deployment repository has one object, everything ready.
async fn shop(on: On) -> World {
    shop_within(on, Duration::from_secs(30)).await
}

/// The same, with a limit for each call.
async fn shop_within(on: On, call: Duration) -> World {
    opened(World::with_clusters(on, call).await).await
}

/// The same, with rules for when credentials are replaced.
async fn shop_with(on: On, rotation: Rotation) -> World {
    let setup = Setup {
        rotation,
        ..Setup::default()
    };
    shop_of(on, setup).await
}

/// The same, with settings.
async fn shop_of(on: On, setup: Setup) -> World {
    opened(World::set_up(on, Duration::from_secs(30), setup).await).await
}

async fn opened(mut world: World) -> World {
    world.start();
    world.save(SHOP).await;
    world.until("CodeRepo/shop/web-deploy", State::Ready).await;
    world.until("CodeRepo/shop/web-pipeline", State::Ready).await;
    world
        .push(
            "shop/web-pipeline",
            "main",
            &[("pipelines/main.yaml", Some(PIPELINE))],
        )
        .await;
    world
        .push(
            "shop/web-deploy",
            "main",
            &[("deployments/test/a.yaml", Some(&map("a", "red")))],
        )
        .await;
    world.all_ready().await;
    world
}

async fn color(world: &World, name: &str) -> Option<String> {
    let client = world.clusters["staging"].client();
    let found = api(&client, "v1", "ConfigMap", Some("shop-web"))
        .get_opt(name)
        .await
        .unwrap()?;
    found.data["data"]["color"].as_str().map(str::to_owned)
}

async fn a_bundle_becomes_repositories_namespaces_and_conditions(on: On) {
    let world = shop(on).await;
    let namespaces = world.names("staging", "v1", "Namespace", None).await;
    assert!(namespaces.contains("shop-web"), "{namespaces:?}");
    let namespaces = world.names("pipelines", "v1", "Namespace", None).await;
    assert!(namespaces.contains("shop-pipelines"), "{namespaces:?}");
    let client = world.tenant.client();
    let group = "nautes.resource.nautes.io/v1alpha1";
    let environments = list(&client, group, "Environment", Some("product-shop")).await;
    assert_eq!(environments.len(), 2);
    let session = world.platform.host().platform().await.unwrap();
    let path = "shop/web-deploy".parse().unwrap();
    let keys = session.deploy_keys(&path).await.unwrap();
    let writers = keys.iter().filter(|key| key.can_push).count();
    // Its own two, and those of the two repositories of the project, which may write.
    assert_eq!((keys.len(), writers), (6, 3), "{keys:#?}");
    let hooks = session.hooks(&"shop/web-source".parse().unwrap()).await.unwrap();
    assert_eq!(hooks.len(), 1);
    assert!(
        hooks[0].url.ends_with("/hooks/shop/web-source"),
        "{}",
        hooks[0].url
    );
}

async fn a_push_to_the_source_starts_exactly_one_run(on: On) {
    let world = shop(on).await;
    let commit = world
        .push("shop/web-source", "main", &[("main.rs", Some("fn main() {}"))])
        .await;
    world
        .eventually("one run is there", async || match world.runs().await.len() {
            1 => Ok(()),
            count => Err(format!("{count} runs")),
        })
        .await;
    let run = world.runs().await.remove(0);
    assert_eq!(run.metadata.namespace.as_deref(), Some("shop-pipelines"));
    assert_eq!(run.data["spec"]["params"][0]["value"], commit.to_string());
    // Another branch starts nothing, and nothing is started twice.
    world
        .push("shop/web-source", "other", &[("main.rs", Some("other"))])
        .await;
    let totals = world.controllers().reconcile_all().await.unwrap();
    assert_eq!(totals.runs, 0);
    assert_eq!(world.runs().await.len(), 1);
    let next = world
        .push("shop/web-source", "main", &[("main.rs", Some("next"))])
        .await;
    world
        .eventually("the next run is recorded", async || {
            let tree = world.report().await;
            let node = tree
                .get(&world::identity("ProjectPipelineRuntime/shop/web-pipelines"))
                .unwrap()
                .clone();
            match node.runs.iter().any(|run| run.commit == next.to_string()) {
                true => Ok(()),
                false => Err(format!("{:#?}", node.runs)),
            }
        })
        .await;
    assert_eq!(world.runs().await.len(), 2);
}

async fn manifests_are_followed_healed_and_pruned(on: On) {
    let world = shop(on).await;
    let staging = world.clusters["staging"].client();
    assert_eq!(color(&world, "a").await.as_deref(), Some("red"));
    let files = [
        ("deployments/test/a.yaml", Some(map("a", "green"))),
        ("deployments/test/b.yaml", Some(map("b", "blue"))),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_deref()))
        .collect();
    world.push("shop/web-deploy", "main", &files).await;
    let is = async |name: &str, wanted: Option<&str>| {
        world
            .eventually(&format!("{name} is {wanted:?}"), async || {
                let found = color(&world, name).await;
                if found.as_deref() == wanted {
                    Ok(())
                } else {
                    Err(format!("{found:?}"))
                }
            })
            .await;
    };
    is("a", Some("green")).await;
    is("b", Some("blue")).await;
    let edited = json!({ "metadata": { "name": "a", "namespace": "shop-web" }, "data": { "color": "grey" } });
    put(&staging, "v1", "ConfigMap", &edited).await;
    is("a", Some("green")).await;
    delete(&staging, "v1", "ConfigMap", "shop-web", "b").await;
    is("b", Some("blue")).await;
    let mine = json!({ "metadata": { "name": "mine", "namespace": "shop-web" }, "data": { "color": "own" } });
    put(&staging, "v1", "ConfigMap", &mine).await;
    world
        .push("shop/web-deploy", "main", &[("deployments/test/b.yaml", None)])
        .await;
    is("b", None).await;
    is("mine", Some("own")).await;
    // What lies outside is refused and said so; the rest goes on.
    let outside = map("c", "red").replace("{name: c}", "{name: c, namespace: kube-system}");
    world
        .push(
            "shop/web-deploy",
            "main",
            &[("deployments/test/c.yaml", Some(&outside))],
        )
        .await;
    world
        .until("DeploymentRuntime/shop/web-staging", State::Failed)
        .await;
    is("a", Some("green")).await;
    assert!(
        !world
            .names("staging", "v1", "ConfigMap", Some("kube-system"))
            .await
            .contains("c")
    );
}

async fn a_second_pass_and_a_restart_write_nothing(on: On) {
    let mut world = shop(on).await;
    world
        .push("shop/web-source", "main", &[("main.rs", Some("fn main() {}"))])
        .await;
    world
        .eventually("the run is there", async || match world.runs().await.len() {
            1 => Ok(()),
            count => Err(format!("{count} runs")),
        })
        .await;
    world.all_ready().await;
    let first = world.controllers().reconcile_all().await.unwrap();
    assert!(first.failures.is_empty(), "{first:#?}");
    let marks = world.marks();
    let second = world.controllers().reconcile_all().await.unwrap();
    assert_eq!(second.writes, 0, "{second:#?}");
    assert_eq!(world.writes_since(&marks), Vec::<String>::new());
    world.stop().await;
    let marks = world.marks();
    world.start();
    world
        .eventually("the new process has read everything", async || {
            match world.controllers().is_ready() {
                true => Ok(()),
                false => Err("not yet".to_owned()),
            }
        })
        .await;
    let third = world.controllers().reconcile_all().await.unwrap();
    assert!(third.failures.is_empty(), "{third:#?}");
    assert_eq!(world.writes_since(&marks), Vec::<String>::new());
    // It goes on where it was.
    world
        .push(
            "shop/web-deploy",
            "main",
            &[("deployments/test/a.yaml", Some(&map("a", "white")))],
        )
        .await;
    world
        .eventually("a is white", async || match color(&world, "a").await.as_deref() {
            Some("white") => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    assert_eq!(world.runs().await.len(), 1);
}

async fn everything_is_removed_when_it_is_declared_no_more(on: On) {
    let world = shop(on).await;
    world.save(BOOKS).await;
    world.remove(RepoRef::Tenant, &["Product/shop"]).await;
    world
        .eventually("nothing of shop is left", async || {
            let mut left = Vec::new();
            for cluster in ["staging", "pipelines", "live"] {
                let spaces = world.names(cluster, "v1", "Namespace", None).await;
                left.extend(spaces.into_iter().filter(|name| name.starts_with("shop")));
            }
            let spaces = list(&world.tenant.client(), "v1", "Namespace", None).await;
            left.extend(spaces.into_iter().filter(|name| name == "product-shop"));
            let session = world.platform.host().platform().await.unwrap();
            left.extend(session.group("shop").await.unwrap().map(|group| group.name));
            let secrets = world.store.list("git").await.unwrap();
            left.extend(
                secrets
                    .iter()
                    .map(ToString::to_string)
                    .filter(|path| path.contains("/shop-")),
            );
            let scopes = world.store.grant_scopes().await.unwrap();
            left.extend(
                scopes
                    .iter()
                    .map(ToString::to_string)
                    .filter(|scope| scope.contains("shop")),
            );
            let tree = world.report().await;
            left.extend(
                tree.nodes()
                    .map(|n| n.resource.to_string())
                    .filter(|r| r.contains("shop")),
            );
            if left.is_empty() {
                Ok(())
            } else {
                Err(left.join("\n"))
            }
        })
        .await;
    assert_eq!(world.runs().await.len(), 0);
    // The other product is untouched.
    assert!(
        world
            .platform
            .scopes()
            .await
            .unwrap()
            .products
            .contains_key("books")
    );
}

const LIVE: &str = "\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec: {name: prod, product: shop, cluster: live, envType: prod}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: DeploymentRuntime
spec:
  name: web-live
  product: shop
  projectsRef: [web]
  manifestsource: {codeRepo: web-deploy, path: deployments/test, targetRevision: main}
  destination: {environment: prod, namespaces: [shop-live]}
";

async fn a_cluster_that_does_not_answer_holds_up_no_other(on: On) {
    let world = shop_within(on, Duration::from_secs(5)).await;
    // It accepts connections and never says anything.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("https://{}", silent.local_addr().unwrap());
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{ "name": "x", "cluster": { "server": server, "insecure-skip-tls-verify": true } }],
        "users": [{ "name": "x", "user": { "token": "x" } }],
        "contexts": [{ "name": "x", "context": { "cluster": "x", "user": "x" } }],
    });
    let good = world.kubeconfig("live");
    world.keep_kubeconfig("live", &kubeconfig.to_string()).await;
    world.controllers().reconcile_all().await.unwrap();
    world.until("Cluster/live", State::Unknown).await;
    world.save(LIVE).await;
    world
        .until("DeploymentRuntime/shop/web-live", State::Unknown)
        .await;
    world
        .push(
            "shop/web-deploy",
            "main",
            &[("deployments/test/a.yaml", Some(&map("a", "teal")))],
        )
        .await;
    world
        .eventually("a is teal", async || match color(&world, "a").await.as_deref() {
            Some("teal") => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
    world
        .until("DeploymentRuntime/shop/web-staging", State::Ready)
        .await;
    world.keep_kubeconfig("live", &good).await;
    world.until("DeploymentRuntime/shop/web-live", State::Ready).await;
    let maps = world.names("live", "v1", "ConfigMap", Some("shop-live")).await;
    let writes = world.clusters["live"].audit().writes_since(0);
    let node = world
        .report()
        .await
        .get(&world::identity("DeploymentRuntime/shop/web-live"))
        .cloned();
    assert!(maps.contains("a"), "{maps:?} {node:#?} {writes:#?}");
}

async fn a_broken_file_holds_what_it_declared(on: On) {
    let world = shop(on).await;
    let path = "runtimes/web-staging.yaml";
    let marks = world.clusters["staging"].audit().mark();
    world
        .push(
            "shop/default.project",
            "main",
            &[(path, Some("kind: [not a manifest"))],
        )
        .await;
    world
        .eventually("the product says that a file is broken", async || {
            let tree = world.report().await;
            let product = tree.get(&world::identity("Product/shop")).unwrap();
            match product.notes.iter().any(|note| note.contains(path)) {
                true => Ok(()),
                false => Err(format!("{:#?}", product.notes)),
            }
        })
        .await;
    let totals = world.controllers().reconcile_all().await.unwrap();
    assert!(totals.failures.is_empty(), "{totals:#?}");
    assert_eq!(color(&world, "a").await.as_deref(), Some("red"));
    let deleted: Vec<_> = world.clusters["staging"].audit().writes_since(marks);
    assert!(deleted.iter().all(|entry| entry.verb != "delete"), "{deleted:#?}");
    // Gone is another thing than broken; but so much at once has to be asked for.
    world.push("shop/default.project", "main", &[(path, None)]).await;
    world.until("Product/shop", State::Failed).await;
    assert!(
        world
            .names("staging", "v1", "Namespace", None)
            .await
            .contains("shop-web")
    );
    let removes = [("Nautes-Removes", "DeploymentRuntime/shop/web-staging")];
    world
        .push_saying(
            "shop/default.project",
            "main",
            &[("README.md", Some("less"))],
            &removes,
        )
        .await;
    world
        .eventually("the namespace is gone", async || {
            let spaces = world.names("staging", "v1", "Namespace", None).await;
            if spaces.contains("shop-web") {
                Err(format!("{spaces:?}"))
            } else {
                Ok(())
            }
        })
        .await;
}

async fn two_products_on_the_same_clusters_do_not_meet(on: On) {
    let world = shop(on).await;
    world.save(BOOKS).await;
    let thief = "\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: DeploymentRuntime
spec:
  name: thief
  product: books
  manifestsource: {codeRepo: shop/web-deploy, path: deployments/test, targetRevision: main}
  destination: {environment: ENVIRONMENT, namespaces: [shop-web]}
";
    let scopes = world.platform.scopes().await.unwrap();
    let books = &scopes.products["books"];
    let environment = books
        .environments()
        .find(|(_, environment)| environment.spec.cluster == "staging")
        .map(|(sourced, _)| sourced.identity.name.to_string())
        .unwrap();
    world.save(&thief.replace("ENVIRONMENT", &environment)).await;
    world
        .eventually("the thief does not work", async || {
            let tree = world.report().await;
            match tree.get(&world::identity("DeploymentRuntime/books/thief")) {
                Some(node) if node.state != State::Ready && node.reason != "Progressing" => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
    world
        .until("DeploymentRuntime/shop/web-staging", State::Ready)
        .await;
    let client = world.clusters["staging"].client();
    let space = api(&client, "v1", "Namespace", None)
        .get("shop-web")
        .await
        .unwrap();
    let labels = space.metadata.labels.unwrap();
    assert_eq!(labels["resource.nautes.io/belongsto"], "product-shop");
    assert_eq!(color(&world, "a").await.as_deref(), Some("red"));
    let session = world.platform.host().platform().await.unwrap();
    let keys = session
        .deploy_keys(&"shop/web-deploy".parse().unwrap())
        .await
        .unwrap();
    assert!(keys.iter().all(|key| key.title.starts_with("shop-")), "{keys:#?}");
}

async fn the_projection_is_healed_and_strangers_are_told(on: On) {
    let world = shop(on).await;
    let client = world.tenant.client();
    let group = "nautes.resource.nautes.io/v1alpha1";
    let environments = api(&client, group, "Environment", Some("product-shop"));
    let edited = json!({ "metadata": { "name": "dev", "namespace": "product-shop" },
        "spec": { "product": "shop", "cluster": "elsewhere", "envType": "dev" } });
    put(&client, group, "Environment", &edited).await;
    let stranger = json!({ "metadata": { "name": "stranger", "namespace": "product-shop" },
        "spec": { "product": "shop", "cluster": "staging", "envType": "dev" } });
    put(&client, group, "Environment", &stranger).await;
    world
        .eventually("one is healed, and the other is told", async || {
            let dev = environments.get("dev").await.unwrap();
            let other = environments.get("stranger").await.unwrap();
            let told = other.data["status"]["conditions"]
                .to_string()
                .contains("NotInGit");
            let healed = dev.data["spec"]["cluster"] == "pipelines";
            if told && healed {
                Ok(())
            } else {
                Err(format!("{:#} {:#}", dev.data, other.data))
            }
        })
        .await;
    delete(&client, group, "Environment", "product-shop", "stranger").await;
    world.all_ready().await;
}

on_every_forge! {
    a_bundle_becomes_repositories_namespaces_and_conditions,
    a_push_to_the_source_starts_exactly_one_run,
    manifests_are_followed_healed_and_pruned,
    a_second_pass_and_a_restart_write_nothing,
    everything_is_removed_when_it_is_declared_no_more,
    a_cluster_that_does_not_answer_holds_up_no_other,
    a_broken_file_holds_what_it_declared,
    two_products_on_the_same_clusters_do_not_meet,
    the_projection_is_healed_and_strangers_are_told,
}
