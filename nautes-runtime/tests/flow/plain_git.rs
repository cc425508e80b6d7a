//! A server of Git without the API of a forge: people make groups, repositories and keys, and the controllers do the rest.

use nautes_gitops::RepoRef;
use nautes_gitops::host::RepoSpec;
use nautes_model::annotation::ROTATE_BEFORE;
use nautes_runtime::status_report::State;

use crate::rotation::{credentials, order};
use crate::world::{On, World, identity};
use crate::{PIPELINE, SHOP, color, map};

const REPOS: [&str; 3] = ["web-source", "web-pipeline", "web-deploy"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_made_is_used_and_what_they_have_to_make_is_said() {
    let mut world = World::with_clusters(On::Git, std::time::Duration::from_secs(30)).await;
    world.start();
    world.save(SHOP).await;
    world
        .eventually("somebody is told to make the repositories", async || {
            let tree = world.report().await;
            for repo in REPOS {
                let found = tree.get(&identity(&format!("CodeRepo/shop/{repo}")));
                let said = found.map(|node| (node.state, format!("{} {}", node.reason, node.message)));
                match &said {
                    Some((State::Ready, _)) | None => return Err(format!("{repo}: {said:?}")),
                    Some((_, text)) if text.contains("make it on the server") => {}
                    Some(_) => return Err(format!("{repo}: {said:?}")),
                }
            }
            Ok(())
        })
        .await;
    let hand = world.forge.hand().await;
    for repo in REPOS {
        let path = format!("shop/{repo}").parse().unwrap();
        hand.create_repository(&path, &RepoSpec::default()).await.unwrap();
    }
    for repo in REPOS {
        world.until(&format!("CodeRepo/shop/{repo}"), State::Ready).await;
    }
    // The keys that people have to add are told, and an order to replace them is not begun.
    order(&world, "web-source", ROTATE_BEFORE).await;
    world
        .eventually("the public keys are told", async || {
            let told = credentials(&world, "web-source").await;
            let known = ["readonly", "readwrite"]
                .map(|level| format!(r#""name":"{level}","publicKey":"ssh-ed25519 "#));
            match known.iter().all(|part| told.contains(part)) && told.contains(r#""generation":1"#) {
                true => Ok(()),
                false => Err(told),
            }
        })
        .await;
    let pipeline = [("pipelines/main.yaml", Some(PIPELINE))];
    world.push("shop/web-pipeline", "main", &pipeline).await;
    let (red, green) = (map("a", "red"), map("a", "green"));
    let first = [("deployments/test/a.yaml", Some(&*red))];
    world.push("shop/web-deploy", "main", &first).await;
    world.all_ready().await;
    assert_eq!(color(&world, "a").await.as_deref(), Some("red"));

    // Nobody calls a hook: pushes are found by looking.
    let source = [("main.rs", Some("fn main() {}"))];
    let commit = world.push("shop/web-source", "main", &source).await;
    let second = [("deployments/test/a.yaml", Some(&*green))];
    world.push("shop/web-deploy", "main", &second).await;
    world
        .eventually(
            "the push has started a run, and the object is another",
            async || {
                let runs = world.runs().await;
                let is_of =
                    |run: &kube::api::DynamicObject| run.data.to_string().contains(&commit.to_string());
                match (runs.as_slice(), color(&world, "a").await.as_deref()) {
                    ([run], Some("green")) if is_of(run) => Ok(()),
                    (runs, color) => Err(format!("{} runs, {color:?}", runs.len())),
                }
            },
        )
        .await;
    world.all_ready().await;
    world.at_rest().await;

    // What people made stays with them.
    world.remove(RepoRef::Tenant, &["Product/shop"]).await;
    world
        .eventually("nothing of shop is in the clusters", async || {
            for cluster in ["staging", "pipelines"] {
                let spaces = world.names(cluster, "v1", "Namespace", None).await;
                if spaces.iter().any(|name| name.starts_with("shop")) {
                    return Err(format!("{spaces:?}"));
                }
            }
            Ok(())
        })
        .await;
    assert_eq!(hand.repositories("shop").await.unwrap().len(), 4);
}
