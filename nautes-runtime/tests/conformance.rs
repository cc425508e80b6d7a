//! The conformance suite (`nautes_runtime::conformance`) on every server there is: the local cluster in memory, with a
//! data folder and over HTTPS, and a real API server where the environment names one (see
//! `docs/guide/real-cluster.md`).
//!
//! `NAUTES_CONFORMANCE_CASE=name` plays the cases whose name (`topic/case`) has that in it; `UPDATE=1` writes the
//! transcripts of what the real server says anew.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

#[path = "support/real.rs"]
mod real;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use futures::StreamExt as _;
use kube::{Client, Config, config::KubeConfigOptions};
use nautes_runtime::{
    conformance::{self, Case, Subject},
    local::{self, Options},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/cases")
}

/// The cases of the folder, as they are now.
fn written() -> Vec<Case> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let topic = path.file_stem().unwrap().to_str().unwrap();
        let script = std::fs::read_to_string(path).unwrap();
        let transcript = std::fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        conformance::read(topic, &script, &transcript).unwrap_or_else(|error| panic!("{error:?}"))
    };
    paths.iter().flat_map(read).collect()
}

fn chosen() -> Vec<Case> {
    let only = std::env::var_os("NAUTES_CONFORMANCE_CASE").unwrap_or_default();
    let only = only.to_string_lossy();
    let mut cases = written();
    cases.retain(|case| case.name.contains(&*only));
    cases
}

async fn conforms(subject: &Subject) {
    let report = conformance::run(subject, chosen()).await;
    eprintln!("{report}");
    assert!(report.conforms(), "{report}");
}

/// A local cluster that has forgotten its first revision.
fn local(name: &str, client: Client, cluster: &local::Cluster) -> Subject {
    cluster.compact();
    Subject {
        compacted: true,
        leeway: true,
        ..Subject::new(name, client)
    }
}

async fn has_forgotten_the_first_revision(client: &Client) -> bool {
    let path = "/api/v1/namespaces?resourceVersion=1&resourceVersionMatch=Exact";
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    match client.request_text(request).await {
        Ok(_) => false,
        Err(kube::Error::Api(status)) => status.code == 410,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_library_has_every_case_of_the_folder() {
    let told = |cases: Vec<Case>| -> Vec<String> { cases.iter().map(|case| format!("{case:?}")).collect() };
    assert!(told(conformance::cases().unwrap()) == told(written()));
}

#[test]
fn every_case_states_a_behaviour_and_has_a_transcript() {
    let cases = written();
    let mut stated = BTreeMap::new();
    for case in &cases {
        let name = case.short_name();
        let plain = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        assert!(plain, "{}", case.name);
        let sentence = case.states.starts_with(char::is_uppercase) && case.states.ends_with('.');
        assert!(sentence, "{}: {}", case.name, case.states);
        assert!(!case.transcript().is_empty(), "{} was never recorded", case.name);
        let twin = stated.insert(&case.states, &case.name);
        assert!(twin.is_none(), "{} and {twin:?} state the same", case.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cluster_in_memory_conforms() {
    let cluster = local::Cluster::start(Options::in_memory("test")).await.unwrap();
    conforms(&local("in memory", cluster.client(), &cluster)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cluster_with_a_data_folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        data: Some(folder.path().to_owned()),
        ..Options::in_memory("test")
    };
    let cluster = local::Cluster::start(options).await.unwrap();
    conforms(&local("with a data folder", cluster.client(), &cluster)).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cluster_over_https_conforms() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = Options {
        listen: Some(([127, 0, 0, 1], 0).into()),
        ..Options::in_memory("test")
    };
    let cluster = local::Cluster::start(options).await.unwrap();
    cluster.add_token("word", "system:admin", &["system:masters"]);
    let kubeconfig = cluster.kubeconfig("word");
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    conforms(&local("over HTTPS", client, &cluster)).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_api_server_conforms() {
    let Some(server) = real::server().await else {
        eprintln!("neither KUBECONFIG nor KUBEBUILDER_ASSETS is set: no real API server is asked");
        return;
    };
    let client = server.client_without_retries();
    let subject = Subject {
        controllers: server.has_controllers().await,
        compacted: has_forgotten_the_first_revision(&client).await,
        ..Subject::new("real", client)
    };
    if std::env::var_os("UPDATE").is_none() {
        return conforms(&subject).await;
    }
    let mut said = BTreeMap::new();
    let wanted = chosen().into_iter().filter(|case| {
        let possible = (subject.controllers || !case.controllers) && (subject.compacted || !case.compacted);
        if !possible {
            eprintln!(
                "{} needs what this server is not or has not: not recorded",
                case.name
            );
        }
        possible
    });
    let mut recorded = futures::stream::iter(wanted)
        .map(async |case| (conformance::record(&subject, &case).await, case.name))
        .buffered(12);
    while let Some((text, name)) = recorded.next().await {
        match text {
            Ok(text) => drop(said.insert(name, text)),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    let cases = written();
    for topic in cases.chunk_by(|a, b| a.topic() == b.topic()) {
        let parts = topic.iter().map(|case| {
            let text = said
                .get(&case.name)
                .map_or_else(|| case.transcript(), String::as_str);
            (case, text)
        });
        let text = conformance::transcript(parts.filter(|(_, text)| !text.is_empty()));
        std::fs::write(folder().join(format!("{}.txt", topic[0].topic())), text).unwrap();
    }
}
