//! A pack on its way into a mirror: first a file beside it, then, when all of it is there, objects in it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use git2::Repository;

use super::{RepoError, init_bare, sibling, transfer};

/// The largest pack whose objects travel loose, in bytes.
const SMALL: u64 = 4 << 20;
/// The beginning of every pack: a mark, a version, and how many objects it has.
const HEADER: usize = 12;

/// A pack that is received. Its file goes with it.
#[derive(Debug)]
pub(crate) struct Incoming {
    file: PathBuf,
    /// A repository for the objects of a small pack.
    unpacked: PathBuf,
}

impl Incoming {
    /// Names files beside the mirror in `dir`.
    pub(crate) fn new(dir: &Path) -> Self {
        let id = uuid::Uuid::new_v4().simple();
        Self {
            file: sibling(dir, &format!("{id}.pack")),
            unpacked: sibling(dir, &format!("{id}.tmp")),
        }
    }

    /// Returns the file for the pack.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// Makes an error of one of the file.
    pub(crate) fn failed(&self, source: std::io::Error) -> RepoError {
        RepoError::Folder {
            dir: self.file.clone(),
            source,
        }
    }

    /// Adds the objects to a repository. Few become loose objects, because a mirror that fetches often would otherwise
    /// have thousands of packs.
    pub(crate) fn absorb(&self, repo: &Repository) -> Result<(), RepoError> {
        let (count, bytes) = self.measure().map_err(|error| self.failed(error))?;
        if count == 0 {
            return Ok(());
        }
        if count > transfer::LOOSE || bytes > SMALL {
            return self.write(repo);
        }
        let aside = init_bare(&self.unpacked, "main")?;
        self.write(&aside)?;
        let mut ids = Vec::new();
        let odb = aside
            .odb()
            .map_err(RepoError::git("opening the object database"))?;
        odb.foreach(|id| {
            ids.push(*id);
            true
        })
        .map_err(RepoError::git("listing objects"))?;
        transfer::copy_loose(&aside, repo, &ids)
    }

    /// Returns how many objects the pack says it has, and its size.
    fn measure(&self) -> std::io::Result<(usize, u64)> {
        let mut file = File::open(&self.file)?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        let [.., a, b, c, d] = header;
        let count = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        Ok((count, file.metadata()?.len()))
    }

    fn write(&self, repo: &Repository) -> Result<(), RepoError> {
        let odb = repo
            .odb()
            .map_err(RepoError::git("opening the object database"))?;
        let mut writer = odb.packwriter().map_err(RepoError::git("writing a pack"))?;
        let mut file = File::open(&self.file).map_err(|error| self.failed(error))?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer).map_err(|error| self.failed(error))? {
                0 => break,
                count => writer
                    .write_all(&buffer[..count])
                    .map_err(|error| self.failed(error))?,
            }
        }
        writer
            .commit()
            .map(drop)
            .map_err(RepoError::git("writing a pack"))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Either may not be there.
        let _ = fs::remove_file(&self.file);
        let _ = fs::remove_dir_all(&self.unpacked);
    }
}
