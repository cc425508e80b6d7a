//! The conformance suite (`nautes_runtime::conformance`) on every server there is: the local cluster in memory, with a
//! data folder and over HTTPS, and a real API server where the environment names one (see
//! `docs/guide/real-cluster.md`).
//!
//! `NAUTES_CONFORMANCE_CASE=name` plays the cases whose name has that in it; `NAUTES_CONFORMANCE_RECORD=1` writes the
//! transcripts of the real server anew.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

#[path = "support/real.rs"]
mod real;

use std::path::Path;

use kube::{Client, Config, config::KubeConfigOptions};
use nautes_runtime::{
    conformance::{self, Case, Subject},
    local::{self, Options},
};

fn chosen() -> Vec<Case> {
    let only = std::env::var_os("NAUTES_CONFORMANCE_CASE").unwrap_or_default();
    let only = only.to_string_lossy();
    let cases = conformance::cases().unwrap();
    cases
        .into_iter()
        .filter(|case| case.name.contains(&*only))
        .collect()
}

async fn conforms(subject: &Subject) {
    let report = conformance::run(subject, chosen()).await.unwrap();
    for (case, why) in &report.skipped {
        eprintln!("{}: {case} is skipped: {why}", report.subject);
    }
    assert!(report.conforms(), "{report}");
}

fn local(name: &str, client: Client) -> Subject {
    Subject {
        leeway: true,
        ..Subject::new(name, client)
    }
}

#[test]
fn every_case_says_what_it_is_about_and_has_a_transcript() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/cases");
    let scripts = std::fs::read_dir(folder)
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|e| e == "yaml")
        })
        .count();
    let cases = conformance::cases().unwrap();
    assert_eq!(cases.len(), scripts, "the library has every case of the folder");
    for case in cases {
        assert!(!case.about.is_empty() && case.requests() > 0, "{}", case.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cluster_in_memory_conforms() {
    let cluster = local::Cluster::start(Options::in_memory("test")).await.unwrap();
    conforms(&local("in memory", cluster.client())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cluster_with_a_data_folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        data: Some(folder.path().to_owned()),
        ..Options::in_memory("test")
    };
    let cluster = local::Cluster::start(options).await.unwrap();
    conforms(&local("with a data folder", cluster.client())).await;
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
    conforms(&local("over HTTPS", Client::try_from(config).unwrap())).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_api_server_conforms() {
    let Some(server) = real::server().await else {
        eprintln!("neither KUBECONFIG nor KUBEBUILDER_ASSETS is set: no real API server is asked");
        return;
    };
    let subject = Subject {
        controllers: server.has_controllers().await,
        ..Subject::new("real", server.client_without_retries())
    };
    if std::env::var_os("NAUTES_CONFORMANCE_RECORD").is_none() {
        return conforms(&subject).await;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/cases");
    for case in chosen() {
        if case.controllers && !subject.controllers {
            eprintln!("{} needs the controllers of Kubernetes: not recorded", case.name);
            continue;
        }
        let said = conformance::record(&subject, &case).await.unwrap();
        std::fs::write(folder.join(format!("{}.txt", case.name)), said).unwrap();
    }
}
