//! The GitLab adapter keeps the rules of every forge: on a GitLab in this process, and on a real one where
//! `NAUTES_TEST_GITLAB_URL` and `NAUTES_TEST_GITLAB_TOKEN` are set.
//!
//! For a real one the token is three, separated by commas, of accounts that have nothing to do with each other; it has to
//! allow hooks to local addresses.

use std::sync::Arc;

use nautes_gitops::conformance::{self, Subject};
use nautes_gitops::host::gitlab::fake::FakeGitlab;
use nautes_gitops::host::gitlab::{Gitlab, Options, Protection};
use nautes_gitops::host::net::NetOptions;
use nautes_model::Secret;
use tempfile::TempDir;

/// A GitLab in this process, with the adapter for it.
pub(crate) struct World {
    pub(crate) fake: FakeGitlab,
    pub(crate) gitlab: Gitlab,
    pub(crate) tokens: [Secret; 3],
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = TempDir::new().unwrap();
        let fake = FakeGitlab::start(dir.path().join("forge")).await.unwrap();
        let mut tokens = Vec::new();
        for name in ["ann", "bob", "eve"] {
            tokens.push(fake.create_user(name).await.unwrap());
        }
        let platform = fake.create_user("platform").await.unwrap();
        let mut options = Options::new("gitlab", fake.url(), platform);
        options.protection = Protection::Nobody;
        options.net = NetOptions {
            loopback: true,
            ..NetOptions::default()
        };
        change(&mut options);
        let gitlab = Gitlab::new(options).unwrap();
        let tokens = tokens.try_into().unwrap();
        Self {
            fake,
            gitlab,
            tokens,
            dir,
        }
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject {
            host: Arc::new(self.gitlab.clone()),
            tokens: self.tokens.clone(),
            prefix: "conformance".to_owned(),
            mirrors: self.dir.path().join("mirrors"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms() {
    let world = World::new().await;
    // Small pages, so that every listing takes several.
    world.fake.set_page_size(2);
    conformance::run(&world.subject()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_where_deleting_takes_two_steps() {
    let world = World::new().await;
    world.fake.set_delayed_deletion(true);
    for case in conformance::cases() {
        if ["repositories live and die", "groups live and die"].contains(&case.name) {
            case.run(&world.subject()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_on_a_bad_day() {
    let world = World::new().await;
    world.fake.set_page_size(2);
    world.fake.set_failing(9);
    for case in conformance::cases() {
        // Those that take many at once ask nothing new.
        if !case.name.starts_with("of a hundred") && !case.name.starts_with("strangers") {
            case.run(&world.subject())
                .await
                .unwrap_or_else(|what| panic!("{}: {what}", case.name));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests take what they may talk to from the environment"
)]
async fn a_real_gitlab_conforms() {
    let set = |name| std::env::var(name).ok();
    let (Some(url), Some(tokens)) = (set("NAUTES_TEST_GITLAB_URL"), set("NAUTES_TEST_GITLAB_TOKEN")) else {
        eprintln!("skipped: NAUTES_TEST_GITLAB_URL and NAUTES_TEST_GITLAB_TOKEN are not set");
        return;
    };
    let tokens: Vec<Secret> = tokens
        .split(',')
        .map(|token| Secret::from(token.trim()))
        .collect();
    let tokens: [Secret; 3] = tokens.try_into().expect("three tokens, separated by commas");
    let dir = TempDir::new().unwrap();
    let mut options = Options::new("gitlab", url, tokens[0].clone());
    options.protection = Protection::Nobody;
    options.net.loopback = true;
    let subject = Subject {
        host: Arc::new(Gitlab::new(options).unwrap()),
        tokens,
        prefix: format!("nautes-conformance-{}", std::process::id()),
        mirrors: dir.path().join("mirrors"),
    };
    conformance::run(&subject).await;
}
