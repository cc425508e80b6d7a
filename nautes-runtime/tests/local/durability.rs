//! Data folders.

use kube::api::{DeleteParams, PostParams};
use nautes_runtime::local::{LocalCluster, Options};
use serde_json::json;

use crate::support::{get, install, make, map, maps, post, widget_definition};

fn options(folder: &std::path::Path) -> Options {
    Options {
        data: Some(folder.to_owned()),
        listen: Some(([127, 0, 0, 1], 0).into()),
        ..Options::in_memory("kept")
    }
}

#[tokio::test]
async fn a_restart_keeps_objects_definitions_and_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let first = LocalCluster::start(options(folder.path())).await.unwrap();
    let client = first.client();
    let kept = make(&client, &map("kept", &[("k", "v")])).await;
    make(&client, &map("gone", &[])).await;
    maps(&client)
        .delete("gone", &DeleteParams::default())
        .await
        .unwrap();
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    install(&client, &widget_definition(&schema)).await;
    let widget = json!({"apiVersion": "example.io/v1", "kind": "Widget", "metadata": {"name": "w"}});
    assert_eq!(
        post(&client, "/apis/example.io/v1/namespaces/default/widgets", &widget)
            .await
            .0,
        201
    );
    let ca = first.ca_pem().to_owned();
    first.stop().await;
    assert!(maps(&client).get("kept").await.is_err());
    drop((first, client));

    let second = LocalCluster::start(options(folder.path())).await.unwrap();
    let client = second.client();
    assert_eq!(maps(&client).get("kept").await.unwrap(), kept);
    assert!(maps(&client).get_opt("gone").await.unwrap().is_none());
    assert_eq!(
        get(&client, "/apis/example.io/v1/namespaces/default/widgets/w")
            .await
            .0,
        200
    );
    assert_eq!(second.ca_pem(), ca);
    let later = maps(&client)
        .create(&PostParams::default(), &map("later", &[]))
        .await
        .unwrap();
    let number = |m: &k8s_openapi::api::core::v1::ConfigMap| -> u64 {
        m.metadata.resource_version.as_ref().unwrap().parse().unwrap()
    };
    assert!(number(&later) > number(&kept));
    second.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn keys_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let cluster = LocalCluster::start(options(folder.path())).await.unwrap();
    for name in ["tls.key", "token.key"] {
        let mode = std::fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = LocalCluster::start(options(folder.path())).await.unwrap();
    assert!(LocalCluster::start(options(folder.path())).await.is_err());
    cluster.stop().await;
}
