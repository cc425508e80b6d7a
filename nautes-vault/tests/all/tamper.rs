//! Whatever happens to the file, the store says so or gives exactly what was written.

use std::collections::BTreeMap;
use std::path::Path;

use nautes_vault::{Expect, LocalStore, SecretStore, StoreError};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::{master, one, path, runtime};

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const PATHS: [&str; 3] = ["git/a", "git/b", "cluster/c"];

/// Makes a store with two versions of some secrets.
fn make(file: &Path) {
    runtime().block_on(async {
        let store = LocalStore::open_or_create(file, &master()).unwrap();
        for at in PATHS {
            for value in ["old", at] {
                let _ = store.write(&path(at), one(value), Expect::Any).await.unwrap();
            }
        }
    });
}

/// Opens and reads everything; `Ok` only if it is as it was made.
fn check(file: &Path) -> Result<(), StoreError> {
    runtime().block_on(async {
        let store = LocalStore::open_or_create(file, &master())?;
        assert_eq!(
            store.list("").await?.len(),
            PATHS.len(),
            "a secret is silently missing"
        );
        for at in PATHS {
            let found = store
                .read(&path(at))
                .await?
                .expect("a secret is silently missing");
            assert_eq!(
                (found.version, found.values),
                (2, one(at)),
                "other values were read"
            );
        }
        Ok(())
    })
}

#[test]
fn a_changed_byte_is_noticed_or_without_effect() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    make(&file);
    check(&file).unwrap();
    let good = std::fs::read(&file).unwrap();
    let used: Vec<usize> = (0..good.len()).filter(|at| good[*at] != 0).collect();
    let step = (used.len() / 150).max(1);
    // The first bytes say where everything is, so all of them are tried.
    let places = (0..320)
        .chain(used.into_iter().step_by(step))
        .chain((0..good.len()).step_by(good.len() / 50));
    let mut noticed = 0;
    for at in places {
        let mut bent = good.clone();
        bent[at] ^= 0x41;
        std::fs::write(&file, &bent).unwrap();
        if let Err(error) = check(&file) {
            noticed += 1;
            let expected = matches!(error, StoreError::Damaged { .. } | StoreError::WrongKey { .. });
            assert!(expected, "byte {at}: {error:?}");
        }
    }
    assert!(noticed > 100, "only {noticed} changes were noticed");
}

#[test]
fn a_truncated_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    make(&file);
    let good = std::fs::read(&file).unwrap();
    let lengths =
        (0..10)
            .map(|n| good.len() * n / 10)
            .chain([1, 9, 64, 319, 320, 4095, 4096, good.len() - 1]);
    for length in lengths {
        std::fs::write(&file, &good[..length]).unwrap();
        assert!(
            check(&file).is_err(),
            "{length} of {} bytes were accepted",
            good.len()
        );
    }
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    for content in [&b""[..], b"plan", &[0; 8192], &[0xff; 70_000]] {
        std::fs::write(&file, content).unwrap();
        assert!(
            matches!(check(&file), Err(StoreError::Damaged { .. })),
            "{} bytes",
            content.len()
        );
        assert_eq!(std::fs::read(&file).unwrap(), content);
    }
    std::fs::remove_file(&file).unwrap();
    drop(Database::create(&file).unwrap());
    assert!(
        matches!(check(&file), Err(StoreError::Damaged { .. })),
        "an empty database was accepted"
    );
    assert!(check(folder.path()).is_err());
}

/// Changes the records as somebody can who has the file, the database's tools, and no key.
fn meddle(change: impl FnOnce(&mut BTreeMap<Vec<u8>, Vec<u8>>)) -> Result<(), StoreError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    make(&file);
    {
        let db = Database::open(&file).unwrap();
        let txn = db.begin_write().unwrap();
        {
            let mut table = txn.open_table(RECORDS).unwrap();
            let mut records: BTreeMap<_, _> = table
                .iter()
                .unwrap()
                .map(|record| {
                    record
                        .map(|(k, v)| (k.value().to_vec(), v.value().to_vec()))
                        .unwrap()
                })
                .collect();
            change(&mut records);
            table.retain(|_, _| false).unwrap();
            for (key, value) in &records {
                table.insert(&**key, &**value).unwrap();
            }
        }
        txn.commit().unwrap();
    }
    check(&file)
}

#[test]
fn unchanged_records_are_accepted() {
    meddle(|_| {}).unwrap();
}

#[test]
fn records_that_were_removed_added_or_swapped_are_noticed() {
    let damaged = |result| matches!(result, Err(StoreError::Damaged { .. }));
    assert!(damaged(meddle(BTreeMap::clear)), "all removed");
    assert!(
        damaged(meddle(|records| drop(records.pop_first()))),
        "one removed"
    );
    assert!(
        damaged(meddle(|records| drop(
            records.insert(vec![b's'; 33], vec![0; 60])
        ))),
        "one added"
    );
    assert!(
        damaged(meddle(|records| {
            let copy = records.values().next().unwrap().clone();
            records.insert(vec![b'v'; 33], copy);
        })),
        "one copied"
    );
    assert!(
        damaged(meddle(|records| {
            let values: Vec<_> = records
                .iter()
                .filter(|(k, _)| k[0] == b'v')
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            records.insert(values[0].0.clone(), values[1].1.clone());
            records.insert(values[1].0.clone(), values[0].1.clone());
        })),
        "two swapped"
    );
}

#[test]
fn a_missing_or_older_tally_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    make(&file);
    let tally = |file: &Path| {
        let db = Database::open(file).unwrap();
        let txn = db.begin_read().unwrap();
        txn.open_table(META)
            .unwrap()
            .get("tally")
            .unwrap()
            .unwrap()
            .value()
            .to_vec()
    };
    let replace = |bytes: Option<&[u8]>| {
        let db = Database::open(&file).unwrap();
        let txn = db.begin_write().unwrap();
        match bytes {
            Some(bytes) => drop(txn.open_table(META).unwrap().insert("tally", bytes).unwrap()),
            None => drop(txn.open_table(META).unwrap().remove("tally").unwrap()),
        }
        txn.commit().unwrap();
    };
    let old = tally(&file);
    runtime().block_on(async {
        let store = LocalStore::open(&file, &master()).unwrap();
        store.delete(&path(PATHS[0])).await.unwrap();
    });
    let new = tally(&file);
    for bytes in [Some(&old[..]), Some(b""), None] {
        replace(bytes);
        assert!(matches!(
            LocalStore::open(&file, &master()),
            Err(StoreError::Damaged { .. })
        ));
    }
    replace(Some(&new));
    LocalStore::open(&file, &master()).unwrap();
}
