//! What is planned no more goes, and nothing else does.

use nautes_runtime::apply::{Hold, OverBudget, RemovalPolicy, Strategy};
use serde_json::json;

use crate::world::{World, config, hold, names, namespace, plan, planned, usual};

fn maps(owners: &[&str], count: usize) -> nautes_runtime::plan::ClusterPlan {
    let maps = (0..count)
        .map(|n| planned(config("shop", &format!("map-{n}"), json!({})), owners))
        .collect();
    plan(vec![vec![planned(namespace("shop"), &["dev", "test"])], maps])
}

#[tokio::test]
async fn what_left_the_plan_is_pruned() {
    let world = World::new().await;
    world.apply("demo", &maps(&["dev"], 3)).await;
    let applied = world.apply("demo", &maps(&["dev"], 1)).await;
    assert_eq!(
        names(&applied.pruned),
        [
            "ConfigMap shop/map-1".to_owned(),
            "ConfigMap shop/map-2".to_owned()
        ]
        .into()
    );
    assert!(applied.is_complete());
    assert_eq!(applied.inventory, 2);
    assert!(world.get("ConfigMap", Some("shop"), "map-2").await.is_none());
    assert!(world.get("ConfigMap", Some("shop"), "map-0").await.is_some());
}

#[tokio::test]
async fn deletion_goes_from_the_last_wave_to_the_first_and_namespaces_last() {
    let world = World::new().await;
    world.apply("demo", &usual("shop")).await;
    let mark = world.cluster.audit().mark();
    world.remove_all("demo").await;
    let deleted: Vec<String> = world
        .cluster
        .audit()
        .writes_since(mark)
        .into_iter()
        .filter(|entry| entry.verb == "delete")
        .map(|entry| entry.path)
        .collect();
    let place = |part: &str| deleted.iter().position(|path| path.contains(part)).unwrap();
    assert!(
        place("deployments/web") < place("rolebindings/runner"),
        "{deleted:?}"
    );
    assert!(
        place("configmaps/settings") < place("serviceaccounts/runner"),
        "{deleted:?}"
    );
    assert!(
        place("serviceaccounts/runner")
            < deleted
                .iter()
                .position(|p| p.ends_with("/namespaces/shop"))
                .unwrap()
    );
}

#[tokio::test]
async fn an_object_that_was_made_anew_by_somebody_else_is_not_pruned() {
    let world = World::new().await;
    world.apply("demo", &maps(&["dev"], 1)).await;
    let live = world.get("ConfigMap", Some("shop"), "map-0").await.unwrap();
    let api = world.api("ConfigMap", Some("shop"));
    api.delete("map-0", &Default::default()).await.unwrap();
    let mut copy = live;
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        copy["metadata"].as_object_mut().unwrap().remove(field);
    }
    world.by_hand(copy).await;
    let applied = world.apply("demo", &maps(&["dev"], 0)).await;
    assert_eq!(names(&applied.pruned), [].into());
    assert_eq!(applied.refused.len(), 1, "{applied:?}");
    assert!(world.get("ConfigMap", Some("shop"), "map-0").await.is_some());
}

#[tokio::test]
async fn an_object_whose_marks_were_taken_away_is_not_pruned_and_stays_recorded() {
    let world = World::new().await;
    world.apply("demo", &maps(&["dev"], 1)).await;
    let patch = json!({"metadata": {"labels": null}});
    world.edit("ConfigMap", Some("shop"), "map-0", patch).await;
    let applied = world.apply("demo", &maps(&["dev"], 0)).await;
    assert_eq!((applied.failed.len(), applied.inventory), (1, 2), "{applied:?}");
    assert!(world.get("ConfigMap", Some("shop"), "map-0").await.is_some());
    let all = world.remove_all("demo").await;
    assert_eq!(names(&all.held), ["Namespace shop".to_owned()].into(), "{all:?}");
}

#[tokio::test]
async fn what_belongs_to_something_held_is_neither_changed_nor_pruned() {
    let world = World::new().await;
    let mut full = maps(&["dev"], 2);
    full.waves[1].push(planned(
        config("shop", "shared", json!({"a": "1"})),
        &["dev", "test"],
    ));
    world.apply("demo", &full).await;
    let before = world.everything().await;

    let mut changed = plan(vec![vec![planned(namespace("shop"), &["test"])], vec![]]);
    changed.waves[1].push(planned(config("shop", "shared", json!({"a": "2"})), &["test"]));
    let mark = world.cluster.audit().mark();
    let applied = world.apply_holding("demo", &changed, &hold(&["dev"])).await;
    assert_eq!(world.everything().await, before);
    assert_eq!(applied.held.len(), 4, "{applied:?}");
    assert_eq!(world.cluster.audit().writes_since(mark), vec![]);

    let gone = world.apply_holding("demo", &plan(vec![]), &hold(&["dev"])).await;
    assert_eq!(names(&gone.pruned), [].into());
    assert_eq!(world.everything().await, before);

    let released = world.apply("demo", &changed).await;
    assert_eq!(released.pruned.len(), 2, "{released:?}");
    assert_eq!(
        names(&released.written),
        ["ConfigMap shop/shared".to_owned()].into()
    );
}

#[tokio::test]
async fn a_namespace_with_something_held_in_it_stays() {
    let world = World::new().await;
    let full = plan(vec![
        vec![planned(namespace("shop"), &["test"])],
        vec![planned(config("shop", "theirs", json!({})), &["dev"])],
    ]);
    world.apply("demo", &full).await;
    let applied = world.apply_holding("demo", &plan(vec![]), &hold(&["dev"])).await;
    assert_eq!(names(&applied.pruned), [].into());
    assert!(world.get("Namespace", None, "shop").await.is_some());
    assert!(world.get("ConfigMap", Some("shop"), "theirs").await.is_some());
    assert_eq!(applied.pending_deletion, vec![]);
}

#[tokio::test]
async fn removing_much_at_once_needs_to_be_asked_for() {
    let world = World::new().await;
    world.apply("demo", &maps(&["dev"], 20)).await;
    let before = world.everything().await;
    let careful = RemovalPolicy::default();
    let none = Hold::default();
    let applied = world
        .pass("demo", &maps(&["dev"], 5), &none, Strategy::Apply, careful)
        .await;
    assert_eq!(applied.over_budget, Some(OverBudget { count: 15, of: 21 }));
    assert_eq!((applied.writes, applied.is_complete()), (0, false));
    assert_eq!(world.everything().await, before);

    let few = world
        .pass("demo", &maps(&["dev"], 15), &none, Strategy::Apply, careful)
        .await;
    assert_eq!((few.pruned.len(), few.over_budget), (5, None));
    let explicit = world
        .pass(
            "demo",
            &maps(&["dev"], 1),
            &none,
            Strategy::Apply,
            RemovalPolicy::EXPLICIT,
        )
        .await;
    assert_eq!((explicit.pruned.len(), explicit.over_budget), (14, None));
}

#[tokio::test]
async fn what_has_a_finalizer_is_pending_until_it_is_gone() {
    let world = World::new().await;
    world.apply("demo", &maps(&["dev"], 1)).await;
    let patch = json!({"metadata": {"finalizers": ["example.io/wait"]}});
    world.edit("ConfigMap", Some("shop"), "map-0", patch).await;
    for writes in [1, 0] {
        let applied = world.apply("demo", &maps(&["dev"], 0)).await;
        assert_eq!(
            names(&applied.pending_deletion),
            ["ConfigMap shop/map-0".to_owned()].into()
        );
        assert_eq!((applied.inventory, applied.writes), (2, writes), "{applied:?}");
    }
    let back = world.apply("demo", &maps(&["dev"], 1)).await;
    assert_eq!(back.pending_deletion.len(), 1, "{back:?}");
    world
        .edit(
            "ConfigMap",
            Some("shop"),
            "map-0",
            json!({"metadata": {"finalizers": null}}),
        )
        .await;
    let applied = world.apply("demo", &maps(&["dev"], 0)).await;
    assert!(applied.is_complete(), "{applied:?}");
    assert_eq!(applied.inventory, 1);
}
