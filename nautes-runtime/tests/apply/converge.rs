//! What is planned becomes so, and what is so is left alone.

use nautes_runtime::apply::{Cache, Hold, RemovalPolicy, Strategy};
use serde_json::json;

use crate::world::{World, account, config, names, namespace, plan, planned, usual};

#[tokio::test]
async fn a_second_pass_makes_no_request_that_writes() {
    let mut world = World::new().await;
    let plan = usual("shop");
    let first = world.apply("demo", &plan).await;
    assert!(first.is_complete(), "{first:?}");
    assert_eq!((first.written.len(), first.unchanged, first.inventory), (6, 0, 6));
    for fresh_cache in [false, true] {
        if fresh_cache {
            world.cache = Cache::new();
        }
        let mark = world.cluster.audit().mark();
        let second = world.apply("demo", &plan).await;
        assert_eq!(world.cluster.audit().writes_since(mark), vec![]);
        assert_eq!((second.unchanged, second.writes), (6, 0), "{second:?}");
        assert!(second.is_complete());
    }
}

#[tokio::test]
async fn the_report_counts_the_requests_that_write() {
    let world = World::new().await;
    let mark = world.cluster.audit().mark();
    let first = world.apply("demo", &usual("shop")).await;
    assert_eq!(world.cluster.audit().writes_since(mark).len(), first.writes);
    let mark = world.cluster.audit().mark();
    let gone = world.remove_all("demo").await;
    assert_eq!(world.cluster.audit().writes_since(mark).len(), gone.writes);
}

#[tokio::test]
async fn what_somebody_changes_or_removes_is_healed() {
    let world = World::new().await;
    let plan = usual("shop");
    world.apply("demo", &plan).await;
    let want = world.everything().await;
    let edits = [
        ("ConfigMap", "settings", json!({"data": {"a": "changed"}})),
        ("ConfigMap", "settings", json!({"data": {"b": null}})),
        ("Service", "web", json!({"spec": {"selector": {"app": "other"}}})),
        (
            "Service",
            "web",
            json!({"spec": {"ports": [{"port": 80, "targetPort": 1, "protocol": "TCP"}]}}),
        ),
        ("RoleBinding", "runner", json!({"subjects": []})),
        ("ServiceAccount", "runner", json!({"metadata": {"labels": null}})),
        (
            "ServiceAccount",
            "runner",
            json!({"metadata": {"annotations": null}}),
        ),
    ];
    for (kind, name, patch) in edits {
        world.edit(kind, Some("shop"), name, patch.clone()).await;
        let healed = world.apply("demo", &plan).await;
        assert_eq!(healed.written.len(), 1, "{kind} {patch}: {healed:?}");
        assert_eq!(world.everything().await, want, "{kind} {patch}");
    }
    world
        .api("ConfigMap", Some("shop"))
        .delete("settings", &Default::default())
        .await
        .unwrap();
    let healed = world.apply("demo", &plan).await;
    assert_eq!(
        names(&healed.written),
        ["ConfigMap shop/settings".to_owned()].into()
    );
    assert_eq!(world.everything().await, want);
}

#[tokio::test]
async fn what_others_add_is_left_to_them() {
    let world = World::new().await;
    let plan = usual("shop");
    world.apply("demo", &plan).await;
    world
        .edit(
            "ConfigMap",
            Some("shop"),
            "settings",
            json!({"data": {"theirs": "1"}}),
        )
        .await;
    let again = world.apply("demo", &plan).await;
    assert_eq!(again.writes, 0, "{again:?}");
    let live = world.get("ConfigMap", Some("shop"), "settings").await.unwrap();
    assert_eq!(live["data"], json!({"a": "1", "b": "2", "theirs": "1"}));
}

#[tokio::test]
async fn a_field_that_left_the_plan_is_removed() {
    let world = World::new().await;
    let with = |data| {
        plan(vec![
            vec![planned(namespace("shop"), &["dev"])],
            vec![planned(config("shop", "settings", data), &["dev"])],
        ])
    };
    world.apply("demo", &with(json!({"a": "1", "b": "2"}))).await;
    let changed = world.apply("demo", &with(json!({"a": "1"}))).await;
    assert_eq!(changed.written.len(), 1);
    let live = world.get("ConfigMap", Some("shop"), "settings").await.unwrap();
    assert_eq!(live["data"], json!({"a": "1"}));
}

#[tokio::test]
async fn one_bad_object_does_not_stop_the_others() {
    let world = World::new().await;
    let mut plan = usual("shop");
    plan.waves[1].push(planned(account("shop", "Not A Name"), &["dev"]));
    plan.waves[1].push(planned(account("nowhere", "runner"), &["dev"]));
    plan.waves[1].push(planned(
        json!({"apiVersion": "v1", "kind": "ConfigMap"}),
        &["dev"],
    ));
    let typo = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "typo", "namespace": "shop"}, "dta": {},
    });
    plan.waves[1].push(planned(typo, &["dev"]));
    let unknown = json!({
        "apiVersion": "example.io/v1", "kind": "Unheard", "metadata": {"name": "x", "namespace": "shop"},
    });
    plan.waves[1].push(planned(unknown, &["dev"]));
    plan.waves[2].push(planned(account("shop", "runner"), &["dev"]));
    let applied = world.apply("demo", &plan).await;
    assert_eq!(applied.written.len(), 6, "{applied:?}");
    assert_eq!(applied.failed.len(), 6, "{applied:#?}");
    let missing = applied.failed.iter().find(|p| p.key.kind == "Unheard").unwrap();
    assert_eq!(missing.class, nautes_model::Class::Waiting);
    assert!(
        missing.message.contains("CustomResourceDefinition"),
        "{}",
        missing.message
    );
    let twice = applied
        .failed
        .iter()
        .find(|p| p.message.contains("twice"))
        .unwrap();
    assert_eq!(twice.key.name, "runner");
}

#[tokio::test]
async fn a_kind_that_an_earlier_wave_defines_is_applied_in_the_same_pass() {
    let world = World::new().await;
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "greetings.example.io"},
        "spec": {
            "group": "example.io", "scope": "Namespaced",
            "names": {"kind": "Greeting", "plural": "greetings", "singular": "greeting"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"text": {"type": "string"}}}},
                }},
            }],
        },
    });
    let greeting = json!({
        "apiVersion": "example.io/v1", "kind": "Greeting",
        "metadata": {"name": "hello", "namespace": "shop"}, "spec": {"text": "hi"},
    });
    let plan = plan(vec![
        vec![
            planned(namespace("shop"), &["dev"]),
            planned(definition, &["dev"]),
        ],
        vec![planned(greeting, &["dev"])],
    ]);
    let mut last = world.apply("demo", &plan).await;
    for _ in 0..100 {
        if last.is_complete() {
            break;
        }
        tokio::task::yield_now().await;
        last = world.apply("demo", &plan).await;
    }
    assert!(last.is_complete(), "{last:?}");
    assert_eq!(world.apply("demo", &plan).await.writes, 0);
    world.remove_all_until_gone("demo").await;
}

#[tokio::test]
async fn dry_runs_and_pauses_write_nothing() {
    let world = World::new().await;
    let (hold, removal) = (Hold::default(), RemovalPolicy::EXPLICIT);
    let mark = world.cluster.audit().mark();
    let dry = world
        .pass("demo", &usual("shop"), &hold, Strategy::DryRun, removal)
        .await;
    assert_eq!((dry.written.len(), dry.writes), (6, 0), "{dry:?}");
    let paused = world
        .pass("demo", &usual("shop"), &hold, Strategy::Paused, removal)
        .await;
    assert_eq!((paused.held.len(), paused.writes), (6, 0), "{paused:?}");
    assert_eq!(world.cluster.audit().writes_since(mark), vec![]);

    world.apply("demo", &usual("shop")).await;
    let mark = world.cluster.audit().mark();
    let dry = world
        .pass("demo", &plan(vec![]), &hold, Strategy::DryRun, removal)
        .await;
    assert_eq!(dry.pruned.len(), 6);
    assert_eq!(world.cluster.audit().writes_since(mark), vec![]);
}

#[tokio::test]
async fn a_thousand_objects_converge_and_a_second_pass_lists_them() {
    let world = World::new().await;
    let maps = (0..1000)
        .map(|n| {
            planned(
                config("shop", &format!("map-{n}"), json!({"n": n.to_string()})),
                &["dev"],
            )
        })
        .collect();
    let plan = plan(vec![vec![planned(namespace("shop"), &["dev"])], maps]);
    let first = world.apply("demo", &plan).await;
    assert!(first.is_complete());
    assert_eq!(first.written.len(), 1001);
    let mark = world.cluster.audit().mark();
    let second = world.apply("demo", &plan).await;
    assert_eq!((second.unchanged, second.writes), (1001, 0));
    let requests = world.cluster.audit().since(mark).len();
    assert!(requests < 20, "{requests}");
    world.remove_all_until_gone("demo").await;
    assert!(world.everything().await.keys().all(|name| !name.contains("shop")));
}
