//! The local forge keeps the rules of every forge.

use std::sync::Arc;

use nautes_gitops::conformance::{self, Subject};
use nautes_gitops::host::local::{LocalForge, Options};

#[tokio::test(flavor = "multi_thread")]
async fn the_local_forge_conforms() {
    let dir = tempfile::TempDir::new().unwrap();
    let forge = LocalForge::open(Options::new(dir.path().join("forge")))
        .await
        .unwrap();
    let admin = forge.admin();
    let tokens = [
        admin.create_user("ann").await.unwrap(),
        admin.create_user("bob").await.unwrap(),
        admin.create_user("eve").await.unwrap(),
    ];
    let subject = Subject {
        host: Arc::new(forge.clone()),
        tokens,
        prefix: "conformance".to_owned(),
        mirrors: dir.path().join("mirrors"),
    };
    conformance::run(&subject).await;
}
