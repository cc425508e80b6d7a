//! What the Gitea adapter does beyond the rules of every forge, and against a Gitea that has a bad day.

use std::sync::Arc;
use std::time::Duration;

use nautes_gitops::host::extended::{AccessTokenSpec, CommitState, CommitStatus, ProtectedBranch};
use nautes_gitops::host::gitea::fake::{Injection, Weather};
use nautes_gitops::host::gitea::{Gitea, Options};
use nautes_gitops::host::{HookEvent, HookSpec};
use nautes_gitops::{
    AccessLevel, DeployKeySpec, GitHost as _, GroupChange, GroupSpec, Mirror, Place, RepoChange, RepoSpec,
    Session, Visibility,
};
use nautes_model::{Class, Secret};

use super::gitea::World;
use super::kit::path;

/// A session, with the group `demo` and a repository `demo/app` in it.
async fn demo(world: &World) -> Arc<dyn Session> {
    let session = world.gitea.session(&world.tokens[0]).await.unwrap();
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

/// Does everything that the rules of every forge do not.
pub(crate) async fn beyond(world: &World) {
    let session = demo(world).await;
    let (app, extended) = (path("demo/app"), session.extended().unwrap());
    assert_eq!(extended.version().await.unwrap(), "1.27.3");
    let credential = extended.credential().await.unwrap();
    assert_eq!(credential.scopes, Some(vec!["all".to_owned()]));

    let mut branch = ProtectedBranch {
        name: "release/*".to_owned(),
        push: AccessLevel::Maintainer,
        merge: AccessLevel::Developer,
        force: false,
    };
    for push in [AccessLevel::Maintainer, AccessLevel::Developer, AccessLevel::None] {
        branch.push = push;
        extended.protect_branch(&app, &branch).await.unwrap();
        assert_eq!(extended.protected_branches(&app).await.unwrap(), [branch.clone()]);
    }
    let asked = world.fake.exchanges().len();
    extended.protect_branch(&app, &branch).await.unwrap();
    let asked = &world.fake.exchanges()[asked..];
    assert!(asked.iter().all(|exchange| exchange.method == "GET"), "{asked:?}");
    extended.unprotect_branch(&app, &branch.name).await.unwrap();
    assert!(extended.protected_branches(&app).await.unwrap().is_empty());

    let hook = HookSpec {
        url: "http://127.0.0.1:1/hooks/demo/app".to_owned(),
        events: vec![HookEvent::Push],
        secret: Secret::from("s"),
    };
    let hook = session.create_hook(&app, &hook).await.unwrap();
    let health = extended.hook_health(&app, hook.id).await.unwrap();
    assert_eq!((health.enabled, health.last), (Some(true), None));
    session.delete_hook(&app, hook.id).await.unwrap();

    let mirror = Mirror::open_or_create(world.dir.path().join("m.git"))
        .await
        .unwrap();
    let commit = super::gitlab_git::commit(&mirror, None, "first").await;
    session.push(&app, &mirror, "main", None, commit).await.unwrap();
    let mut status = CommitStatus {
        name: "nautes".to_owned(),
        state: CommitState::Pending,
        description: "deploys".to_owned(),
        url: Some("https://example.com/1".to_owned()),
        branch: None,
    };
    for state in [CommitState::Pending, CommitState::Failed, CommitState::Success] {
        status.state = state;
        extended.set_commit_status(&app, commit, &status).await.unwrap();
        let found = extended.commit_statuses(&app, commit).await.unwrap();
        assert_eq!(found, [status.clone()]);
    }

    let place = Place::from(&app);
    session
        .add_member(&place, "bob", AccessLevel::Reporter)
        .await
        .unwrap();
    let members = session.members(&place).await.unwrap();
    assert!(
        members
            .iter()
            .any(|member| member.user.name == "bob" && member.level == AccessLevel::Reporter),
        "{members:?}"
    );
    session.remove_member(&place, "bob").await.unwrap();
    let change = RepoChange {
        default_branch: Some("none".to_owned()),
        ..RepoChange::default()
    };
    let error = session.update_repository(&app, &change).await.unwrap_err();
    assert_eq!(error.to_string(), "branch none of repository demo/app not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gitea_cannot_do_is_said_with_what_to_do_instead() {
    let world = World::new().await;
    let session = demo(&world).await;
    let (app, extended) = (path("demo/app"), session.extended().unwrap());
    let nested = session.create_group(&group("demo/team")).await.unwrap_err();
    let spec = AccessTokenSpec {
        name: "events".to_owned(),
        scopes: vec!["read_repository".to_owned()],
        level: AccessLevel::Reporter,
        expires: "2999-01-01".parse().unwrap(),
    };
    let token = extended.create_access_token(&app, &spec).await.unwrap_err();
    let internal = RepoSpec {
        visibility: Visibility::Internal,
        ..RepoSpec::default()
    };
    let internal = session
        .create_repository(&path("demo/internal"), &internal)
        .await
        .unwrap_err();
    let place = Place::from(&app);
    let guest = session.add_member(&place, "bob", AccessLevel::Guest).await;
    let guest = guest.unwrap_err();
    let hook = HookSpec {
        url: "https://nautes.example.com/".to_owned(),
        events: vec![HookEvent::Deployment],
        secret: Secret::from("s"),
    };
    let hook = session.create_hook(&app, &hook).await.unwrap_err();
    for (error, what, instead) in [
        (nested, "gitea cannot create group demo/team", "without `/`"),
        (
            token,
            "gitea cannot make or show access tokens of repository demo/app",
            "deploy key",
        ),
        (
            internal,
            "gitea cannot make repository demo/internal internal in a group that is private",
            "visibility of the organisation limited",
        ),
        (
            guest,
            "gitea cannot make bob guest of repository demo/app alone",
            "members of the group",
        ),
        (
            hook,
            "gitea cannot call a hook of repository demo/app for any of these events",
            "ask for pushes",
        ),
    ] {
        assert!(error.is_unsupported(), "{error:?}");
        assert_eq!(error.to_string(), what);
        assert_eq!(error.class(), Class::Invalid);
        assert!(error.hint().unwrap().contains(instead), "{:?}", error.hint());
    }
    assert!(session.group("demo/team").await.unwrap().is_none());
    assert!(
        session
            .repository(&path("demo/team/app"))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        session
            .repository(&path("demo/internal"))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_private_is_as_visible_as_its_organisation() {
    let world = World::new().await;
    let session = demo(&world).await;
    let change = |visibility| GroupChange {
        visibility: Some(visibility),
        ..GroupChange::default()
    };
    for visibility in [Visibility::Internal, Visibility::Public] {
        session.update_group("demo", &change(visibility)).await.unwrap();
        let spec = RepoSpec {
            visibility,
            ..RepoSpec::default()
        };
        let open = path(&format!("demo/{visibility:?}"));
        let made = session.create_repository(&open, &spec).await.unwrap();
        assert_eq!(made.visibility, visibility);
    }
    session
        .update_group("demo", &change(Visibility::Private))
        .await
        .unwrap();
    for repository in session.repositories("demo").await.unwrap() {
        assert_eq!(repository.visibility, Visibility::Private, "{}", repository.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_was_changed_by_hand_is_not_used() {
    let world = World::new().await;
    let session = demo(&world).await;
    let team = serde_json::json!({
        "name": "nautes-developers",
        "permission": "read",
        "includes_all_repositories": true,
        "units_map": { "repo.code": "read" },
    });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = client
        .post(format!("{}/api/v1/orgs/demo/teams", world.fake.url()))
        .bearer_auth(world.tokens[0].expose_str().unwrap())
        .header("content-type", "application/json")
        .body(team.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(made.status().as_u16(), 201);
    let place = Place::group("demo");
    let error = session
        .add_member(&place, "bob", AccessLevel::Developer)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "group demo: the team nautes-developers gives the level reporter now; let it give developer in all \
         repositories, or delete it"
    );
    assert_eq!(error.class(), Class::Conflict);
    assert_eq!(session.members(&place).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_complete_or_an_error() {
    for weather in [
        None,
        Some(Weather::Status(404)),
        Some(Weather::Status(503)),
        Some(Weather::Cut),
        Some(Weather::Answer(200, "[]".to_owned())),
        Some(Weather::Answer(200, "[{}]".to_owned())),
        Some(Weather::Answer(200, "{\"message\":\"no list\"}".to_owned())),
    ] {
        let world = World::new().await;
        let mut options = Options::new("gitea", world.fake.url(), world.tokens[0].clone());
        options.net.loopback = true;
        options.net.total = Duration::from_secs(1);
        let session = Gitea::new(options).unwrap().platform().await.unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            session.create_group(&group(name)).await.unwrap();
        }
        world.fake.set_page_size(2);
        let Some(weather) = weather else {
            assert_eq!(session.groups().await.unwrap().len(), 5);
            continue;
        };
        let injection = Injection::once("GET", "page=2", weather.clone());
        world.fake.inject(Injection {
            times: 1000,
            ..injection
        });
        let error = session.groups().await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{weather:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_lacks_a_scope_is_told_which() {
    let world = World::new().await;
    demo(&world).await;
    let token = world
        .fake
        .create_token("ann", &["read:user", "read:organization"])
        .await;
    let session = world.gitea.session(&token.unwrap()).await.unwrap();
    assert!(session.group("demo").await.unwrap().is_some());
    let error = session.create_group(&group("more")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "ann may not create group more: the token lacks the scope write:organization"
    );
    assert_eq!(error.class(), Class::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_rights_cannot_be_changed_is_put_back() {
    let world = World::new().await;
    let (session, app) = (demo(&world).await, path("demo/app"));
    let spec = DeployKeySpec {
        title: "ci".to_owned(),
        public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGRiMzPLGxJpTHKcgAeSAmKCxWKKmpBFxqvGGdJGdIl"
            .to_owned(),
        can_push: false,
    };
    let key = session.create_deploy_key(&app, &spec).await.unwrap();
    world.fake.inject(Injection::once(
        "POST",
        "/keys",
        Weather::Answer(403, "{}".to_owned()),
    ));
    assert_eq!(
        session
            .enable_deploy_key(&app, key.id, true)
            .await
            .unwrap_err()
            .class(),
        Class::Denied
    );
    // A key that is in no repository is gone, so that it comes back under another id.
    let [back] = session.deploy_keys(&app).await.unwrap().try_into().unwrap();
    assert_eq!(
        (&back.public_key, &back.title, back.can_push),
        (&key.public_key, &key.title, false)
    );
    let enabled = session.enable_deploy_key(&app, back.id, true).await.unwrap();
    assert!(enabled.can_push);
    assert_eq!(session.deploy_keys(&app).await.unwrap(), [enabled]);
}
