//! The data folder: every object in one database file, written before a request is answered.
//!
//! One thread owns the writes. It takes whatever has arrived, commits it as one transaction, and then
//! reports how far changes are kept. Requests wait for that report, and watches show nothing beyond it.

use std::{
    path::Path,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde_json::Value;
use tokio::sync::watch;

use super::store::Progress;

const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// What went wrong with the data folder.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The folder cannot be made or read.
    #[error("cannot use the data folder")]
    Folder(#[from] std::io::Error),
    /// The database cannot be opened, read or written.
    #[error("cannot use the database in the data folder")]
    Database(#[from] Box<redb::Error>),
    /// A stored object is not readable.
    #[error("cannot read the stored object {key}")]
    Object {
        /// Which object.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
}

fn database(error: impl Into<redb::Error>) -> DataError {
    DataError::Database(Box::new(error.into()))
}

/// One stored object.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) storage: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) object: Value,
}

enum Job {
    Write {
        key: String,
        object: Option<Arc<Value>>,
        revision: u64,
    },
    Stop,
}

/// Where writes go.
#[derive(Debug)]
pub(crate) struct Durable {
    jobs: mpsc::Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Durable {
    /// Opens (or makes) the database of a folder and reads all of it.
    pub(crate) fn open(
        folder: &Path,
        progress: watch::Sender<Progress>,
    ) -> Result<(Self, Vec<Record>, u64), DataError> {
        std::fs::create_dir_all(folder)?;
        let db = Database::create(folder.join("cluster.redb")).map_err(database)?;
        let (records, revision) = read(&db)?;
        let (jobs, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("local-cluster-data".to_owned())
            .spawn(move || run(&db, &inbox, &progress))?;
        Ok((
            Self {
                jobs,
                thread: Mutex::new(Some(thread)),
            },
            records,
            revision,
        ))
    }

    pub(crate) fn put(&self, storage: &str, namespace: &str, name: &str, object: Arc<Value>, revision: u64) {
        self.send(key(storage, namespace, name), Some(object), revision);
    }

    pub(crate) fn delete(&self, storage: &str, namespace: &str, name: &str, revision: u64) {
        self.send(key(storage, namespace, name), None, revision);
    }

    fn send(&self, key: String, object: Option<Arc<Value>>, revision: u64) {
        // A writer that is gone has reported its failure through `Progress`.
        let _ = self.jobs.send(Job::Write {
            key,
            object,
            revision,
        });
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        let _ = self.jobs.send(Job::Stop);
        let thread = self.thread.lock().ok().and_then(|mut t| t.take());
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn key(storage: &str, namespace: &str, name: &str) -> String {
    format!("{storage}\0{namespace}\0{name}")
}

fn read(db: &Database) -> Result<(Vec<Record>, u64), DataError> {
    let transaction = db.begin_write().map_err(database)?;
    transaction.open_table(OBJECTS).map_err(database)?;
    transaction.open_table(NUMBERS).map_err(database)?;
    transaction.commit().map_err(database)?;
    let transaction = db.begin_read().map_err(database)?;
    let mut records = Vec::new();
    for row in transaction
        .open_table(OBJECTS)
        .map_err(database)?
        .iter()
        .map_err(database)?
    {
        let (key, bytes) = row.map_err(database)?;
        let mut parts = key.value().splitn(3, '\0').map(str::to_owned);
        let object = serde_json::from_slice(bytes.value()).map_err(|source| DataError::Object {
            key: key.value().replace('\0', "/"),
            source,
        })?;
        if let (Some(storage), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) {
            records.push(Record {
                storage,
                namespace,
                name,
                object,
            });
        }
    }
    let numbers = transaction.open_table(NUMBERS).map_err(database)?;
    let revision = numbers
        .get("revision")
        .map_err(database)?
        .map_or(0, |v| v.value());
    Ok((records, revision))
}

fn run(db: &Database, inbox: &mpsc::Receiver<Job>, progress: &watch::Sender<Progress>) {
    while let Ok(first) = inbox.recv() {
        let mut batch = vec![first];
        batch.extend(inbox.try_iter().take(1_000));
        let stop = batch.iter().any(|job| matches!(job, Job::Stop));
        match commit(db, &batch) {
            Ok(Some(revision)) => progress.send_modify(|p| p.revision = revision),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, "the local cluster cannot write its data folder");
                progress.send_modify(|p| p.failed = true);
                return;
            }
        }
        if stop {
            return;
        }
    }
}

fn commit(db: &Database, batch: &[Job]) -> Result<Option<u64>, DataError> {
    let mut last = None;
    let transaction = db.begin_write().map_err(database)?;
    {
        let mut objects = transaction.open_table(OBJECTS).map_err(database)?;
        let mut numbers = transaction.open_table(NUMBERS).map_err(database)?;
        for job in batch {
            let Job::Write {
                key,
                object,
                revision,
            } = job
            else {
                continue;
            };
            match object {
                Some(object) => {
                    let bytes = object.to_string();
                    objects.insert(key.as_str(), bytes.as_bytes()).map_err(database)?;
                }
                None => {
                    objects.remove(key.as_str()).map_err(database)?;
                }
            }
            last = Some(*revision);
        }
        if let Some(revision) = last {
            numbers.insert("revision", revision).map_err(database)?;
        }
    }
    transaction.commit().map_err(database)?;
    Ok(last)
}
