//! Create, read, update, delete.

use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::support::{cluster, get, make, map, maps, post, raw};

#[tokio::test]
async fn an_object_starts_with_uid_time_and_revision() {
    let cluster = cluster().await;
    let made = make(&cluster.client(), &map("a", &[("k", "v")])).await;
    assert!(made.metadata.uid.is_some());
    assert!(made.metadata.creation_timestamp.is_some());
    assert!(made.metadata.resource_version.is_some());
    let managed = made.metadata.managed_fields.unwrap();
    assert_eq!(managed[0].operation.as_deref(), Some("Update"));
    assert_eq!(
        serde_json::to_value(&managed[0].fields_v1).unwrap(),
        json!({"f:data": {".": {}, "f:k": {}}})
    );
}

#[tokio::test]
async fn a_second_create_already_exists() {
    let cluster = cluster().await;
    let client = cluster.client();
    make(&client, &map("a", &[])).await;
    let error = maps(&client)
        .create(&PostParams::default(), &map("a", &[]))
        .await
        .unwrap_err();
    let kube::Error::Api(status) = error else {
        panic!("{error}")
    };
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(status.message, "configmaps \"a\" already exists");
}

#[tokio::test]
async fn a_stale_update_is_a_conflict() {
    let cluster = cluster().await;
    let client = cluster.client();
    let first = make(&client, &map("a", &[("k", "1")])).await;
    let mut second = first.clone();
    second.data = map("a", &[("k", "2")]).data;
    maps(&client)
        .replace("a", &PostParams::default(), &second)
        .await
        .unwrap();
    let error = maps(&client)
        .replace("a", &PostParams::default(), &first)
        .await
        .unwrap_err();
    let kube::Error::Api(status) = error else {
        panic!("{error}")
    };
    assert_eq!(
        status.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your \
         changes to the latest version and try again"
    );
}

#[tokio::test]
async fn a_write_that_changes_nothing_keeps_the_revision() {
    let cluster = cluster().await;
    let client = cluster.client();
    let first = make(&client, &map("a", &[("k", "1")])).await;
    let again = maps(&client)
        .replace("a", &PostParams::default(), &first)
        .await
        .unwrap();
    assert_eq!(first.metadata.resource_version, again.metadata.resource_version);
    let patch = json!({"data": {"k": "1"}});
    let again = maps(&client)
        .patch("a", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    assert_eq!(first.metadata.resource_version, again.metadata.resource_version);
}

#[tokio::test]
async fn a_missing_object_is_not_found() {
    let cluster = cluster().await;
    let (code, body) = get(&cluster.client(), "/api/v1/namespaces/default/configmaps/none").await;
    assert_eq!(code, 404);
    assert_eq!(body["message"], "configmaps \"none\" not found");
    assert_eq!(body["details"], json!({"name": "none", "kind": "configmaps"}));
}

#[tokio::test]
async fn a_missing_namespace_is_not_found() {
    let cluster = cluster().await;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let (code, body) = post(&cluster.client(), "/api/v1/namespaces/none/configmaps", &object).await;
    assert_eq!(
        (code, body["message"].as_str()),
        (404, Some("namespaces \"none\" not found"))
    );
}

#[tokio::test]
async fn a_bad_name_is_invalid() {
    let cluster = cluster().await;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "No_Good"}});
    let (code, body) = post(
        &cluster.client(),
        "/api/v1/namespaces/default/configmaps",
        &object,
    )
    .await;
    assert_eq!(code, 422, "{body}");
    assert_eq!(body["details"]["causes"][0]["field"], "metadata.name");
    let message = body["message"].as_str().unwrap();
    assert!(message.starts_with("ConfigMap \"No_Good\" is invalid: metadata.name: Invalid value: \"No_Good\": a lowercase RFC 1123"), "{message}");
}

#[tokio::test]
async fn lists_are_selected_and_paged() {
    let cluster = cluster().await;
    let client = cluster.client();
    for index in 0..5 {
        let mut object = map(&format!("m{index}"), &[]);
        object.metadata.labels = Some([("even".to_owned(), (index % 2 == 0).to_string())].into());
        make(&client, &object).await;
    }
    let names = |list: kube::core::ObjectList<k8s_openapi::api::core::v1::ConfigMap>| -> Vec<String> {
        list.items.into_iter().map(|m| m.metadata.name.unwrap()).collect()
    };
    let even = maps(&client)
        .list(&ListParams::default().labels("even=true"))
        .await
        .unwrap();
    assert_eq!(names(even), ["m0", "m2", "m4"]);
    let one = maps(&client)
        .list(&ListParams::default().fields("metadata.name=m3"))
        .await
        .unwrap();
    assert_eq!(names(one), ["m3"]);
    let set = maps(&client)
        .list(&ListParams::default().labels("even in (false, x),even"))
        .await
        .unwrap();
    assert_eq!(names(set), ["m1", "m3"]);
    let page = maps(&client).list(&ListParams::default().limit(2)).await.unwrap();
    let token = page.metadata.continue_.clone().unwrap();
    assert_eq!(page.metadata.remaining_item_count, Some(3));
    assert_eq!(names(page), ["m0", "m1"]);
    let next = maps(&client)
        .list(&ListParams::default().limit(10).continue_token(&token))
        .await
        .unwrap();
    assert_eq!(names(next), ["m2", "m3", "m4"]);
}

#[tokio::test]
async fn a_json_patch_test_of_null_passes_where_there_is_nothing() {
    let cluster = cluster().await;
    let client = cluster.client();
    make(&client, &map("a", &[])).await;
    let patch = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["example.io/keep"]},
    ]);
    let path = "/api/v1/namespaces/default/configmaps/a";
    let (code, body) = raw(&client, "PATCH", path, "application/json-patch+json", &patch).await;
    assert_eq!(
        (code, &body["metadata"]["finalizers"]),
        (200, &json!(["example.io/keep"]))
    );
    let (code, _) = raw(&client, "PATCH", path, "application/json-patch+json", &patch).await;
    assert_eq!(code, 422);
}

#[tokio::test]
async fn a_finalizer_keeps_an_object_until_it_is_taken_away() {
    let cluster = cluster().await;
    let client = cluster.client();
    let mut object = map("a", &[]);
    object.metadata.finalizers = Some(vec!["example.io/keep".to_owned()]);
    make(&client, &object).await;
    maps(&client).delete("a", &DeleteParams::default()).await.unwrap();
    let dying = maps(&client).get("a").await.unwrap();
    assert!(dying.metadata.deletion_timestamp.is_some());
    let patch = json!({"metadata": {"finalizers": ["example.io/keep", "example.io/more"]}});
    let error = maps(&client)
        .patch("a", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no new finalizers can be added if the object is being deleted"),
        "{error}"
    );
    let patch = json!({"metadata": {"finalizers": null}});
    maps(&client)
        .patch("a", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
    assert!(maps(&client).get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let cluster = cluster().await;
    let client = cluster.client();
    let params = PostParams {
        dry_run: true,
        field_manager: None,
    };
    maps(&client).create(&params, &map("a", &[])).await.unwrap();
    assert!(maps(&client).get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn the_audit_counts_writes() {
    let cluster = cluster().await;
    let client = cluster.client();
    let mark = cluster.audit().mark();
    make(&client, &map("a", &[])).await;
    maps(&client).get("a").await.unwrap();
    let writes = cluster.audit().writes_since(mark);
    assert_eq!(writes.len(), 1);
    assert_eq!((writes[0].verb, writes[0].code), ("create", 201));
    assert_eq!(cluster.audit().since(mark).len(), 2);
}

#[tokio::test]
async fn concurrent_writers_lose_nothing() {
    let cluster = cluster().await;
    let client = cluster.client();
    make(&client, &map("a", &[])).await;
    let writers = (0..50).map(|index| {
        let client = client.clone();
        tokio::spawn(async move {
            loop {
                let mut object = maps(&client).get("a").await.unwrap();
                object
                    .data
                    .get_or_insert_default()
                    .insert(format!("k{index}"), String::new());
                match maps(&client).replace("a", &PostParams::default(), &object).await {
                    Ok(_) => return,
                    Err(kube::Error::Api(status)) if status.code == 409 => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(maps(&client).get("a").await.unwrap().data.unwrap().len(), 50);
}

#[tokio::test]
async fn copies_of_copies_are_bounded() {
    let cluster = cluster().await;
    let client = cluster.client();
    make(&client, &map("a", &[("k", "0123456789")])).await;
    let patch: Vec<serde_json::Value> = (0..60)
        .map(|index| json!({"op": "copy", "from": "/data", "path": format!("/data/c{index}")}))
        .collect();
    let path = "/api/v1/namespaces/default/configmaps/a";
    let (code, _) = raw(
        &client,
        "PATCH",
        path,
        "application/json-patch+json",
        &json!(patch),
    )
    .await;
    assert_eq!(code, 413);
}

#[tokio::test]
async fn a_write_can_ask_for_a_certain_object() {
    let cluster = cluster().await;
    let client = cluster.client();
    let made = make(&client, &map("a", &[])).await;
    let wrong = kube::api::Preconditions {
        uid: Some("other".to_owned()),
        resource_version: None,
    };
    let params = DeleteParams {
        preconditions: Some(wrong),
        ..DeleteParams::default()
    };
    let error = maps(&client).delete("a", &params).await.unwrap_err();
    let kube::Error::Api(status) = error else {
        panic!("{error}")
    };
    assert_eq!(
        status.message,
        format!(
            "Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (other) does not match the \
             UID in record ({}). The object might have been deleted and then recreated",
            made.metadata.uid.unwrap()
        )
    );
}

#[tokio::test]
async fn admission_can_refuse() {
    use nautes_runtime::local::{self, Operation, Options, Status};
    let admission = std::sync::Arc::new(|request: &nautes_runtime::local::AdmissionRequest<'_>| {
        let forbidden = request.operation == Operation::Create && request.name == "no";
        if forbidden {
            Err(Status::denied("not this name"))
        } else {
            Ok(())
        }
    });
    let options = Options {
        admission: Some(admission),
        ..Options::in_memory("admission")
    };
    let client = local::Cluster::start(options).await.unwrap().client();
    let error = maps(&client)
        .create(&PostParams::default(), &map("no", &[]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not this name"), "{error}");
}
