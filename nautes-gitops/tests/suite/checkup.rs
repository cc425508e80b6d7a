//! What the platform's account may do is read from a forge, and nothing is changed there.

use std::time::Duration;

use nautes_gitops::checkup::{self, Account};
use nautes_gitops::host::extended::{Delivered, HookHealth, ProtectedBranch};
use nautes_gitops::host::gitlab::fake::{Injection, Weather};
use nautes_gitops::host::gitlab::{Gitlab, Options};
use nautes_gitops::host::net::NetOptions;
use nautes_gitops::host::{HookEvent, HookSpec};
use nautes_gitops::{AccessLevel, GitHost, GroupSpec, Mirror, Place, RepoRef, RepoSpec};
use nautes_model::Secret;

use super::kit::path;
use super::{gitea, gitlab};

const LIMIT: Duration = Duration::from_secs(20);

/// A group with a repository that declares nothing, whose branch is protected, and which has a hook.
async fn prepare(host: &dyn GitHost, token: &Secret, mirror: &Mirror) -> u64 {
    let session = host.session(token).await.unwrap();
    let group = GroupSpec {
        name: "demo".to_owned(),
        ..GroupSpec::default()
    };
    session.create_group(&group).await.unwrap();
    let app = path("demo/default.project");
    session
        .create_repository(&app, &RepoSpec::default())
        .await
        .unwrap();
    let commit = super::gitlab_git::commit(mirror, None, "first").await;
    session.push(&app, mirror, "main", None, commit).await.unwrap();
    let branch = ProtectedBranch {
        name: "main".to_owned(),
        push: AccessLevel::Maintainer,
        merge: AccessLevel::Maintainer,
        force: false,
    };
    let extended = session.extended().unwrap();
    extended.protect_branch(&app, &branch).await.unwrap();
    let hook = HookSpec {
        url: "http://127.0.0.1:1/hooks/demo/app".to_owned(),
        events: vec![HookEvent::Push],
        secret: Secret::from("canary"),
    };
    session.create_hook(&app, &hook).await.unwrap().id
}

async fn look(host: &dyn GitHost, scratch: &std::path::Path) -> (Account, checkup::Manifests, HookHealth) {
    let account = checkup::account(host, LIMIT).await;
    let session = account.session.as_ref().unwrap();
    let app = path("demo/default.project");
    let of = RepoRef::Product("demo".parse().unwrap());
    let found = checkup::manifests(&**session, (of, app.clone()), "main", scratch, LIMIT).await;
    let hooks = checkup::hooks(&**session, &app, |url| url.contains("/hooks/"), LIMIT).await;
    let (_, health) = hooks.unwrap().remove(0);
    (account, found, health.unwrap().unwrap())
}

/// Whether a request as it is in a log reads.
fn reads(request: &str) -> bool {
    request.starts_with("GET ") || request.contains("/git-upload-pack")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gitlab_is_looked_at_without_a_write() {
    let world = gitlab::World::new().await;
    let mirror = Mirror::open_or_create(world.dir.path().join("m.git"))
        .await
        .unwrap();
    let hook = prepare(&world.gitlab, &world.tokens[0], &mirror).await;
    let token = world
        .fake
        .create_token("ann", &["read_api", "read_repository"])
        .await
        .unwrap();
    world.fake.set_expiry(&token, "2999-12-31");
    world.fake.set_group_creation(false);
    world
        .fake
        .set_hook(hook, "temporarily_disabled", Some("internal error"));
    let mut options = Options::new("gitlab", world.fake.url(), token);
    options.net = NetOptions {
        loopback: true,
        ..NetOptions::default()
    };
    let host = Gitlab::new(options).unwrap();
    let before = world.fake.requests().len();
    let (account, found, health) = look(&host, &world.dir.path().join("scratch.git")).await;
    let asked = world.fake.requests().split_off(before);
    assert!(
        asked.len() > 8 && asked.iter().all(|request| reads(request)),
        "{asked:#?}"
    );

    let known = account.known.unwrap();
    assert_eq!(known.user.unwrap().name, "ann");
    assert_eq!(known.version.unwrap().unwrap(), "17.11.0");
    assert_eq!(known.creates_groups.unwrap().unwrap(), Some(false));
    let credential = known.credential.unwrap().unwrap();
    assert_eq!(credential.scopes.unwrap(), ["read_api", "read_repository"]);
    assert_eq!(credential.expires.unwrap().to_string(), "2999-12-31");
    assert_eq!(found.level.unwrap(), AccessLevel::Owner);
    assert_eq!(found.repository.unwrap().unwrap().default_branch, "main");
    assert!(found.reading.unwrap().is_some());
    let protected = found.protected.unwrap().unwrap();
    assert_eq!(
        (protected[0].name.as_str(), protected[0].push),
        ("main", AccessLevel::Maintainer)
    );
    let failing = HookHealth {
        enabled: Some(false),
        last: Some(Delivered::Unanswered),
    };
    assert_eq!(health, failing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gitea_is_looked_at_without_a_write() {
    let world = gitea::World::new().await;
    let mirror = Mirror::open_or_create(world.dir.path().join("m.git"))
        .await
        .unwrap();
    let session = world.gitea.platform().await.unwrap();
    drop(session);
    let hook = prepare(&world.gitea, &world.tokens[0], &mirror).await;
    world.fake.put_hook_to_sleep(hook);
    let before = world.fake.exchanges().len();
    let session = world.gitea.session(&world.tokens[0]).await.unwrap();
    let account = checkup::account(&world.gitea, LIMIT).await;
    let level = checkup::level(&*session, &Place::group("demo"), LIMIT).await;
    let app = path("demo/default.project");
    let hooks = checkup::hooks(&*session, &app, |_| true, LIMIT).await.unwrap();
    let asked = world.fake.exchanges().split_off(before);
    assert!(
        asked.len() > 4 && asked.iter().all(|exchange| exchange.method == "GET"),
        "{asked:#?}"
    );
    let known = account.known.unwrap();
    assert_eq!(known.credential.unwrap().unwrap().scopes.unwrap(), ["all"]);
    assert_eq!(known.creates_groups.unwrap().unwrap(), None, "Gitea does not say");
    assert_eq!(level.unwrap(), AccessLevel::Owner);
    let asleep = HookHealth {
        enabled: Some(false),
        last: None,
    };
    assert_eq!(*hooks[0].1.as_ref().unwrap().as_ref().unwrap(), asleep);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_leaves_the_rest_as_it_is() {
    let world = gitlab::World::new().await;
    for (part, times) in [("personal_access_tokens", 100), ("version", 100)] {
        world.fake.inject(Injection {
            times,
            ..Injection::once("GET", part, Weather::Slow(Duration::from_secs(60)))
        });
    }
    let account = checkup::account(&world.gitlab, Duration::from_millis(500)).await;
    let known = account.known.unwrap();
    assert_eq!(known.user.unwrap().name, "platform");
    assert_eq!(known.creates_groups.unwrap().unwrap(), Some(true));
    for late in [
        known.credential.unwrap().map(drop),
        known.version.unwrap().map(drop),
    ] {
        let error = std::error::Error::source(&late.unwrap_err()).unwrap().to_string();
        assert!(
            error.starts_with("there was no complete answer within"),
            "{error}"
        );
    }
}
