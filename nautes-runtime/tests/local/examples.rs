//! What programs made with kube usually do: a custom resource of their own, a watch with a cache, server-side apply, a
//! controller with a finalizer.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::{
    api::core::v1::ConfigMap, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResource, CustomResourceExt, Resource as _, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::{
        Controller, WatchStreamExt as _,
        controller::Action,
        finalizer::{self, Event},
        reflector,
        wait::{await_condition, conditions},
        watcher,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{cluster, eventually, maps};

/// A bed in a garden.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "garden.example.io",
    version = "v1",
    kind = "Bed",
    namespaced,
    status = "BedStatus",
    shortname = "bd"
)]
pub(crate) struct BedSpec {
    plant: String,
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    rows: i32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct BedStatus {
    watered: bool,
}

fn one() -> i32 {
    1
}

fn bed(name: &str, plant: &str) -> Bed {
    let spec = BedSpec {
        plant: plant.to_owned(),
        rows: 2,
    };
    Bed::new(name, spec)
}

/// Defines the kind and waits until it is served.
async fn beds(client: &Client) -> Api<Bed> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let apply = PatchParams::apply("gardener").force();
    definitions
        .patch(Bed::crd_name(), &apply, &Patch::Apply(Bed::crd()))
        .await
        .unwrap();
    let established = await_condition(definitions, Bed::crd_name(), conditions::is_crd_established());
    tokio::time::timeout(Duration::from_secs(20), established)
        .await
        .unwrap()
        .unwrap();
    Api::namespaced(client.clone(), "default")
}

fn refused<T: std::fmt::Debug>(answer: kube::Result<T>) -> (u16, String) {
    match answer.unwrap_err() {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_custom_resource_is_made_read_changed_and_removed() {
    let cluster = cluster().await;
    let beds = beds(&cluster.client()).await;
    let post = PostParams::default();
    let made = beds.create(&post, &bed("a", "leek")).await.unwrap();
    assert_eq!((made.spec.rows, made.metadata.generation), (2, Some(1)));
    let again = beds.create(&post, &bed("a", "leek")).await;
    assert_eq!(refused(again), (409, "AlreadyExists".to_owned()));
    let got = beds.get("a").await.unwrap();
    assert_eq!(got.resource_version(), made.resource_version());

    let mut next = got.clone();
    next.spec.plant = "kale".to_owned();
    let replaced = beds.replace("a", &post, &next).await.unwrap();
    assert_eq!(
        (replaced.spec.plant.as_str(), replaced.metadata.generation),
        ("kale", Some(2))
    );
    let stale = beds.replace("a", &post, &got).await;
    assert_eq!(refused(stale), (409, "Conflict".to_owned()));

    let patch = Patch::Merge(json!({"status": {"watered": true}, "spec": {"plant": "ivy"}}));
    let patched = beds
        .patch_status("a", &PatchParams::default(), &patch)
        .await
        .unwrap();
    assert_eq!(patched.status, Some(BedStatus { watered: true }));
    assert_eq!(
        (patched.spec.plant.as_str(), patched.metadata.generation),
        ("kale", Some(2))
    );
    let none = Patch::Merge(json!({"spec": {"rows": 0}}));
    let none = beds.patch("a", &PatchParams::default(), &none).await;
    assert_eq!(refused(none), (422, "Invalid".to_owned()));

    let defaulted = json!({"apiVersion": "garden.example.io/v1", "kind": "Bed", "metadata": {"name": "b"}, "spec": {"plant": "pea"}});
    let apply = PatchParams::apply("gardener");
    let defaulted = beds.patch("b", &apply, &Patch::Apply(defaulted)).await.unwrap();
    assert_eq!(defaulted.spec.rows, 1);
    let list = beds.list(&ListParams::default()).await.unwrap();
    assert_eq!(
        list.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
        ["a", "b"]
    );
    let gone = beds.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(gone.is_right(), "gone at once: {gone:?}");
    assert_eq!(beds.get_opt("a").await.unwrap().map(|b| b.name_any()), None);
    beds.delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    assert_eq!(beds.list(&ListParams::default()).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn a_cache_follows_what_is_stored() {
    for streaming in [false, true] {
        let cluster = cluster().await;
        let beds = beds(&cluster.client()).await;
        let post = PostParams::default();
        beds.create(&post, &bed("before", "leek")).await.unwrap();
        let config = match streaming {
            true => watcher::Config::default().streaming_lists(),
            false => watcher::Config::default().page_size(1),
        };
        let (cache, writer) = reflector::store();
        let events = watcher(beds.clone(), config).default_backoff().reflect(writer);
        let following = tokio::spawn(events.for_each(|event| async {
            event.unwrap();
        }));
        cache.wait_until_ready().await.unwrap();
        let plants = || {
            let mut plants: Vec<String> = cache.state().iter().map(|b| b.spec.plant.clone()).collect();
            plants.sort();
            plants.join(" ")
        };
        assert_eq!(plants(), "leek");
        beds.create(&post, &bed("after", "kale")).await.unwrap();
        eventually("the new one is seen", async || plants() == "kale leek").await;
        let patch = Patch::Merge(json!({"spec": {"plant": "pea"}}));
        beds.patch("before", &PatchParams::default(), &patch)
            .await
            .unwrap();
        eventually("the change is seen", async || plants() == "kale pea").await;
        cluster.compact();
        beds.delete("after", &DeleteParams::default()).await.unwrap();
        eventually("the end is seen", async || plants() == "pea").await;
        following.abort();
    }
}

#[tokio::test]
async fn appliers_own_their_fields() {
    let cluster = cluster().await;
    let beds = beds(&cluster.client()).await;
    let apply = async |manager: &str, force: bool, spec: serde_json::Value| {
        let mut params = PatchParams::apply(manager);
        params.force = force;
        let object = json!({"apiVersion": "garden.example.io/v1", "kind": "Bed", "metadata": {"name": "a"}, "spec": spec});
        beds.patch("a", &params, &Patch::Apply(object)).await
    };
    let both = json!({"plant": "leek", "rows": 3});
    let first = apply("planner", false, both.clone()).await.unwrap();
    let second = apply("planner", false, both).await.unwrap();
    assert_eq!(
        first.resource_version(),
        second.resource_version(),
        "nothing is written twice"
    );
    let taken = apply("scaler", false, json!({"plant": "leek", "rows": 4})).await;
    assert_eq!(refused(taken), (409, "Conflict".to_owned()));
    let scaled = apply("scaler", true, json!({"plant": "leek", "rows": 4}))
        .await
        .unwrap();
    let managers: Vec<_> = scaled
        .managed_fields()
        .iter()
        .map(|f| f.manager.clone().unwrap_or_default())
        .collect();
    assert_eq!((scaled.spec.rows, managers.len()), (4, 2), "{managers:?}");
    // The planner lets go of what is no longer his: nothing changes.
    let left = apply("planner", false, json!({"plant": "leek"})).await.unwrap();
    assert_eq!(left.spec.rows, 4);
    // The last owner lets go: the default is back.
    let left = apply("scaler", false, json!({"plant": "leek"})).await.unwrap();
    assert_eq!(left.spec.rows, 1);
}

const FINALIZER: &str = "garden.example.io/clear";

/// Keeps a label map for each bed, and notes which beds were cleared.
async fn tend(bed: Arc<Bed>, client: Arc<Client>) -> Result<Action, finalizer::Error<kube::Error>> {
    let beds: Api<Bed> = Api::namespaced(client.as_ref().clone(), "default");
    let maps = maps(&client);
    finalizer::finalizer(&beds, FINALIZER, bed, |event| async move {
        let apply = PatchParams::apply("tender").force();
        match event {
            Event::Apply(bed) => {
                let owner = bed.controller_owner_ref(&());
                let label = json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": bed.name_any(), "ownerReferences": [owner]}, "data": {"plant": bed.spec.plant}});
                maps.patch(&bed.name_any(), &apply, &Patch::Apply(label)).await?;
                let status = Patch::Merge(json!({"status": {"watered": true}}));
                beds_of(&client)
                    .patch_status(&bed.name_any(), &PatchParams::default(), &status)
                    .await?;
            }
            Event::Cleanup(bed) => {
                let note = json!({"data": {bed.name_any(): "cleared"}});
                maps.patch("cleared", &PatchParams::default(), &Patch::Merge(note))
                    .await?;
            }
        }
        Ok(Action::await_change())
    })
    .await
}

fn beds_of(client: &Client) -> Api<Bed> {
    Api::namespaced(client.clone(), "default")
}

#[tokio::test]
async fn a_controller_keeps_what_it_owns_and_cleans_up() {
    let cluster = cluster().await;
    let client = cluster.client();
    let beds = beds(&client).await;
    let maps = maps(&client);
    maps.create(&PostParams::default(), &crate::support::map("cleared", &[]))
        .await
        .unwrap();
    let owned: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let controller = Controller::new(beds.clone(), watcher::Config::default())
        .owns(owned, watcher::Config::default())
        .run(
            tend,
            |_, _, _| Action::requeue(Duration::from_millis(50)),
            Arc::new(client.clone()),
        )
        .for_each(async |_| ());
    let running = tokio::spawn(controller);
    let plant = async || {
        let map = maps.get_opt("a").await.unwrap();
        map.and_then(|m| m.data).and_then(|mut d| d.remove("plant"))
    };
    beds.create(&PostParams::default(), &bed("a", "leek"))
        .await
        .unwrap();
    eventually("the map is made", async || {
        plant().await.as_deref() == Some("leek")
    })
    .await;
    eventually("the status is written", async || {
        beds.get("a").await.unwrap().status == Some(BedStatus { watered: true })
    })
    .await;
    assert_eq!(beds.get("a").await.unwrap().finalizers(), [FINALIZER]);

    let patch = Patch::Merge(json!({"spec": {"plant": "kale"}}));
    beds.patch("a", &PatchParams::default(), &patch).await.unwrap();
    eventually("the map follows", async || {
        plant().await.as_deref() == Some("kale")
    })
    .await;
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    eventually("the map is made again", async || plant().await.is_some()).await;

    let ending = beds.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(ending.is_left(), "the finalizer holds it");
    eventually("the bed is gone", async || {
        beds.get_opt("a").await.unwrap().is_none()
    })
    .await;
    let note = maps.get("cleared").await.unwrap().data.unwrap_or_default();
    assert_eq!(note["a"], "cleared");
    eventually("the map goes with its owner", async || plant().await.is_none()).await;
    running.abort();
}
