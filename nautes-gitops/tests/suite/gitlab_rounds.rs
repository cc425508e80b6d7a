//! How many requests it takes to publish a change on a GitLab.

use std::time::{Duration, Instant};

use nautes_gitops::{
    Author, ChangeSet, GroupSpec, Mirror, Publisher, RepoPath, RepoRef, RepoSpec, Session, Target,
};
use nautes_model::manifest::{self, Context, Form};

use super::gitlab::World;

/// The round trip to the forge.
const LATENCY: Duration = Duration::from_millis(20);

fn project(number: u32) -> ChangeSet {
    let text = format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nspec: {{name: p-{number}, product: demo, language: rust}}\n"
    );
    let parsed = manifest::parse(&text, &Context::new("test.yaml", Form::Request));
    ChangeSet {
        upserts: parsed.resources.into_iter().map(|s| s.resource).collect(),
        ..ChangeSet::default()
    }
}

async fn publish(session: &dyn Session, mirror: &Mirror, number: u32) {
    let of = RepoRef::Product("demo".parse().unwrap());
    let path: RepoPath = "demo/default.project".parse().unwrap();
    let target = Target {
        session,
        of: &of,
        path: &path,
        mirror,
        branch: "main",
    };
    let author = Author {
        name: "Ann".to_owned(),
        email: "ann@example.org".to_owned(),
    };
    let done = Publisher::default()
        .publish::<(), _>(&target, &project(number), &author, |_, _| Ok(()))
        .await
        .unwrap();
    assert!(done.commit.is_some());
}

#[tokio::test(flavor = "multi_thread")]
#[allow(
    clippy::print_stderr,
    reason = "what was measured is told to who asks with --nocapture"
)]
async fn a_change_is_published_in_three_requests() {
    let world = World::new().await;
    let session = nautes_gitops::GitHost::session(&world.gitlab, &world.tokens[0])
        .await
        .unwrap();
    let group = GroupSpec {
        name: "demo".to_owned(),
        ..GroupSpec::default()
    };
    session.create_group(&group).await.unwrap();
    let path: RepoPath = "demo/default.project".parse().unwrap();
    session
        .create_repository(&path, &RepoSpec::default())
        .await
        .unwrap();
    let mirror = Mirror::open_or_create(world.dir.path().join("mirror"))
        .await
        .unwrap();
    // The first commit makes the branch.
    publish(&*session, &mirror, 0).await;
    world.fake.set_latency(LATENCY);
    let mut times = Vec::new();
    for number in 1..=10 {
        let before = world.fake.requests().len();
        let begun = Instant::now();
        publish(&*session, &mirror, number).await;
        times.push(begun.elapsed());
        let asked = world.fake.requests().split_off(before);
        assert_eq!(asked.len(), 3, "{asked:#?}");
    }
    times.sort();
    eprintln!(
        "published at {LATENCY:?}: half in {:?}, longest {:?}",
        times[5], times[9]
    );
}
