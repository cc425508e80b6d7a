//! Credentials of repositories are replaced: the new one first, the old one last, and nobody is locked out in between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use kube::api::ListParams;
use nautes_model::annotation::{REVOKE_BEFORE, ROTATE_BEFORE};
use nautes_model::secret::SecretRef;
use nautes_model::{Resource, Secret};
use nautes_runtime::platform::Rotation;
use nautes_runtime::status_report::State;
use nautes_vault::keys::{self, RepoCredential, RepoId};
use nautes_vault::rotation::{Phase, Policy, Ring};
use nautes_vault::{Expect, SecretStore as _};
use ssh_key::PrivateKey;

use crate::deliveries::{Caller, PATH, push};
use crate::world::{On, Served, World, api, parse};
use crate::{SHOP, shop_with};

const HOUR: Duration = Duration::from_secs(3600);
const TOKENS: [&str; 2] = ["id", "expires"];

pub(super) fn within(overlap: Duration) -> Rotation {
    Rotation {
        policy: Policy {
            max_age: None,
            overlap,
        },
        access_tokens: None,
    }
}

fn at(world: &World, repo: &str, what: RepoCredential) -> SecretRef {
    let id = RepoId::new(&"shop".parse().unwrap(), &repo.parse().unwrap());
    keys::repo(world.platform.host().provider_type(), &id, what).unwrap()
}

async fn ring(world: &World, repo: &str, what: RepoCredential) -> Option<Ring> {
    let at = at(world, repo, what);
    let found = world.store.read(&at.path).await.unwrap()?;
    Ring::read(&at.key, &TOKENS, found.values)
}

/// Asks for the credentials of a repository to be replaced.
pub(super) async fn order(world: &World, repo: &str, annotation: &str) {
    let now = Timestamp::now().to_string();
    let is_it =
        |r: &Resource| matches!(r, Resource::CodeRepo(_)) && r.metadata().name.as_deref() == Some(repo);
    let mut resource = parse(SHOP).into_iter().find(is_it).unwrap();
    let annotations = BTreeMap::from([(annotation.to_owned(), now)]);
    resource.metadata_mut().annotations = Some(annotations);
    world.declare("shop", vec![resource]).await;
}

fn public(private: &[u8]) -> Option<String> {
    let key = PrivateKey::from_openssh(private).ok()?;
    let text = key.public_key().to_openssh().ok()?;
    Some(text.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

/// The public halves of the keys that the pipelines have.
pub(super) async fn handed_out(world: &World) -> BTreeSet<String> {
    let client = world.clusters["pipelines"].client();
    let secrets = api(&client, "v1", "Secret", Some("shop-pipelines"));
    let all = secrets.list(&ListParams::default()).await.unwrap();
    let values = all
        .items
        .iter()
        .filter_map(|secret| secret.data["data"].as_object());
    values
        .flat_map(|data| data.values())
        .filter_map(|value| public(&BASE64.decode(value.as_str()?).ok()?))
        .collect()
}

pub(super) async fn on_forge(world: &World, repo: &str) -> BTreeMap<String, String> {
    let path = repo.parse().unwrap();
    let keys = world.session().await.deploy_keys(&path).await.unwrap();
    keys.into_iter().map(|key| (key.public_key, key.title)).collect()
}

async fn settles(world: &World, repo: &str, what: RepoCredential, phase: Phase, generation: u64) {
    world
        .eventually(
            &format!("{what:?} of {repo} is {generation}, {phase:?}"),
            async || {
                let ring = ring(world, repo, what).await.ok_or("there is none")?;
                match (ring.phase(), ring.generation()) == (phase, generation) {
                    true => Ok(()),
                    false => Err(format!("{:?} {}", ring.phase(), ring.generation())),
                }
            },
        )
        .await;
}

pub(super) async fn a_key_is_replaced_without_a_moment_in_which_it_does_not_work(on: On) {
    let world = shop_with(on, within(Duration::ZERO)).await;
    // The project may push to the repository of its pipelines.
    let what = RepoCredential::Readwrite;
    let before = handed_out(&world).await;
    assert!(!before.is_empty(), "pipelines fetch with a key");
    let old = public(
        ring(&world, "web-pipeline", what)
            .await
            .unwrap()
            .current()
            .value
            .expose(),
    )
    .unwrap();
    assert!(before.contains(&old));
    // Whatever the pipelines have works: looked at again and again while the keys are replaced.
    let watched = async {
        loop {
            let first = handed_out(&world).await;
            let works = on_forge(&world, "shop/web-pipeline").await;
            let stays = handed_out(&world).await;
            for key in first.intersection(&stays) {
                assert!(
                    works.contains_key(key),
                    "{key} is handed out, and there are {works:#?}"
                );
            }
        }
    };
    let replaced = async {
        order(&world, "web-pipeline", ROTATE_BEFORE).await;
        for level in [RepoCredential::Readonly, RepoCredential::Readwrite] {
            settles(&world, "web-pipeline", level, Phase::Settled, 2).await;
        }
        world
            .eventually("the old key is gone from the forge", async || {
                let keys = on_forge(&world, "shop/web-pipeline").await;
                if keys.contains_key(&old) {
                    Err(format!("{keys:#?}"))
                } else {
                    Ok(())
                }
            })
            .await;
    };
    tokio::select! {
        () = watched => unreachable!(),
        () = replaced => {}
    }
    let new = public(
        ring(&world, "web-pipeline", what)
            .await
            .unwrap()
            .current()
            .value
            .expose(),
    )
    .unwrap();
    assert_ne!(new, old);
    let after = handed_out(&world).await;
    assert!(after.contains(&new) && !after.contains(&old), "{after:?}");
    let id = RepoId::new(&"shop".parse().unwrap(), &"web-pipeline".parse().unwrap());
    let title = on_forge(&world, "shop/web-pipeline").await.remove(&new);
    assert_eq!(title, Some(format!("{id}-readwrite-2")));
    // The repositories that it opens have the new one, and the old one no more.
    for other in ["shop/web-deploy", "shop/web-pipeline"] {
        world
            .eventually(&format!("{other} has the new keys only"), async || {
                let all = on_forge(&world, other).await;
                let ours: Vec<&String> = all.values().filter(|t| t.contains("pipeline-")).collect();
                match ours.iter().all(|title| title.ends_with("-2")) {
                    true => Ok(()),
                    false => Err(format!("{ours:?}")),
                }
            })
            .await;
    }
    world.all_ready().await;
    world.at_rest().await;
    // The status records it, and no key.
    let recorded = credentials(&world, "web-pipeline").await;
    assert!(recorded.contains(r#""generation":2"#), "{recorded}");
    assert!(!recorded.contains("PRIVATE"));
}

pub(super) async fn credentials(world: &World, repo: &str) -> String {
    let resource = kube::api::ApiResource {
        group: "nautes.resource.nautes.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "nautes.resource.nautes.io/v1alpha1".to_owned(),
        kind: "CodeRepo".to_owned(),
        plural: "coderepoes".to_owned(),
    };
    let repos: kube::Api<kube::api::DynamicObject> =
        kube::Api::namespaced_with(world.tenant.client(), "product-shop", &resource);
    repos.get(repo).await.unwrap().data["status"]["credentials"].to_string()
}

pub(super) async fn the_key_before_works_for_the_overlap_and_not_when_it_is_revoked(on: On) {
    let world = shop_with(on, within(HOUR)).await;
    let what = RepoCredential::Readwrite;
    let old = ring(&world, "web-source", what).await.unwrap();
    order(&world, "web-source", ROTATE_BEFORE).await;
    settles(&world, "web-source", what, Phase::Leaving, 2).await;
    world.controllers().reconcile_all().await.unwrap();
    let now = ring(&world, "web-source", what).await.unwrap();
    assert_eq!(now.previous().unwrap().value, old.current().value);
    let works = on_forge(&world, "shop/web-source").await;
    for slot in [now.current(), now.previous().unwrap()] {
        assert!(
            works.contains_key(&public(slot.value.expose()).unwrap()),
            "{works:#?}"
        );
    }
    // It has leaked: now it ends at once, and so does the one that was handed out meanwhile.
    order(&world, "web-source", REVOKE_BEFORE).await;
    settles(&world, "web-source", what, Phase::Settled, 3).await;
    let newest = ring(&world, "web-source", what).await.unwrap();
    world
        .eventually("one key is left", async || {
            let works = on_forge(&world, "shop/web-source").await;
            let is_own = |t: &&String| t.contains("web-source") && t.contains("readwrite");
            let own: Vec<&String> = works.values().filter(is_own).collect();
            match own.len() {
                1 => Ok(()),
                _ => Err(format!("{own:?}")),
            }
        })
        .await;
    let works = on_forge(&world, "shop/web-source").await;
    assert!(works.contains_key(&public(newest.current().value.expose()).unwrap()));
    // Once is enough: the orders stay in the manifest.
    world.at_rest().await;
    let still = ring(&world, "web-source", what).await.unwrap();
    assert_eq!((still.phase(), still.generation()), (Phase::Settled, 3));
}

pub(super) async fn a_token_of_a_webhook_is_replaced_and_deliveries_arrive_all_the_time(on: On) {
    let world = shop_with(on, within(HOUR)).await;
    let what = RepoCredential::Webhook;
    let old = Caller::of(&world).await;
    let path = "shop/web-source".parse().unwrap();
    order(&world, "web-source", ROTATE_BEFORE).await;
    settles(&world, "web-source", what, Phase::Leaving, 2).await;
    world
        .eventually("there is one hook", async || {
            let hooks = world.session().await.hooks(&path).await.unwrap();
            let urls: Vec<&str> = hooks.iter().map(|h| h.url.as_str()).collect();
            match urls.as_slice() {
                [one] if one.ends_with("/hooks/shop/web-source?generation=2") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    let new = Caller::of(&world).await;
    let body = push("refs/heads/main", nautes_gitops::Oid::ZERO);
    // What the old hook has sent may come late.
    assert_eq!(old.post(PATH, "Push Hook", &*body).await, 202);
    assert_eq!(new.post(PATH, "Push Hook", &*body).await, 202);
    // The forge calls with the new one.
    let denied = world.controllers().deliveries().denied;
    let files = [("main.rs", Some("fn main() {}"))];
    let commit = world.push("shop/web-source", "main", &files).await;
    world.run_commits(0, &mut [commit.to_string()], "a push").await;
    world
        .eventually("the delivery was believed", async || {
            let counts = world.controllers().deliveries();
            match counts.denied == denied && counts.accepted > 2 {
                true => Ok(()),
                false => Err(format!("{counts:?}")),
            }
        })
        .await;
    order(&world, "web-source", REVOKE_BEFORE).await;
    settles(&world, "web-source", what, Phase::Settled, 3).await;
    assert_eq!(old.post(PATH, "Push Hook", &*body).await, 401);
    assert_eq!(new.post(PATH, "Push Hook", &*body).await, 401);
    assert_eq!(
        Caller::of(&world).await.post(PATH, "Push Hook", &*body).await,
        202
    );
}

pub(super) async fn what_is_too_old_is_replaced_also_where_nobody_knows_its_age(on: On) {
    let policy = Policy {
        max_age: Some(HOUR * 24 * 30),
        overlap: Duration::ZERO,
    };
    let rotation = Rotation {
        policy,
        access_tokens: None,
    };
    let mut world = shop_with(on, rotation).await;
    world.at_rest().await;
    let before = world.controllers().reconcile_all().await.unwrap();
    assert_eq!(before.forge, 0, "nothing is old yet: {before:?}");
    world.stop().await;
    // One of an earlier installation, and one that was made a year ago.
    let untold = at(&world, "web-source", RepoCredential::Readonly);
    let aged = at(&world, "web-deploy", RepoCredential::Readwrite);
    for (at, made) in [(&untold, None), (&aged, Some("2020-01-01T00:00:00Z"))] {
        let mut values = world.store.read(&at.path).await.unwrap().unwrap().values;
        values.remove("made");
        if let Some(made) = made {
            values.insert("made".to_owned(), Secret::from(made));
        }
        let _ = world.store.write(&at.path, values, Expect::Any).await.unwrap();
    }
    world.start();
    settles(&world, "web-source", RepoCredential::Readonly, Phase::Settled, 2).await;
    settles(&world, "web-deploy", RepoCredential::Readwrite, Phase::Settled, 2).await;
    world.all_ready().await;
    for (repo, what) in [
        ("web-source", RepoCredential::Readwrite),
        ("web-pipeline", RepoCredential::Readonly),
        ("web-source", RepoCredential::Webhook),
    ] {
        assert_eq!(
            ring(&world, repo, what).await.unwrap().generation(),
            1,
            "{repo} {what:?}"
        );
    }
}

pub(super) async fn the_one_before_waits_for_a_cluster_that_does_not_answer(on: On) {
    let world = shop_with(on, within(Duration::ZERO)).await;
    let good = world.kubeconfig("pipelines");
    let mut gone: serde_json::Value = serde_json::from_str(&good).unwrap();
    gone["clusters"][0]["cluster"]["server"] = serde_json::json!("https://127.0.0.1:1");
    world.keep_kubeconfig("pipelines", &gone.to_string()).await;
    world.controllers().reconcile_all().await.unwrap();
    order(&world, "web-pipeline", ROTATE_BEFORE).await;
    settles(
        &world,
        "web-pipeline",
        RepoCredential::Readwrite,
        Phase::Leaving,
        2,
    )
    .await;
    for _ in 0..3 {
        world.controllers().reconcile_all().await.unwrap();
    }
    let still = ring(&world, "web-pipeline", RepoCredential::Readwrite)
        .await
        .unwrap();
    assert_eq!(still.phase(), Phase::Leaving);
    world.keep_kubeconfig("pipelines", &good).await;
    world.controllers().reconcile_all().await.unwrap();
    settles(
        &world,
        "web-pipeline",
        RepoCredential::Readwrite,
        Phase::Settled,
        2,
    )
    .await;
    world.until("CodeRepo/shop/web-pipeline", State::Ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_tokens_are_made_replaced_and_revoked() {
    let rotation = Rotation {
        access_tokens: Some(HOUR * 24 * 30),
        ..within(HOUR)
    };
    let mut world = shop_with(On::Gitlab, rotation).await;
    let what = RepoCredential::AccessToken;
    settles(&world, "web-source", what, Phase::Settled, 1).await;
    world.all_ready().await;
    world.at_rest().await;
    let first = ring(&world, "web-source", what).await.unwrap();
    let listed = async || -> BTreeMap<String, bool> {
        let session = world.session().await;
        let api = session.extended().unwrap();
        let path = "shop/web-source".parse().unwrap();
        let tokens = api.access_tokens(&path).await.unwrap();
        tokens.into_iter().map(|t| (t.id.to_string(), t.active)).collect()
    };
    let id = |ring: &Ring| ring.current().text("id").unwrap().to_owned();
    assert_eq!(listed().await, BTreeMap::from([(id(&first), true)]));

    order(&world, "web-source", ROTATE_BEFORE).await;
    settles(&world, "web-source", what, Phase::Leaving, 2).await;
    let second = ring(&world, "web-source", what).await.unwrap();
    assert_ne!(second.current().value, first.current().value);
    let both = BTreeMap::from([(id(&first), true), (id(&second), true)]);
    assert_eq!(listed().await, both, "the old one works for the overlap");

    order(&world, "web-source", REVOKE_BEFORE).await;
    settles(&world, "web-source", what, Phase::Settled, 3).await;
    let third = ring(&world, "web-source", what).await.unwrap();
    world
        .eventually("only the newest works", async || {
            let working: Vec<String> = listed()
                .await
                .into_iter()
                .filter(|(_, active)| *active)
                .map(|(id, _)| id)
                .collect();
            if working == [id(&third)] {
                Ok(())
            } else {
                Err(format!("{working:?}"))
            }
        })
        .await;

    // One that was revoked by hand is replaced.
    {
        let session = world.session().await;
        let api = session.extended().unwrap();
        let path = "shop/web-source".parse().unwrap();
        let id: u64 = id(&third).parse().unwrap();
        api.revoke_access_token(&path, id).await.unwrap();
    }
    world.controllers().reconcile_all().await.unwrap();
    settles(&world, "web-source", what, Phase::Settled, 4).await;

    // Nothing of it is left behind.
    let Served::Gitlab(fake, _) = &world.forge else {
        unreachable!()
    };
    let said = format!("{:?}", fake.requests());
    let newest = ring(&world, "web-source", what).await.unwrap();
    assert!(!said.contains(newest.current().value.expose_str().unwrap()));
    world.stop().await;
}

#[test]
fn an_instant_that_is_none_is_refused_with_its_place() {
    let text = SHOP.replace(
        "kind: CodeRepo\nspec:",
        "kind: CodeRepo\nmetadata:\n  annotations:\n    nautes.resource.nautes.io/rotate-before: yesterday\nspec:",
    );
    let context = nautes_model::manifest::Context::new("shop.yaml", nautes_model::manifest::Form::Request);
    let findings = nautes_model::manifest::parse(&text, &context).findings;
    let said = findings.first().map(ToString::to_string).unwrap_or_default();
    assert!(
        said.contains("\"yesterday\" is no instant") && said.contains("shop.yaml:"),
        "{said}"
    );
}

on_every_forge! {
    a_key_is_replaced_without_a_moment_in_which_it_does_not_work,
    the_key_before_works_for_the_overlap_and_not_when_it_is_revoked,
    a_token_of_a_webhook_is_replaced_and_deliveries_arrive_all_the_time,
    what_is_too_old_is_replaced_also_where_nobody_knows_its_age,
    the_one_before_waits_for_a_cluster_that_does_not_answer,
}
