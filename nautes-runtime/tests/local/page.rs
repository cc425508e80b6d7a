//! The page of the local cluster says what the cluster says of itself. `UPDATE=1` writes its tables anew.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use kube::Client;
use serde_json::Value;

use crate::support::{cluster, get};

/// Kinds of Kubernetes that users may look for and that are not served, as paths of their lists.
const ABSENT: &[(&str, &str)] = &[
    ("Node", "/api/v1/nodes"),
    ("PodTemplate", "/api/v1/podtemplates"),
    ("ControllerRevision", "/apis/apps/v1/controllerrevisions"),
    ("StorageClass", "/apis/storage.k8s.io/v1/storageclasses"),
    ("VolumeAttachment", "/apis/storage.k8s.io/v1/volumeattachments"),
    ("CSIDriver", "/apis/storage.k8s.io/v1/csidrivers"),
    ("RuntimeClass", "/apis/node.k8s.io/v1/runtimeclasses"),
    ("ResourceClaim", "/apis/resource.k8s.io/v1/resourceclaims"),
    (
        "CertificateSigningRequest",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    ),
    ("APIService", "/apis/apiregistration.k8s.io/v1/apiservices"),
    ("FlowSchema", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"),
    (
        "ValidatingAdmissionPolicy",
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    ),
];

struct Served {
    place: String,
    resources: Vec<Value>,
}

/// What discovery says, group by group.
async fn discovered(client: &Client) -> Vec<Served> {
    let (_, groups) = get(client, "/apis").await;
    let named = groups["groups"].as_array().unwrap().iter().flat_map(|group| {
        let versions = group["versions"].as_array().unwrap();
        versions
            .iter()
            .map(|v| format!("/apis/{}", v["groupVersion"].as_str().unwrap()))
    });
    let mut served = Vec::new();
    for place in std::iter::once("/api/v1".to_owned()).chain(named) {
        let (code, list) = get(client, &place).await;
        assert_eq!(code, 200, "{place}");
        let resources = list["resources"].as_array().unwrap().clone();
        served.push(Served { place, resources });
    }
    served
}

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).collect()
}

fn kinds(served: &[Served]) -> String {
    let mut table = String::from(
        "| Group and version | Kind | Resource | In a namespace | What can be done | Subresources |\n|---|---|---|---|---|---|\n",
    );
    for Served { place, resources } in served {
        let version = place.trim_start_matches("/apis/").trim_start_matches("/api/");
        let mut subresources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for name in resources.iter().filter_map(|r| r["name"].as_str()) {
            if let Some((of, sub)) = name.split_once('/') {
                subresources.entry(of).or_default().push(sub);
            }
        }
        for resource in resources {
            let name = resource["name"].as_str().unwrap();
            if name.contains('/') {
                continue;
            }
            let short = texts(&resource["shortNames"]);
            let short = if short.is_empty() {
                String::new()
            } else {
                format!(" ({})", short.join(", "))
            };
            let verbs = texts(&resource["verbs"]);
            let verbs = if verbs.len() == 8 {
                "everything".to_owned()
            } else {
                verbs.join(", ")
            };
            let subs = subresources.get(name).map(|s| s.join(", ")).unwrap_or_default();
            let inside = if resource["namespaced"] == true {
                "yes"
            } else {
                "no"
            };
            let kind = resource["kind"].as_str().unwrap();
            writeln!(
                table,
                "| `{version}` | {kind} | `{name}`{short} | {inside} | {verbs} | {subs} |"
            )
            .unwrap();
        }
    }
    table
}

async fn paths(client: &Client) -> String {
    let (_, root) = get(client, "/").await;
    let mut list = String::new();
    for path in texts(&root["paths"]) {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let answer = client.request_text(request).await;
        assert!(answer.is_ok(), "{path} is served: {answer:?}");
        writeln!(list, "* `{path}`").unwrap();
    }
    list
}

async fn absent(client: &Client) -> String {
    let mut list = Vec::new();
    for (kind, path) in ABSENT {
        if get(client, path).await.0 == 404 {
            list.push(*kind);
        }
    }
    format!("{}.\n", list.join(", "))
}

fn put(page: &mut String, name: &str, text: &str) {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let from = page
        .find(&begin)
        .unwrap_or_else(|| panic!("the page has no {begin}"))
        + begin.len();
    let to = from
        + page[from..]
            .find(&end)
            .unwrap_or_else(|| panic!("the page has no {end}"));
    page.replace_range(from..to, &format!("\n{text}\n"));
}

#[tokio::test]
async fn the_page_says_what_is_served() {
    let cluster = cluster().await;
    let client = cluster.client();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/local-cluster.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    let mut page = kept.clone();
    put(&mut page, "kinds", &kinds(&discovered(&client).await));
    put(&mut page, "paths", &paths(&client).await);
    put(&mut page, "absent", &absent(&client).await);
    if std::env::var_os("UPDATE").is_some_and(|v| v == "1") {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    assert!(
        kept == page,
        "docs/local-cluster.md is not what the cluster says (UPDATE=1 writes it)"
    );
}

#[tokio::test]
async fn what_discovery_promises_is_served() {
    let cluster = cluster().await;
    let client = cluster.client();
    for Served { place, resources } in discovered(&client).await {
        for resource in resources {
            let name = resource["name"].as_str().unwrap();
            let (of, sub) = name.split_once('/').unwrap_or((name, ""));
            let inside = if resource["namespaced"] == true {
                "/namespaces/default"
            } else {
                ""
            };
            let verbs = texts(&resource["verbs"]);
            if verbs.contains(&"list") {
                let (code, list) = get(&client, &format!("{place}/{of}")).await;
                assert_eq!(code, 200, "{place}/{of}: {list}");
            }
            if verbs.contains(&"get") {
                let tail = if sub.is_empty() {
                    String::new()
                } else {
                    format!("/{sub}")
                };
                let (code, status) = get(&client, &format!("{place}{inside}/{of}/none{tail}")).await;
                assert_eq!(
                    (code, &status["details"]["name"]),
                    (404, &"none".into()),
                    "{name}: {status}"
                );
            }
        }
    }
}
