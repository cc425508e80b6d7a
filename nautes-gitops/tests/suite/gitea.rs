//! The Gitea adapter keeps the rules of every forge: on a Gitea in this process, and on a real one where
//! `NAUTES_TEST_GITEA_URL` and `NAUTES_TEST_GITEA_TOKEN` are set.
//!
//! For a real one the token is three, separated by commas, of accounts that have nothing to do with each other; each may
//! create organisations.

use std::sync::Arc;

use nautes_gitops::conformance::{self, Subject};
use nautes_gitops::host::gitea::fake::FakeGitea;
use nautes_gitops::host::gitea::{Gitea, Options};
use nautes_gitops::host::net::NetOptions;
use nautes_model::Secret;
use tempfile::TempDir;

use super::openapi::Description;

/// A Gitea in this process, with the adapter for it.
pub(crate) struct World {
    pub(crate) fake: FakeGitea,
    pub(crate) gitea: Gitea,
    pub(crate) tokens: [Secret; 3],
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let fake = FakeGitea::start(dir.path().join("forge")).await.unwrap();
        let mut tokens = Vec::new();
        for name in ["ann", "bob", "eve"] {
            tokens.push(fake.create_user(name).await.unwrap());
        }
        let platform = fake.create_user("platform").await.unwrap();
        let mut options = Options::new("gitea", fake.url(), platform);
        options.net = NetOptions {
            loopback: true,
            ..NetOptions::default()
        };
        let gitea = Gitea::new(options).unwrap();
        let tokens = tokens.try_into().unwrap();
        Self {
            fake,
            gitea,
            tokens,
            dir,
        }
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject {
            host: Arc::new(self.gitea.clone()),
            tokens: self.tokens.clone(),
            prefix: "conformance".to_owned(),
            mirrors: self.dir.path().join("mirrors"),
        }
    }
}

/// What Gitea says of its API, as far as it is used: what is carried here, or all of it where `NAUTES_GITEA_OPENAPI` names
/// the file that every Gitea serves as `/swagger.v1.json`.
#[allow(
    clippy::disallowed_methods,
    reason = "tests take their data files from the environment"
)]
fn description() -> Description {
    let carried = include_str!("../gitea/api.json").to_owned();
    let text = match std::env::var("NAUTES_GITEA_OPENAPI") {
        Ok(file) => std::fs::read_to_string(file).unwrap(),
        Err(_) => carried,
    };
    Description {
        root: serde_json::from_str(&text).unwrap(),
        base: "",
        undescribed: &[],
        parameters: &[],
        statuses: &[],
        numbers: &[],
        singles: &[],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_conforms_in_the_words_of_gitea() {
    let world = World::new().await;
    // Small pages, so that every listing takes several.
    world.fake.set_page_size(2);
    super::gitea_api::beyond(&world).await;
    conformance::run(&world.subject()).await;
    let routes = description().check_all(&world.fake.exchanges());
    // All that the adapter knows to ask.
    assert_eq!(routes.len(), 42, "{routes:#?}");
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
async fn a_real_gitea_conforms() {
    let set = |name| std::env::var(name).ok();
    let (Some(url), Some(tokens)) = (set("NAUTES_TEST_GITEA_URL"), set("NAUTES_TEST_GITEA_TOKEN")) else {
        eprintln!("skipped: NAUTES_TEST_GITEA_URL and NAUTES_TEST_GITEA_TOKEN are not set");
        return;
    };
    let tokens: Vec<Secret> = tokens
        .split(',')
        .map(|token| Secret::from(token.trim()))
        .collect();
    let tokens: [Secret; 3] = tokens.try_into().expect("three tokens, separated by commas");
    let dir = TempDir::new().unwrap();
    let mut options = Options::new("gitea", url, tokens[0].clone());
    options.net.loopback = true;
    let subject = Subject {
        host: Arc::new(Gitea::new(options).unwrap()),
        tokens,
        prefix: format!("nautes-{}", std::process::id()),
        mirrors: dir.path().join("mirrors"),
    };
    conformance::run(&subject).await;
}
