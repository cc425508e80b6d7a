//! Git over HTTP without the API of a forge, against the `git http-backend` of the local forge: what works, and what
//! people are told to do themselves.

use std::sync::Arc;

use nautes_gitops::host::git::{Git, Options};
use nautes_gitops::host::local::{self, LocalForge, Serving};
use nautes_gitops::host::{Abilities, HookEvent, HookSpec};
use nautes_gitops::{
    AccessLevel, Author, ChangeSet, DeployKeySpec, GitHost as _, GroupChange, GroupSpec, HostError, Mirror,
    Place, PublishError, Publisher, PushError, RepoChange, RepoPath, RepoRef, RepoSpec, Scope, Session,
    Target,
};
use nautes_model::manifest::{Context, Form, parse};
use nautes_model::{Class, Secret};
use tempfile::TempDir;

use super::kit::path;

/// A server with `demo/default.project`, which `ann` owns and `bob` reads.
struct World {
    dir: TempDir,
    forge: LocalForge,
    serving: Serving,
    ann: Secret,
    bob: Secret,
    eve: Secret,
}

impl World {
    async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let forge = LocalForge::open(local::Options::new(dir.path().join("forge")))
            .await
            .unwrap();
        let serving = forge.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
        let admin = forge.admin();
        let ann = admin.create_user("ann").await.unwrap();
        let bob = admin.create_user("bob").await.unwrap();
        let eve = admin.create_user("eve").await.unwrap();
        let owner = forge.session(&ann).await.unwrap();
        let group = GroupSpec {
            name: "demo".to_owned(),
            ..GroupSpec::default()
        };
        owner.create_group(&group).await.unwrap();
        owner
            .create_repository(&default_project(), &RepoSpec::default())
            .await
            .unwrap();
        owner
            .add_member(&Place::group("demo"), "bob", AccessLevel::Reporter)
            .await
            .unwrap();
        Self {
            dir,
            forge,
            serving,
            ann,
            bob,
            eve,
        }
    }

    fn git(&self, known: Option<RepoPath>) -> Git {
        let url = format!("http://{}", self.serving.address);
        let mut options = Options::new("git", url, self.ann.clone());
        options.net.loopback = true;
        options.known = known;
        Git::new(options).unwrap()
    }

    async fn session(&self, name: &str, token: &Secret) -> Arc<dyn Session> {
        let git = self.git(Some(default_project()));
        git.session(&claim(name, token)).await.unwrap()
    }

    async fn mirror(&self) -> Mirror {
        Mirror::open_or_create(self.dir.path().join("mirror.git"))
            .await
            .unwrap()
    }
}

fn default_project() -> RepoPath {
    path("demo/default.project")
}

fn claim(name: &str, token: &Secret) -> Secret {
    Secret::from(format!("{name}:{}", token.expose_str().unwrap()))
}

/// Publishes an environment.
async fn publish(
    session: &dyn Session,
    mirror: &Mirror,
    name: &str,
) -> Result<(), PublishError<std::convert::Infallible>> {
    let text = format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Environment\nmetadata: {{name: {name}}}\n\
         spec: {{product: demo, cluster: worker, envType: test}}\n"
    );
    let mut parsed = parse(&text, &Context::new("e.yaml", Form::Git));
    let change = ChangeSet {
        upserts: vec![parsed.resources.remove(0).resource],
        ..ChangeSet::default()
    };
    let (of, path) = (RepoRef::Product("demo".parse().unwrap()), default_project());
    let target = Target {
        session,
        of: &of,
        path: &path,
        mirror,
        branch: "main",
    };
    let author = Author::from(session.user().await.unwrap());
    let accept = |_: &Scope, _: &Scope| Ok::<(), std::convert::Infallible>(());
    let published = Publisher::default()
        .publish(&target, &change, &author, accept)
        .await?;
    assert_eq!(
        session.refs(&path).await.unwrap().get("refs/heads/main").copied(),
        published.commit
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_read_and_written_without_an_api() {
    let world = World::new().await;
    let (ann, bob) = (
        world.session("ann", &world.ann).await,
        world.session("bob", &world.bob).await,
    );
    let (project, mirror) = (default_project(), world.mirror().await);
    assert_eq!(ann.refs(&project).await.unwrap().len(), 0);
    publish(&*ann, &mirror, "dev").await.unwrap();
    publish(&*ann, &mirror, "test").await.unwrap();
    let read = Mirror::open_or_create(world.dir.path().join("read.git"))
        .await
        .unwrap();
    let refs = bob.fetch(&project, &read).await.unwrap();
    assert_eq!(
        read.tip("main").await.unwrap(),
        refs.get("refs/heads/main").copied()
    );
    // Who reads does not write, and is told so.
    let error = publish(&*bob, &mirror, "late").await.unwrap_err();
    assert_eq!(error.class(), Class::Denied, "{error}");
    // A push compares first.
    let tip = refs["refs/heads/main"];
    let stray = super::gitlab_git::commit(&mirror, Some(tip), "stray").await;
    match ann.push(&project, &mirror, "main", None, stray).await {
        Err(PushError::Moved { actual, .. }) => assert_eq!(actual, Some(tip)),
        other => panic!("{other:?}"),
    }
    let found = bob.repository(&project).await.unwrap().unwrap();
    assert_eq!((found.default_branch.as_str(), found.archived), ("main", false));
    assert!(found.http_url.ends_with("/demo/default.project.git") && !found.http_url.contains('@'));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_who_may_read_and_who_may_push() {
    let world = World::new().await;
    let (project, group) = (Place::from(&default_project()), Place::group("demo"));
    for (name, token, level) in [
        ("ann", &world.ann, AccessLevel::Owner),
        ("bob", &world.bob, AccessLevel::Reporter),
        ("eve", &world.eve, AccessLevel::None),
    ] {
        let session = world.session(name, token).await;
        assert_eq!(session.user().await.unwrap().name, name);
        assert_eq!(session.access(&project).await.unwrap(), level, "{name}");
        assert_eq!(session.access(&group).await.unwrap(), level, "{name}");
        let seen = level > AccessLevel::None;
        assert_eq!(session.group("demo").await.unwrap().is_some(), seen, "{name}");
        assert_eq!(
            session.repository(&default_project()).await.unwrap().is_some(),
            seen,
            "{name}"
        );
    }
    let ann = world.session("ann", &world.ann).await;
    assert_eq!(
        ann.access(&Place::group("none")).await.unwrap(),
        AccessLevel::None
    );
    assert!(ann.group("../..").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_credential_is_nobody() {
    let world = World::new().await;
    let git = world.git(Some(default_project()));
    for wrong in ["", "ann:", ":x", "wrong", "ann:wrong", "a b:wrong"] {
        let error = git.session(&Secret::from(wrong)).await.unwrap_err();
        assert!(error.is_unauthenticated(), "{wrong}: {error}");
    }
    assert!(git.session(&world.ann).await.is_ok());
    // Where nothing is known to try it on, it shows at its first use. What cannot be told from a credential that has ended
    // is not taken for absent.
    let git = world.git(None);
    let session = git.session(&Secret::from("ann:wrong")).await.unwrap();
    let error = session.repository(&default_project()).await.unwrap_err();
    assert!(error.is_unauthenticated(), "{error}");
    let session = world.session("ann", &world.ann).await;
    world.forge.admin().revoke_tokens("ann").await.unwrap();
    assert!(
        session
            .repository(&path("demo/other"))
            .await
            .unwrap_err()
            .is_unauthenticated()
    );
    assert!(session.user().await.unwrap_err().is_unauthenticated());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_a_forge_is_said_with_what_to_do_by_hand() {
    let world = World::new().await;
    let session = world.session("ann", &world.ann).await;
    assert_eq!(session.abilities(), Abilities::NONE);
    assert!(session.extended().is_none());
    let (app, place) = (path("demo/app"), Place::group("demo"));
    let group = GroupSpec {
        name: "shop".to_owned(),
        ..GroupSpec::default()
    };
    let key = DeployKeySpec {
        title: "ci".to_owned(),
        public_key: "ssh-ed25519 AAAA".to_owned(),
        can_push: false,
    };
    let hook = HookSpec {
        url: "https://nautes.example.com/hooks/demo/app".to_owned(),
        events: vec![HookEvent::Push],
        secret: Secret::from("canary"),
    };
    let mut said = Vec::new();
    let mut note = |error: HostError| {
        assert!(error.is_unsupported(), "{error:?}");
        said.push(format!("{error}: {}", error.hint().unwrap()));
    };
    note(session.groups().await.unwrap_err());
    note(session.create_group(&group).await.unwrap_err());
    note(
        session
            .update_group("demo", &GroupChange::default())
            .await
            .unwrap_err(),
    );
    note(session.delete_group("demo").await.unwrap_err());
    note(session.members(&place).await.unwrap_err());
    note(
        session
            .add_member(&place, "bob", AccessLevel::Owner)
            .await
            .unwrap_err(),
    );
    note(session.remove_member(&place, "bob").await.unwrap_err());
    note(session.repositories("demo").await.unwrap_err());
    note(
        session
            .create_repository(&app, &RepoSpec::default())
            .await
            .unwrap_err(),
    );
    note(
        session
            .update_repository(&app, &RepoChange::default())
            .await
            .unwrap_err(),
    );
    note(session.archive_repository(&app, true).await.unwrap_err());
    note(session.delete_repository(&app).await.unwrap_err());
    note(session.deploy_keys(&app).await.unwrap_err());
    note(session.create_deploy_key(&app, &key).await.unwrap_err());
    note(session.enable_deploy_key(&app, 1, true).await.unwrap_err());
    note(session.delete_deploy_key(&app, 1).await.unwrap_err());
    note(session.hooks(&app).await.unwrap_err());
    note(session.create_hook(&app, &hook).await.unwrap_err());
    note(session.delete_hook(&app, 1).await.unwrap_err());
    let said = said.join("\n");
    for part in [
        "git cannot create group shop: make the repository shop/default.project on the server",
        "git cannot add the deploy key ci to repository demo/app: add this public key on the server, with the right to read: \
         ssh-ed25519 AAAA",
        "pushes are found by polling",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(!said.contains("canary"));
}
