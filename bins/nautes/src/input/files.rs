//! The texts that commands hand to the API: files, folders, patterns and standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use nautes_api::wire::ManifestFile;

use super::word::split_revision;

use crate::exit::Failure;

/// The largest file that is read, in bytes; the API takes no more.
const LARGEST: u64 = 16 << 20;
/// How many files are read at most.
const MOST: usize = 20_000;

/// Reads everything that `-f` names, in order of name within a folder or pattern.
///
/// # Errors
/// Something cannot be read, is too large, or nothing is found.
pub fn read(names: &[String]) -> Result<Vec<ManifestFile>, Failure> {
    let mut files = Vec::new();
    for name in names {
        if name == "-" {
            let mut text = Vec::new();
            super::stdin::take()?
                .take(LARGEST + 1)
                .read_to_end(&mut text)
                .map_err(|e| Failure::usage(format!("standard input cannot be read: {e}")))?;
            files.push(file("-", text)?);
            continue;
        }
        let paths = paths(name)?;
        if paths.is_empty() {
            return Err(Failure::usage(format!("{name}: no manifests found"))
                .hint("a folder is searched for .yaml, .yml and .json"));
        }
        for path in paths {
            let shown = path.display().to_string();
            let size = std::fs::metadata(&path)
                .map_err(|e| Failure::usage(format!("{shown}: {e}")))?
                .len();
            if size > LARGEST {
                return Err(
                    Failure::usage(format!("{shown}: {size} bytes, {LARGEST} are allowed"))
                        .hint("split it into several files"),
                );
            }
            let bytes = std::fs::read(&path).map_err(|e| Failure::usage(format!("{shown}: {e}")))?;
            files.push(file(&shown, bytes)?);
            if files.len() > MOST {
                return Err(Failure::usage(format!("more than {MOST} files")));
            }
        }
    }
    Ok(files)
}

fn file(name: &str, bytes: Vec<u8>) -> Result<ManifestFile, Failure> {
    if bytes.len() as u64 > LARGEST {
        return Err(
            Failure::usage(format!("{name}: more than {LARGEST} bytes")).hint("split it into several files")
        );
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Failure::usage(format!("{name}: not UTF-8 text (byte {at})"))
    })?;
    Ok(ManifestFile {
        name: name.to_owned(),
        text,
    })
}

fn paths(name: &str) -> Result<Vec<PathBuf>, Failure> {
    let path = Path::new(name);
    if path.is_dir() {
        let mut found = Vec::new();
        walk(path, 0, &mut found)?;
        found.sort();
        return Ok(found);
    }
    if path.exists() {
        return Ok(vec![path.to_owned()]);
    }
    if name.contains(['*', '?', '[']) {
        let mut found: Vec<PathBuf> = glob::glob(name)
            .map_err(|e| Failure::usage(format!("{name}: {e}")))?
            .filter_map(Result::ok)
            .filter(|p| p.is_file())
            .collect();
        found.sort();
        return Ok(found);
    }
    let missing = Failure::usage(format!("{name}: no such file or folder"));
    Err(match split_revision(name) {
        Some(_) => missing
            .hint("revisions are for the commands that only look at trees; name files of a work tree here"),
        None => missing,
    })
}

fn walk(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if depth > 32 || found.len() > MOST {
        return Err(Failure::usage(format!(
            "{}: too deep or too many files",
            dir.display()
        )));
    }
    let unreadable = |e: std::io::Error| Failure::usage(format!("{}: {e}", dir.display()));
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        // Links are not followed: a folder of manifests says what is in it.
        if hidden || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() {
            walk(&path, depth + 1, found)?;
        } else if path.file_name().is_some_and(|n| n != "kustomization.yaml")
            && path
                .extension()
                .is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
        {
            found.push(path);
        }
    }
    Ok(())
}
