//! The local forge with the real git.

use std::time::Duration;

use futures::future::join_all;
use nautes_gitops::host::AccessLevel;
use nautes_gitops::repo::Limits;
use nautes_gitops::{GitHost as _, Oid};
use nautes_model::Secret;

use super::kit::{Forge, basic, path, raw};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_can_be_cloned() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let url = forge.url("demo/app", Some(&token));
    let work = forge.git("work");
    let head = work.init().await;
    let mut pokes = forge.forge.subscribe();
    work.ok(&["push", "-q", &url, "main"]).await;
    assert_eq!(pokes.try_recv().unwrap().repo, path("demo/app"));
    let refs = forge.platform.refs(&path("demo/app")).await.unwrap();
    assert_eq!(refs["refs/heads/main"].to_string(), head);
    for version in ["protocol.version=0", "protocol.version=1", "protocol.version=2"] {
        let other = forge.git(version);
        other.ok(&["-c", version, "clone", "-q", &url, "."]).await;
        assert_eq!(other.ok(&["rev-parse", "HEAD"]).await, head);
    }
    // Pushing once more changes nothing and tells nobody.
    work.ok(&["push", "-q", &url, "main"]).await;
    assert!(pokes.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_repository_can_be_cloned() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let work = forge.git("work");
    work.ok(&["clone", "-q", &forge.url("demo/app", Some(&token)), "."])
        .await;
    work.commit("a", "1").await;
    work.ok(&["push", "-q", "origin", "HEAD:main"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_as_a_forge_would() {
    let forge = Forge::start().await;
    let developer = forge.user("dev", AccessLevel::Developer).await;
    let reporter = forge.user("rep", AccessLevel::Reporter).await;
    let guest = forge.user("gus", AccessLevel::Guest).await;
    let stranger = forge.user("eve", AccessLevel::None).await;
    let wrong = Secret::from("wrong");
    let work = forge.git("work");
    work.init().await;
    work.ok(&["push", "-q", &forge.url("demo/app", Some(&developer)), "main"])
        .await;

    let address = forge.serving.address;
    let status = |repo: &'static str, service: &'static str, token: Option<&Secret>| {
        let header = token.map_or_else(String::new, |token| {
            format!("Authorization: {}\r\n", basic(token))
        });
        async move {
            let request = format!(
                "GET /{repo}.git/info/refs?service={service} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n"
            );
            let answer = raw(address, &request).await;
            if answer.contains(" 401 ") {
                assert!(
                    answer.to_lowercase().contains("www-authenticate: basic"),
                    "{answer}"
                );
            }
            answer.split(' ').nth(1).unwrap_or_default().to_owned()
        }
    };
    let (fetch, push) = ("git-upload-pack", "git-receive-pack");
    for (repo, who, fetching, pushing) in [
        ("demo/app", Some(&developer), "200", "200"),
        ("demo/app", Some(&reporter), "200", "403"),
        ("demo/app", Some(&guest), "403", "403"),
        ("demo/app", Some(&stranger), "404", "404"),
        ("demo/app", Some(&wrong), "401", "401"),
        ("demo/app", None, "401", "401"),
        ("demo/none", Some(&developer), "404", "404"),
        ("demo/none", None, "401", "401"),
    ] {
        assert_eq!(status(repo, fetch, who).await, fetching, "{repo} {who:?}");
        assert_eq!(status(repo, push, who).await, pushing, "{repo} {who:?}");
    }
    forge.open_to_all("demo/app").await;
    assert_eq!(status("demo/app", fetch, None).await, "200");
    assert_eq!(status("demo/app", push, None).await, "401");
    assert_eq!(status("demo/app", fetch, Some(&stranger)).await, "200");
    assert_eq!(status("demo/app", push, Some(&stranger)).await, "403");
    assert_eq!(
        status("demo/app", fetch, Some(&wrong)).await,
        "401",
        "a wrong token is wrong everywhere"
    );

    let said = work
        .fails(&["push", &forge.url("demo/app", Some(&reporter)), "main:other"])
        .await;
    assert!(said.contains("403"), "{said}");
    let said = work
        .fails(&["push", &forge.url("demo/app", Some(&wrong)), "main:other"])
        .await;
    assert!(said.contains("Authentication failed"), "{said}");
    let said = work
        .fails(&["clone", &forge.url("demo/none", Some(&developer)), "x"])
        .await;
    assert!(said.contains("not found"), "{said}");

    forge
        .platform
        .archive_repository(&path("demo/app"), true)
        .await
        .unwrap();
    assert_eq!(status("demo/app", push, Some(&developer)).await, "403");
    forge.forge.admin().revoke_tokens("dev").await.unwrap();
    assert_eq!(status("demo/app", fetch, Some(&developer)).await, "401");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_requests_are_refused() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let header = format!(
        "Host: x\r\nConnection: close\r\nAuthorization: {}\r\n",
        basic(&token)
    );
    for (line, expected) in [
        ("GET /demo/app.git/info/refs", "403"),
        ("GET /demo/app.git/HEAD", "404"),
        ("GET /demo/app.git/../../../etc/passwd", "404"),
        (
            "GET /demo/%2e%2e/app.git/info/refs?service=git-upload-pack",
            "404",
        ),
        ("POST /demo/app.git/info/refs?service=git-upload-pack", "405"),
        ("GET /demo/app.git/git-upload-pack", "405"),
        ("POST /demo/app.git/git-upload-pack", "415"),
        ("GET /demo/app.git/info/refs?service=git-upload-archive", "403"),
    ] {
        let answer = raw(forge.serving.address, &format!("{line} HTTP/1.1\r\n{header}\r\n")).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{line}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_can_be_rewritten_and_branches_deleted() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let url = forge.url("demo/app", Some(&token));
    let work = forge.git("work");
    let first = work.init().await;
    work.commit("a", "1").await;
    work.ok(&["push", "-q", &url, "main", "main:side", "main:refs/tags/v1"])
        .await;
    work.ok(&["reset", "-q", "--hard", &first]).await;
    let rewritten = work.commit("b", "2").await;
    work.fails(&["push", "-q", &url, "main"]).await;
    work.ok(&["push", "-q", "-f", &url, "main"]).await;
    work.ok(&["push", "-q", &url, ":side", ":refs/tags/v1"]).await;
    let refs = forge.platform.refs(&path("demo/app")).await.unwrap();
    assert_eq!(
        refs,
        [("refs/heads/main".to_owned(), rewritten.parse::<Oid>().unwrap())].into()
    );
    let said = work.fails(&["push", &url, ":main"]).await;
    assert!(
        said.contains("deletion of the current branch prohibited"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_submodules_are_read_as_findings() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let work = forge.git("work");
    work.init().await;
    std::os::unix::fs::symlink("/etc/passwd", work.dir.join("link")).unwrap();
    let head = work.commit("plain", "1").await;
    work.ok(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{head},module"),
    ])
    .await;
    work.ok(&["commit", "-q", "-m", "module"]).await;
    work.ok(&["push", "-q", &forge.url("demo/app", Some(&token)), "main"])
        .await;
    let mirror = forge.mirror("app").await;
    let refs = forge.platform.fetch(&path("demo/app"), &mirror).await.unwrap();
    let read = mirror
        .read(refs["refs/heads/main"], Limits::default(), |_| true)
        .await
        .unwrap();
    assert_eq!(read.files.keys().collect::<Vec<_>>(), ["README.md", "plain"]);
    assert_eq!(
        read.findings.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
        ["link", "module"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn trees_that_attack_the_reader_are_refused() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let work = forge.git("work");
    work.init().await;
    let inner = work.ok(&["rev-parse", "HEAD^{tree}"]).await;
    // A tree with an entry `.git`, written as it is stored.
    let mut tree = b"40000 .git\0".to_vec();
    tree.extend(
        (0..40)
            .step_by(2)
            .map(|at| u8::from_str_radix(&inner[at..at + 2], 16).unwrap()),
    );
    std::fs::write(work.dir.join("tree.bin"), tree).unwrap();
    let tree = work
        .ok(&["hash-object", "-t", "tree", "-w", "--literally", "tree.bin"])
        .await;
    let commit = work.ok(&["commit-tree", "-m", "bad", &tree]).await;
    let said = work
        .fails(&[
            "push",
            &forge.url("demo/app", Some(&token)),
            &format!("{commit}:refs/heads/bad"),
        ])
        .await;
    assert!(said.contains("hasDotgit") || said.contains("unpack"), "{said}");
    assert!(forge.platform.refs(&path("demo/app")).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_cut_off_and_changes_nothing() {
    let forge = Forge::start_with(|options| options.push_bytes = 100_000).await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let url = forge.url("demo/app", Some(&token));
    let work = forge.git("work");
    work.init().await;
    work.ok(&["push", "-q", &url, "main"]).await;
    let noise: String = (0u64..60_000)
        .map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    work.commit("big", &noise).await;
    work.fails(&["push", "-q", &url, "main:big"]).await;
    assert_eq!(forge.platform.refs(&path("demo/app")).await.unwrap().len(), 1);
    work.ok(&["push", "-q", &url, "main~1:refs/heads/small"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_does_not_hold_a_place() {
    let change = |options: &mut nautes_gitops::host::local::Options| {
        options.idle = Duration::from_millis(300);
        options.processes = 1;
    };
    let forge = Forge::start_with(change).await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let silent = format!(
        "POST /demo/app.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n",
        basic(&token)
    );
    // It ends although nothing more is sent.
    raw(forge.serving.address, &silent).await;
    let work = forge.git("work");
    work.init().await;
    work.ok(&["push", "-q", &forge.url("demo/app", Some(&token)), "main"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_requests_are_understood() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let url = forge.url("demo/app", Some(&token));
    let work = forge.git("work");
    work.init().await;
    // git compresses a request that is longer than a kilobyte: here, because it names many commits.
    let mut refspecs = Vec::new();
    for number in 0..60 {
        let commit = work.commit("a", &format!("{number}")).await;
        refspecs.push(format!("{commit}:refs/heads/b{number}"));
    }
    let mut args = vec!["push", "-q", url.as_str()];
    args.extend(refspecs.iter().map(String::as_str));
    work.ok(&args).await;
    let other = forge.git("other");
    other
        .ok(&["clone", "-q", "--no-single-branch", "-b", "b0", &url, "."])
        .await;
    assert_eq!(other.ok(&["branch", "-r"]).await.lines().count(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_at_once_lose_nothing() {
    let forge = Forge::start().await;
    let token = forge.user("ann", AccessLevel::Developer).await;
    let url = forge.url("demo/app", Some(&token));
    let base = forge.git("base");
    base.init().await;
    base.ok(&["push", "-q", &url, "main"]).await;
    let clients = (0..16).map(|number| {
        let (work, url) = (forge.git(&format!("c{number}")), url.clone());
        async move {
            work.ok(&["clone", "-q", &url, "."]).await;
            work.commit(&format!("f{number}"), "1").await;
            work.ok(&["push", "-q", &url, &format!("HEAD:b{number}")]).await;
        }
    });
    join_all(clients).await;
    assert_eq!(forge.platform.refs(&path("demo/app")).await.unwrap().len(), 17);
}
