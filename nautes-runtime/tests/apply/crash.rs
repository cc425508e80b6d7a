//! The work is cut at every point, and the next pass makes it whole.

use nautes_runtime::apply::units;
use serde_json::json;

use crate::world::{Cut, World, config, failing, namespace, plan, planned, usual};

/// Cuts after each request that writes, in both ways, and checks that the next whole pass has the same end.
async fn cut_everywhere(from: &nautes_runtime::plan::ClusterPlan, to: &nautes_runtime::plan::ClusterPlan) {
    let want = {
        let world = World::new().await;
        world.apply("demo", to).await;
        world.everything().await
    };
    for cut in [Cut::Before, Cut::After] {
        for allowed in 0.. {
            let world = World::new().await;
            world.apply("demo", from).await;
            let client = failing(world.cluster.client(), allowed, cut);
            let result = world.apply_with(client, "demo", to).await;
            let uncut = result.is_ok_and(|applied| applied.is_complete());

            let mut last = world.apply("demo", to).await;
            for _ in 0..100 {
                if last.is_complete() {
                    break;
                }
                tokio::task::yield_now().await;
                last = world.apply("demo", to).await;
            }
            assert!(last.is_complete(), "{cut:?} {allowed}: {last:?}");
            assert_eq!(world.everything().await, want, "{cut:?} {allowed}");
            assert_eq!(world.apply("demo", to).await.writes, 0);

            // No orphan: what is in the cluster is in the inventory, so everything goes.
            world.remove_all_until_gone("demo").await;
            let left = world.everything().await;
            assert!(
                left.keys().all(|name| !name.contains("shop")),
                "{cut:?} {allowed}: {left:?}"
            );
            assert!(units(&world.cluster.client()).await.unwrap().is_empty());
            if uncut {
                break;
            }
            assert!(allowed < 100);
        }
    }
}

#[tokio::test]
async fn creating_can_be_cut_anywhere() {
    cut_everywhere(&plan(vec![]), &usual("shop")).await;
}

#[tokio::test]
async fn changing_and_pruning_can_be_cut_anywhere() {
    let to = plan(vec![
        vec![planned(namespace("shop"), &["dev"])],
        vec![
            planned(config("shop", "settings", json!({"a": "9"})), &["dev"]),
            planned(config("shop", "more", json!({})), &["test"]),
        ],
    ]);
    cut_everywhere(&usual("shop"), &to).await;
}

#[tokio::test]
async fn removing_can_be_cut_anywhere_and_leaves_nothing() {
    for cut in [Cut::Before, Cut::After] {
        for allowed in 0.. {
            let world = World::new().await;
            world.apply("demo", &usual("shop")).await;
            let client = failing(world.cluster.client(), allowed, cut);
            let result = world.apply_with(client, "demo", &plan(vec![])).await;
            world.remove_all_until_gone("demo").await;
            let left = world.everything().await;
            assert!(
                left.keys().all(|name| !name.contains("shop")),
                "{cut:?} {allowed}: {left:?}"
            );
            if result.is_ok_and(|applied| applied.failed.is_empty()) {
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_object_healed_just_before_a_cut_is_still_pruned() {
    let world = World::new().await;
    let full = plan(vec![
        vec![planned(namespace("shop"), &["dev"])],
        vec![planned(config("shop", "settings", json!({"a": "1"})), &["dev"])],
    ]);
    world.apply("demo", &full).await;
    for allowed in 0..4 {
        let maps = world.api("ConfigMap", Some("shop"));
        let _ = maps.delete("settings", &Default::default()).await;
        let client = failing(world.cluster.client(), allowed, Cut::After);
        let _ = world.apply_with(client, "demo", &full).await;
        let without = plan(vec![vec![planned(namespace("shop"), &["dev"])]]);
        let pruned = world.apply("demo", &without).await;
        assert!(pruned.is_complete(), "{allowed}: {pruned:?}");
        assert!(
            world.get("ConfigMap", Some("shop"), "settings").await.is_none(),
            "{allowed}"
        );
        world.apply("demo", &full).await;
    }
}
