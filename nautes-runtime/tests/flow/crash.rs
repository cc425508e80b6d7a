//! The controllers die at every single request that writes, to a cluster or to the forge and the secret store, and after every
//! number of requests of any kind. Each life goes on where the last one ended, and the end is that of controllers that never
//! died, with nothing twice and nothing left over. All units of work have their part in the story: clusters, projection, status, forge, rights, applying, deploying,
//! runs, credentials that are replaced, and the end of a product.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DynamicObject, ListParams};
use kube::discovery::{Discovery, verbs};
use nautes_gitops::RepoRef;
use nautes_model::annotation::ROTATE_BEFORE;
use nautes_runtime::controller::Controllers;
use nautes_runtime::local::fault::{Counted, Crash};
use nautes_runtime::status_report::State;
use nautes_vault::SecretStore as _;
use tokio::sync::OnceCell;

use crate::rotation::{handed_out, on_forge, order, within};
use crate::world::{On, Setup, World};
use crate::{PIPELINE, SHOP, map};

/// How many lives a step of the story may take: it has far fewer requests.
const LIVES: u64 = 2000;

/// Where the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At requests to clusters.
    Clusters,
    /// At calls of the forge and of the secret store.
    Beyond,
}

/// How the process dies: at which requests, and after how many others.
#[derive(Clone, Copy, Debug)]
struct Fate {
    at: At,
    counted: Counted,
    crash: Crash,
    allowed: u64,
}

impl Fate {
    /// Lets the process die after some more requests.
    fn comes(self, world: &World, more: u64) {
        let allowed = self.allowed + more;
        match self.at {
            At::Clusters => world.faults.crash(None, self.counted, allowed, self.crash),
            At::Beyond => world.death.comes(self.counted, allowed, self.crash),
        }
    }

    /// How many more requests the next life has. Where only writes count it is one more after a life that has changed nothing,
    /// because some requests are refused and lead to others; where all count it is always one more.
    fn next(self, more: u64, has_changed: bool) -> u64 {
        match self.counted {
            Counted::Writes if has_changed => 0,
            Counted::Writes | Counted::All => more + 1,
        }
    }
}

/// One life after the other, until one ends by itself and has written nothing. Returns how many it took.
async fn live(world: &World, fate: Option<Fate>, between: impl AsyncFn()) -> u64 {
    let (mut more, mut before) = (0, state(world).await);
    for life in 0..LIVES {
        let hits = world.faults.hits();
        if let Some(fate) = fate {
            fate.comes(world, more);
        }
        let controllers = Controllers::new(world.platform.clone());
        let pass = tokio::select! {
            pass = controllers.reconcile_all() => Some(pass),
            () = world.death.came() => None,
        };
        let died = world.faults.hits() > hits || pass.is_none();
        world.death.is_past();
        world.faults.clear();
        drop(controllers);
        match pass {
            Some(Ok(totals)) if !died && totals.writes == 0 => return life,
            Some(Err(error)) if !died => panic!("life {life}: {error}"),
            _ => {}
        }
        between().await;
        let now = state(world).await;
        more = fate.map_or(0, |fate| fate.next(more, now != before));
        before = now;
    }
    panic!("it does not come to an end");
}

async fn nothing() {}

/// What a life can change.
async fn state(world: &World) -> (Vec<Option<String>>, BTreeSet<String>) {
    let mut beyond = beyond(world).await;
    for path in world.store.list("").await.unwrap() {
        let versions = world.store.versions(&path).await.unwrap();
        beyond.insert(format!("{path} {versions:?}"));
    }
    (revisions(world).await, beyond)
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

/// What a product needs from the first commit to the last object. Where every request counts, the process dies while the
/// product is made, and not in what comes before and after: it is the same code, and takes long.
async fn story(fate: Option<Fate>) -> (World, u64) {
    let setup = Setup {
        rotation: within(Duration::ZERO),
        ..Setup::default()
    };
    let world = World::set_up(On::Local, Duration::from_secs(30), setup).await;
    let rest = fate.filter(|fate| fate.counted == Counted::Writes);
    let mut lives = live(&world, rest, nothing).await;
    world.save(SHOP).await;
    lives += live(&world, fate, nothing).await;
    let pipeline = [("pipelines/main.yaml", Some(PIPELINE))];
    world.push("shop/web-pipeline", "main", &pipeline).await;
    let (red, green, blue) = (map("a", "red"), map("a", "green"), map("b", "blue"));
    let first = [
        ("deployments/test/a.yaml", Some(&*red)),
        ("deployments/test/b.yaml", Some(&*blue)),
    ];
    world.push("shop/web-deploy", "main", &first).await;
    lives += live(&world, rest, nothing).await;
    let source = [("main.rs", Some("fn main() {}"))];
    world.push("shop/web-source", "main", &source).await;
    lives += live(&world, rest, nothing).await;
    let second = [
        ("deployments/test/a.yaml", Some(&*green)),
        ("deployments/test/b.yaml", None),
    ];
    world.push("shop/web-deploy", "main", &second).await;
    lives += live(&world, rest, nothing).await;
    for repo in ["web-pipeline", "web-source"] {
        order(&world, repo, ROTATE_BEFORE).await;
    }
    lives += live(&world, rest, async || nobody_is_locked_out(&world).await).await;
    (world, lives)
}

/// Every key that the pipelines have opens the repository of the pipelines, which each of them is for.
async fn nobody_is_locked_out(world: &World) {
    let known = on_forge(world, "shop/web-pipeline").await;
    let handed_out = handed_out(world).await;
    assert!(!handed_out.is_empty());
    for key in handed_out {
        assert!(
            known.contains_key(&key),
            "{key} is handed out, and there are {known:#?}"
        );
    }
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
    all.extend(beyond(world).await);
    all
}

/// What there is beyond the clusters: repositories with their keys and hooks, secrets, grants.
async fn beyond(world: &World) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let session = world.session().await;
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

/// What there is at the end, and how many lives it took, where nobody dies.
async fn calm() -> &'static (BTreeSet<String>, u64) {
    static CALM: OnceCell<(BTreeSet<String>, u64)> = OnceCell::const_new();
    let play = async || {
        let (world, lives) = story(None).await;
        is_settled(&world).await;
        (everything(&world).await, lives)
    };
    CALM.get_or_init(play).await
}

/// Plays the story with deaths, and compares it with the one without.
async fn dies(fate: Fate, at_least: u64) {
    let (want, none) = calm().await;
    let (world, lives) = story(Some(fate)).await;
    is_settled(&world).await;
    assert!(lives > none + at_least, "{lives} lives");
    let have = everything(&world).await;
    let missing: Vec<_> = want.difference(&have).collect();
    let extra: Vec<_> = have.difference(want).collect();
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:#?}\nextra {extra:#?}"
    );

    world.remove(RepoRef::Tenant, &["Product/shop"]).await;
    // Namespaces end when they are empty; nobody else wakes these controllers.
    let rest = Some(fate).filter(|fate| fate.counted == Counted::Writes);
    world
        .eventually("nothing of shop is left", async || {
            live(&world, rest, nothing).await;
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

/// A story in which the process dies.
macro_rules! stories {
    ($($name:ident: $at:ident, $counted:ident, $crash:ident, $allowed:literal, $at_least:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let fate = Fate {
                at: At::$at,
                counted: Counted::$counted,
                crash: Crash::$crash,
                allowed: $allowed,
            };
            dies(fate, $at_least).await;
        })*
    };
}

stories! {
    after_each_writing_request_to_a_cluster_that_was_served_and_not_answered: Clusters, Writes, After, 0, 40;
    before_each_second_writing_request_to_a_cluster: Clusters, Writes, Before, 1, 40;
    after_each_writing_call_of_forge_and_store_that_was_served_and_not_answered: Beyond, Writes, After, 0, 40;
    before_each_second_writing_call_of_forge_and_store: Beyond, Writes, Before, 1, 40;
    after_every_number_of_requests_to_clusters: Clusters, All, After, 0, 100;
    after_every_number_of_calls_of_forge_and_store: Beyond, All, After, 0, 40;
}
