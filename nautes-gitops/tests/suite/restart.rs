//! The local forge after the end of its process.

use std::fs;
use std::path::Path;

use nautes_gitops::GitHost as _;
use nautes_gitops::host::local::{LocalForge, Options};
use nautes_gitops::host::{AccessLevel, DeployKeySpec, HookEvent, HookSpec, Place};
use nautes_model::{Class, Secret};

use super::kit::{Forge, path};

/// Ends a forge, and opens its folder again.
async fn restart(forge: Forge) -> (tempfile::TempDir, LocalForge) {
    let Forge {
        dir,
        forge,
        serving,
        platform,
    } = forge;
    serving.stop().await;
    drop((forge, platform));
    let forge = LocalForge::open(Options::new(dir.path().join("forge")))
        .await
        .unwrap();
    (dir, forge)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_again() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let app = path("demo/app");
    let hook = HookSpec {
        url: "http://127.0.0.1:1/".to_owned(),
        events: vec![HookEvent::Push],
        secret: Secret::from("s"),
    };
    let hook = forge.platform.create_hook(&app, &hook).await.unwrap();
    let key = DeployKeySpec {
        title: "k".to_owned(),
        public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKNpCixwgEmm1oTFLYnUHKYxV2UyY8CckSUDSELVHDdm"
            .to_owned(),
        can_push: true,
    };
    let key = forge.platform.create_deploy_key(&app, &key).await.unwrap();
    let work = forge.git("work");
    work.init().await;
    work.ok(&["push", "-q", &forge.url("demo/app", Some(&token)), "main"])
        .await;
    let (group, repository, refs) = (
        forge.platform.group("demo").await.unwrap(),
        forge.platform.repository(&app).await.unwrap().unwrap(),
        forge.platform.refs(&app).await.unwrap(),
    );
    let (_dir, forge) = restart(forge).await;
    let platform = forge.platform().await.unwrap();
    assert_eq!(platform.group("demo").await.unwrap(), group);
    assert_eq!(
        platform.repository(&app).await.unwrap().unwrap().id,
        repository.id
    );
    assert_eq!(platform.refs(&app).await.unwrap(), refs);
    assert_eq!(platform.hooks(&app).await.unwrap(), [hook]);
    assert_eq!(platform.deploy_keys(&app).await.unwrap(), [key]);
    let ann = forge.session(&token).await.unwrap();
    assert_eq!(
        ann.access(&Place::group("demo")).await.unwrap(),
        AccessLevel::Developer
    );
    // Ids are never given twice.
    let other = path("demo/other");
    let made = platform
        .create_repository(&other, &Default::default())
        .await
        .unwrap();
    assert!(made.id > repository.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_leaves_is_cleaned_up() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let work = forge.git("work");
    work.init().await;
    work.ok(&["push", "-q", &forge.url("demo/app", Some(&token)), "main"])
        .await;
    let data = forge.dir.path().join("forge");
    let repo = forge.forge.admin().folder(&path("demo/app"));
    fs::write(repo.join("refs/heads/main.lock"), "").unwrap();
    fs::create_dir_all(repo.join("objects/tmp_objdir-incoming-x/aa")).unwrap();
    fs::write(data.join("state.new"), "{ half").unwrap();
    fs::create_dir_all(data.join("staging/half")).unwrap();
    fs::create_dir_all(data.join("groups/demo/unknown.git")).unwrap();
    let (_dir, forge) = restart(forge).await;
    assert!(!repo.join("refs/heads/main.lock").exists());
    assert!(!repo.join("objects/tmp_objdir-incoming-x").exists());
    let serving = forge.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!(
        "http://x:{}@{}/demo/app.git",
        token.expose_str().unwrap(),
        serving.address
    );
    work.commit("a", "1").await;
    work.ok(&["push", "-q", &url, "main"]).await;
    // A folder that was never acknowledged is put aside, not taken over.
    let platform = forge.platform().await.unwrap();
    platform
        .create_repository(&path("demo/unknown"), &Default::default())
        .await
        .unwrap();
    assert!(platform.refs(&path("demo/unknown")).await.unwrap().is_empty());
    assert_eq!(fs::read_dir(data.join("orphans")).unwrap().count(), 1);
}

async fn refused(data: &Path) -> Class {
    match LocalForge::open(Options::new(data)).await {
        Ok(_) => panic!("it opens"),
        Err(error) => error.class(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_as_it_was_is_refused() {
    let forge = Forge::start().await;
    let data = forge.dir.path().join("forge");
    assert_eq!(refused(&data).await, Class::Conflict, "one process at a time");
    let Forge {
        dir,
        forge,
        serving,
        platform,
    } = forge;
    serving.stop().await;
    drop((forge, platform));
    let state = fs::read(data.join("state.json")).unwrap();
    fs::write(data.join("state.json"), &state[..state.len() / 2]).unwrap();
    assert_eq!(refused(&data).await, Class::Invalid);
    assert_eq!(
        fs::read(data.join("state.json")).unwrap().len(),
        state.len() / 2,
        "it is left for repair"
    );
    fs::remove_file(data.join("state.json")).unwrap();
    assert_eq!(
        refused(&data).await,
        Class::Invalid,
        "repositories without their state are not forgotten"
    );
    fs::write(data.join("state.json"), &state).unwrap();
    LocalForge::open(Options::new(&data)).await.unwrap();
    drop(dir);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn files_are_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let forge = Forge::start().await;
    let data = forge.dir.path().join("forge");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("state.json")), 0o600);
    assert_eq!(mode(&data.join("hook.key")), 0o600);
}

/// Git runs in a folder of its own, where a relative path would lead elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_relative_data_folder_serves_like_any_other() {
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let forge = Forge::start_with(|options| {
        let data = options.data.strip_prefix("/").unwrap().to_owned();
        options.data = Path::new(&up).join(data);
    })
    .await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let work = forge.git("work");
    work.init().await;
    let url = forge.url("demo/app", Some(&token));
    work.ok(&["push", "-q", &url, "main"]).await;
    work.ok(&["clone", "-q", &url, "copy"]).await;
}
