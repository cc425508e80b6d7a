//! What goes with its manifest: at once where somebody asked for it, later or not at all where a file is simply gone. And
//! what was there before, and is taken over by its id.

use std::time::Duration;

use nautes_gitops::host::RepoSpec;
use nautes_gitops::publish::trailer::REMOVES;
use nautes_gitops::{RepoPath, Session};
use nautes_model::annotation::ADOPT;
use nautes_model::{Resource, layout};
use nautes_runtime::status_report::State;

use crate::world::{On, Setup, World, identity, parse};
use crate::{BOOKS, SHOP, color, shop, shop_of};

const REPO: &str = "\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepo
spec:
  name: NAME
  codeRepoProvider: gitlab
  product: shop
  project: web
  git: {gitlab: {name: NAME, path: NAME, visibility: private}}
  retention: delete
";

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

fn repo(name: &str) -> Resource {
    parse(&REPO.replace("NAME", name)).remove(0)
}

async fn is_archived(session: &dyn Session, repo: &str) -> Option<bool> {
    let found = session.repository(&path(repo)).await.unwrap();
    found.map(|repository| repository.archived)
}

/// Removes files as somebody with git does.
async fn unlink(world: &World, of: &str, resources: &[Resource], trailers: &[(&str, &str)]) {
    let files: Vec<String> = resources.iter().map(layout::path_of).collect();
    let files: Vec<(&str, Option<&str>)> = files.iter().map(|file| (file.as_str(), None)).collect();
    world.push_saying(of, "main", &files, trailers).await;
}

async fn reason(world: &World, resource: &str, wanted: &str) {
    world
        .eventually(&format!("{resource} says {wanted}"), async || {
            world.controllers().reconcile_all().await.unwrap();
            let tree = world.report().await;
            match tree.get(&identity(resource)) {
                Some(node) if node.reason == wanted => Ok(()),
                other => Err(format!("{other:#?}")),
            }
        })
        .await;
}

pub(super) async fn a_repository_whose_file_is_gone_is_kept_for_a_time_before_it_is_deleted(on: On) {
    let setup = Setup {
        grace: Some(Duration::from_secs(3600)),
        ..Setup::default()
    };
    let mut world = shop_of(on, setup).await;
    world.declare("shop", vec![repo("spare")]).await;
    world.until("CodeRepo/shop/spare", State::Ready).await;
    let session = world.session().await;
    let made = session.repository(&path("shop/spare")).await.unwrap().unwrap();
    unlink(&world, "shop/default.project", &[repo("spare")], &[]).await;
    world.controllers().reconcile_all().await.unwrap();
    world
        .eventually("it is archived", async || {
            match is_archived(&*session, "shop/spare").await {
                Some(true) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    // Nobody can use it meanwhile, and it is not forgotten, also by a new process.
    assert!(session.deploy_keys(&path("shop/spare")).await.unwrap().is_empty());
    world.stop().await;
    world.start();
    for _ in 0..3 {
        world.controllers().reconcile_all().await.unwrap();
    }
    assert_eq!(is_archived(&*session, "shop/spare").await, Some(true));

    // The slip is mended: the same repository is there, with keys.
    world.declare("shop", vec![repo("spare")]).await;
    world.until("CodeRepo/shop/spare", State::Ready).await;
    let again = session.repository(&path("shop/spare")).await.unwrap().unwrap();
    assert_eq!((again.id, again.archived), (made.id, false));
    assert!(!session.deploy_keys(&path("shop/spare")).await.unwrap().is_empty());

    // Whoever asks for it has it at once.
    let trailer = [(REMOVES, "CodeRepo/shop/spare")];
    unlink(&world, "shop/default.project", &[repo("spare")], &trailer).await;
    world.controllers().reconcile_all().await.unwrap();
    world
        .eventually("it is deleted", async || {
            match is_archived(&*session, "shop/spare").await {
                None => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
}

pub(super) async fn it_is_deleted_when_its_time_is_over(on: On) {
    let setup = Setup {
        grace: Some(Duration::from_secs(1)),
        ..Setup::default()
    };
    let world = shop_of(on, setup).await;
    world.declare("shop", vec![repo("spare")]).await;
    world.until("CodeRepo/shop/spare", State::Ready).await;
    unlink(&world, "shop/default.project", &[repo("spare")], &[]).await;
    world.controllers().reconcile_all().await.unwrap();
    let session = world.session().await;
    world
        .eventually("it is deleted, and nothing of it is left", async || {
            let found = is_archived(&*session, "shop/spare").await;
            let tree = world.report().await;
            match (found, tree.get(&identity("CodeRepo/shop/spare")).is_some()) {
                (None, false) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
}

pub(super) async fn many_repositories_at_once_stay_until_somebody_asks(on: On) {
    let world = shop(on).await;
    let spares = ["spare-a", "spare-b", "spare-c"].map(repo);
    world.declare("shop", spares.to_vec()).await;
    for name in ["spare-a", "spare-b", "spare-c"] {
        world.until(&format!("CodeRepo/shop/{name}"), State::Ready).await;
    }
    let session = world.session().await;
    unlink(&world, "shop/default.project", &spares, &[]).await;
    reason(&world, "CodeRepo/shop/spare-a", "RemovalHeld").await;
    for name in ["spare-a", "spare-b", "spare-c"] {
        assert_eq!(is_archived(&*session, &format!("shop/{name}")).await, Some(false));
    }
    let trailers: Vec<String> = ["a", "b", "c"]
        .map(|n| format!("CodeRepo/shop/spare-{n}"))
        .to_vec();
    let trailers: Vec<(&str, &str)> = trailers.iter().map(|text| (REMOVES, text.as_str())).collect();
    world
        .push_saying(
            "shop/default.project",
            "main",
            &[("said", Some("so\n"))],
            &trailers[..1],
        )
        .await;
    world.controllers().reconcile_all().await.unwrap();
    world
        .eventually(
            "the one is gone, and the others are few",
            async || match is_archived(&*session, "shop/spare-a").await {
                None => Ok(()),
                other => Err(format!("{other:?}")),
            },
        )
        .await;
}

pub(super) async fn products_that_vanish_together_stay_until_somebody_asks(on: On) {
    let world = shop(on).await;
    world.save(BOOKS).await;
    world.until("Product/books", State::Ready).await;
    let session = world.session().await;
    let all: Vec<Resource> = [SHOP, BOOKS]
        .iter()
        .flat_map(|text| parse(text))
        .filter(|r| matches!(r, Resource::Product(_)))
        .collect();
    unlink(&world, "nautes/management", &all, &[]).await;
    reason(&world, "Product/shop", "RemovalHeld").await;
    for _ in 0..3 {
        world.controllers().reconcile_all().await.unwrap();
    }
    assert_eq!(color(&world, "a").await.as_deref(), Some("red"));
    assert!(session.group("shop").await.unwrap().is_some());
    let shown = world.names("pipelines", "v1", "Namespace", None).await;
    assert!(shown.contains("shop-pipelines"), "{shown:?}");
    // One that was meant goes, and the other, which is one then, as well; its group is kept for a time.
    let trailers = [(REMOVES, "Product/shop")];
    world
        .push_saying("nautes/management", "main", &[("said", Some("so\n"))], &trailers)
        .await;
    world.controllers().reconcile_all().await.unwrap();
    world
        .eventually("the shop is gone", async || match color(&world, "a").await {
            None => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
}

pub(super) async fn a_repository_that_was_there_is_taken_over_by_its_id_only(on: On) {
    let world = shop(on).await;
    let session = world.session().await;
    let found = session
        .create_repository(&path("shop/old"), &RepoSpec::default())
        .await
        .unwrap();
    let mut declared = repo("old");
    world.declare("shop", vec![declared.clone()]).await;
    reason(&world, "CodeRepo/shop/old", "NotOurs").await;
    assert!(session.deploy_keys(&path("shop/old")).await.unwrap().is_empty());
    let tree = world.report().await;
    let said = tree.get(&identity("CodeRepo/shop/old")).unwrap().message.clone();
    assert!(said.contains(&format!("{ADOPT}: \"{}\"", found.id)), "{said}");

    let mut adopt = async |id: u64| {
        let metadata = declared.metadata_mut();
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(ADOPT.to_owned(), id.to_string());
        world.declare("shop", vec![declared.clone()]).await;
        world.controllers().reconcile_all().await.unwrap();
    };
    adopt(found.id + 1000).await;
    reason(&world, "CodeRepo/shop/old", "NotOurs").await;
    adopt(found.id).await;
    world.until("CodeRepo/shop/old", State::Ready).await;
    assert!(!session.deploy_keys(&path("shop/old")).await.unwrap().is_empty());
}

on_every_forge! {
    a_repository_whose_file_is_gone_is_kept_for_a_time_before_it_is_deleted,
    it_is_deleted_when_its_time_is_over,
    many_repositories_at_once_stay_until_somebody_asks,
    products_that_vanish_together_stay_until_somebody_asks,
    a_repository_that_was_there_is_taken_over_by_its_id_only,
}
