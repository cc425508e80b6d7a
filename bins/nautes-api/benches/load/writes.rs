//! Many writers on some products: nothing is lost, and histories stay lines.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nautes_gitops::RepoPath;
use tokio::task::LocalSet;

use crate::Size;
use crate::client::{Connection, Took, request};
use crate::server::{Server, open};

/// Each writer makes projects in its product, each of its own, until the time is over: their names.
async fn write(server: &Server, size: Size) -> (Vec<Duration>, Vec<(usize, String)>, usize) {
    let until = Instant::now() + Duration::from_secs(size.seconds);
    let local = LocalSet::new();
    let mut writers = Vec::new();
    let token = Rc::new(server.token.clone());
    for writer in 0..size.writers {
        let mut connection = Connection::open(server).await;
        let (product, token) = (writer % size.products, Rc::clone(&token));
        writers.push(local.spawn_local(async move {
            let (mut took, mut made, mut refused) = (Vec::new(), Vec::new(), 0);
            for number in 0.. {
                let name = format!("p{writer}-{number}");
                let body = r#"{"language":"go"}"#;
                let bytes = format!(
                    "POST /api/v1/products/load{product}/projects/{name} HTTP/1.1\r\nhost: api\r\n\
                     authorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                let begun = Instant::now();
                let (status, body) = connection.send(bytes.as_bytes()).await;
                match status {
                    200 => {
                        took.push(begun.elapsed());
                        made.push((product, name));
                    }
                    // Others were faster, or there are too many at once: nothing was written.
                    409 | 429 => refused += 1,
                    _ => panic!("{status}: {}", String::from_utf8_lossy(body)),
                }
                if Instant::now() > until {
                    break;
                }
            }
            (took, made, refused)
        }));
    }
    local
        .run_until(async {
            let (mut took, mut made, mut refused) = (Vec::new(), Vec::new(), 0);
            for writer in writers {
                let (t, m, r) = writer.await.unwrap();
                took.extend(t);
                made.extend(m);
                refused += r;
            }
            (took, made, refused)
        })
        .await
}

pub(crate) async fn measure(size: Size) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut connection = Connection::open(&server).await;
    for product in 0..size.products {
        let path = format!("/api/v1/products/load{product}");
        let body = r#"{"git":{"gitlab":{"visibility":"private","description":"load"}}}"#;
        let (status, body) = connection.send(&request(&server, "POST", &path, body)).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(body));
    }
    let mut written = (Vec::new(), 0);
    let took = Took::measure(&server, async {
        let (took, made, refused) = write(&server, size).await;
        written = (made, refused);
        took
    })
    .await;
    let (made, refused) = written;
    drop(server);
    check(dir.path(), size, &made).await;
    println!(
        "\n| {} writers on {} products | a second | half in | 99 of 100 in | longest | cores of the server | of the generator | each |",
        size.writers, size.products
    );
    println!("|---|---|---|---|---|---|---|---|");
    println!(
        "{}",
        took.row(&format!("{} writes, {refused} refused", made.len()))
    );
}

/// Reads the repositories: each acknowledged write is one commit on a line, and there are no others.
async fn check(dir: &std::path::Path, size: Size, made: &[(usize, String)]) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let nowhere = kube::Client::try_from(kube::Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
    let (platform, _forge) = open(dir, nowhere).await;
    let scopes = platform.scopes().await.unwrap();
    let session = platform.host().platform().await.unwrap();
    for product in 0..size.products {
        let name = format!("load{product}");
        let path = RepoPath::new(name.clone(), "default.project").unwrap();
        let mirror = platform.mirrors().open(&path).await.unwrap();
        let tip = session.fetch(&path, &mirror).await.unwrap()["refs/heads/main"];
        let commits = mirror.log(tip, usize::MAX).await.unwrap();
        for (commit, older) in commits.iter().zip(commits.iter().skip(1)) {
            assert_eq!(commit.parents, [older.id], "the history of {path} is a line");
        }
        let wanted: BTreeSet<&str> = made
            .iter()
            .filter(|(of, _)| *of == product)
            .map(|(_, name)| name.as_str())
            .collect();
        let scope = &scopes.products[name.as_str()];
        for project in &wanted {
            assert!(scope.project(project).is_some(), "{name}/{project} is lost");
        }
        // The first begins the repository.
        assert_eq!(
            commits.len(),
            wanted.len() + 1,
            "{path} has a commit for each write"
        );
    }
}
