//! Finalizers, owners, namespaces.

use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, PostParams, PropagationPolicy},
    runtime::{
        Controller,
        controller::Action,
        finalizer::{Event, finalizer},
        watcher,
    },
};
use serde_json::json;

use crate::support::{cluster, eventually, get, make, map, maps, post, raw};

fn owned(name: &str, owner: &ConfigMap, block: bool) -> ConfigMap {
    let mut object = map(name, &[]);
    object.metadata.owner_references = Some(
        serde_json::from_value(json!([{
            "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.metadata.uid,
            "blockOwnerDeletion": block,
        }]))
        .unwrap(),
    );
    object
}

#[tokio::test]
async fn what_lost_its_owner_is_collected() {
    let cluster = cluster().await;
    let client = cluster.client();
    let owner = make(&client, &map("owner", &[])).await;
    let child = make(&client, &owned("child", &owner, false)).await;
    make(&client, &owned("grandchild", &child, false)).await;
    maps(&client)
        .delete("owner", &DeleteParams::default())
        .await
        .unwrap();
    eventually("the grandchild is gone", || async {
        maps(&client).get_opt("grandchild").await.unwrap().is_none()
    })
    .await;
    assert!(maps(&client).get_opt("child").await.unwrap().is_none());
}

#[tokio::test]
async fn a_foreground_deletion_waits_for_dependents() {
    let cluster = cluster().await;
    let client = cluster.client();
    let owner = make(&client, &map("owner", &[])).await;
    let mut child = owned("child", &owner, true);
    child.metadata.finalizers = Some(vec!["example.io/keep".to_owned()]);
    make(&client, &child).await;
    maps(&client)
        .delete("owner", &DeleteParams::foreground())
        .await
        .unwrap();
    eventually("the child is going", || async {
        maps(&client)
            .get("child")
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_some()
    })
    .await;
    assert!(maps(&client).get_opt("owner").await.unwrap().is_some());
    let path = "/api/v1/namespaces/default/configmaps/child";
    raw(
        &client,
        "PATCH",
        path,
        "application/merge-patch+json",
        &json!({"metadata": {"finalizers": null}}),
    )
    .await;
    eventually("the owner is gone", || async {
        maps(&client).get_opt("owner").await.unwrap().is_none()
    })
    .await;
}

#[tokio::test]
async fn orphans_stay() {
    let cluster = cluster().await;
    let client = cluster.client();
    let owner = make(&client, &map("owner", &[])).await;
    make(&client, &owned("child", &owner, false)).await;
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Orphan),
        ..DeleteParams::default()
    };
    maps(&client).delete("owner", &params).await.unwrap();
    eventually("the owner is gone", || async {
        maps(&client).get_opt("owner").await.unwrap().is_none()
    })
    .await;
    assert!(
        maps(&client)
            .get("child")
            .await
            .unwrap()
            .metadata
            .owner_references
            .is_none()
    );
}

#[tokio::test]
async fn a_namespace_is_emptied_and_then_goes() {
    let cluster = cluster().await;
    let client = cluster.client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let shop = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    let made = namespaces.create(&PostParams::default(), &shop).await.unwrap();
    assert_eq!(made.status.unwrap().phase.as_deref(), Some("Active"));
    let path = "/api/v1/namespaces/shop/configmaps";
    let object = |name: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "finalizers": ["example.io/keep"]}})
    };
    assert_eq!(post(&client, path, &object("a")).await.0, 201);
    assert_eq!(
        get(&client, "/api/v1/namespaces/shop/serviceaccounts/default")
            .await
            .0,
        200
    );
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    let (code, body) = post(&client, path, &object("b")).await;
    assert_eq!(code, 403);
    assert_eq!(
        body["message"],
        "configmaps \"b\" is forbidden: unable to create new content in namespace shop because it is being terminated"
    );
    let status = namespaces.get("shop").await.unwrap().status.unwrap();
    assert_eq!(status.phase.as_deref(), Some("Terminating"));
    let keep = json!({"metadata": {"finalizers": null}});
    raw(
        &client,
        "PATCH",
        &format!("{path}/a"),
        "application/merge-patch+json",
        &keep,
    )
    .await;
    eventually("the namespace is gone", || async {
        namespaces.get_opt("shop").await.unwrap().is_none()
    })
    .await;
    assert_eq!(get(&client, path).await.1["items"], json!([]));
}

#[derive(Debug, thiserror::Error)]
#[error("never")]
struct Never;

#[tokio::test]
async fn a_controller_with_a_finalizer_sees_the_end() {
    let cluster = cluster().await;
    let client = cluster.client();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let reconcile = |object: Arc<ConfigMap>, context: Arc<(kube::Client, Arc<Mutex<Vec<String>>>)>| async move {
        finalizer(&maps(&context.0), "example.io/clean", object, |event| async {
            let word = match event {
                Event::Apply(m) => format!("apply {}", m.name_any()),
                Event::Cleanup(m) => format!("cleanup {}", m.name_any()),
            };
            context.1.lock().unwrap().push(word);
            Ok::<_, Never>(Action::await_change())
        })
        .await
    };
    let context = Arc::new((client.clone(), seen.clone()));
    let controller = Controller::new(maps(&client), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::await_change(), context)
        .for_each(|_| async {});
    let task = tokio::spawn(controller);
    make(&client, &map("a", &[])).await;
    eventually("the object has been applied", || async {
        seen.lock().unwrap().contains(&"apply a".to_owned())
    })
    .await;
    maps(&client).delete("a", &DeleteParams::default()).await.unwrap();
    eventually("the object is gone", || async {
        maps(&client).get_opt("a").await.unwrap().is_none()
    })
    .await;
    assert!(seen.lock().unwrap().contains(&"cleanup a".to_owned()));
    task.abort();
}
