//! Cases about values, listing and digests.

use std::collections::BTreeMap;

use nautes_model::secret::SecretRef;
use nautes_model::{Class, Secret};

use super::{Case, Outcome, ROOT, case, ensure, failed, one, path};
use crate::store::{MAX_BYTES, MAX_KEY};
use crate::{Expect, SecretStore};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(what_was_never_written_is_absent),
        case!(values_of_any_content_come_back),
        case!(values_of_a_megabyte_come_back),
        case!(a_write_replaces_the_whole_secret),
        case!(unacceptable_values_are_refused_and_change_nothing),
        case!(errors_and_debug_show_no_value),
        case!(listing_is_by_whole_segments_and_sorted, AnyPlace),
        case!(listing_many_is_complete, AnyPlace),
        case!(bad_prefixes_are_refused),
        case!(deleting_removes_everything_and_may_be_repeated, AnyPlace),
        case!(a_deleted_secret_can_be_written_again),
        case!(digests_follow_the_value),
        case!(one_value_can_be_resolved),
    ]
}

async fn what_was_never_written_is_absent(store: &dyn SecretStore) -> Outcome {
    let at = path("nothing/here");
    ensure!(
        store.read(&at).await.map_err(failed("reading"))?.is_none(),
        "reading found something"
    );
    ensure!(
        store
            .read_version(&at, 1)
            .await
            .map_err(failed("reading a version"))?
            .is_none(),
        "reading version 1 found something"
    );
    ensure!(
        store
            .versions(&at)
            .await
            .map_err(failed("listing versions"))?
            .is_empty(),
        "there are versions"
    );
    Ok(())
}

async fn values_of_any_content_come_back(store: &dyn SecretStore) -> Outcome {
    let values = BTreeMap::from([
        ("empty".to_owned(), Secret::new(vec![])),
        ("binary".to_owned(), Secret::new((0..=255).collect::<Vec<u8>>())),
        ("lines".to_owned(), Secret::from("a\r\nb\n\n")),
        (
            "ключ 鍵 🔑".to_owned(),
            Secret::from("значение 値 \u{1F511} e\u{301}"),
        ),
    ]);
    let at = path("any-content");
    let written = store
        .write(&at, values.clone(), Expect::Absent)
        .await
        .map_err(failed("writing"))?;
    let found = store
        .read(&at)
        .await
        .map_err(failed("reading"))?
        .ok_or("nothing was found")?;
    ensure!(
        found.version == written.version,
        "version {} was read",
        found.version
    );
    ensure!(found.values == values, "other values came back");
    Ok(())
}

async fn values_of_a_megabyte_come_back(store: &dyn SecretStore) -> Outcome {
    let large: Vec<u8> = (0..1_000_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let values = BTreeMap::from([("large".to_owned(), Secret::new(large))]);
    let at = path("large");
    let _ = store
        .write(&at, values.clone(), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    let found = store
        .read(&at)
        .await
        .map_err(failed("reading"))?
        .ok_or("nothing was found")?;
    ensure!(found.values == values, "other values came back");
    Ok(())
}

async fn a_write_replaces_the_whole_secret(store: &dyn SecretStore) -> Outcome {
    let at = path("replaced");
    let two = BTreeMap::from([
        ("a".to_owned(), Secret::from("1")),
        ("b".to_owned(), Secret::from("2")),
    ]);
    let _ = store
        .write(&at, two, Expect::Any)
        .await
        .map_err(failed("the first write"))?;
    let only_b = BTreeMap::from([("b".to_owned(), Secret::from("2"))]);
    let written = store
        .write(&at, only_b.clone(), Expect::Any)
        .await
        .map_err(failed("the second write"))?;
    ensure!(written.changed, "the second write changed nothing");
    let found = store
        .read(&at)
        .await
        .map_err(failed("reading"))?
        .ok_or("nothing was found")?;
    ensure!(found.values == only_b, "keys of the first write are still there");
    Ok(())
}

async fn unacceptable_values_are_refused_and_change_nothing(store: &dyn SecretStore) -> Outcome {
    let at = path("refused");
    let bad = [
        ("no keys", BTreeMap::new()),
        (
            "an empty key",
            BTreeMap::from([(String::new(), Secret::from("v"))]),
        ),
        (
            "a long key",
            BTreeMap::from([("k".repeat(MAX_KEY + 1), Secret::from("v"))]),
        ),
        (
            "a control character",
            BTreeMap::from([("k\n".to_owned(), Secret::from("v"))]),
        ),
        (
            "too many bytes",
            BTreeMap::from([("k".to_owned(), Secret::new(vec![0; MAX_BYTES]))]),
        ),
    ];
    for (what, values) in bad {
        let Err(error) = store.write(&at, values, Expect::Any).await else {
            return Err(format!("{what} was accepted"));
        };
        ensure!(
            error.class() == Class::Invalid,
            "{what} gave an error of class {}",
            error.class()
        );
    }
    ensure!(
        store.read(&at).await.map_err(failed("reading"))?.is_none(),
        "something was written"
    );
    Ok(())
}

async fn errors_and_debug_show_no_value(store: &dyn SecretStore) -> Outcome {
    const CANARY: &str = "canary-5d1f0c";
    let at = path("canary");
    let _ = store
        .write(&at, one(CANARY), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    let found = store.read(&at).await.map_err(failed("reading"))?;
    let mut shown = format!("{store:?} {found:?}");
    let mut bad = one(CANARY);
    bad.insert(String::new(), Secret::from(CANARY));
    for (values, expect) in [
        (one(CANARY), Expect::Absent),
        (one(CANARY), Expect::Version(99)),
        (bad, Expect::Any),
    ] {
        let Err(error) = store.write(&at, values, expect).await else {
            return Err(format!("a write that expects {expect} was accepted"));
        };
        shown.push_str(&format!("{error} {error:?} {:?}", error.hint()));
    }
    let reference = SecretRef {
        path: at,
        key: "key".to_owned(),
    };
    shown.push_str(&format!(
        "{:?}",
        store.digest(&reference).await.map_err(failed("digesting"))?
    ));
    ensure!(!shown.contains(CANARY), "a value is shown");
    Ok(())
}

async fn listing_is_by_whole_segments_and_sorted(store: &dyn SecretStore) -> Outcome {
    for below in ["list/b/x", "list/a", "list/b", "list-2/a", "list/a/y"] {
        let _ = store
            .write(&path(below), one("v"), Expect::Any)
            .await
            .map_err(failed("writing"))?;
    }
    let list = async |prefix: &str| {
        let found = store
            .list(&format!("{ROOT}/{prefix}"))
            .await
            .map_err(failed("listing"))?;
        Ok::<_, String>(
            found
                .iter()
                .map(|p| p.as_str()[ROOT.len() + 1..].to_owned())
                .collect::<Vec<_>>(),
        )
    };
    for prefix in ["list", "list/"] {
        let found = list(prefix).await?;
        ensure!(
            found == ["list/a", "list/a/y", "list/b", "list/b/x"],
            "{prefix} gave {found:?}"
        );
    }
    let found = list("list/b").await?;
    ensure!(
        found == ["list/b", "list/b/x"],
        "the prefix of a secret gave {found:?}"
    );
    let found = list("li").await?;
    ensure!(found.is_empty(), "half a segment gave {found:?}");
    let all = store.list("").await.map_err(failed("listing everything"))?;
    ensure!(
        all.contains(&path("list/a")),
        "listing everything left something out"
    );
    ensure!(all.is_sorted(), "listing everything is not sorted");
    Ok(())
}

async fn listing_many_is_complete(store: &dyn SecretStore) -> Outcome {
    let paths: Vec<_> = (0..100)
        .map(|n| path(&format!("many/{:02}/{n:03}", n % 7)))
        .collect();
    for (n, at) in paths.iter().enumerate() {
        let _ = store
            .write(at, one(&n.to_string()), Expect::Absent)
            .await
            .map_err(failed("writing"))?;
    }
    let mut expected = paths.clone();
    expected.sort();
    let found = store
        .list(&format!("{ROOT}/many"))
        .await
        .map_err(failed("listing"))?;
    ensure!(found == expected, "{} of 100 were listed", found.len());
    for (n, at) in paths.iter().enumerate() {
        let found = store
            .read(at)
            .await
            .map_err(failed("reading"))?
            .ok_or("one was not found")?;
        ensure!(
            found.values == one(&n.to_string()),
            "{at} has the value of another"
        );
    }
    Ok(())
}

async fn bad_prefixes_are_refused(store: &dyn SecretStore) -> Outcome {
    for bad in ["/", "/git", "git//x", "git/../x", "..", "git/ x", "git/x\0"] {
        let Err(error) = store.list(bad).await else {
            return Err(format!("{bad:?} was accepted"));
        };
        ensure!(
            error.class() == Class::Invalid,
            "{bad:?} gave an error of class {}",
            error.class()
        );
    }
    Ok(())
}

async fn deleting_removes_everything_and_may_be_repeated(store: &dyn SecretStore) -> Outcome {
    let (at, other) = (path("gone/deleted"), path("gone/deleted/not"));
    for value in ["1", "2", "3"] {
        let _ = store
            .write(&at, one(value), Expect::Any)
            .await
            .map_err(failed("writing"))?;
    }
    let _ = store
        .write(&other, one("kept"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    for _ in 0..2 {
        store.delete(&at).await.map_err(failed("deleting"))?;
    }
    for version in 1..=3 {
        let found = store
            .read_version(&at, version)
            .await
            .map_err(failed("reading"))?;
        ensure!(found.is_none(), "version {version} is still there");
    }
    ensure!(
        store.read(&at).await.map_err(failed("reading"))?.is_none(),
        "it can still be read"
    );
    ensure!(
        store.versions(&at).await.map_err(failed("versions"))?.is_empty(),
        "it still has versions"
    );
    let left = store.list(ROOT).await.map_err(failed("listing"))?;
    ensure!(left == [other], "{left:?} are left");
    Ok(())
}

async fn a_deleted_secret_can_be_written_again(store: &dyn SecretStore) -> Outcome {
    let at = path("again");
    let _ = store
        .write(&at, one("old"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    store.delete(&at).await.map_err(failed("deleting"))?;
    let written = store
        .write(&at, one("old"), Expect::Absent)
        .await
        .map_err(failed("writing again"))?;
    ensure!(written.changed, "writing again changed nothing");
    let found = store
        .read(&at)
        .await
        .map_err(failed("reading"))?
        .ok_or("nothing was found")?;
    ensure!(found.values == one("old"), "other values came back");
    Ok(())
}

async fn digests_follow_the_value(store: &dyn SecretStore) -> Outcome {
    let at = SecretRef {
        path: path("digest"),
        key: "key".to_owned(),
    };
    let digest = async || store.digest(&at).await.map_err(failed("digesting"));
    ensure!(digest().await?.is_none(), "something absent has a digest");
    let first = store
        .write(&at.path, one("1"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    let before = digest().await?.ok_or("no digest")?;
    ensure!(
        before.version() == first.version,
        "the digest is of version {}",
        before.version()
    );
    ensure!(
        digest().await?.as_ref() == Some(&before),
        "asking twice gives two digests"
    );

    let mut more = one("1");
    more.insert("other".to_owned(), Secret::from("2"));
    let second = store
        .write(&at.path, more, Expect::Any)
        .await
        .map_err(failed("writing"))?;
    let same = digest().await?.ok_or("no digest")?;
    ensure!(
        same == before && same.version() == second.version,
        "another key changed the digest"
    );

    let _ = store
        .write(&at.path, one("2"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    ensure!(
        digest().await?.is_some_and(|after| after != before),
        "another value has the same digest"
    );
    let missing = SecretRef {
        path: at.path.clone(),
        key: "missing".to_owned(),
    };
    ensure!(
        store
            .digest(&missing)
            .await
            .map_err(failed("digesting"))?
            .is_none(),
        "a missing key has a digest"
    );
    Ok(())
}

async fn one_value_can_be_resolved(store: &dyn SecretStore) -> Outcome {
    let at = path("resolved");
    let _ = store
        .write(&at, one("v"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    let resolve = async |path, key: &str| {
        store
            .resolve(&SecretRef {
                path,
                key: key.to_owned(),
            })
            .await
            .map_err(failed("resolving"))
    };
    ensure!(
        resolve(at.clone(), "key").await? == Some(Secret::from("v")),
        "another value came back"
    );
    ensure!(
        resolve(at, "missing").await?.is_none(),
        "a missing key has a value"
    );
    ensure!(
        resolve(path("missing"), "key").await?.is_none(),
        "a missing secret has a value"
    );
    Ok(())
}
