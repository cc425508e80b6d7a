//! Sealed records in a redb file or in memory.
//!
//! The file has two tables. `records` maps a key (one byte for the kind, then a keyed digest of what the record
//! is about) to sealed bytes, bound to that key. `meta` has the wrapped data key and the sealed *tally*: how
//! many records there are and the exclusive or of a keyed digest of each. Whoever can write the file but has
//! no key cannot change, swap, add or leave out a record without the tally showing it at the next opening. (To
//! put back an older copy of the whole file remains possible.)

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction,
};
use zeroize::Zeroizing;

use super::cipher::Keys;
use super::master::{FreshFile, MasterKey};
use crate::StoreError;

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const DATA_KEY: &str = "data key";
const TALLY: &str = "tally";
const CACHE: usize = 16 << 20;

/// What a record is about.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Kind {
    /// The versions of one secret.
    Secret = b's',
    /// The values of one version.
    Values = b'v',
    /// The grants of one scope.
    Grants = b'g',
}

/// The key of a record; it is the associated data of its text, too.
type RecordKey = [u8; 33];

/// An unlocked file of records.
pub(super) struct Records {
    db: Database,
    /// The keys of the store.
    pub(super) keys: Keys,
    /// The file, or `memory`: for messages.
    pub(super) label: String,
}

impl Records {
    /// Makes records in memory.
    pub(super) fn in_memory(master: &MasterKey) -> Result<Self, StoreError> {
        let label = "the store in memory".to_owned();
        let db = builder()
            .create_with_backend(InMemoryBackend::new())
            .map_err(|e| fault(&label, "create", e))?;
        let keys = initialise(&db, &label, master)?;
        Ok(Self { db, keys, label })
    }

    /// Makes a file of no records, unless there is one already. It appears whole or not at all.
    pub(super) fn create(file: &Path, master: &MasterKey) -> Result<(), StoreError> {
        let label = file.display().to_string();
        let failed = |e: io::Error| fault(&label, "create", redb::Error::Io(e));
        let fresh = FreshFile::beside(file).map_err(failed)?;
        let handle = fresh.file().try_clone().map_err(failed)?;
        let db = FileBackend::new(handle)
            .map_err(redb::Error::from)
            .and_then(|backend| Ok(builder().create_with_backend(backend)?))
            .map_err(|e| fault(&label, "create", e))?;
        initialise(&db, &label, master)?;
        drop(db);
        fresh.publish(file).map_err(failed)?;
        Ok(())
    }

    /// Opens a file, and checks all of it.
    pub(super) fn open(file: &Path, master: &MasterKey) -> Result<Self, StoreError> {
        let label = file.display().to_string();
        match std::fs::metadata(file) {
            Ok(about) if !about.is_file() => return Err(damaged(&label, "it is not a regular file")),
            Ok(about) if about.len() == 0 => return Err(damaged(&label, "it is empty")),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(StoreError::Absent { store: label }),
            Err(e) => return Err(fault(&label, "open", redb::Error::Io(e))),
        }
        // The database checks its file, but what is damaged in a way that it does not expect may make it panic.
        catch_unwind(AssertUnwindSafe(|| Self::open_checked(file, &label, master)))
            .unwrap_or_else(|_| Err(damaged(&label, "the database in it cannot be read")))
    }

    fn open_checked(file: &Path, label: &str, master: &MasterKey) -> Result<Self, StoreError> {
        let db = builder().open(file).map_err(|e| fault(label, "open", e))?;
        let wrapped = {
            let txn = db.begin_read().map_err(|e| fault(label, "read", e))?;
            let meta = txn.open_table(META).map_err(|e| fault(label, "read", e))?;
            let found = meta.get(DATA_KEY).map_err(|e| fault(label, "read", e))?;
            found
                .map(|bytes| bytes.value().to_vec())
                .ok_or_else(|| damaged(label, "the data key is missing"))?
        };
        let keys = Keys::unlock(master, &wrapped).ok_or_else(|| StoreError::WrongKey {
            store: label.to_owned(),
        })?;
        let records = Self {
            db,
            keys,
            label: label.to_owned(),
        };
        records.check_tally()?;
        Ok(records)
    }

    fn check_tally(&self) -> Result<(), StoreError> {
        let view = self.view()?;
        let table = view.txn.open_table(RECORDS).map_err(|e| self.fault("read", e))?;
        let mut found = Tally::default();
        for record in table.iter().map_err(|e| self.fault("read", e))? {
            let (key, sealed) = record.map_err(|e| self.fault("read", e))?;
            found.count += 1;
            found.toggle(&self.keys.tally(key.value(), sealed.value()));
        }
        let meta = view.txn.open_table(META).map_err(|e| self.fault("read", e))?;
        if found == self.read_tally(&meta)? {
            Ok(())
        } else {
            Err(self.damaged("records were changed, added or left out"))
        }
    }

    /// Wraps the data key by another master key, durably.
    pub(super) fn change_master(&self, master: &MasterKey) -> Result<(), StoreError> {
        let wrapped = self.keys.wrap(master)?;
        let txn = self.db.begin_write().map_err(|e| self.fault("write", e))?;
        {
            let mut meta = txn.open_table(META).map_err(|e| self.fault("write", e))?;
            meta.insert(DATA_KEY, &*wrapped)
                .map_err(|e| self.fault("write", e))?;
        }
        txn.commit().map_err(|e| self.fault("write", e))
    }

    /// Begins reading: a consistent picture of one moment.
    pub(super) fn view(&self) -> Result<View<'_>, StoreError> {
        let txn = self.db.begin_read().map_err(|e| self.fault("read", e))?;
        Ok(View { records: self, txn })
    }

    /// Begins a change: it waits for the one before it, and is dropped unless committed.
    pub(super) fn change(&self) -> Result<Change<'_>, StoreError> {
        let txn = self.db.begin_write().map_err(|e| self.fault("write", e))?;
        let tally = {
            let meta = txn.open_table(META).map_err(|e| self.fault("read", e))?;
            self.read_tally(&meta)?
        };
        Ok(Change {
            records: self,
            txn,
            tally,
        })
    }

    /// Returns the error for something in the file that Nautes did not write so.
    pub(super) fn damaged(&self, what: &str) -> StoreError {
        damaged(&self.label, what)
    }

    fn fault(&self, action: &str, error: impl Into<redb::Error>) -> StoreError {
        fault(&self.label, action, error)
    }

    fn key(&self, kind: Kind, about: &[&[u8]]) -> RecordKey {
        let mut key = [kind as u8; 33];
        key[1..].copy_from_slice(&self.keys.index(about));
        key
    }

    fn unseal(&self, key: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.keys
            .open(key, sealed)
            .ok_or_else(|| self.damaged("a record was changed or moved"))
    }

    fn get_in(
        &self,
        table: &impl ReadableTable<&'static [u8], &'static [u8]>,
        key: &RecordKey,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let found = table.get(key.as_slice()).map_err(|e| self.fault("read", e))?;
        found.map(|sealed| self.unseal(key, sealed.value())).transpose()
    }

    fn read_tally(
        &self,
        meta: &impl ReadableTable<&'static str, &'static [u8]>,
    ) -> Result<Tally, StoreError> {
        let sealed = meta.get(TALLY).map_err(|e| self.fault("read", e))?;
        let sealed = sealed.ok_or_else(|| self.damaged("the tally of the records is missing"))?;
        let plain = self.unseal(TALLY.as_bytes(), sealed.value())?;
        Tally::from_bytes(&plain).ok_or_else(|| self.damaged("the tally of the records has the wrong size"))
    }
}

/// A picture of one moment.
pub(super) struct View<'a> {
    records: &'a Records,
    txn: ReadTransaction,
}

impl View<'_> {
    /// Reads one record.
    pub(super) fn get(&self, kind: Kind, about: &[&[u8]]) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let table = self
            .txn
            .open_table(RECORDS)
            .map_err(|e| self.records.fault("read", e))?;
        self.records.get_in(&table, &self.records.key(kind, about))
    }

    /// Reads every record of one kind, in no order that means anything.
    pub(super) fn all(&self, kind: Kind) -> Result<Vec<Zeroizing<Vec<u8>>>, StoreError> {
        let fault = |e: redb::StorageError| self.records.fault("read", e);
        let table = self
            .txn
            .open_table(RECORDS)
            .map_err(|e| self.records.fault("read", e))?;
        let (from, to) = ([kind as u8], [kind as u8 + 1]);
        let range = table.range(from.as_slice()..to.as_slice()).map_err(fault)?;
        range
            .map(|record| {
                let (key, sealed) = record.map_err(fault)?;
                self.records.unseal(key.value(), sealed.value())
            })
            .collect()
    }
}

/// A change of some records that becomes durable as a whole, or not at all.
pub(super) struct Change<'a> {
    records: &'a Records,
    txn: WriteTransaction,
    tally: Tally,
}

impl Change<'_> {
    /// Reads one record.
    pub(super) fn get(&self, kind: Kind, about: &[&[u8]]) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let table = self
            .txn
            .open_table(RECORDS)
            .map_err(|e| self.records.fault("read", e))?;
        self.records.get_in(&table, &self.records.key(kind, about))
    }

    /// Writes one record, in place of the one before it.
    pub(super) fn put(&mut self, kind: Kind, about: &[&[u8]], plain: &[u8]) -> Result<(), StoreError> {
        let key = self.records.key(kind, about);
        let sealed = self.records.keys.seal(&key, plain)?;
        let mut table = self
            .txn
            .open_table(RECORDS)
            .map_err(|e| self.records.fault("write", e))?;
        let old = table
            .insert(key.as_slice(), &*sealed)
            .map_err(|e| self.records.fault("write", e))?;
        match old {
            Some(old) => self.tally.toggle(&self.records.keys.tally(&key, old.value())),
            None => self.tally.count += 1,
        }
        self.tally.toggle(&self.records.keys.tally(&key, &sealed));
        Ok(())
    }

    /// Removes one record, if it is there.
    pub(super) fn remove(&mut self, kind: Kind, about: &[&[u8]]) -> Result<(), StoreError> {
        let key = self.records.key(kind, about);
        let mut table = self
            .txn
            .open_table(RECORDS)
            .map_err(|e| self.records.fault("write", e))?;
        let old = table
            .remove(key.as_slice())
            .map_err(|e| self.records.fault("write", e))?;
        if let Some(old) = old {
            self.tally.toggle(&self.records.keys.tally(&key, old.value()));
            self.tally.count = self.tally.count.saturating_sub(1);
        }
        Ok(())
    }

    /// Makes the change durable.
    pub(super) fn commit(self) -> Result<(), StoreError> {
        let records = self.records;
        write_tally(&self.txn, &records.keys, &records.label, &self.tally)?;
        self.txn.commit().map_err(|e| records.fault("write", e))
    }
}

/// How many records there are, and the exclusive or of their digests.
#[derive(Default, PartialEq, Eq)]
struct Tally {
    count: u64,
    digest: [u8; 32],
}

impl Tally {
    fn toggle(&mut self, contribution: &[u8; 32]) {
        self.digest
            .iter_mut()
            .zip(contribution)
            .for_each(|(sum, byte)| *sum ^= byte);
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.count.to_le_bytes()[..], &self.digest].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, digest) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            count: u64::from_le_bytes(*count),
            digest: digest.try_into().ok()?,
        })
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

fn initialise(db: &Database, label: &str, master: &MasterKey) -> Result<Keys, StoreError> {
    let (keys, wrapped) = Keys::create(master)?;
    let txn = db.begin_write().map_err(|e| fault(label, "create", e))?;
    {
        let mut meta = txn.open_table(META).map_err(|e| fault(label, "create", e))?;
        meta.insert(DATA_KEY, &*wrapped)
            .map_err(|e| fault(label, "create", e))?;
        txn.open_table(RECORDS).map_err(|e| fault(label, "create", e))?;
    }
    write_tally(&txn, &keys, label, &Tally::default())?;
    txn.commit().map_err(|e| fault(label, "create", e))?;
    Ok(keys)
}

fn write_tally(txn: &WriteTransaction, keys: &Keys, label: &str, tally: &Tally) -> Result<(), StoreError> {
    let sealed = keys.seal(TALLY.as_bytes(), &tally.to_bytes())?;
    let mut meta = txn.open_table(META).map_err(|e| fault(label, "write", e))?;
    meta.insert(TALLY, &*sealed)
        .map_err(|e| fault(label, "write", e))?;
    Ok(())
}

fn damaged(label: &str, what: &str) -> StoreError {
    StoreError::Damaged {
        store: label.to_owned(),
        what: what.to_owned(),
        source: None,
    }
}

/// Sorts what the database says into damage, use by another process, and trouble below it.
fn fault(label: &str, action: &str, error: impl Into<redb::Error>) -> StoreError {
    use redb::Error as E;
    let error = error.into();
    let broken = match &error {
        E::DatabaseAlreadyOpen | E::LockProtocolMismatch => {
            return StoreError::InUse {
                store: label.to_owned(),
            };
        }
        E::Io(e) => matches!(
            e.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
        ),
        E::Corrupted(_)
        | E::UpgradeRequired(_)
        | E::RepairAborted
        | E::TableDoesNotExist(_)
        | E::TableTypeMismatch { .. }
        | E::TableIsMultimap(_)
        | E::TypeDefinitionChanged { .. } => true,
        _ => false,
    };
    if broken {
        let what = "the database in it is not as it was written".to_owned();
        StoreError::Damaged {
            store: label.to_owned(),
            what,
            source: Some(error.into()),
        }
    } else {
        StoreError::Unreachable {
            action: format!("{action} {label}"),
            source: error.into(),
        }
    }
}
