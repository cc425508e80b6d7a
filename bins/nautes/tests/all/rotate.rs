//! `nautes rotate`, on a platform of its own.

use std::time::Duration;

use nautes_vault::keys::{self, RepoCredential, RepoId};
use nautes_vault::rotation::Ring;

use crate::kit::{ONE_PLATFORM, Run, example, platform, program, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_is_one_commit_and_carried_out() {
    let _one = ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let instance = platform(dir.path().join("platform")).await;
    let server = instance.url("api").unwrap();
    let nautes = |words: &[&str]| -> Run {
        let mut command = program(dir.path());
        command
            .args(words)
            .env("NAUTES_SERVER", &server)
            .env("NAUTES_TOKEN", &instance.remembered().users["admin"]);
        tokio::task::block_in_place(|| run(&mut command, ""))
    };
    let clusters = dir.path().join("platform/manifests/clusters");
    assert_eq!(nautes(&["apply", "-f", &clusters.display().to_string()]).code, 0);
    assert_eq!(nautes(&["apply", "-f", &example("hello.yaml")]).code, 0);

    let unknown = nautes(&["rotate", "deploy", "none", "-p", "hello"]);
    assert_eq!(unknown.code, 4, "{}", unknown.err);
    assert!(
        unknown.err.contains("there is no CodeRepo none"),
        "{}",
        unknown.err
    );
    assert!(unknown.err.contains("there are: deploy"), "{}", unknown.err);
    for wrong in [
        &["rotate", "-p", "hello"][..],
        &["rotate", "deploy", "--all", "-p", "hello"],
        &["rotate", "deploy", "-p", "hello", "--before", "yesterday"],
    ] {
        assert_eq!(nautes(wrong).code, 2, "{wrong:?}");
    }

    let host = instance.platform().host().provider_type();
    let id = RepoId::new(&"hello".parse().unwrap(), &"deploy".parse().unwrap());
    let at = keys::repo(host, &id, RepoCredential::Readonly).unwrap();
    let ring = async || {
        let found = instance.platform().store().read(&at.path).await.unwrap();
        found.and_then(|found| Ring::read(&at.key, &[], found.values))
    };
    let generation = async |wanted: u64| {
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        for _ in 0..300 {
            ticks.tick().await;
            // What was made in this very second is not older than the wish.
            if let Some(ring) = ring().await.filter(|r| r.generation() == wanted) {
                let made = ring.made().map_or(0, |made| made.as_second());
                if made < jiff::Timestamp::now().as_second() {
                    return;
                }
            }
        }
        panic!("the key is not number {wanted}");
    };
    generation(1).await;

    let planned = nautes(&["rotate", "deploy", "-p", "hello", "--dry-run"]);
    assert_eq!(planned.code, 1, "{}", planned.err);
    let asked = nautes(&["rotate", "--all", "-p", "hello", "--revoke"]);
    assert_eq!(asked.code, 0, "{}", asked.err);
    assert!(asked.err.contains("commit"), "{}", asked.err);
    let manifest = nautes(&["get", "coderepo/deploy", "-p", "hello", "-o", "yaml"]).out;
    assert!(
        manifest.contains("nautes.resource.nautes.io/revoke-before:"),
        "{manifest}"
    );
    let again = manifest
        .lines()
        .find_map(|line| line.split_once("revoke-before: "))
        .unwrap()
        .1;
    let again = again.trim_matches(['"', '\'']);
    let same = nautes(&["rotate", "deploy", "-p", "hello", "--revoke", "--before", again]);
    assert_eq!(same.code, 0, "{}", same.err);
    assert!(
        !same.err.contains("commit"),
        "asking twice is asking once: {}",
        same.err
    );

    // The controllers carry it out.
    generation(2).await;
    instance.stop().await.unwrap();
}
