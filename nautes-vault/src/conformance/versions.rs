//! Cases about versions, compare-and-swap and undoing.

use std::collections::BTreeMap;

use futures::future::join_all;
use nautes_model::secret::SecretPath;
use nautes_model::{Class, Secret};

use super::{Case, Outcome, case, ensure, failed, one, path};
use crate::store::KEPT_VERSIONS;
use crate::{Expect, SecretStore, StoreError, VersionInfo, Written};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(versions_count_from_one_and_stay_readable),
        case!(the_latest_ten_versions_are_kept),
        case!(unchanged_values_keep_their_version),
        case!(a_write_that_expects_something_else_changes_nothing),
        case!(of_concurrent_writers_exactly_one_wins, AtomicSwap),
        case!(concurrent_creators_make_one_version, AtomicSwap),
        case!(undoing_a_write_brings_the_previous_values_back),
        case!(undoing_the_first_write_leaves_nothing_to_read),
        case!(undoing_a_write_brings_the_previous_version_back, RemovedVersions),
        case!(undoing_the_first_write_leaves_nothing, RemovedVersions),
        case!(undoing_may_be_repeated_and_hits_no_later_write, RemovedVersions),
        case!(removing_an_older_version_leaves_the_current_one, RemovedVersions),
    ]
}

async fn versions_count_from_one_and_stay_readable(store: &dyn SecretStore) -> Outcome {
    let at = path("counted");
    for n in 1..=3u64 {
        let written = store
            .write(&at, one(&n.to_string()), Expect::Any)
            .await
            .map_err(failed("writing"))?;
        ensure!(
            written.version == n && written.changed,
            "write {n} gave {written:?}"
        );
    }
    for n in 1..=3u64 {
        let found = store
            .read_version(&at, n)
            .await
            .map_err(failed("reading"))?
            .ok_or("a version is missing")?;
        ensure!(
            found.version == n && found.values == one(&n.to_string()),
            "version {n} is another"
        );
    }
    for n in [0, 4, u64::MAX] {
        let found = store.read_version(&at, n).await.map_err(failed("reading"))?;
        ensure!(found.is_none(), "there is a version {n}");
    }
    let found = store.versions(&at).await.map_err(failed("listing"))?;
    let expected = [1, 2, 3].map(|version| VersionInfo {
        version,
        current: version == 3,
    });
    ensure!(found == expected, "the versions are {found:?}");
    Ok(())
}

async fn the_latest_ten_versions_are_kept(store: &dyn SecretStore) -> Outcome {
    let at = path("kept");
    let last = KEPT_VERSIONS as u64 + 3;
    for n in 1..=last {
        let _ = store
            .write(&at, one(&n.to_string()), Expect::Any)
            .await
            .map_err(failed("writing"))?;
    }
    for n in 4..=last {
        let found = store
            .read_version(&at, n)
            .await
            .map_err(failed("reading"))?
            .ok_or("a version is missing")?;
        ensure!(found.values == one(&n.to_string()), "version {n} is another");
    }
    // What is listed can be read, whether or not the store keeps more than it must.
    for info in store.versions(&at).await.map_err(failed("listing"))? {
        let found = store
            .read_version(&at, info.version)
            .await
            .map_err(failed("reading"))?;
        ensure!(
            found.is_some(),
            "version {} is listed and cannot be read",
            info.version
        );
    }
    Ok(())
}

async fn unchanged_values_keep_their_version(store: &dyn SecretStore) -> Outcome {
    let at = path("unchanged");
    let _ = store
        .write(&at, one("1"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    let second = store
        .write(&at, one("2"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    for expect in [Expect::Any, Expect::Version(second.version)] {
        let again = store
            .write(&at, one("2"), expect)
            .await
            .map_err(failed("writing again"))?;
        ensure!(
            again.version == second.version && !again.changed,
            "writing the same gave {again:?}"
        );
    }
    let back = store
        .write(&at, one("1"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    ensure!(
        back.changed && back.version > second.version,
        "writing older values gave {back:?}"
    );
    Ok(())
}

async fn a_write_that_expects_something_else_changes_nothing(store: &dyn SecretStore) -> Outcome {
    let at = path("expected");
    let conflict = async |value: &str, expect: Expect, found: Option<u64>| match store
        .write(&at, one(value), expect)
        .await
    {
        Err(StoreError::Conflict { found: seen, .. }) if seen == found => Ok(()),
        Err(error) => Err(format!("expecting {expect} gave: {error}")),
        Ok(_) => Err(format!("expecting {expect} was accepted")),
    };
    conflict("1", Expect::Version(1), None).await?;
    let first = store
        .write(&at, one("1"), Expect::Absent)
        .await
        .map_err(failed("writing"))?;
    conflict("2", Expect::Absent, Some(first.version)).await?;
    conflict("1", Expect::Absent, Some(first.version)).await?;
    conflict("2", Expect::Version(first.version + 1), Some(first.version)).await?;
    let second = store
        .write(&at, one("2"), Expect::Version(first.version))
        .await
        .map_err(failed("swapping"))?;
    conflict("3", Expect::Version(first.version), Some(second.version)).await?;
    let found = store
        .read(&at)
        .await
        .map_err(failed("reading"))?
        .ok_or("nothing was found")?;
    ensure!(found.values == one("2"), "a refused write was written");
    Ok(())
}

async fn of_concurrent_writers_exactly_one_wins(store: &dyn SecretStore) -> Outcome {
    let at = path("raced");
    let mut current = store
        .write(&at, one("start"), Expect::Absent)
        .await
        .map_err(failed("writing"))?
        .version;
    for round in 0..5 {
        let value = |n: usize| one(&format!("{round}-{n}"));
        let results = join_all((0..8).map(|n| store.write(&at, value(n), Expect::Version(current)))).await;
        current = winner(store, &at, results, value).await?;
    }
    Ok(())
}

async fn concurrent_creators_make_one_version(store: &dyn SecretStore) -> Outcome {
    let at = path("created");
    let value = |n: usize| one(&n.to_string());
    let results = join_all((0..8).map(|n| store.write(&at, value(n), Expect::Absent))).await;
    winner(store, &at, results, value).await?;
    let versions = store.versions(&at).await.map_err(failed("listing"))?;
    ensure!(versions.len() == 1, "there are {} versions", versions.len());
    Ok(())
}

/// Checks that one write won, the others met a conflict, and what is stored is what the winner wrote.
async fn winner(
    store: &dyn SecretStore,
    at: &SecretPath,
    results: Vec<Result<Written, StoreError>>,
    value: impl Fn(usize) -> BTreeMap<String, Secret> + Send,
) -> Result<u64, String> {
    let mut won = None;
    for (n, result) in results.into_iter().enumerate() {
        match result {
            Ok(written) if won.is_none() => won = Some((n, written.version)),
            Ok(_) => return Err("two writers won".to_owned()),
            Err(error) if error.class() == Class::Conflict => {}
            Err(error) => return Err(format!("a writer met: {error}")),
        }
    }
    let (n, version) = won.ok_or("no writer won")?;
    let found = store
        .read(at)
        .await
        .map_err(failed("reading"))?
        .ok_or("nothing was found")?;
    ensure!(
        found.version == version && found.values == value(n),
        "the values are not the winner's"
    );
    Ok(version)
}

async fn undoing_a_write_brings_the_previous_values_back(store: &dyn SecretStore) -> Outcome {
    let at = path("undone-values");
    for value in ["1", "2"] {
        let written = store.write(&at, one(value), Expect::Any).await;
        let written = written.map_err(failed("writing"))?;
        if value == "2" {
            store
                .remove_version(&at, written.version)
                .await
                .map_err(failed("undoing"))?;
        }
    }
    let found = store.read(&at).await.map_err(failed("reading"))?;
    ensure!(
        found.is_some_and(|found| found.values == one("1")),
        "the values before are not current"
    );
    Ok(())
}

async fn undoing_the_first_write_leaves_nothing_to_read(store: &dyn SecretStore) -> Outcome {
    let at = path("undone-alone");
    let first = store.write(&at, one("1"), Expect::Absent).await;
    let first = first.map_err(failed("writing"))?;
    for _ in 0..2 {
        store
            .remove_version(&at, first.version)
            .await
            .map_err(failed("undoing"))?;
    }
    ensure!(
        store.read(&at).await.map_err(failed("reading"))?.is_none(),
        "it can still be read"
    );
    let listed = store.list(super::ROOT).await.map_err(failed("listing"))?;
    ensure!(!listed.contains(&at), "it is still listed");
    Ok(())
}

async fn undoing_a_write_brings_the_previous_version_back(store: &dyn SecretStore) -> Outcome {
    let at = path("undone");
    let first = store
        .write(&at, one("1"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    let second = store
        .write(&at, one("2"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    store
        .remove_version(&at, second.version)
        .await
        .map_err(failed("undoing"))?;

    let found = store
        .read(&at)
        .await
        .map_err(failed("reading"))?
        .ok_or("nothing was found")?;
    ensure!(
        found.version == first.version && found.values == one("1"),
        "version {} is current",
        found.version
    );
    let gone = store
        .read_version(&at, second.version)
        .await
        .map_err(failed("reading"))?;
    ensure!(gone.is_none(), "the undone version can be read");
    let versions = store.versions(&at).await.map_err(failed("listing"))?;
    let expected = [VersionInfo {
        version: first.version,
        current: true,
    }];
    ensure!(versions == expected, "the versions are {versions:?}");

    // The current version is what a swap compares with, and what unchanged values are compared with.
    let same = store
        .write(&at, one("1"), Expect::Version(first.version))
        .await
        .map_err(failed("writing"))?;
    ensure!(
        !same.changed && same.version == first.version,
        "writing the current values gave {same:?}"
    );
    let third = store
        .write(&at, one("3"), Expect::Version(first.version))
        .await
        .map_err(failed("swapping"))?;
    ensure!(
        third.changed && third.version > second.version,
        "the undone number was used again: {third:?}"
    );
    Ok(())
}

async fn undoing_the_first_write_leaves_nothing(store: &dyn SecretStore) -> Outcome {
    let at = path("undone-first");
    let first = store
        .write(&at, one("1"), Expect::Absent)
        .await
        .map_err(failed("writing"))?;
    store
        .remove_version(&at, first.version)
        .await
        .map_err(failed("undoing"))?;
    ensure!(
        store.read(&at).await.map_err(failed("reading"))?.is_none(),
        "it can still be read"
    );
    ensure!(
        store.versions(&at).await.map_err(failed("versions"))?.is_empty(),
        "it still has versions"
    );
    let listed = store.list(super::ROOT).await.map_err(failed("listing"))?;
    ensure!(!listed.contains(&at), "it is still listed");
    let second = store
        .write(&at, one("1"), Expect::Absent)
        .await
        .map_err(failed("writing again"))?;
    ensure!(
        second.changed && second.version > first.version,
        "the undone number was used again: {second:?}"
    );
    Ok(())
}

async fn undoing_may_be_repeated_and_hits_no_later_write(store: &dyn SecretStore) -> Outcome {
    let at = path("undone-twice");
    store
        .remove_version(&at, 1)
        .await
        .map_err(failed("undoing what was never written"))?;
    let first = store
        .write(&at, one("1"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    store
        .remove_version(&at, first.version)
        .await
        .map_err(failed("undoing"))?;
    let later = store
        .write(&at, one("later"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    for version in [first.version, later.version + 1, 0] {
        store
            .remove_version(&at, version)
            .await
            .map_err(failed("undoing again"))?;
    }
    let found = store
        .read(&at)
        .await
        .map_err(failed("reading"))?
        .ok_or("the later write is gone")?;
    ensure!(
        found.version == later.version,
        "version {} is current",
        found.version
    );
    Ok(())
}

async fn removing_an_older_version_leaves_the_current_one(store: &dyn SecretStore) -> Outcome {
    let at = path("older");
    let first = store
        .write(&at, one("1"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    let second = store
        .write(&at, one("2"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    store
        .remove_version(&at, first.version)
        .await
        .map_err(failed("removing"))?;
    let found = store
        .read(&at)
        .await
        .map_err(failed("reading"))?
        .ok_or("nothing was found")?;
    ensure!(
        found.version == second.version && found.values == one("2"),
        "another version is current"
    );
    store
        .remove_version(&at, second.version)
        .await
        .map_err(failed("removing"))?;
    ensure!(
        store.read(&at).await.map_err(failed("reading"))?.is_none(),
        "something is left"
    );
    Ok(())
}
