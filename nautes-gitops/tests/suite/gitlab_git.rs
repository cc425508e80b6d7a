//! Git over HTTP, as the GitLab adapter speaks it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nautes_gitops::host::extended::ProtectedBranch;
use nautes_gitops::host::gitlab::fake::{Injection, Weather};
use nautes_gitops::repo::{CommitSpec, Signature};
use nautes_gitops::{AccessLevel, GitHost as _, Mirror, Oid, Place, PushError};
use nautes_model::Class;

use super::gitlab::World;
use super::gitlab_api::demo;
use super::kit::path;

/// Writes a commit that adds one file.
pub(crate) async fn commit(mirror: &Mirror, parent: Option<Oid>, text: &str) -> Oid {
    let edits = [(
        format!("files/{text}.txt"),
        Some(format!("{text}\n").into_bytes()),
    )];
    write(mirror, parent, edits.into(), text).await
}

async fn write(
    mirror: &Mirror,
    parent: Option<Oid>,
    edits: BTreeMap<String, Option<Vec<u8>>>,
    message: &str,
) -> Oid {
    let who = Signature {
        name: "Con".to_owned(),
        email: "con@example.org".to_owned(),
        seconds: 1_700_000_000,
    };
    let spec = CommitSpec {
        parent,
        edits,
        author: who.clone(),
        committer: who,
        message: message.to_owned(),
        trailers: Vec::new(),
    };
    mirror.commit(spec).await.unwrap().unwrap()
}

async fn mirror(world: &World, name: &str) -> Mirror {
    Mirror::open_or_create(world.dir.path().join(name)).await.unwrap()
}

/// Files that cannot be compressed to nothing.
fn many(count: usize) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut content = || (0..25).flat_map(|_| next()).collect::<Vec<u8>>();
    (0..count)
        .map(|number| (format!("many/{number}.bin"), Some(content())))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_push_whose_answer_is_lost_is_looked_up() {
    let world = World::new().await;
    let session = demo(&world).await;
    let (app, m) = (path("demo/app"), mirror(&world, "m.git").await);
    let mut tip = None;
    for (number, weather) in [Weather::LostAnswer, Weather::Cut].into_iter().enumerate() {
        let new = commit(&m, tip, &format!("c{number}")).await;
        world
            .fake
            .inject(Injection::once("POST", "git-receive-pack", weather));
        session.push(&app, &m, "main", tip, new).await.unwrap();
        tip = Some(new);
    }
    // What was not carried out is an error, and nothing has changed.
    let new = commit(&m, tip, "late").await;
    world
        .fake
        .inject(Injection::once("POST", "git-receive-pack", Weather::Status(503)));
    let error = session.push(&app, &m, "main", tip, new).await.unwrap_err();
    assert_eq!(error.class(), Class::Unreachable, "{error}");
    assert_eq!(
        session.refs(&app).await.unwrap().get("refs/heads/main").copied(),
        tip
    );
    session.push(&app, &m, "main", tip, new).await.unwrap();
    assert_eq!(world.fake.pending_faults(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_survives_bad_moments_and_breaks_off_cleanly() {
    let world = World::with(|options| options.net.attempts = 2).await;
    let session = demo(&world).await;
    let (app, m) = (path("demo/app"), mirror(&world, "m.git").await);
    let first = commit(&m, None, "first").await;
    session.push(&app, &m, "main", None, first).await.unwrap();
    let other = mirror(&world, "other.git").await;
    world
        .fake
        .inject(Injection::once("POST", "git-upload-pack", Weather::Status(502)));
    assert_eq!(session.fetch(&app, &other).await.unwrap().len(), 1);
    let second = write(&m, Some(first), many(400), "many").await;
    session.push(&app, &m, "main", Some(first), second).await.unwrap();
    // The list of references is answered well, the pack is cut.
    let list = Injection::once("POST", "git-upload-pack", Weather::Slow(Duration::ZERO));
    world.fake.inject(list);
    let cut = Injection::once("POST", "git-upload-pack", Weather::Cut);
    world.fake.inject(Injection { times: 2, ..cut });
    let error = session.fetch(&app, &other).await.unwrap_err();
    assert_eq!(error.class(), Class::Unreachable, "{error:?}");
    assert_eq!(other.tip("main").await.unwrap(), Some(first));
    session.fetch(&app, &other).await.unwrap();
    assert_eq!(other.tip("main").await.unwrap(), Some(second));
    let left: Vec<_> = std::fs::read_dir(world.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".pack") || name.ends_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_objects_travel_loose_and_many_in_a_pack() {
    let world = World::new().await;
    let session = demo(&world).await;
    let (app, m, other) = (
        path("demo/app"),
        mirror(&world, "m.git").await,
        mirror(&world, "o.git").await,
    );
    let packs = || match std::fs::read_dir(other.dir().join("objects/pack")) {
        Ok(entries) => entries
            .filter(|entry| {
                entry
                    .as_ref()
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|end| end == "pack")
            })
            .count(),
        Err(_) => 0,
    };
    let mut tip = None;
    for number in 0..5 {
        let new = commit(&m, tip, &format!("c{number}")).await;
        session.push(&app, &m, "main", tip, new).await.unwrap();
        session.fetch(&app, &other).await.unwrap();
        tip = Some(new);
    }
    assert_eq!(packs(), 0);
    let new = write(&m, tip, many(400), "many").await;
    session.push(&app, &m, "main", tip, new).await.unwrap();
    session.fetch(&app, &other).await.unwrap();
    assert_eq!((packs(), other.tip("main").await.unwrap()), (1, Some(new)));
    assert_eq!(other.log(new, 100).await.unwrap().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_was_set_back_costs_only_what_is_new() {
    let seen = Arc::new(Mutex::new(0));
    let bytes = Arc::clone(&seen);
    let world = World::with(|options| {
        options.watcher = Some(Arc::new(move |progress| *bytes.lock().unwrap() = progress.bytes));
    })
    .await;
    let session = demo(&world).await;
    let (app, m, other) = (
        path("demo/app"),
        mirror(&world, "m.git").await,
        mirror(&world, "o.git").await,
    );
    let base = write(&m, None, many(400), "many").await;
    let next = commit(&m, Some(base), "next").await;
    session.push(&app, &m, "main", None, next).await.unwrap();
    session.fetch(&app, &other).await.unwrap();
    let whole = *seen.lock().unwrap();
    let rewritten = commit(&m, Some(base), "rewritten").await;
    session
        .push(&app, &m, "main", Some(next), rewritten)
        .await
        .unwrap();
    *seen.lock().unwrap() = 0;
    session.fetch(&app, &other).await.unwrap();
    let small = *seen.lock().unwrap();
    assert!(small > 0 && small * 10 < whole, "{small} of {whole} bytes");
    assert_eq!(other.tip("main").await.unwrap(), Some(rewritten));
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_have_a_largest_size_and_a_deadline() {
    let world = World::with(|options| {
        options.net.fetch_bytes = 2000;
        options.net.push_bytes = 200_000;
        options.net.idle = Duration::from_millis(200);
        options.net.transfer = Duration::from_millis(600);
        options.net.attempts = 1;
    })
    .await;
    let session = demo(&world).await;
    let (app, m, other) = (
        path("demo/app"),
        mirror(&world, "m.git").await,
        mirror(&world, "o.git").await,
    );
    let large = write(&m, None, many(3000), "large").await;
    let error = session.push(&app, &m, "main", None, large).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    let first = write(&m, None, many(300), "first").await;
    session.push(&app, &m, "main", None, first).await.unwrap();
    let error = session.fetch(&app, &other).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
    assert!(other.refs().await.unwrap().is_empty());
    let second = commit(&m, Some(first), "second").await;
    world.fake.inject(Injection::once(
        "POST",
        "git-receive-pack",
        Weather::Slow(Duration::from_secs(2)),
    ));
    let error = session
        .push(&app, &m, "main", Some(first), second)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Unreachable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_branch_refuses_in_the_words_of_the_forge() {
    let world = World::new().await;
    let owner = demo(&world).await;
    let (app, m) = (path("demo/app"), mirror(&world, "m.git").await);
    let rule = ProtectedBranch {
        name: "main".to_owned(),
        push: AccessLevel::Maintainer,
        merge: AccessLevel::Developer,
        force: false,
    };
    owner
        .extended()
        .unwrap()
        .protect_branch(&app, &rule)
        .await
        .unwrap();
    owner
        .add_member(&Place::group("demo"), "bob", AccessLevel::Developer)
        .await
        .unwrap();
    let developer = world.gitlab.session(&world.tokens[1]).await.unwrap();
    let first = commit(&m, None, "first").await;
    match developer.push(&app, &m, "main", None, first).await {
        Err(PushError::Refused { branch, why }) => {
            assert_eq!(branch, "main");
            assert!(
                why.contains("GitLab: You are not allowed to push code to protected branches"),
                "{why}"
            );
        }
        other => panic!("{other:?}"),
    }
    developer.push(&app, &m, "topic", None, first).await.unwrap();
    owner.push(&app, &m, "main", None, first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_reading_does_not_push() {
    let world = World::new().await;
    let session = demo(&world).await;
    let (app, m) = (path("demo/app"), mirror(&world, "m.git").await);
    let first = commit(&m, None, "first").await;
    session.push(&app, &m, "main", None, first).await.unwrap();
    let token = world
        .fake
        .create_token("ann", &["read_repository", "read_api"])
        .await
        .unwrap();
    let reader = world.gitlab.session(&token).await.unwrap();
    assert_eq!(
        reader
            .fetch(&app, &mirror(&world, "o.git").await)
            .await
            .unwrap()
            .len(),
        1
    );
    let second = commit(&m, Some(first), "second").await;
    let error = reader
        .push(&app, &m, "main", Some(first), second)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Denied);
    assert!(error.to_string().contains("write_repository"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_is_given_up_leaves_nothing() {
    let world = World::new().await;
    let session = demo(&world).await;
    let (app, m, other) = (
        path("demo/app"),
        mirror(&world, "m.git").await,
        mirror(&world, "o.git").await,
    );
    let first = write(&m, None, many(400), "first").await;
    session.push(&app, &m, "main", None, first).await.unwrap();
    world.fake.inject(Injection::once(
        "POST",
        "git-upload-pack",
        Weather::Slow(Duration::from_secs(60)),
    ));
    let given_up = tokio::time::timeout(Duration::from_millis(300), session.fetch(&app, &other)).await;
    assert!(given_up.is_err());
    assert!(other.refs().await.unwrap().is_empty());
    assert_eq!(session.fetch(&app, &other).await.unwrap().len(), 1);
}
