//! One change, one commit.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use nautes_gitops::host::{AccessLevel, Session};
use nautes_gitops::publish::trailer::Facts;
use nautes_gitops::repo::{CommitSpec, Limits, Signature};
use nautes_gitops::{
    Author, ChangeSet, GitHost as _, Mirror, Oid, PublishError, Published, Publisher, RepoPath, RepoRef,
    Scope, Target,
};
use nautes_model::{Class, Resource};

use super::kit::{Forge, environment, environment_text, path};

#[derive(Debug, PartialEq)]
struct No;

struct Product {
    forge: Forge,
    publisher: Publisher,
    mirror: Mirror,
    path: RepoPath,
    of: RepoRef,
}

fn change(upserts: Vec<Resource>) -> ChangeSet {
    ChangeSet {
        upserts,
        request_id: "r-1".to_owned(),
        ..ChangeSet::default()
    }
}

fn accept(_: &Scope, _: &Scope) -> Result<(), No> {
    Ok(())
}

impl Product {
    async fn new() -> Self {
        let forge = Forge::start().await;
        let path = path("demo/default.project");
        forge
            .platform
            .create_repository(&path, &Default::default())
            .await
            .unwrap();
        let mirror = forge.mirror("product").await;
        Self {
            forge,
            publisher: Publisher::default(),
            mirror,
            path,
            of: RepoRef::Product("demo".parse().unwrap()),
        }
    }

    async fn by(
        &self,
        session: &dyn Session,
        change: &ChangeSet,
        check: impl Fn(&Scope, &Scope) -> Result<(), No> + Send + Sync,
    ) -> Result<Published, PublishError<No>> {
        let target = Target {
            session,
            of: &self.of,
            path: &self.path,
            mirror: &self.mirror,
            branch: "main",
        };
        let author = Author::from(session.user().await.unwrap());
        self.publisher.publish(&target, change, &author, check).await
    }

    async fn publish(&self, change: &ChangeSet) -> Result<Published, PublishError<No>> {
        self.by(&*self.forge.platform, change, accept).await
    }

    async fn tip(&self) -> Option<Oid> {
        self.forge
            .platform
            .refs(&self.path)
            .await
            .unwrap()
            .get("refs/heads/main")
            .copied()
    }

    /// Pushes a file as somebody else would.
    async fn push_by_hand(&self, file: &str, text: Option<&str>) {
        let mirror = self.forge.mirror("by-hand").await;
        let refs = self.forge.platform.fetch(&self.path, &mirror).await.unwrap();
        let who = Signature {
            name: "Hand".into(),
            email: "h@x".into(),
            seconds: 0,
        };
        let parent = refs.get("refs/heads/main").copied();
        let spec = CommitSpec {
            parent,
            edits: [(file.to_owned(), text.map(|text| text.as_bytes().to_vec()))].into(),
            author: who.clone(),
            committer: who,
            message: format!("touch {file}"),
            trailers: vec![],
        };
        let new = mirror.commit(spec).await.unwrap().unwrap();
        self.forge
            .platform
            .push(&self.path, &mirror, "main", parent, new)
            .await
            .unwrap();
    }

    async fn files(&self) -> Vec<(String, String)> {
        let tip = self.tip().await.unwrap();
        self.forge.platform.fetch(&self.path, &self.mirror).await.unwrap();
        let read = self.mirror.read(tip, Limits::default(), |_| true).await.unwrap();
        read.files
            .into_iter()
            .map(|(path, file)| (path, String::from_utf8(file.bytes).unwrap()))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_change_is_one_commit_that_says_who_and_why() {
    let product = Product::new().await;
    let token = product.forge.user("ann", AccessLevel::Developer).await;
    let ann = product.forge.forge.session(&token).await.unwrap();
    let change = ChangeSet {
        skipped_rules: vec!["SomeRule".into()],
        ..change(vec![environment("b"), environment("a")])
    };
    let published = product.by(&*ann, &change, accept).await.unwrap();
    assert_eq!((published.created.len(), published.attempts), (2, 1));
    let tip = product.tip().await;
    assert_eq!((published.commit, published.revision), (tip, tip));
    let log = product.mirror.log(tip.unwrap(), 10).await.unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(
        (
            log[0].author.as_str(),
            log[0].email.as_str(),
            log[0].committer.as_str()
        ),
        ("ann", "ann@localhost", "Nautes")
    );
    assert_eq!(log[0].subject, "create 2");
    let facts = Facts::read(&log[0].trailers);
    assert_eq!(
        (facts.request.as_deref(), facts.skipped_rules.as_slice()),
        (Some("r-1"), &["SomeRule".to_owned()][..])
    );
    let files = product.files().await;
    assert_eq!(files[0], ("envs/a.yaml".to_owned(), environment_text("a")));
    let list = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- ../envs/a.yaml\n- ../envs/b.yaml\n";
    assert_eq!(
        files[2],
        ("production/kustomization.yaml".to_owned(), list.to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_again_changes_nothing() {
    let product = Product::new().await;
    let change = change(vec![environment("a")]);
    let first = product.publish(&change).await.unwrap();
    let again = product.publish(&change).await.unwrap();
    assert_eq!((again.commit, again.revision), (None, first.commit));
    let nothing = product.publish(&ChangeSet::default()).await.unwrap();
    assert_eq!((nothing.commit, nothing.revision), (None, first.commit));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_lands_on_the_revision_that_it_names_or_nowhere() {
    let product = Product::new().await;
    let first = product.publish(&change(vec![environment("a")])).await.unwrap();
    let onto = |names: &[&str], onto: Option<Oid>| ChangeSet {
        onto,
        ..change(names.iter().map(|name| environment(name)).collect())
    };
    let second = product.publish(&onto(&["b"], first.revision)).await.unwrap();
    assert!(second.commit.is_some());
    let stale = product.publish(&onto(&["c"], first.revision)).await;
    let Err(PublishError::Stale { found, moved, .. }) = stale else {
        panic!("{stale:?}")
    };
    assert_eq!(found, second.commit);
    assert_eq!(moved.len(), 1, "what has happened since is named");
    assert_eq!(Some(moved[0].id), second.commit);
    assert_eq!(product.tip().await, second.commit);
    // Also where there would be nothing to change.
    let stale = product.publish(&onto(&["b"], first.revision)).await;
    assert!(matches!(stale, Err(PublishError::Stale { .. })), "{stale:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_with_a_key_is_committed_once_whatever_has_happened_since() {
    let product = Product::new().await;
    let keyed = |name: &str, key: &str| ChangeSet {
        key: key.to_owned(),
        ..change(vec![environment(name)])
    };
    let begin = product.publish(&change(vec![environment("z")])).await.unwrap();
    let first = product.publish(&keyed("a", "k:1")).await.unwrap();
    let gone = product
        .of
        .identity(nautes_model::Kind::Environment, "a".parse().unwrap());
    let removal = ChangeSet {
        removals: [gone].into(),
        ..change(vec![])
    };
    let last = product.publish(&removal).await.unwrap();
    // Whoever is late is given the commit: the same request, or another one under the key.
    for late in [keyed("a", "k:1"), keyed("b", "k:2")] {
        let late = ChangeSet {
            seen: begin.commit,
            onto: begin.commit,
            ..late
        };
        let Err(PublishError::Repeated { found, .. }) = product.publish(&late).await else {
            panic!("it was committed before")
        };
        assert_eq!(Some(found.id), first.commit);
        assert_eq!(Facts::read(&found.trailers).key.as_deref(), Some("k:1"));
    }
    assert_eq!(product.tip().await, last.commit);
    // What was looked through is not looked through again, and another key is another change.
    let known = ChangeSet {
        seen: last.commit,
        ..keyed("a", "k:1")
    };
    assert!(product.publish(&known).await.unwrap().commit.is_some());
    assert!(
        product
            .publish(&keyed("b", "other:1"))
            .await
            .unwrap()
            .commit
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_names_itself() {
    let product = Product::new().await;
    product
        .publish(&change(vec![environment("a"), environment("b")]))
        .await
        .unwrap();
    let gone = product
        .of
        .identity(nautes_model::Kind::Environment, "a".parse().unwrap());
    let removal = ChangeSet {
        removals: [gone.clone()].into(),
        message: "Clean up".into(),
        ..change(vec![])
    };
    let published = product.publish(&removal).await.unwrap();
    assert_eq!(published.removed, std::slice::from_ref(&gone));
    let log = product.mirror.log(published.commit.unwrap(), 1).await.unwrap();
    assert_eq!(log[0].subject, "Clean up");
    assert_eq!(Facts::read(&log[0].trailers).removes, BTreeSet::from([gone]));
    assert_eq!(product.files().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_change_leaves_no_trace() {
    let product = Product::new().await;
    let session = &*product.forge.platform;
    let rejected = product
        .by(session, &change(vec![environment("a")]), |_, _| Err(No))
        .await;
    assert!(matches!(
        rejected,
        Err(PublishError::Rejected { because: No, .. })
    ));
    assert_eq!(product.tip().await, None);
    product.publish(&change(vec![environment("a")])).await.unwrap();
    let tip = product.tip().await;
    product
        .by(session, &change(vec![environment("b")]), |_, _| Err(No))
        .await
        .unwrap_err();
    assert_eq!(product.tip().await, tip);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_push_may_not_publish() {
    let product = Product::new().await;
    let reporter = product.forge.user("rep", AccessLevel::Reporter).await;
    let stranger = product.forge.user("eve", AccessLevel::None).await;
    for (token, class) in [(reporter, Class::Denied), (stranger, Class::NotFound)] {
        let session = product.forge.forge.session(&token).await.unwrap();
        let error = product
            .by(&*session, &change(vec![environment("a")]), accept)
            .await
            .unwrap_err();
        assert_eq!(error.class(), class);
    }
    assert_eq!(product.tip().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_meanwhile_is_checked_with_the_change() {
    let product = Product::new().await;
    product.publish(&change(vec![environment("a")])).await.unwrap();
    let calls = AtomicUsize::new(0);
    let seen = std::sync::Mutex::new(Vec::new());
    let check = |before: &Scope, after: &Scope| {
        seen.lock()
            .unwrap()
            .push((before.resources().len(), after.resources().len()));
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            let text = environment_text("hand");
            let push = product.push_by_hand("envs/hand.yaml", Some(&text));
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(push));
        }
        Ok(())
    };
    let published = product
        .by(&*product.forge.platform, &change(vec![environment("b")]), check)
        .await
        .unwrap();
    assert_eq!(published.attempts, 2);
    assert_eq!(*seen.lock().unwrap(), [(1, 2), (2, 3)]);
    let names: Vec<_> = product.files().await.into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        names,
        [
            "envs/a.yaml",
            "envs/b.yaml",
            "envs/hand.yaml",
            "production/kustomization.yaml"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_says_what_moved() {
    let product = Product::new().await;
    let calls = AtomicUsize::new(0);
    let check = |_: &Scope, _: &Scope| {
        let number = calls.fetch_add(1, Ordering::SeqCst);
        let file = format!("notes/{number}");
        let push = product.push_by_hand(&file, Some("x"));
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(push));
        Ok(())
    };
    let error = product
        .by(&*product.forge.platform, &change(vec![environment("b")]), check)
        .await
        .unwrap_err();
    assert_eq!(error.class(), Class::Conflict);
    let PublishError::Conflict { moved, attempts, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((moved[0].author.as_str(), *attempts), ("Hand", 10));
    assert!(
        error.hint().unwrap().contains("touch notes/9"),
        "{:?}",
        error.hint()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_neighbour_is_spared_and_stays_listed() {
    let product = Product::new().await;
    product.push_by_hand("envs/broken.yaml", Some("kind: [")).await;
    product.push_by_hand("README.md", Some("hello")).await;
    product.publish(&change(vec![environment("a")])).await.unwrap();
    let files = product.files().await;
    assert!(files.contains(&("envs/broken.yaml".to_owned(), "kind: [".to_owned())));
    assert!(files.contains(&("README.md".to_owned(), "hello".to_owned())));
    assert!(
        files
            .iter()
            .any(|(path, text)| path.starts_with("production/") && text.contains("../envs/broken.yaml"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_place_of_a_folder_is_a_conflict() {
    let product = Product::new().await;
    product.push_by_hand("envs", Some("no folder")).await;
    let tip = product.tip().await;
    let error = product
        .publish(&change(vec![environment("a")]))
        .await
        .unwrap_err();
    assert_eq!((error.class(), product.tip().await), (Class::Conflict, tip));
    assert!(error.hint().unwrap().contains("envs"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_mirror_does_not_hinder() {
    let product = Product::new().await;
    product.publish(&change(vec![environment("a")])).await.unwrap();
    std::fs::remove_dir_all(product.mirror.dir().join("objects")).unwrap();
    std::fs::remove_file(product.mirror.dir().join("HEAD")).unwrap();
    product.publish(&change(vec![environment("b")])).await.unwrap();
    assert_eq!(product.files().await.len(), 3);
}
