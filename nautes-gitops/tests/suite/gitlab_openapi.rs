//! What passes between the adapter and the GitLab in this process is what GitLab describes: every request and every
//! answer is held against GitLab's own OpenAPI file, named by `NAUTES_GITLAB_OPENAPI`.

use nautes_gitops::conformance;
use nautes_gitops::host::extended::{AccessTokenSpec, CommitState, CommitStatus, Delivered, ProtectedBranch};
use nautes_gitops::host::{HookEvent, HookSpec};
use nautes_gitops::{AccessLevel, Mirror};

use super::gitlab::World;
use super::gitlab_api::demo;
use super::kit::path;
use super::openapi::Description;

/// Routes that GitLab documents elsewhere and leaves out of the file.
const UNDESCRIBED: &[(&str, &str)] = &[("GET", "/user")];
/// Parameters that GitLab documents elsewhere: of pages on every listing, and of deleting at once.
const PARAMETERS: &[&str] = &[
    "page",
    "per_page",
    "pagination",
    "cursor",
    "permanently_remove",
    "full_path",
];
/// Statuses of success that differ from the file, as GitLab answers them.
const STATUSES: &[(&str, &str, u16)] = &[
    ("DELETE", "/api/v4/groups/{id}", 202),
    ("POST", "/api/v4/projects/{id}/statuses/{sha}", 201),
];
/// Fields that the file describes as text because it gives no type, and that are numbers.
const NUMBERS: &[&str] = &[
    "id",
    "parent_id",
    "project_id",
    "access_level",
    "default_branch_protection",
    "user_id",
];

#[allow(
    clippy::disallowed_methods,
    reason = "tests take their data files from the environment"
)]
fn description() -> Option<Description> {
    let file = std::env::var("NAUTES_GITLAB_OPENAPI").ok()?;
    let text = std::fs::read_to_string(file).unwrap();
    Some(Description {
        root: serde_yaml::from_str(&text).unwrap(),
        base: "/api/v4",
        undescribed: UNDESCRIBED,
        parameters: PARAMETERS,
        statuses: STATUSES,
        numbers: NUMBERS,
        // Of the users that are found the file describes one.
        singles: &["/api/v4/users"],
    })
}

/// Does everything that the rules of every forge do not.
async fn beyond(world: &World) {
    let session = demo(world).await;
    let (app, extended) = (path("demo/app"), session.extended().unwrap());
    extended.credential().await.unwrap();
    extended.version().await.unwrap();
    assert_eq!(extended.creates_groups().await.unwrap(), Some(true));
    let hook = HookSpec {
        url: "http://127.0.0.1:1/hooks/demo/app".to_owned(),
        events: vec![HookEvent::Push],
        secret: "secret".into(),
    };
    let hook = session.create_hook(&app, &hook).await.unwrap();
    world.fake.set_hook(hook.id, "executable", Some("200"));
    let health = extended.hook_health(&app, hook.id).await.unwrap();
    assert_eq!(health.last, Some(Delivered::Answered(200)));
    session.delete_hook(&app, hook.id).await.unwrap();
    let spec = AccessTokenSpec {
        name: "events".to_owned(),
        scopes: vec!["read_repository".to_owned()],
        level: AccessLevel::Reporter,
        expires: "2999-01-01".parse().unwrap(),
    };
    let (token, _) = extended.create_access_token(&app, &spec).await.unwrap();
    extended.access_tokens(&app).await.unwrap();
    extended.revoke_access_token(&app, token.id).await.unwrap();
    let branch = ProtectedBranch {
        name: "release/*".to_owned(),
        push: AccessLevel::Maintainer,
        merge: AccessLevel::Developer,
        force: false,
    };
    extended.protect_branch(&app, &branch).await.unwrap();
    extended.unprotect_branch(&app, &branch.name).await.unwrap();
    let mirror = Mirror::open_or_create(world.dir.path().join("m.git"))
        .await
        .unwrap();
    let commit = super::gitlab_git::commit(&mirror, None, "first").await;
    session.push(&app, &mirror, "main", None, commit).await.unwrap();
    let status = CommitStatus {
        name: "nautes".to_owned(),
        state: CommitState::Success,
        description: "deployed".to_owned(),
        url: Some("https://example.com/1".to_owned()),
        branch: Some("main".to_owned()),
    };
    extended.set_commit_status(&app, commit, &status).await.unwrap();
    extended.commit_statuses(&app, commit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
async fn every_request_and_answer_is_as_gitlab_describes_it() {
    let Some(description) = description() else {
        eprintln!("skipped: NAUTES_GITLAB_OPENAPI is not set");
        return;
    };
    let world = World::new().await;
    world.fake.set_page_size(2);
    beyond(&world).await;
    for case in conformance::cases() {
        // Those that take many at once ask nothing new.
        if !case.name.starts_with("of ") && !case.name.starts_with("strangers") {
            case.run(&world.subject()).await.unwrap();
        }
    }
    world.fake.set_delayed_deletion(true);
    let session = nautes_gitops::GitHost::session(&world.gitlab, &world.tokens[0])
        .await
        .unwrap();
    session.delete_repository(&path("demo/app")).await.unwrap();
    let routes = description.check_all(&world.fake.exchanges());
    // All that the adapter knows to ask.
    assert_eq!(routes.len(), 42, "{routes:#?}");
}
