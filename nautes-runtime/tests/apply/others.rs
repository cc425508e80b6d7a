//! What belongs to others stays theirs.

use serde_json::json;

use crate::world::{World, account, config, names, namespace, plan, planned, usual};

#[tokio::test]
async fn an_object_of_somebody_else_is_refused_and_not_touched() {
    let world = World::new().await;
    world.by_hand(namespace("shop")).await;
    world
        .by_hand(config("shop", "settings", json!({"theirs": "1"})))
        .await;
    let before = world.get("ConfigMap", Some("shop"), "settings").await;
    let plan = plan(vec![vec![
        planned(config("shop", "settings", json!({"a": "1"})), &["dev"]),
        planned(account("shop", "runner"), &["dev"]),
    ]]);
    for _ in 0..2 {
        let applied = world.apply("demo", &plan).await;
        assert_eq!(applied.refused.len(), 1, "{applied:?}");
        assert_eq!(applied.refused[0].key.name, "settings");
        assert_eq!(world.get("ConfigMap", Some("shop"), "settings").await, before);
    }
    assert_eq!(world.apply("demo", &plan).await.writes, 0);
    world.remove_all_until_gone("demo").await;
    assert_eq!(world.get("ConfigMap", Some("shop"), "settings").await, before);
}

#[tokio::test]
async fn nothing_is_put_into_a_namespace_that_is_refused() {
    let world = World::new().await;
    world.by_hand(namespace("shop")).await;
    let applied = world.apply("demo", &usual("shop")).await;
    assert_eq!(names(&applied.written), [].into());
    assert_eq!(
        (applied.refused.len(), applied.failed.len()),
        (1, 5),
        "{applied:?}"
    );
    assert!(world.get("ConfigMap", Some("shop"), "settings").await.is_none());
}

#[tokio::test]
async fn products_do_not_take_each_others_objects() {
    let world = World::new().await;
    world.apply("one", &usual("shop")).await;
    let before = world.everything().await;
    let mut theirs = usual("shop");
    theirs.waves[3][0] = planned(config("shop", "settings", json!({"stolen": "1"})), &["dev"]);
    let applied = world.apply("two", &theirs).await;
    assert_eq!(names(&applied.written), [].into());
    assert_eq!(applied.refused.len(), 1);
    assert!(applied.refused[0].message.contains("product one"), "{applied:?}");
    world.remove_all_until_gone("two").await;
    assert_eq!(world.everything().await, before);
    assert_eq!(world.apply("one", &usual("shop")).await.writes, 0);
}

#[tokio::test]
async fn two_products_live_and_leave_side_by_side() {
    let world = World::new().await;
    let (one, two) = (usual("shop"), usual("office"));
    let (a, b) = tokio::join!(world.apply("one", &one), world.apply("two", &two));
    assert!(a.is_complete() && b.is_complete(), "{a:?} {b:?}");
    world.remove_all_until_gone("one").await;
    assert_eq!(world.apply("two", &two).await.writes, 0);
    assert!(world.get("Namespace", None, "shop").await.is_none());
    assert!(world.get("Namespace", None, "office").await.is_some());
}

#[tokio::test]
async fn a_label_alone_makes_nothing_ours() {
    let world = World::new().await;
    world.by_hand(namespace("shop")).await;
    let mut forged = config("shop", "settings", json!({"theirs": "1"}));
    forged["metadata"]["labels"] = json!({"resource.nautes.io/product": "demo"});
    forged["metadata"]["annotations"] = json!({"resource.nautes.io/inventory": "product.demo"});
    world.by_hand(forged).await;
    let plan = plan(vec![vec![planned(
        config("shop", "settings", json!({"a": "1"})),
        &["dev"],
    )]]);
    let applied = world.apply("demo", &plan).await;
    assert_eq!(applied.refused.len(), 1, "{applied:?}");
    let live = world.get("ConfigMap", Some("shop"), "settings").await.unwrap();
    assert_eq!(live["data"], json!({"theirs": "1"}));
}

#[tokio::test]
async fn our_objects_are_known_again_when_the_inventory_is_lost() {
    let world = World::new().await;
    world.apply("demo", &usual("shop")).await;
    let inventories = world.api("ConfigMap", Some("nautes-inventory"));
    inventories
        .delete("product.demo.0", &Default::default())
        .await
        .unwrap();
    let again = world.apply("demo", &usual("shop")).await;
    assert!(again.is_complete(), "{again:?}");
    assert_eq!((again.inventory, again.written.len()), (6, 0));
    world.remove_all_until_gone("demo").await;
}
