//! What people do by hand on the forge: what is ours is put right, what is not is told, and nothing is deleted because of
//! it. What is declared no more goes as its manifest says.

use std::collections::BTreeSet;

use nautes_gitops::host::DeployKeySpec;
use nautes_gitops::{RepoPath, RepoRef};
use nautes_runtime::status_report::State;
use nautes_vault::SecretStore as _;

use crate::world::{On, World, api};
use crate::{color, shop};

const LAPTOP: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh";
const KEPT: &str = "\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
spec:
  name: NAME
  codeRepoProvider: gitlab
  product: shop
  project: web
  git: {gitlab: {name: NAME, path: NAME, visibility: private}}
";

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

/// Deploy keys: title, public key, whether it may push.
type Keys = BTreeSet<(String, String, bool)>;

async fn keys(world: &World, repo: &str) -> Keys {
    let keys = world.session().await.deploy_keys(&path(repo)).await.unwrap();
    keys.into_iter()
        .map(|key| (key.title, key.public_key, key.can_push))
        .collect()
}

/// The id of a key, by the repository to which it belongs and its level.
async fn id(world: &World, repo: &str, of: &str, level: &str) -> u64 {
    let keys = world.session().await.deploy_keys(&path(repo)).await.unwrap();
    let is_it = |title: &str| title.starts_with(of) && title.ends_with(level);
    let found = keys.iter().find(|key| is_it(&key.title));
    found.unwrap_or_else(|| panic!("no {of} {level} in {keys:#?}")).id
}

async fn conditions(world: &World, repo: &str) -> String {
    let client = world.tenant.client();
    let group = "nautes.resource.nautes.io/v1alpha1";
    // The plural of the kind is the one of the Go version.
    let resource = kube::api::ApiResource {
        group: "nautes.resource.nautes.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: group.to_owned(),
        kind: "CodeRepo".to_owned(),
        plural: "coderepoes".to_owned(),
    };
    let repos: kube::Api<kube::api::DynamicObject> =
        kube::Api::namespaced_with(client, "product-shop", &resource);
    repos.get(repo).await.unwrap().data["status"]["conditions"].to_string()
}

async fn are(world: &World, what: &str, wanted: &[(&str, Keys)]) {
    world
        .eventually(what, async || {
            world.controllers().reconcile_all().await.unwrap();
            for (repo, wanted) in wanted {
                let found = keys(world, repo).await;
                if found != *wanted {
                    return Err(format!("{repo}: {found:#?}"));
                }
            }
            Ok(())
        })
        .await;
}

pub(super) async fn keys_come_back_and_rights_that_nobody_declared_go(on: On) {
    let world = shop(on).await;
    let (source, deploy) = ("shop/web-source", "shop/web-deploy");
    let session = world.session().await;
    let (of_source, of_deploy) = (keys(&world, source).await, keys(&world, deploy).await);
    let before = [(source, of_source.clone()), (deploy, of_deploy)];

    // Its own key, which other repositories still have, and one of another repository.
    let own = id(&world, source, "shop-web-source", "readonly").await;
    session.delete_deploy_key(&path(source), own).await.unwrap();
    let other = id(&world, deploy, "shop-web-source", "readwrite").await;
    session.delete_deploy_key(&path(deploy), other).await.unwrap();
    are(&world, "what was taken is there again", &before).await;

    // More than is declared: a right, and a repository that opens itself to nobody but its project.
    let reads = id(&world, source, "shop-web-pipeline", "readonly").await;
    session
        .enable_deploy_key(&path(source), reads, true)
        .await
        .unwrap();
    let pushes = id(&world, deploy, "shop-web-deploy", "readwrite").await;
    session
        .enable_deploy_key(&path(source), pushes, true)
        .await
        .unwrap();
    are(&world, "what is too much is gone", &before).await;

    // What is not ours is told, and stays.
    let laptop = DeployKeySpec {
        title: "laptop".to_owned(),
        public_key: LAPTOP.to_owned(),
        can_push: true,
    };
    session.create_deploy_key(&path(source), &laptop).await.unwrap();
    let mut with_laptop = of_source;
    with_laptop.insert(("laptop".to_owned(), LAPTOP.to_owned(), true));
    are(&world, "the laptop keeps its key", &[(source, with_laptop)]).await;
    world
        .eventually("the laptop is told", async || {
            let said = conditions(&world, "web-source").await;
            match said.contains("laptop") && said.contains("may push") {
                true => Ok(()),
                false => Err(said),
            }
        })
        .await;
    world.until("CodeRepo/shop/web-source", State::Ready).await;
}

pub(super) async fn a_repository_is_archived_unless_its_manifest_says_delete(on: On) {
    let world = shop(on).await;
    world.save(&KEPT.replace("NAME", "kept")).await;
    let gone = format!("{}  retention: delete\n", KEPT.replace("NAME", "gone"));
    world.save(&gone).await;
    for repo in ["CodeRepo/shop/kept", "CodeRepo/shop/gone"] {
        world.until(repo, State::Ready).await;
    }
    let session = world.session().await;
    let made = session.repository(&path("shop/kept")).await.unwrap().unwrap();
    let product = RepoRef::Product("shop".parse().unwrap());
    world
        .remove(product, &["CodeRepo/shop/kept", "CodeRepo/shop/gone"])
        .await;
    world
        .eventually("the one is archived, and the other is gone", async || {
            let kept = session.repository(&path("shop/kept")).await.unwrap();
            let gone = session.repository(&path("shop/gone")).await.unwrap();
            let tree = world.report().await;
            let left = ["kept", "gone"].map(|name| {
                let identity = crate::world::identity(&format!("CodeRepo/shop/{name}"));
                tree.get(&identity).is_some()
            });
            match (&kept, &gone, left) {
                (Some(kept), None, [false, false]) if kept.archived => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
    // Nobody's key is left on it, no secret of it is left, and its key is nowhere else.
    assert_eq!(keys(&world, "shop/kept").await, BTreeSet::new());
    let secrets = world.store.list("git").await.unwrap();
    let of_kept = |text: &str| text.contains("shop-kept") || text.contains("shop-gone");
    assert!(!secrets.iter().any(|path| of_kept(path.as_str())), "{secrets:?}");
    assert!(
        !keys(&world, "shop/web-source")
            .await
            .iter()
            .any(|key| of_kept(&key.0))
    );
    // Declared once more, it is the same repository with new keys.
    world.save(&KEPT.replace("NAME", "kept")).await;
    world.until("CodeRepo/shop/kept", State::Ready).await;
    let again = session.repository(&path("shop/kept")).await.unwrap().unwrap();
    assert_eq!((again.id, again.archived), (made.id, false));
    assert_eq!(keys(&world, "shop/kept").await.len(), 6);
}

pub(super) async fn what_is_archived_or_deleted_by_hand_is_told_and_deletes_nothing(on: On) {
    let world = shop(on).await;
    let session = world.session().await;
    let (source, deploy) = (path("shop/web-source"), path("shop/web-deploy"));
    session.archive_repository(&source, true).await.unwrap();
    session.delete_repository(&deploy).await.unwrap();
    for (repo, reason) in [
        ("CodeRepo/shop/web-source", "RepositoryArchived"),
        ("CodeRepo/shop/web-deploy", "RepositoryMissing"),
    ] {
        let identity = crate::world::identity(repo);
        world
            .eventually(&format!("{repo} is {reason}"), async || {
                world.controllers().reconcile_all().await.unwrap();
                let tree = world.report().await;
                match tree.get(&identity) {
                    Some(node) if node.reason == reason => Ok(()),
                    other => Err(format!("{other:#?}")),
                }
            })
            .await;
    }
    // Also when it is looked at again and again.
    for _ in 0..3 {
        world.controllers().reconcile_all().await.unwrap();
    }
    // It is not made again, what was deployed of it stays, and what is archived stays so.
    assert!(session.repository(&deploy).await.unwrap().is_none());
    assert!(session.repository(&source).await.unwrap().unwrap().archived);
    assert_eq!(color(&world, "a").await.as_deref(), Some("red"));
    let client = world.clusters["pipelines"].client();
    let spaces = api(&client, "v1", "Namespace", None);
    assert!(spaces.get_opt("shop-pipelines").await.unwrap().is_some());
    session.archive_repository(&source, false).await.unwrap();
    world
        .eventually("it is ready again", async || {
            world.controllers().reconcile_all().await.unwrap();
            let tree = world.report().await;
            match tree.get(&crate::world::identity("CodeRepo/shop/web-source")) {
                Some(node) if node.state == State::Ready => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
}

pub(super) async fn a_repository_that_is_renamed_by_hand_is_told_with_its_new_place(on: On) {
    let world = shop(on).await;
    let session = world.session().await;
    let (old, new) = (path("shop/web-deploy"), path("shop/web-moved"));
    world.rename(&old, &new).await;
    let identity = crate::world::identity("CodeRepo/shop/web-deploy");
    world
        .eventually("it is said where it is", async || {
            world.controllers().reconcile_all().await.unwrap();
            let tree = world.report().await;
            match tree.get(&identity) {
                Some(node) if node.reason == "RepositoryMoved" && node.message.contains("shop/web-moved") => {
                    Ok(())
                }
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
    for _ in 0..3 {
        world.controllers().reconcile_all().await.unwrap();
    }
    // Nothing is made in its place, and nothing is deleted because of it.
    assert!(session.repository(&old).await.unwrap().is_none());
    assert!(session.repository(&new).await.unwrap().is_some());
    assert_eq!(color(&world, "a").await.as_deref(), Some("red"));
    world.rename(&new, &old).await;
    world
        .eventually("it is ready again", async || {
            world.controllers().reconcile_all().await.unwrap();
            let tree = world.report().await;
            match tree.get(&identity) {
                Some(node) if node.state == State::Ready => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
}

pub(super) async fn a_group_that_is_gone_is_told_and_holds_what_it_declared(on: On) {
    let world = shop(on).await;
    let session = world.session().await;
    for repository in session.repositories("shop").await.unwrap() {
        session.delete_repository(&repository.path).await.unwrap();
    }
    session.delete_group("shop").await.unwrap();
    let marks = world.marks();
    world
        .eventually("the product says that it cannot be read", async || {
            world.controllers().reconcile_all().await.unwrap();
            let tree = world.report().await;
            match tree.get(&crate::world::identity("Product/shop")) {
                Some(node) if node.state != State::Ready => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
    assert_eq!(color(&world, "a").await.as_deref(), Some("red"));
    let deleted: Vec<String> = world
        .writes_since(&marks)
        .into_iter()
        .filter(|line| line.contains(" delete "))
        .collect();
    assert_eq!(deleted, Vec::<String>::new());
    assert!(session.group("shop").await.unwrap().is_none());
}

on_every_forge! {
    keys_come_back_and_rights_that_nobody_declared_go,
    a_repository_is_archived_unless_its_manifest_says_delete,
    what_is_archived_or_deleted_by_hand_is_told_and_deletes_nothing,
    a_repository_that_is_renamed_by_hand_is_told_with_its_new_place,
    a_group_that_is_gone_is_told_and_holds_what_it_declared,
}
