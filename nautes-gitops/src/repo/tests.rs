use std::collections::BTreeMap;

use tempfile::TempDir;

use super::*;

pub(crate) fn edits(list: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<Vec<u8>>> {
    list.iter()
        .map(|(path, text)| ((*path).to_owned(), text.map(|text| text.as_bytes().to_vec())))
        .collect()
}

fn spec(parent: Option<Oid>, list: &[(&str, Option<&str>)]) -> CommitSpec {
    let who = Signature {
        name: "Ann <x>\n".to_owned(),
        email: "ann@example.org".to_owned(),
        seconds: 1_700_000_000,
    };
    CommitSpec {
        parent,
        edits: edits(list),
        author: who.clone(),
        committer: who,
        message: "Change".to_owned(),
        trailers: vec![("Nautes-Request".to_owned(), "r-1".to_owned())],
    }
}

async fn mirror(dir: &TempDir) -> Mirror {
    Mirror::open_or_create(dir.path().join("m.git")).await.unwrap()
}

async fn files(mirror: &Mirror, revision: Oid) -> Vec<(String, String)> {
    let read = mirror.read(revision, Limits::default(), |_| true).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    read.files
        .into_iter()
        .map(|(path, file)| (path, text(file.bytes)))
        .collect()
}

#[tokio::test]
async fn commits_edit_trees() {
    let dir = TempDir::new().unwrap();
    let mirror = mirror(&dir).await;
    let first = mirror
        .commit(spec(None, &[("a/b/c", Some("1")), ("a/d", Some("2"))]))
        .await
        .unwrap()
        .unwrap();
    let second = mirror
        .commit(spec(
            Some(first),
            &[("a/b/c", None), ("e", Some("3")), ("x/not/there", None)],
        ))
        .await
        .unwrap()
        .unwrap();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(files(&mirror, second).await, [pair("a/d", "2"), pair("e", "3")]);
    // The folder a/b is gone with its last file: something else may be called so.
    let third = mirror
        .commit(spec(Some(second), &[("a/b", Some("4"))]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(files(&mirror, third).await[0], pair("a/b", "4"));
    let log = mirror.log(third, 10).await.unwrap();
    assert_eq!(
        log.iter().map(|commit| commit.id).collect::<Vec<_>>(),
        [third, second, first]
    );
    assert_eq!(
        (
            log[0].author.as_str(),
            log[0].trailers["Nautes-Request"][0].as_str()
        ),
        ("Ann x", "r-1")
    );
}

#[tokio::test]
async fn what_changes_nothing_is_no_commit() {
    let dir = TempDir::new().unwrap();
    let mirror = mirror(&dir).await;
    assert_eq!(mirror.commit(spec(None, &[])).await.unwrap(), None);
    assert_eq!(mirror.commit(spec(None, &[("a", None)])).await.unwrap(), None);
    let first = mirror.commit(spec(None, &[("a", Some("1"))])).await.unwrap();
    assert_eq!(
        mirror
            .commit(spec(first, &[("a", Some("1")), ("b/c", None)]))
            .await
            .unwrap(),
        None
    );
    assert!(
        mirror
            .commit(spec(first, &[("a", None)]))
            .await
            .unwrap()
            .is_some(),
        "the last file may go"
    );
}

#[tokio::test]
async fn paths_that_cannot_be_are_refused_and_nothing_is_committed() {
    let dir = TempDir::new().unwrap();
    let mirror = mirror(&dir).await;
    let first = mirror
        .commit(spec(None, &[("a/b", Some("1")), ("f", Some("1"))]))
        .await
        .unwrap();
    let long = "x/".repeat(100) + "x";
    for bad in [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        ".git/config",
        "a/.GIT/x",
        "a\\b",
        "a\nb",
        "a",
        "f/x",
        &long,
    ] {
        let refused = mirror.commit(spec(first, &[(bad, Some("2"))])).await;
        assert!(
            matches!(refused, Err(RepoError::Path { .. })),
            "{bad:?}: {refused:?}"
        );
    }
    let both = mirror
        .commit(spec(first, &[("n", Some("1")), ("n/m", Some("2"))]))
        .await;
    assert!(matches!(both, Err(RepoError::Path { .. })));
}

#[tokio::test]
async fn odd_entries_are_findings_and_not_followed() {
    let dir = TempDir::new().unwrap();
    let mirror = mirror(&dir).await;
    let revision = mirror
        .with("building a tree", |repo| {
            let fail = RepoError::git("building a tree");
            let build = || -> Result<Oid, git2::Error> {
                let blob = repo.blob(b"../../etc/passwd")?;
                let mut builder = repo.treebuilder(None)?;
                builder.insert("link", blob, 0o120_000)?;
                builder.insert(
                    "module",
                    git2::Oid::from_str("0123456789abcdef0123456789abcdef01234567")?,
                    0o160_000,
                )?;
                builder.insert("good", blob, 0o100_755)?;
                builder.insert(&[b'n', 0xff][..], blob, 0o100_644)?;
                builder.insert("big", repo.blob(&[0; 200])?, 0o100_644)?;
                let tree = repo.find_tree(builder.write()?)?;
                let who = git2::Signature::new("a", "b", &git2::Time::new(0, 0))?;
                repo.commit(None, &who, &who, "odd", &tree, &[]).map(Oid::from)
            };
            build().map_err(fail)
        })
        .await
        .unwrap();
    let limits = Limits {
        file_bytes: 100,
        ..Limits::default()
    };
    let read = mirror.read(revision, limits, |_| true).await.unwrap();
    assert_eq!(read.files.keys().collect::<Vec<_>>(), ["good"]);
    let problems: BTreeMap<_, _> = read.findings.into_iter().map(|f| (f.path, f.problem)).collect();
    assert_eq!(problems["link"], Problem::Symlink);
    assert_eq!(problems["module"], Problem::Submodule);
    assert_eq!(
        problems["big"],
        Problem::TooLarge {
            size: 200,
            limit: 100
        }
    );
    assert_eq!(problems["n\u{fffd}"], Problem::Name);
    assert!(read.complete);
    // Who does not want it does not hear of it.
    let read = mirror
        .read(revision, limits, |path| path == "good")
        .await
        .unwrap();
    assert_eq!((read.files.len(), read.findings.len()), (1, 0));
}

#[tokio::test]
async fn limits_hold_and_say_so() {
    let dir = TempDir::new().unwrap();
    let mirror = mirror(&dir).await;
    let names: Vec<String> = (0..20).map(|n| format!("f{n:02}")).collect();
    let mut list: Vec<(&str, Option<&str>)> = names
        .iter()
        .map(|name| (name.as_str(), Some("0123456789")))
        .collect();
    list.push(("a/b/c/d", Some("x")));
    let revision = mirror.commit(spec(None, &list)).await.unwrap().unwrap();
    let read = |limits| {
        let mirror = mirror.clone();
        async move { mirror.read(revision, limits, |_| true).await.unwrap() }
    };
    let few = read(Limits {
        entries: 10,
        ..Limits::default()
    })
    .await;
    assert!(!few.complete && few.files.len() < 10);
    let small = read(Limits {
        total_bytes: 55,
        ..Limits::default()
    })
    .await;
    assert!(small.complete);
    assert_eq!((small.files.len(), small.findings.len()), (6, 15));
    let flat = read(Limits {
        depth: 2,
        ..Limits::default()
    })
    .await;
    assert_eq!(
        flat.findings,
        [Finding {
            path: "a/b/".to_owned(),
            problem: Problem::TooDeep { limit: 2 }
        }]
    );
}

#[tokio::test]
async fn a_damaged_mirror_is_made_anew() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("m.git");
    let mirror = mirror(&dir).await;
    let tip = mirror
        .commit(spec(None, &[("a", Some("1"))]))
        .await
        .unwrap()
        .unwrap();
    mirror
        .set_refs([("refs/heads/main".to_owned(), tip)].into())
        .await
        .unwrap();
    // A sound one is kept.
    let again = Mirror::open_or_create(&path).await.unwrap();
    assert_eq!(again.tip("main").await.unwrap(), Some(tip));
    let hex = tip.to_string();
    fs::remove_file(path.join("objects").join(&hex[..2]).join(&hex[2..])).unwrap();
    let again = Mirror::open_or_create(&path).await.unwrap();
    assert_eq!(again.tip("main").await.unwrap(), None);
    fs::write(path.join("HEAD"), "rubbish").unwrap();
    fs::remove_dir_all(path.join("refs")).unwrap();
    let again = Mirror::open_or_create(&path).await.unwrap();
    assert!(
        again
            .commit(spec(None, &[("a", Some("1"))]))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn references_point_to_what_is_there() {
    let dir = TempDir::new().unwrap();
    let mirror = mirror(&dir).await;
    let tip = mirror
        .commit(spec(None, &[("a", Some("1"))]))
        .await
        .unwrap()
        .unwrap();
    let stray: Oid = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let set = |name: &str, id| mirror.set_refs([(name.to_owned(), id)].into());
    assert!(matches!(
        set("refs/heads/main", stray).await,
        Err(RepoError::Missing { .. })
    ));
    for bad in ["HEAD", "refs/heads/../x", "refs/notes/a", "refs/heads/a b"] {
        assert!(
            matches!(set(bad, tip).await, Err(RepoError::Path { .. })),
            "{bad}"
        );
    }
    // A folder of references becomes a reference, and the other way round.
    set("refs/heads/a/b", tip).await.unwrap();
    set("refs/heads/a", tip).await.unwrap();
    set("refs/heads/a/c", tip).await.unwrap();
    assert_eq!(mirror.refs().await.unwrap().len(), 1);
}

#[tokio::test]
async fn histories_are_compared() {
    let dir = TempDir::new().unwrap();
    let mirror = mirror(&dir).await;
    let base = mirror
        .commit(spec(None, &[("a", Some("1"))]))
        .await
        .unwrap()
        .unwrap();
    let one = mirror
        .commit(spec(Some(base), &[("b", Some("1"))]))
        .await
        .unwrap()
        .unwrap();
    let two = mirror
        .commit(spec(Some(base), &[("c", Some("1"))]))
        .await
        .unwrap()
        .unwrap();
    let alone = mirror
        .commit(spec(None, &[("z", Some("1"))]))
        .await
        .unwrap()
        .unwrap();
    assert!(mirror.descends_from(one, base).await.unwrap());
    assert!(mirror.descends_from(one, one).await.unwrap());
    assert!(!mirror.descends_from(base, one).await.unwrap());
    assert!(!mirror.descends_from(one, two).await.unwrap());
    let unknown: Oid = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    assert!(!mirror.descends_from(one, unknown).await.unwrap());
    assert_eq!(mirror.merge_base(one, two).await.unwrap(), Some(base));
    assert_eq!(mirror.merge_base(one, alone).await.unwrap(), None);
    let new = mirror.range(one, Some(base), 10).await.unwrap();
    assert_eq!(new.iter().map(|commit| commit.id).collect::<Vec<_>>(), [one]);
}

#[tokio::test]
async fn packs_carry_everything_that_is_missing() {
    let dir = TempDir::new().unwrap();
    let from = mirror(&dir).await;
    let names: Vec<String> = (0..300).map(|n| format!("d{}/f{n}", n % 7)).collect();
    let list: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Some(name.as_str())))
        .collect();
    let first = from.commit(spec(None, &list)).await.unwrap().unwrap();
    let second = from
        .commit(spec(Some(first), &[("d0/f0", Some("new"))]))
        .await
        .unwrap()
        .unwrap();
    let to = Mirror::open_or_create(dir.path().join("to.git")).await.unwrap();
    to.import(from.export(vec![first], vec![]).await.unwrap())
        .await
        .unwrap();
    assert_eq!(files(&to, first).await.len(), 300);
    to.import(from.export(vec![second], vec![first]).await.unwrap())
        .await
        .unwrap();
    assert_eq!(files(&to, second).await, files(&from, second).await);
    assert!(to.import(b"rubbish".to_vec()).await.is_err());
}

#[tokio::test]
async fn many_objects_and_tags_are_copied() {
    let dir = TempDir::new().unwrap();
    let from = mirror(&dir).await;
    let names: Vec<String> = (0..500).map(|n| format!("d{}/f{n}", n % 7)).collect();
    let list: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Some(name.as_str())))
        .collect();
    let tip = from.commit(spec(None, &list)).await.unwrap().unwrap();
    let to = dir.path().join("to.git");
    let copied = from
        .with("copying", move |repo| {
            let target = init_bare(&to, "main")?;
            let fail = |source| RepoError::Git {
                action: "tagging".to_owned(),
                source,
            };
            let commit = repo.find_object(tip.git(), None).map_err(fail)?;
            let who = git2::Signature::now("a", "b").map_err(fail)?;
            let tag = repo.tag("v1", &commit, &who, "first", true).map_err(fail)?;
            let tag = repo.find_object(tag, None).map_err(fail)?;
            let nested = repo.tag("v2", &tag, &who, "second", true).map_err(fail)?;
            let tree = commit.peel_to_tree().map_err(fail)?.id();
            transfer::copy(repo, &target, &[tip, nested.into(), tree.into()])?;
            let mut walked = 0;
            target
                .find_tag(nested)
                .and_then(|tag| tag.target())
                .and_then(|tag| tag.peel_to_tree())
                .and_then(|tree| {
                    tree.walk(git2::TreeWalkMode::PreOrder, |_, entry| {
                        walked += i32::from(target.find_object(entry.id(), None).is_ok());
                        git2::TreeWalkResult::Ok
                    })
                })
                .map_err(fail)?;
            Ok(walked)
        })
        .await
        .unwrap();
    assert_eq!(copied, 507);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_use_one_mirror_at_once() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("m.git");
    let first = mirror(&dir).await;
    let base = first
        .commit(spec(None, &[("base", Some("1"))]))
        .await
        .unwrap()
        .unwrap();
    let work = (0..40).map(|n| {
        let path = path.clone();
        tokio::spawn(async move {
            let mirror = Mirror::open_or_create(path).await.unwrap();
            let tip = mirror
                .commit(spec(Some(base), &[(&format!("f{n}"), Some("1"))]))
                .await
                .unwrap()
                .unwrap();
            mirror
                .set_refs([(format!("refs/heads/b{n}"), tip)].into())
                .await
                .unwrap();
            files(&mirror, tip).await.len()
        })
    });
    for count in futures::future::join_all(work).await {
        assert_eq!(count.unwrap(), 2);
    }
    // Each made the references exactly its own: one is left.
    assert_eq!(first.refs().await.unwrap().len(), 1);
}
