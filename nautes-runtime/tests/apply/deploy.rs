//! Deploying the folder of a repository as the runtime's account.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::{Class, Identity, Kind, Revision};
use nautes_runtime::apply::{Hold, RemovalPolicy, Strategy};
use nautes_runtime::deploy::{Deployed, Manifests, deploy, read_manifests, undeploy, unit_of};
use nautes_runtime::plan::DeployUnit;
use serde_json::json;

use crate::world::{World, account, binding, config, names, namespace, plan, planned};

fn runtime(name: &str) -> DeployUnit {
    let identity = |kind, name: &str| Identity::product(kind, "demo".parse().unwrap(), name.parse().unwrap());
    DeployUnit {
        runtime: identity(Kind::DeploymentRuntime, name),
        product: "demo".parse().unwrap(),
        code_repo: identity(Kind::CodeRepo, "deploy"),
        target_revision: "main".to_owned(),
        path: ".".to_owned(),
        namespaces: vec!["shop".to_owned(), "shop-b".to_owned()],
        account: "runner".to_owned(),
        cluster_kinds: BTreeSet::new(),
    }
}

fn files(all: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    all.iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: '{value}'}}\n")
}

fn read(all: &[(&str, &str)]) -> Manifests {
    read_manifests(&files(all), &runtime("web"))
}

/// A cluster in which the runtime's namespaces and account are.
async fn world() -> World {
    let world = World::new().await;
    let applied = world
        .apply(
            "demo",
            &plan(vec![
                vec![
                    planned(namespace("shop"), &["dev"]),
                    planned(namespace("shop-b"), &["dev"]),
                ],
                vec![
                    planned(account("shop", "runner"), &["dev"]),
                    planned(binding("shop", "runner", "runner", "edit"), &["dev"]),
                ],
            ]),
        )
        .await;
    assert!(applied.is_complete(), "{applied:?}");
    world
}

async fn run(world: &World, unit: &DeployUnit, manifests: Manifests) -> Deployed {
    run_with(world, unit, manifests, RemovalPolicy::EXPLICIT).await
}

async fn run_with(
    world: &World,
    unit: &DeployUnit,
    manifests: Manifests,
    removal: RemovalPolicy,
) -> Deployed {
    let acting = world.cluster.client_as(
        "system:serviceaccount:shop:runner",
        &[
            "system:serviceaccounts",
            "system:serviceaccounts:shop",
            "system:authenticated",
        ],
    );
    let target = world.target().acting_as(acting);
    let revision = Revision("0123456789abcdef".into());
    deploy(&target, unit, revision, manifests, Strategy::Apply, removal)
        .await
        .unwrap()
}

#[test]
fn documents_lists_and_json_are_read_and_put_into_the_first_namespace() {
    let manifests = read(&[
        ("README.md", "# not a manifest: ["),
        (
            "a.yaml",
            &format!("# nothing\n---\n{}---\n{}", map("one", "1"), map("two", "2")),
        ),
        (
            "b/c.json",
            r#"{"apiVersion":"v1","kind":"List","items":[
            {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"three","namespace":"shop-b"}}]}"#,
        ),
    ]);
    assert_eq!(manifests.problems, vec![]);
    let places: Vec<_> = manifests
        .objects
        .iter()
        .map(|m| {
            (
                m.path.as_str(),
                m.object["metadata"]["name"].as_str().unwrap(),
                m.object["metadata"]["namespace"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("a.yaml", "one", "shop"),
            ("a.yaml", "two", "shop"),
            ("b/c.json", "three", "shop-b")
        ]
    );
}

#[test]
fn what_may_not_be_deployed_is_left_out_and_said_so() {
    let cases = [
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: kube-system}\n",
            Class::Denied,
            "kube-system",
        ),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
            Class::Denied,
            "cluster-scoped",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n",
            Class::Invalid,
            "generateName",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n",
            Class::Invalid,
            "metadata.name",
        ),
        (
            "kind: ConfigMap\nmetadata: {name: a}\n",
            Class::Invalid,
            "apiVersion",
        ),
        ("- 1\n", Class::Invalid, "map"),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: 1}\n",
            Class::Invalid,
            "stringData",
        ),
    ];
    for (text, class, part) in cases {
        let manifests = read(&[("bad.yaml", text), ("good.yaml", &map("good", "1"))]);
        assert_eq!(manifests.objects.len(), 1, "{text}");
        assert_eq!(manifests.problems.len(), 1, "{text}");
        assert_eq!(manifests.problems[0].class, class, "{text}");
        assert!(
            manifests.problems[0].message.contains(part),
            "{:?}",
            manifests.problems
        );
        assert_eq!(manifests.hold, Hold::default(), "{text}");
    }
}

#[test]
fn files_that_cannot_be_read_are_held() {
    let deep = "[".repeat(1_000_000);
    let bomb = {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let refs = vec![format!("*a{}", n - 1); 10].join(", ");
            text += &format!("a{n}: &a{n} [{refs}]\n");
        }
        text
    };
    let many = "---\na: 1\n".repeat(6_000);
    let cases: [(&str, Vec<u8>); 9] = [
        ("not yaml", b"a: [".to_vec()),
        (
            "one bad document",
            format!("{}---\na: [", map("x", "1")).into_bytes(),
        ),
        ("not text", vec![0xff, 0xfe]),
        ("a key twice", b"a: 1\na: 2\n".to_vec()),
        ("a tag", b"a: !foo 1\n".to_vec()),
        ("deep", deep.into_bytes()),
        ("bomb", bomb.into_bytes()),
        ("many documents", many.into_bytes()),
        ("large", vec![b' '; 5 << 20]),
    ];
    for (what, bytes) in cases {
        let mut all = files(&[("good.yaml", &map("good", "1"))]);
        all.insert("bad.yaml".to_owned(), bytes);
        let manifests = read_manifests(&all, &runtime("web"));
        assert_eq!(manifests.objects.len(), 1, "{what}");
        assert_eq!(manifests.problems.len(), 1, "{what}");
        assert_eq!(
            manifests.hold.paths,
            BTreeSet::from(["bad.yaml".to_owned()]),
            "{what}"
        );
    }
}

#[test]
fn kustomizations_and_charts_are_not_supported_and_say_what_to_use() {
    for name in ["kustomization.yaml", "kustomization.yml", "Chart.yaml"] {
        let manifests = read(&[
            (&format!("app/{name}"), "resources: [a.yaml]"),
            ("app/a.yaml", &map("a", "1")),
            ("b.yaml", &map("b", "1")),
        ]);
        assert_eq!(manifests.objects.len(), 1, "{name}");
        assert_eq!(manifests.problems.len(), 1, "{name}");
        assert!(manifests.problems[0].hint.as_ref().unwrap().contains("argocd"));
        assert_eq!(manifests.hold.paths, BTreeSet::from(["app".to_owned()]));
    }
}

#[test]
fn an_object_that_is_declared_twice_is_refused_and_held() {
    let manifests = read(&[
        ("a.yaml", &map("same", "1")),
        ("b.yaml", &map("same", "2")),
        ("c.yaml", &map("c", "1")),
    ]);
    assert_eq!(manifests.objects.len(), 1);
    assert_eq!(manifests.problems.len(), 1);
    assert!(manifests.problems[0].message.contains("a.yaml, b.yaml"));
    assert_eq!(manifests.hold.objects.len(), 1);
}

#[tokio::test]
async fn a_repository_is_followed_pruned_and_healed() {
    let (world, unit) = (world().await, runtime("web"));
    let first = run(
        &world,
        &unit,
        read(&[("a.yaml", &map("a", "1")), ("b.yaml", &map("b", "1"))]),
    )
    .await;
    assert!(first.is_complete(), "{first:?}");
    let mark = world.cluster.audit().mark();
    let again = run(
        &world,
        &unit,
        read(&[("a.yaml", &map("a", "1")), ("b.yaml", &map("b", "1"))]),
    )
    .await;
    assert_eq!(
        (again.applied.unchanged, world.cluster.audit().writes_since(mark)),
        (2, vec![])
    );

    let next = run(&world, &unit, read(&[("a.yaml", &map("a", "2"))])).await;
    assert_eq!(
        names(&next.applied.written),
        ["ConfigMap shop/a".to_owned()].into()
    );
    assert_eq!(
        names(&next.applied.pruned),
        ["ConfigMap shop/b".to_owned()].into()
    );

    world
        .edit("ConfigMap", Some("shop"), "a", json!({"data": {"a": "hand"}}))
        .await;
    run(&world, &unit, read(&[("a.yaml", &map("a", "2"))])).await;
    let live = world.get("ConfigMap", Some("shop"), "a").await.unwrap();
    assert_eq!(live["data"], json!({"a": "2"}));

    let gone = undeploy(
        &world.target(),
        &unit_of(&unit),
        Strategy::Apply,
        RemovalPolicy::EXPLICIT,
    )
    .await
    .unwrap();
    assert_eq!((gone.pruned.len(), gone.inventory), (1, 0));
}

#[tokio::test]
async fn a_broken_file_holds_what_it_declared_and_the_rest_goes_on() {
    let (world, unit) = (world().await, runtime("web"));
    run(
        &world,
        &unit,
        read(&[
            ("a.yaml", &map("a", "1")),
            ("b.yaml", &map("b", "1")),
            ("c.yaml", &map("c", "1")),
        ]),
    )
    .await;
    let broken = run(
        &world,
        &unit,
        read(&[("a.yaml", "a: ["), ("b.yaml", &map("b", "2"))]),
    )
    .await;
    assert_eq!(
        names(&broken.applied.held),
        ["ConfigMap shop/a".to_owned()].into()
    );
    assert_eq!(
        names(&broken.applied.pruned),
        ["ConfigMap shop/c".to_owned()].into()
    );
    assert_eq!(
        names(&broken.applied.written),
        ["ConfigMap shop/b".to_owned()].into()
    );
    assert_eq!(broken.problems.len(), 1);
    assert!(world.get("ConfigMap", Some("shop"), "a").await.is_some());
    let fixed = run(&world, &unit, read(&[("b.yaml", &map("b", "2"))])).await;
    assert_eq!(
        names(&fixed.applied.pruned),
        ["ConfigMap shop/a".to_owned()].into()
    );
}

#[tokio::test]
async fn an_object_of_another_is_a_conflict_and_not_touched() {
    let (world, unit) = (world().await, runtime("web"));
    world.by_hand(config("shop", "a", json!({"theirs": "1"}))).await;
    run(&world, &runtime("other"), read(&[("b.yaml", &map("b", "other"))])).await;
    let runner = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: runner, labels: {x: y}}\n";
    let before = world.everything().await;
    let all = [
        ("a.yaml", map("a", "1")),
        ("b.yaml", map("b", "1")),
        ("c.yaml", runner.to_owned()),
    ];
    let all: Vec<_> = all.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let done = run(&world, &unit, read(&all)).await;
    assert_eq!(done.applied.conflicts.len(), 3, "{done:?}");
    assert_eq!(done.applied.writes, 0);
    run(&world, &unit, read(&[])).await;
    assert_eq!(world.everything().await, before);
}

#[tokio::test]
async fn the_account_and_the_cluster_say_what_can_be_deployed() {
    let (world, unit) = (world().await, runtime("web"));
    let custom =
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: x}\nrules: []\n";
    // The runner has rights in the first namespace only.
    let elsewhere = format!(
        "{}  \n",
        map("a", "1").replace("{name: a}", "{name: a, namespace: shop-b}")
    );
    let done = run(
        &world,
        &unit,
        read(&[
            ("a.yaml", &elsewhere),
            ("b.yaml", &map("b", "1")),
            ("c.yaml", custom),
        ]),
    )
    .await;
    assert_eq!(done.applied.failed.len(), 1, "{done:?}");
    assert_eq!(done.applied.failed[0].class, Class::Denied);
    assert_eq!(done.problems.len(), 1);
    assert!(world.get("ConfigMap", Some("shop"), "b").await.is_some());
    assert!(world.get("ConfigMap", Some("shop-b"), "a").await.is_none());
}

#[tokio::test]
async fn cluster_scoped_kinds_are_known_from_the_cluster() {
    let (world, mut unit) = (world().await, runtime("web"));
    let role =
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: x}\nrules: []\n";
    let read = |unit: &DeployUnit| read_manifests(&files(&[("a.yaml", role)]), unit);
    let denied = read(&unit);
    assert_eq!(
        (denied.objects.len(), denied.problems[0].class),
        (0, Class::Denied)
    );
    unit.cluster_kinds
        .insert(("rbac.authorization.k8s.io".to_owned(), "ClusterRole".to_owned()));
    let allowed = deploy(
        &world.target(),
        &unit,
        Revision("1".into()),
        read(&unit),
        Strategy::Apply,
        RemovalPolicy::EXPLICIT,
    )
    .await
    .unwrap();
    assert!(allowed.is_complete(), "{allowed:?}");
    // What was read with more than the cluster allows now is stopped here too.
    let manifests = read(&unit);
    unit.cluster_kinds.clear();
    let stopped = run(&world, &unit, manifests).await;
    assert_eq!(stopped.applied.failed[0].class, Class::Denied, "{stopped:?}");
}

#[tokio::test]
async fn an_emptied_folder_needs_to_be_asked_for() {
    let (world, unit) = (world().await, runtime("web"));
    let texts: Vec<String> = (0..10).map(|n| map(&format!("m{n}"), "1")).collect();
    let all = texts.join("---\n");
    run(&world, &unit, read(&[("a.yaml", &all)])).await;
    let careful = run_with(&world, &unit, read(&[]), RemovalPolicy::default()).await;
    assert_eq!(careful.applied.over_budget.map(|over| over.count), Some(10));
    assert_eq!(careful.applied.writes, 0);
}
