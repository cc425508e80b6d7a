//! Folders of the file system, read as Git would read them.

use std::fs::{self, DirEntry, FileType};
use std::io::Read as _;
use std::path::Path;

use super::{Listing, is_hidden, is_manifest};
use crate::oid::Oid;
use crate::repo::snapshot::{File, Finding, Limits, Problem, Snapshot};

/// The entries of a folder, in order of name; or why it cannot be read.
fn entries(dir: &Path) -> Result<Vec<(DirEntry, FileType)>, String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| e.to_string())? {
        let entry = entry.map_err(|e| e.to_string())?;
        let kind = entry.file_type().map_err(|e| e.to_string())?;
        all.push((entry, kind));
    }
    all.sort_by_key(|(entry, _)| entry.file_name());
    Ok(all)
}

/// Reads the beginning of a regular file.
pub(super) fn peek(file: &Path, bytes: usize) -> Option<Vec<u8>> {
    if !fs::symlink_metadata(file).ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    let open = fs::File::open(file).ok()?;
    open.take(bytes as u64).read_to_end(&mut text).ok()?;
    Some(text)
}

/// Lists what may be manifests.
pub(super) fn list(dir: &Path, limits: Limits) -> Listing {
    let mut listing = Listing {
        complete: true,
        ..Listing::default()
    };
    let mut seen = 0;
    list_below(dir, "", 0, limits, &mut seen, &mut listing);
    listing
}

fn list_below(
    dir: &Path,
    prefix: &str,
    depth: usize,
    limits: Limits,
    seen: &mut usize,
    listing: &mut Listing,
) {
    let all = match entries(dir) {
        Ok(all) => all,
        Err(why) => {
            listing.refused.push((prefix.to_owned(), why));
            return;
        }
    };
    for (entry, kind) in all {
        if *seen >= limits.entries || depth >= limits.depth {
            listing.complete = false;
            return;
        }
        *seen += 1;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_hidden(&name) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if kind.is_dir() {
            list_below(
                &entry.path(),
                &format!("{path}/"),
                depth + 1,
                limits,
                seen,
                listing,
            );
        } else if kind.is_symlink() {
            if is_manifest(&name) || entry.path().is_dir() {
                listing.links.push(path);
            }
        } else if is_manifest(&name) {
            listing.files.push(path);
        }
    }
}

/// Reads what is wanted.
pub(super) fn snapshot(dir: &Path, limits: Limits, wanted: &dyn Fn(&str) -> bool) -> Snapshot {
    let mut reader = Reader {
        limits,
        wanted,
        snapshot: Snapshot::empty(),
        seen: 0,
        bytes: 0,
    };
    reader.folder(dir, "", 0);
    reader.snapshot
}

struct Reader<'r> {
    limits: Limits,
    wanted: &'r dyn Fn(&str) -> bool,
    snapshot: Snapshot,
    seen: usize,
    bytes: usize,
}

impl Reader<'_> {
    fn folder(&mut self, dir: &Path, prefix: &str, depth: usize) {
        let all = match entries(dir) {
            Ok(all) => all,
            Err(why) => return self.finding(prefix.to_owned(), Problem::Refused { why }),
        };
        for (entry, kind) in all {
            if self.seen >= self.limits.entries {
                if self.snapshot.complete {
                    self.snapshot.complete = false;
                    let limit = self.limits.entries;
                    self.finding(String::new(), Problem::TooMany { limit });
                }
                return;
            }
            let name = entry.file_name();
            if name == ".git" {
                continue;
            }
            self.seen += 1;
            let path = format!("{prefix}{}", name.to_string_lossy());
            let asked = if kind.is_dir() {
                format!("{path}/")
            } else {
                path.clone()
            };
            if !(self.wanted)(&asked) {
                continue;
            }
            if name.to_str().is_none() {
                self.finding(path, Problem::Name);
            } else if kind.is_dir() {
                self.inner(&entry.path(), asked, depth);
            } else if kind.is_symlink() {
                self.finding(path, Problem::Symlink);
            } else if kind.is_file() {
                self.file(&entry.path(), path);
            } else {
                self.finding(path, Problem::Special);
            }
        }
    }

    fn inner(&mut self, dir: &Path, path: String, depth: usize) {
        if depth + 1 >= self.limits.depth {
            let limit = self.limits.depth;
            self.finding(path, Problem::TooDeep { limit });
        } else if dir.join(".git").exists() {
            self.finding(path.trim_end_matches('/').to_owned(), Problem::Submodule);
        } else {
            self.folder(dir, &path, depth + 1);
        }
    }

    fn file(&mut self, file: &Path, path: String) {
        let limit = self.limits.file_bytes;
        let read = fs::File::open(file).and_then(|open| {
            let size = usize::try_from(open.metadata()?.len()).unwrap_or(usize::MAX);
            let mut bytes = Vec::new();
            if size <= limit {
                open.take(limit as u64 + 1).read_to_end(&mut bytes)?;
            }
            Ok((size.max(bytes.len()), bytes))
        });
        match read {
            Err(e) => self.finding(path, Problem::Refused { why: e.to_string() }),
            Ok((size, _)) if size > limit => self.finding(path, Problem::TooLarge { size, limit }),
            Ok((size, _)) if self.bytes + size > self.limits.total_bytes => {
                let limit = self.limits.total_bytes;
                self.finding(path, Problem::TotalTooLarge { limit });
            }
            Ok((size, bytes)) => {
                // Git's own id of the content, so that the same content is the same file everywhere.
                if let Some(id) = Oid::of_content(&bytes) {
                    self.bytes += size;
                    self.snapshot.files.insert(path, File { id, bytes });
                } else {
                    let why = "its content has no id".to_owned();
                    self.finding(path, Problem::Refused { why });
                }
            }
        }
    }

    fn finding(&mut self, path: String, problem: Problem) {
        self.snapshot.findings.push(Finding { path, problem });
    }
}
