//! What a Kubernetes API server answers, asked of every server there is.
//!
//! A case is a script of requests (`conformance/cases/*.yaml`) and the transcript of what kube-apiserver 1.36
//! answered to it (`*.txt` beside it). Every case is played on the local cluster in memory, on the local
//! cluster with a data folder, and on a real API server where the environment names one (see
//! `docs/guide/real-cluster.md`); each must answer as is written, word for word. What differs from run to
//! run is given a name instead: identities, revisions, times, addresses.
//!
//! `NAUTES_CONFORMANCE_RECORD=1` writes the transcripts of the real server anew.
//!
//! # Knowingly different
//! A case, or a step of one, with `differs` says why the local cluster is not compared there.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

#[path = "conformance/case.rs"]
mod case;
#[path = "conformance/play.rs"]
mod play;
#[path = "support/real.rs"]
mod real;
#[path = "conformance/transcript.rs"]
mod transcript;

use nautes_runtime::local::{LocalCluster, Options};

use case::Case;
use play::Subject;

/// Plays every case on one server and compares.
async fn conforms(subject: &Subject) {
    let record = subject.real && std::env::var_os("NAUTES_CONFORMANCE_RECORD").is_some();
    let only = std::env::var_os("NAUTES_CONFORMANCE_CASE").unwrap_or_default();
    let only = only.to_string_lossy().into_owned();
    let mut failed = Vec::new();
    for case in Case::all().into_iter().filter(|c| c.name.contains(&only)) {
        if !subject.real && case.differs.is_some() {
            continue;
        }
        if case.controllers && !subject.controllers {
            eprintln!(
                "{}: {} needs the controllers of Kubernetes: skipped",
                subject.name, case.name
            );
            continue;
        }
        let said = play::play(subject, &case).await;
        if record {
            std::fs::write(case.transcript_path(), &said).unwrap();
        } else if let Some(difference) = case.difference(&said, subject.real) {
            failed.push(format!("{}: {}\n{difference}", subject.name, case.name));
        }
    }
    assert!(
        failed.is_empty(),
        "{}\n{} cases differ",
        failed.join("\n"),
        failed.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cluster_in_memory_conforms() {
    let cluster = LocalCluster::start(Options::in_memory("test")).await.unwrap();
    conforms(&Subject::local("in memory", &cluster)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_cluster_with_a_data_folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        data: Some(folder.path().to_owned()),
        ..Options::in_memory("test")
    };
    let cluster = LocalCluster::start(options).await.unwrap();
    conforms(&Subject::local("with a data folder", &cluster)).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_api_server_conforms() {
    match real::server().await {
        Some(server) => conforms(&Subject::real(server).await).await,
        None => eprintln!("neither KUBECONFIG nor KUBEBUILDER_ASSETS is set: no real API server is asked"),
    }
}
