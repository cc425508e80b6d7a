//! Many writers at once: all succeed or are told of the conflict, none is lost, the history is linear.

use nautes::exit::Exit;
use nautes::local::demo::stage::Stage;
use nautes::settings::Environment;

const WRITERS: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_writers_lose_nothing() {
    let _one = crate::kit::ONE_PLATFORM.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let instance = crate::kit::platform(dir.path().join("platform")).await;
    let stage = Stage::of(instance.data(), instance.remembered(), &Environment::read())
        .await
        .unwrap();
    let product = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Product\nmetadata:\n  name: busy\nspec:\n  name: busy\n";
    stage.alice.apply("product.yaml", product, &[]).await.unwrap();
    let (before, _) = stage
        .alice
        .git
        .clone_of("busy/default.project")
        .await
        .unwrap()
        .history()
        .await
        .unwrap();

    let texts: Vec<String> = (0..WRITERS)
        .map(|i| {
            format!(
                "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata:\n  name: p-{i}\nspec:\n  \
                 product: busy\n  language: rust\n"
            )
        })
        .collect();
    let all =
        futures::future::join_all(texts.iter().map(|text| stage.alice.apply("p.yaml", text, &[]))).await;
    let mut made = std::collections::BTreeSet::new();
    for (i, result) in all.into_iter().enumerate() {
        match result {
            Ok(reply) => assert!(
                reply.repositories.iter().any(|r| r.commit.is_some()) && made.insert(format!("p-{i}"))
            ),
            Err(failure) => assert_eq!(failure.exit, Exit::Conflict, "{failure:?}"),
        }
    }
    assert!(!made.is_empty());
    let list = stage
        .alice
        .api
        .list("api/v1/products/busy/projects", None)
        .await
        .unwrap();
    let there: std::collections::BTreeSet<String> = list
        .items
        .iter()
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(there, made);
    let (count, linear) = stage
        .alice
        .git
        .clone_of("busy/default.project")
        .await
        .unwrap()
        .history()
        .await
        .unwrap();
    assert!(linear);
    assert_eq!(count, before + made.len(), "one commit for each request");
    instance.stop().await.unwrap();
}
