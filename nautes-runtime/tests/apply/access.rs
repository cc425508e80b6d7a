//! Access to clusters by kubeconfigs in the secret store.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::Cluster;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use nautes_model::name::ClusterName;
use nautes_model::{Class, Secret};
use nautes_runtime::clusters::{AccessError, ClusterAccess, StoredClusters, virtual_cluster};
use nautes_runtime::local::{self, Options};
use nautes_vault::{Expect, LocalStore, MasterKey, SecretStore, keys};
use serde_json::json;

use crate::world::{World, account, binding, namespace, plan, planned, secret};

fn name(text: &str) -> ClusterName {
    text.parse().unwrap()
}

fn store() -> Arc<LocalStore> {
    Arc::new(LocalStore::in_memory(&MasterKey::generate().unwrap()).unwrap())
}

async fn put(store: &LocalStore, cluster: &ClusterName, text: &str) {
    let at = keys::kubeconfig(cluster);
    let values = BTreeMap::from([(at.key, Secret::from(text))]);
    let _ = store.write(&at.path, values, Expect::Any).await.unwrap();
}

/// A cluster with a port, and a kubeconfig for it.
async fn served(token: &str) -> (World, local::Cluster, String) {
    let mut options = Options::in_memory("served");
    options.listen = Some("127.0.0.1:0".parse().unwrap());
    let cluster = local::Cluster::start(options).await.unwrap();
    cluster.add_token(token, "admin", &["system:masters"]);
    let text = serde_yaml::to_string(&cluster.kubeconfig(token)).unwrap();
    let mut world = World::new().await;
    world.cluster = Cluster::Local(cluster.clone());
    (world, cluster, text)
}

#[tokio::test]
async fn a_stored_kubeconfig_gives_a_client_and_a_new_version_a_new_one() {
    let (_world, local, text) = served("canary-token").await;
    let store = store();
    let clusters = StoredClusters::new(store.clone());
    let cluster = name("served");
    let missing = clusters.client(&cluster).await.err().unwrap();
    assert!(matches!(missing, AccessError::NoKubeconfig(_)));
    assert_eq!(missing.class(), Class::Waiting);

    put(&store, &cluster, &text).await;
    let maps: Api<ConfigMap> = Api::namespaced(clusters.client(&cluster).await.unwrap(), "default");
    assert!(maps.list(&Default::default()).await.is_ok());

    put(&store, &cluster, &text.replace("canary-token", "wrong")).await;
    let maps: Api<ConfigMap> = Api::namespaced(clusters.client(&cluster).await.unwrap(), "default");
    assert!(maps.list(&Default::default()).await.is_err());

    let address = local.address().unwrap();
    put(
        &store,
        &cluster,
        &text.replace(&address.to_string(), "127.0.0.1:1"),
    )
    .await;
    clusters.set_servers(BTreeMap::from([(cluster.clone(), format!("https://{address}"))]));
    let maps: Api<ConfigMap> = Api::namespaced(clusters.client(&cluster).await.unwrap(), "default");
    assert!(maps.list(&Default::default()).await.is_ok());
    assert!(!format!("{clusters:?}").contains("canary"));
}

#[tokio::test]
async fn a_kubeconfig_that_would_run_something_is_refused_without_showing_it() {
    let store = store();
    let clusters = StoredClusters::new(store.clone());
    let cluster = name("bad");
    let text = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
        clusters: [{name: k, cluster: {server: 'https://x.test'}}]\n\
        users: [{name: u, user: {exec: {command: canary, apiVersion: v1}}}]\n";
    put(&store, &cluster, text).await;
    let error = clusters.client(&cluster).await.err().unwrap();
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("exec"), "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn a_client_that_acts_as_an_account_has_its_rights_only() {
    let (world, _local, text) = served("token").await;
    let spaces = vec![
        planned(namespace("shop"), &["dev"]),
        planned(namespace("other"), &["dev"]),
    ];
    let rights = vec![
        planned(account("shop", "runner"), &["dev"]),
        planned(binding("shop", "runner", "runner", "edit"), &["dev"]),
    ];
    assert!(
        world
            .apply("demo", &plan(vec![spaces, rights]))
            .await
            .is_complete()
    );
    let store = store();
    put(&store, &name("served"), &text).await;
    let clusters = StoredClusters::new(store);
    for _ in 0..2 {
        let client = clusters
            .client_as(&name("served"), "shop", "runner")
            .await
            .unwrap();
        let may: Api<ConfigMap> = Api::namespaced(client.clone(), "shop");
        assert!(may.list(&Default::default()).await.is_ok());
        let may_not: Api<ConfigMap> = Api::namespaced(client, "other");
        assert!(may_not.list(&Default::default()).await.is_err());
    }
}

#[tokio::test]
async fn a_virtual_cluster_is_collected_from_its_host_once_it_is_up() {
    let world = World::new().await;
    let (host, store, cluster) = (world.cluster.client(), store(), name("virtual"));
    let collect = async |server: &str| virtual_cluster::collect(&host, &cluster, server, &*store).await;
    let server = "https://virtual.test:31000";
    let early = collect(server).await.unwrap_err();
    assert_eq!(early.class(), Class::Waiting, "{early}");

    world.by_hand(namespace("virtual")).await;
    world
        .by_hand(json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "vc", "namespace": "virtual", "labels": {"app": "vcluster"}},
            "spec": {
                "serviceName": "vc", "selector": {"matchLabels": {"app": "vcluster"}},
                "template": {
                    "metadata": {"labels": {"app": "vcluster"}},
                    "spec": {"containers": [{"name": "vc", "image": "vc:1"}]},
                },
            },
        }))
        .await;
    let half = collect(server).await.unwrap_err();
    assert!(half.to_string().contains("vc-vc"), "{half}");

    let text = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
        clusters: [{name: k, cluster: {server: 'https://localhost:8443'}}]\n\
        users: [{name: u, user: {token: t}}]\n";
    let mut object = secret("virtual", "vc-vc");
    object["stringData"] = json!({"config": text});
    let params = kube::api::PatchParams::apply("somebody").force();
    world
        .api("Secret", Some("virtual"))
        .patch("vc-vc", &params, &kube::api::Patch::Apply(&object))
        .await
        .unwrap();
    let first = collect(server).await.unwrap();
    let again = collect(server).await.unwrap();
    assert_eq!((first.changed, again.changed), (true, false));
    let stored = store.resolve(&keys::kubeconfig(&cluster)).await.unwrap().unwrap();
    assert!(
        stored
            .expose_str()
            .unwrap()
            .contains("https://virtual.test:31000")
    );
    assert!(!stored.expose_str().unwrap().contains("localhost"));
    assert!(collect("https://virtual.test:31001").await.unwrap().changed);
}
