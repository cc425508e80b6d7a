//! The local forge with the real git.

use nautes_gitops::host::AccessLevel;

use super::kit::{Forge, path};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_can_be_cloned() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let url = forge.url("demo/app", Some(&token));
    let work = forge.git("work");
    let head = work.init().await;
    let mut pokes = nautes_gitops::GitHost::subscribe(&forge.forge);
    work.ok(&["push", "-q", &url, "main"]).await;
    assert_eq!(pokes.try_recv().unwrap().repo, path("demo/app"));
    let refs = forge.platform.refs(&path("demo/app")).await.unwrap();
    assert_eq!(refs["refs/heads/main"].to_string(), head);

    let other = forge.git("other");
    other.ok(&["clone", "-q", &url, "."]).await;
    assert_eq!(other.ok(&["rev-parse", "HEAD"]).await, head);
}
