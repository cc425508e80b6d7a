//! The old document of the API, in its two forms.

use http::Request;
use http_body_util::BodyExt as _;
use nautes_runtime::local;
use serde_json::{Value, json};

use crate::support::{cluster, get, install, widget_definition};

async fn ask(cluster: &local::Cluster, accept: &str, known: &str) -> (u16, String, String, Vec<u8>) {
    let request = Request::get("/openapi/v2")
        .header("accept", accept)
        .header("if-none-match", known)
        .body(kube::client::Body::empty())
        .unwrap();
    let response = cluster.client().send(request).await.unwrap();
    let header = |name: &str| {
        let value = response
            .headers()
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned());
        value.unwrap_or_default()
    };
    let (code, media, tag) = (response.status().as_u16(), header("content-type"), header("etag"));
    let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
    (code, media, tag, body)
}

#[tokio::test]
async fn the_old_document_is_given_in_the_form_wanted() {
    let cluster = cluster().await;
    let json = "application/json";
    let protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    for (accept, expect) in [
        ("", json),
        (json, json),
        (
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
            protobuf,
        ),
    ] {
        let (code, media, tag, body) = ask(&cluster, accept, "").await;
        assert_eq!((code, media.as_str()), (200, expect), "{accept}");
        if expect == json {
            let document: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(document["swagger"], "2.0");
        } else {
            assert_eq!(&body[..5], b"\x0a\x032.0", "{accept}");
        }
        let (code, _, again, body) = ask(&cluster, accept, &tag).await;
        assert_eq!((code, again, body), (304, tag, Vec::new()), "{accept}");
    }
    let (code, media, _, body) = ask(&cluster, "text/plain", "").await;
    assert_eq!((code, media, body), (406, String::new(), Vec::new()));
}

#[tokio::test]
async fn a_definition_makes_the_old_document_another() {
    let cluster = cluster().await;
    let (_, _, before, _) = ask(&cluster, "application/json", "").await;
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "nullable": true}}});
    install(&cluster.client(), &widget_definition(&schema)).await;
    let (code, _, tag, body) = ask(&cluster, "application/json", &before).await;
    assert_eq!(code, 200);
    assert_ne!(tag, before);
    let document: Value = serde_json::from_slice(&body).unwrap();
    let widget = &document["definitions"]["io.example.v1.Widget"];
    assert_eq!(widget["properties"]["spec"], json!({}));
    let metadata = "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    assert_eq!(widget["properties"]["metadata"]["$ref"], metadata);
    assert!(widget["properties"]["kind"]["description"].is_string());
}

#[tokio::test]
async fn a_document_is_named_by_its_tag() {
    let cluster = cluster().await;
    let client = cluster.client();
    let (_, index) = get(&client, "/openapi/v3").await;
    let path = index["paths"]["apis/batch/v1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let answer = async |path: &str, known: &str| {
        let request = Request::get(path)
            .header("if-none-match", known)
            .body(kube::client::Body::empty())
            .unwrap();
        client.send(request).await.unwrap()
    };
    let header = |response: &http::Response<kube::client::Body>, name: &str| {
        let value = response.headers().get(name);
        value.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    let whole = answer(path, "").await;
    assert_eq!(whole.status(), 200);
    assert_eq!(header(&whole, "cache-control"), "public, immutable");
    assert!(!header(&whole, "expires").is_empty());
    let tag = header(&whole, "etag");
    assert_eq!(answer(path, &tag).await.status(), 304);
    let (plain, _) = path.split_once('?').unwrap();
    let unnamed = answer(plain, "").await;
    assert_eq!(header(&unnamed, "cache-control"), "no-cache, private");
    let other = answer(&format!("{plain}?hash=other"), "").await;
    assert_eq!(other.status(), 301);
    assert_eq!(header(&other, "location"), path);
}
