//! Revisions as a stream.

use std::time::Duration;

use futures::StreamExt as _;
use nautes_gitops::feed::{Event, Feed, Interest, Pace, Revision, Watch};
use nautes_gitops::host::{AccessLevel, Place};
use nautes_gitops::{GitHost as _, Refs};
use nautes_model::{Class, Secret};
use tokio_stream::wrappers::ReceiverStream;

use super::kit::{Forge, Git, path};

/// A feed on `demo/app` that is woken by pokes, or by the passing of time.
struct Fed {
    forge: Forge,
    feed: Feed,
    events: ReceiverStream<Event>,
    work: Git,
    url: String,
}

impl Fed {
    async fn start(interval: Duration, interest: Interest) -> Self {
        let forge = Forge::start().await;
        let pusher = forge.user("ann", AccessLevel::Developer).await;
        let reader: Secret = forge.user("rep", AccessLevel::Reporter).await;
        let session = forge.forge.session(&reader).await.unwrap();
        let pace = Pace {
            interval,
            deadline: Duration::from_secs(30),
        };
        let (feed, events) = Feed::start(session, forge.forge.subscribe(), pace);
        let (mirror, known) = (forge.mirror("app").await, Refs::new());
        feed.watch(Watch {
            repo: path("demo/app"),
            mirror,
            interest,
            known,
        });
        let work = forge.git("work");
        let url = forge.url("demo/app", Some(&pusher));
        Self {
            forge,
            feed,
            events,
            work,
            url,
        }
    }

    async fn next(&mut self) -> Event {
        tokio::time::timeout(Duration::from_secs(30), self.events.next())
            .await
            .expect("an event comes")
            .unwrap()
    }

    async fn moved(&mut self) -> Revision {
        match self.next().await {
            Event::Revision(revision) => revision,
            other => panic!("{other:?}"),
        }
    }

    async fn push(&self, refspecs: &[&str]) {
        let mut args = vec!["push", "-q", "-f", self.url.as_str()];
        args.extend(refspecs);
        self.work.ok(&args).await;
    }
}

const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_reported_by_its_poke() {
    let mut fed = Fed::start(NEVER, Interest::DefaultBranch).await;
    let first = fed.work.init().await;
    fed.push(&["main", "main:side", "main:refs/tags/v1"]).await;
    let revision = fed.moved().await;
    assert_eq!(
        (revision.branch(), revision.old, revision.forced),
        (Some("main"), None, false)
    );
    assert_eq!(revision.new.unwrap().to_string(), first);
    let second = fed.work.commit("a", "1").await;
    fed.push(&["main"]).await;
    let revision = fed.moved().await;
    assert_eq!(
        (
            revision.old.unwrap().to_string(),
            revision.new.unwrap().to_string(),
            revision.forced
        ),
        (first.clone(), second, false)
    );
    fed.work.ok(&["reset", "-q", "--hard", &first]).await;
    fed.work.commit("b", "1").await;
    fed.push(&["main"]).await;
    assert!(fed.moved().await.forced);
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_finds_what_no_poke_told() {
    let mut fed = Fed::start(SOON, Interest::All).await;
    fed.work.init().await;
    fed.push(&["main", "main:side", "main:refs/tags/v1"]).await;
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(fed.moved().await.reference);
    }
    names.sort();
    assert_eq!(names, ["refs/heads/main", "refs/heads/side", "refs/tags/v1"]);
    // Behind the back of the forge: nobody pokes.
    let folder = fed.forge.forge.admin().folder(&path("demo/app"));
    std::fs::remove_file(folder.join("refs/heads/side")).unwrap();
    let gone = fed.moved().await;
    assert_eq!((gone.branch(), gone.new), (Some("side"), None));
    assert!(gone.old.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_listing_is_never_a_deletion() {
    let mut fed = Fed::start(SOON, Interest::Branch("main".to_owned())).await;
    fed.work.init().await;
    fed.push(&["main"]).await;
    fed.moved().await;
    fed.forge
        .platform
        .remove_member(&Place::group("demo"), "rep")
        .await
        .unwrap();
    let failed = fed.next().await;
    assert!(
        matches!(
            &failed,
            Event::Failed {
                class: Class::NotFound,
                ..
            }
        ),
        "{failed:?}"
    );
    fed.work.commit("a", "1").await;
    fed.push(&["main"]).await;
    fed.forge
        .platform
        .add_member(&Place::group("demo"), "rep", AccessLevel::Reporter)
        .await
        .unwrap();
    // Said once, however often it failed.
    assert_eq!(
        fed.next().await,
        Event::Recovered {
            repo: path("demo/app")
        }
    );
    assert!(fed.moved().await.old.is_some());
    // A repository that cannot be read at all.
    let folder = fed.forge.forge.admin().folder(&path("demo/app"));
    std::fs::rename(&folder, folder.with_extension("away")).unwrap();
    assert!(matches!(fed.next().await, Event::Failed { .. }));
    std::fs::rename(folder.with_extension("away"), &folder).unwrap();
    assert!(matches!(fed.next().await, Event::Recovered { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_not_reported() {
    let mut fed = Fed::start(NEVER, Interest::Branches).await;
    fed.work.init().await;
    fed.push(&["main"]).await;
    fed.moved().await;
    fed.feed.unwatch(&path("demo/app"));
    assert!(!fed.feed.poke(&path("demo/app")));
    let known = fed.forge.platform.refs(&path("demo/app")).await.unwrap();
    let mirror = fed.forge.mirror("app").await;
    fed.feed.watch(Watch {
        repo: path("demo/app"),
        mirror,
        interest: Interest::Branches,
        known,
    });
    fed.work.commit("a", "1").await;
    fed.push(&["main", "main:other"]).await;
    let mut moved = [fed.moved().await, fed.moved().await];
    moved.sort_by(|a, b| a.reference.cmp(&b.reference));
    assert!(moved[0].old.is_some() && moved[1].old.is_none());
    assert_eq!(fed.feed.repositories(), [path("demo/app")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_holds_up_no_other() {
    let mut fed = Fed::start(NEVER, Interest::DefaultBranch).await;
    let mirror = fed.forge.mirror("none").await;
    let none = Watch {
        repo: path("demo/none"),
        mirror,
        interest: Interest::DefaultBranch,
        known: Refs::new(),
    };
    fed.feed.watch(none);
    assert!(matches!(fed.next().await, Event::Failed { .. }));
    fed.work.init().await;
    fed.push(&["main"]).await;
    assert_eq!(fed.moved().await.repo, path("demo/app"));
}
