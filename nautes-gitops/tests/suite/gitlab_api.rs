//! The GitLab adapter against a GitLab that has a bad day, and what it does beyond the rules of every forge.

use std::sync::Arc;
use std::time::Duration;

use nautes_gitops::host::extended::{AccessTokenSpec, CommitState, CommitStatus, ProtectedBranch};
use nautes_gitops::host::gitlab::fake::{Injection, Weather};
use nautes_gitops::host::gitlab::{Gitlab, Options};
use nautes_gitops::host::{HookEvent, HookSpec};
use nautes_gitops::{
    AccessLevel, DeployKeySpec, GitHost as _, GroupChange, GroupSpec, HostError, Mirror, Place, RepoSpec,
    Session,
};
use nautes_model::{Class, Secret};

use super::gitlab::World;
use super::kit::path;

/// A session, with the group `demo` and a repository `demo/app` in it.
pub(crate) async fn demo(world: &World) -> Arc<dyn Session> {
    let session = world.gitlab.session(&world.tokens[0]).await.unwrap();
    session.create_group(&group("demo")).await.unwrap();
    session
        .create_repository(&path("demo/app"), &RepoSpec::default())
        .await
        .unwrap();
    session
}

fn group(name: &str) -> GroupSpec {
    GroupSpec {
        name: name.to_owned(),
        ..GroupSpec::default()
    }
}

fn often(method: &str, path: &str, times: u32, weather: Weather) -> Injection {
    Injection {
        times,
        ..Injection::once(method, path, weather)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_complete_or_an_error() {
    let world = World::with(|options| options.net.total = Duration::from_secs(3)).await;
    let session = demo(&world).await;
    for number in 0..5 {
        let app = path(&format!("demo/app-{number}"));
        session
            .create_repository(&app, &RepoSpec::default())
            .await
            .unwrap();
    }
    world.fake.set_page_size(2);
    assert_eq!(session.repositories("demo").await.unwrap().len(), 6);
    world
        .fake
        .inject(Injection::once("GET", "page=2", Weather::Status(502)));
    world.fake.inject(Injection::once("GET", "page=3", Weather::Cut));
    assert_eq!(session.repositories("demo").await.unwrap().len(), 6);
    assert_eq!(world.fake.pending_faults(), 0);
    // A page that is gone means that the listing has changed; for ever, that it cannot be read.
    world
        .fake
        .inject(Injection::once("GET", "page=2", Weather::Status(404)));
    assert_eq!(session.repositories("demo").await.unwrap().len(), 6);
    for weather in [
        Weather::Status(404),
        Weather::Status(503),
        Weather::Cut,
        Weather::Answer(200, "[]".to_owned()),
        Weather::Answer(200, "[{}]".to_owned()),
        Weather::Answer(200, "{\"message\":\"no list\"}".to_owned()),
    ] {
        let world = World::with(|options| options.net.total = Duration::from_secs(1)).await;
        let session = demo(&world).await;
        for number in 0..3 {
            session
                .create_group(&group(&format!("group-{number}")))
                .await
                .unwrap();
        }
        world.fake.set_page_size(2);
        world.fake.inject(often("GET", "page=2", 1000, weather.clone()));
        let error = session.groups().await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{weather:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_waited_for_or_told_with_its_time() {
    let world = World::new().await;
    let session = demo(&world).await;
    world
        .fake
        .inject(often("POST", "/groups", 2, Weather::RateLimit(0)));
    session.create_group(&group("late")).await.unwrap();
    world
        .fake
        .inject(Injection::once("GET", "/groups", Weather::RateLimit(3000)));
    let error = session.groups().await.unwrap_err();
    assert!(
        matches!(&error, HostError::Limited { after, .. } if after.as_secs() == 3000),
        "{error:?}"
    );
    assert_eq!(error.hint().unwrap(), "try again in 3000 seconds");
    // Until then the forge is not even asked; other callers are.
    let asked = world.fake.exchanges().len();
    assert!(matches!(session.user().await, Err(HostError::Limited { .. })));
    assert_eq!(world.fake.exchanges().len(), asked);
    assert!(world.gitlab.session(&world.tokens[1]).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_on_the_way_is_not_done_twice() {
    let world = World::new().await;
    let session = demo(&world).await;
    world
        .fake
        .inject(Injection::once("POST", "/groups", Weather::LostAnswer));
    let error = session.create_group(&group("lost")).await.unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);
    assert!(session.group("lost").await.unwrap().is_some());
    // What an earlier attempt has deleted is deleted.
    world
        .fake
        .inject(Injection::once("DELETE", "/groups", Weather::LostAnswer));
    session.delete_group("lost").await.unwrap();
    assert!(session.group("lost").await.unwrap().is_none());
    let change = GroupChange {
        description: Some("changed".to_owned()),
        ..GroupChange::default()
    };
    world.fake.inject(Injection::once("PUT", "/groups", Weather::Cut));
    assert_eq!(
        session.update_group("demo", &change).await.unwrap().description,
        "changed"
    );
    assert_eq!(world.fake.pending_faults(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_moved_is_not_there_and_elsewhere_is_an_error() {
    let world = World::new().await;
    let session = demo(&world).await;
    let moved = format!("{}/api/v4/projects/7", world.fake.url());
    world
        .fake
        .inject(often("GET", "demo%2Fapp", 2, Weather::Redirect(moved)));
    assert_eq!(session.repository(&path("demo/app")).await.unwrap(), None);
    assert_eq!(
        session.hooks(&path("demo/app")).await.unwrap_err().class(),
        Class::NotFound
    );
    let elsewhere = "https://gitlab.example.com/login?token=x".to_owned();
    world
        .fake
        .inject(often("GET", "demo%2Fapp", 1, Weather::Redirect(elsewhere)));
    let error = session.repository(&path("demo/app")).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    assert!(
        error.to_string().contains("https://gitlab.example.com/login;"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_in_no_error_and_no_debug_output() {
    super::canary::listen();
    let world = World::new().await;
    let session = demo(&world).await;
    let token = world.tokens[0].expose_str().unwrap().to_owned();
    let mut shown = format!("{session:?} {:?}", world.gitlab);
    for status in [400, 401, 403, 404, 409, 422, 500] {
        let body = format!("{{\"message\":\"no {token}\",\"error\":\"{token}\"}}");
        world
            .fake
            .inject(often("*", "/groups", 2, Weather::Answer(status, body)));
        let refused = [
            session.create_group(&group("other")).await.err(),
            session.groups().await.err(),
        ];
        for error in refused.into_iter().flatten() {
            shown.push_str(&format!(
                "{error} {error:?} {:?} {:?}",
                error.hint(),
                causes(&error)
            ));
        }
    }
    let hook = HookSpec {
        url: "http://127.0.0.1:9/".to_owned(),
        events: vec![HookEvent::Push],
        secret: Secret::from("hook-canary-77aa"),
    };
    world.fake.inject(Injection::once(
        "POST",
        "/hooks",
        Weather::Answer(201, "{\"id\":\"hook-canary-77aa\"}".to_owned()),
    ));
    let error = session.create_hook(&path("demo/app"), &hook).await.unwrap_err();
    shown.push_str(&format!("{error} {error:?} {:?}", causes(&error)));
    assert!(shown.contains("(redacted)"));
    assert!(
        !shown.contains(&token) && !shown.contains("canary-77aa"),
        "{shown}"
    );
    super::canary::logged_nothing_of(&[&token, "hook-canary-77aa"]);
}

fn causes(error: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(error.source(), |error| error.source())
        .map(ToString::to_string)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_not_do_it_is_told_from_one_of_nobody() {
    let world = World::new().await;
    let session = demo(&world).await;
    let reading = world
        .fake
        .create_token("ann", &["read_api", "read_user"])
        .await
        .unwrap();
    let reader = world.gitlab.session(&reading).await.unwrap();
    assert!(reader.group("demo").await.unwrap().is_some());
    let error = reader.create_group(&group("new")).await.unwrap_err();
    assert_eq!(error.class(), Class::Denied);
    assert!(error.to_string().contains("lacks the scope api"), "{error}");
    // Git only says 401; that the token is somebody's is found out.
    let error = reader.refs(&path("demo/app")).await.unwrap_err();
    assert!(
        !error.is_unauthenticated() && error.to_string().contains("read_repository"),
        "{error}"
    );
    let own = reader.extended().unwrap().credential().await.unwrap();
    assert!(own.has("read_api") && !own.has("api"));
    let all = session.extended().unwrap().credential().await.unwrap();
    assert!(all.has("api") && all.has("write_repository"));
    assert!(!session.extended().unwrap().version().await.unwrap().is_empty());
    world.fake.forge().admin().revoke_tokens("ann").await.unwrap();
    assert!(session.groups().await.unwrap_err().is_unauthenticated());
    assert!(
        session
            .refs(&path("demo/app"))
            .await
            .unwrap_err()
            .is_unauthenticated()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_lie_in_groups() {
    let world = World::new().await;
    let session = demo(&world).await;
    let made = session.create_group(&group("demo/team")).await.unwrap();
    assert_eq!(made.name, "demo/team");
    session
        .create_repository(&path("demo/team/app"), &RepoSpec::default())
        .await
        .unwrap();
    let listed = session.repositories("demo").await.unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|repo| repo.path.to_string())
            .collect::<Vec<_>>(),
        ["demo/app"]
    );
    let member = "bob";
    session
        .add_member(&Place::group("demo"), member, AccessLevel::Reporter)
        .await
        .unwrap();
    let inner = world.gitlab.session(&world.tokens[1]).await.unwrap();
    let level = inner.access(&Place::from(&path("demo/team/app"))).await.unwrap();
    assert_eq!(level, AccessLevel::Reporter);
    session.delete_repository(&path("demo/app")).await.unwrap();
    assert_eq!(
        session.delete_group("demo").await.unwrap_err().class(),
        Class::Conflict
    );
    assert_eq!(
        session
            .create_group(&group("none/team"))
            .await
            .unwrap_err()
            .class(),
        Class::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_branch_that_was_asked_for_comes_with_the_first_push() {
    let world = World::new().await;
    let session = demo(&world).await;
    let trunk = path("demo/trunk");
    let spec = RepoSpec {
        default_branch: "trunk".to_owned(),
        description: "what for".to_owned(),
        marker: Some("m-1".to_owned()),
        ..RepoSpec::default()
    };
    session.create_repository(&trunk, &spec).await.unwrap();
    let mirror = Mirror::open_or_create(world.dir.path().join("m.git"))
        .await
        .unwrap();
    let first = super::gitlab_git::commit(&mirror, None, "first").await;
    session.push(&trunk, &mirror, "main", None, first).await.unwrap();
    session.push(&trunk, &mirror, "trunk", None, first).await.unwrap();
    let found = session.repository(&trunk).await.unwrap().unwrap();
    assert_eq!(
        (
            found.default_branch.as_str(),
            found.description.as_str(),
            found.marker.as_deref()
        ),
        ("trunk", "what for", Some("m-1"))
    );
    let raw = world
        .fake
        .exchanges()
        .into_iter()
        .rev()
        .find(|exchange| exchange.method == "PUT")
        .unwrap();
    assert_eq!(raw.request["default_branch"], "trunk");
    assert!(!raw.request["description"].as_str().unwrap().contains("branch"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_forge_has_is_not_enabled_by_the_way() {
    let world = World::new().await;
    let session = demo(&world).await;
    session
        .create_repository(&path("demo/other"), &RepoSpec::default())
        .await
        .unwrap();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJjJcSU3cNNXhHCvgkr4CCtj3MFrIr9s7zD2s1o2p1hY";
    let spec = DeployKeySpec {
        title: "readonly".to_owned(),
        public_key: key.to_owned(),
        can_push: false,
    };
    session.create_deploy_key(&path("demo/app"), &spec).await.unwrap();
    let error = session
        .create_deploy_key(&path("demo/other"), &spec)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Conflict);
    assert!(session.deploy_keys(&path("demo/other")).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_for_every_event_that_manifests_name() {
    let world = World::new().await;
    let session = demo(&world).await;
    let spec = HookSpec {
        url: "http://127.0.0.1:9/".to_owned(),
        events: HookEvent::ALL[1..].to_vec(),
        secret: Secret::from("s"),
    };
    let made = session.create_hook(&path("demo/app"), &spec).await.unwrap();
    assert_eq!(made.events, HookEvent::ALL[1..]);
    let raw = world
        .fake
        .exchanges()
        .into_iter()
        .rev()
        .find(|exchange| exchange.method == "POST")
        .unwrap();
    // Pushes are on unless they are turned off.
    assert_eq!(raw.request["push_events"], false);
    assert_eq!(raw.request["enable_ssl_verification"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_repositories_live_and_end() {
    let world = World::new().await;
    let session = demo(&world).await;
    let (app, extended) = (path("demo/app"), session.extended().unwrap());
    let spec = |expires: &str| AccessTokenSpec {
        name: "events".to_owned(),
        scopes: vec!["read_repository".to_owned(), "read_api".to_owned()],
        level: AccessLevel::Reporter,
        expires: expires.parse().unwrap(),
    };
    let (old, _) = extended
        .create_access_token(&app, &spec("2001-01-01"))
        .await
        .unwrap();
    assert!(!old.active);
    let (made, token) = extended
        .create_access_token(&app, &spec("2999-01-01"))
        .await
        .unwrap();
    assert_eq!(
        (made.active, made.level, made.expires),
        (true, AccessLevel::Reporter, Some(spec("2999-01-01").expires))
    );
    assert!(!format!("{made:?}{token:?}").contains(token.expose_str().unwrap()));
    let bot = world.gitlab.session(&token).await.unwrap();
    assert!(bot.refs(&app).await.unwrap().is_empty());
    let ids: Vec<_> = extended
        .access_tokens(&app)
        .await
        .unwrap()
        .iter()
        .map(|token| token.id)
        .collect();
    assert_eq!(ids, [old.id, made.id]);
    extended.revoke_access_token(&app, made.id).await.unwrap();
    assert_eq!(
        extended
            .revoke_access_token(&app, made.id)
            .await
            .unwrap_err()
            .class(),
        Class::NotFound
    );
    assert!(bot.refs(&app).await.unwrap_err().is_unauthenticated());
    assert!(
        world
            .gitlab
            .session(&token)
            .await
            .unwrap_err()
            .is_unauthenticated()
    );
    let member = world.gitlab.session(&world.tokens[1]).await.unwrap();
    session
        .add_member(&Place::group("demo"), "bob", AccessLevel::Developer)
        .await
        .unwrap();
    let denied = member.extended().unwrap().access_tokens(&app).await.unwrap_err();
    assert_eq!(denied.class(), Class::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_are_protected_once_and_only_as_asked() {
    let world = World::new().await;
    let session = demo(&world).await;
    let (app, extended) = (path("demo/app"), session.extended().unwrap());
    assert!(extended.protected_branches(&app).await.unwrap().is_empty());
    let mut branch = ProtectedBranch {
        name: "release/*".to_owned(),
        push: AccessLevel::None,
        merge: AccessLevel::Maintainer,
        force: false,
    };
    extended.protect_branch(&app, &branch).await.unwrap();
    let writes = || {
        world
            .fake
            .exchanges()
            .iter()
            .filter(|exchange| exchange.method != "GET")
            .count()
    };
    let before = writes();
    extended.protect_branch(&app, &branch).await.unwrap();
    assert_eq!(writes(), before, "nothing had to be written");
    branch.push = AccessLevel::Developer;
    extended.protect_branch(&app, &branch).await.unwrap();
    assert_eq!(extended.protected_branches(&app).await.unwrap(), [branch.clone()]);
    branch.push = AccessLevel::Guest;
    assert_eq!(
        extended.protect_branch(&app, &branch).await.unwrap_err().class(),
        Class::Invalid
    );
    assert_eq!(
        extended.protected_branches(&app).await.unwrap().len(),
        1,
        "the old protection is still there"
    );
    extended.unprotect_branch(&app, "release/*").await.unwrap();
    assert_eq!(
        extended
            .unprotect_branch(&app, "release/*")
            .await
            .unwrap_err()
            .class(),
        Class::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_has_the_latest_status_of_each_name() {
    let world = World::new().await;
    let session = demo(&world).await;
    let (app, extended) = (path("demo/app"), session.extended().unwrap());
    let mirror = Mirror::open_or_create(world.dir.path().join("m.git"))
        .await
        .unwrap();
    let commit = super::gitlab_git::commit(&mirror, None, "first").await;
    session.push(&app, &mirror, "main", None, commit).await.unwrap();
    let status = |name: &str, state| CommitStatus {
        name: name.to_owned(),
        state,
        description: "how it went".to_owned(),
        url: Some("https://example.com/1".to_owned()),
        branch: Some("main".to_owned()),
    };
    for number in 0..5 {
        let status = status(&format!("check-{number}"), CommitState::Running);
        extended.set_commit_status(&app, commit, &status).await.unwrap();
    }
    let done = status("check-3", CommitState::Success);
    extended.set_commit_status(&app, commit, &done).await.unwrap();
    // Saying the same again is no error.
    extended.set_commit_status(&app, commit, &done).await.unwrap();
    world.fake.set_page_size(2);
    let found = extended.commit_statuses(&app, commit).await.unwrap();
    assert_eq!(found.len(), 5);
    assert_eq!(found[3], done);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_groups_are_protected_as_the_platform_wants() {
    let world =
        World::with(|options| options.protection = nautes_gitops::host::gitlab::Protection::Maintainers)
            .await;
    let session = demo(&world).await;
    let rules = session
        .extended()
        .unwrap()
        .protected_branches(&path("demo/app"))
        .await
        .unwrap();
    assert_eq!(rules[0].push, AccessLevel::Maintainer);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_signs_in_once_and_pokes_reach_who_listens() {
    let world = World::new().await;
    let mut pokes = world.gitlab.subscribe();
    for _ in 0..3 {
        world.gitlab.platform().await.unwrap();
    }
    assert_eq!(world.fake.exchanges().len(), 1);
    let poke = nautes_gitops::Poke {
        repo: path("demo/app"),
    };
    world.gitlab.announce(poke.clone());
    assert_eq!(pokes.recv().await.unwrap(), poke);
}

#[test]
fn settings_that_cannot_be_right_are_refused() {
    for url in [
        "",
        "gitlab",
        "ftp://gitlab.example.com",
        "http://gitlab.example.com",
        "https://169.254.169.254",
    ] {
        let options = Options::new("gitlab", url, Secret::from("t"));
        assert_eq!(Gitlab::new(options).unwrap_err().class(), Class::Invalid, "{url}");
    }
}
