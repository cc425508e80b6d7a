//! What one word of the command line names.

use std::path::{Path, PathBuf};

use nautes_gitops::folder::Found;
use nautes_gitops::{Folder, FolderError};

use crate::exit::{Exit, Failure};

/// Something that can be read.
#[derive(Debug)]
pub(super) enum Source {
    /// Standard input.
    Stdin,
    /// A file by its name.
    File(PathBuf),
    /// A folder, and how its files are named.
    Folder(Box<Folder>, PathBuf, Shown),
    /// A file of a revision: how it is named, its path, whether it has that path on disk too, and its content.
    Blob(Shown, String, bool, Vec<u8>),
}

/// How files are named for people.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    /// What stands before the path within the folder.
    pub(super) prefix: String,
    /// The part of it that names a revision, such as `repo@HEAD:`; empty for what is on disk.
    pub(super) revision: String,
}

/// Whether a word names neither standard input nor a revision.
pub(super) fn is_on_disk(word: &str) -> bool {
    word != "-" && (Path::new(word).exists() || split_revision(word).is_none())
}

impl Source {
    /// Finds what a word names. What exists as it is written is meant, before anything else.
    pub(super) fn find(word: &str) -> Result<Vec<Self>, Failure> {
        if word == "-" {
            return Ok(vec![Self::Stdin]);
        }
        let path = Path::new(word);
        if path.is_dir() {
            let folder = Folder::on_disk(path).map_err(|e| unreadable(word, &e))?;
            let shown = Shown {
                prefix: prefix(word),
                revision: String::new(),
            };
            return Ok(vec![Self::Folder(Box::new(folder), path.to_owned(), shown)]);
        }
        if path.exists() {
            return Ok(vec![Self::File(path.to_owned())]);
        }
        if let Some((before, after)) = split_revision(word) {
            let (revision, inner) = after.split_once(':').unwrap_or((after, ""));
            return Self::at(before, revision, inner)
                .map(|found| vec![found])
                .map_err(|e| unreadable(word, &e));
        }
        if word.contains(['*', '?', '[']) {
            return pattern(word);
        }
        if path.symlink_metadata().is_ok() {
            return Err(Failure::usage(format!("{word}: the link leads nowhere"))
                .hint("remove the link, or name what it should lead to"));
        }
        Err(missing(word))
    }

    /// Finds what a word named at a revision; nothing if it was not there then.
    pub(super) fn past(word: &str, revision: &str) -> Result<Vec<Self>, Failure> {
        let now = match Self::find(word) {
            Ok(now) => now,
            // It may have been there then.
            Err(_) if word != "-" && split_revision(word).is_none() => vec![Self::File(PathBuf::from(word))],
            Err(failure) => return Err(failure),
        };
        let mut past = Vec::new();
        for source in now {
            let path = match source {
                Self::Folder(folder, path, _) if !folder.is_revision() => path,
                Self::File(path) => path,
                Self::Stdin | Self::Blob(..) | Self::Folder(..) => {
                    return Err(Failure::usage(format!(
                        "{word}: what is not in a work tree has no earlier revision to compare with"
                    ))
                    .hint("name a file or a folder of a work tree"));
                }
            };
            let found = Folder::since(&path, revision);
            match found.map(|found| Self::named(found, &path.to_string_lossy(), revision, "")) {
                Ok(found) => past.push(found),
                Err(FolderError::NoPath { .. }) => {}
                Err(error) => return Err(unreadable(word, &error)),
            }
        }
        Ok(past)
    }

    fn at(before: &str, revision: &str, inner: &str) -> Result<Self, FolderError> {
        let path = Path::new(if before.is_empty() { "." } else { before });
        let inner = inner.trim_matches('/');
        let found = Folder::at_revision(path, revision, inner)?;
        Ok(Self::named(found, before, revision, inner))
    }

    fn named(found: Found, before: &str, revision: &str, inner: &str) -> Self {
        let path = Path::new(if before.is_empty() { "." } else { before });
        let mark = format!("{}@{revision}:", if before == "." { "" } else { before });
        let shown = |prefix: String| Shown {
            prefix: format!("{mark}{prefix}"),
            revision: mark.clone(),
        };
        match found {
            Found::Folder(folder) => Self::Folder(Box::new(folder), path.to_owned(), shown(prefix(inner))),
            Found::File(bytes) if inner.is_empty() => {
                let mark = format!("@{revision}:");
                let shown = Shown {
                    prefix: mark.clone(),
                    revision: mark,
                };
                Self::Blob(shown, before.to_owned(), true, bytes)
            }
            Found::File(bytes) => Self::Blob(shown(String::new()), inner.to_owned(), false, bytes),
        }
    }
}

/// Whether a word names a path that is not there now, and may have been.
pub(super) fn may_be_gone(word: &str) -> bool {
    word != "-"
        && split_revision(word).is_none()
        && !word.contains(['*', '?', '['])
        && Path::new(word).symlink_metadata().is_err()
}

/// Splits at the first `@` that follows the name of something that exists, or nothing.
pub(super) fn split_revision(word: &str) -> Option<(&str, &str)> {
    word.match_indices('@')
        .map(|(at, _)| (&word[..at], &word[at + 1..]))
        .find(|(before, after)| !after.is_empty() && (before.is_empty() || Path::new(before).exists()))
}

/// What stands before the names of the files of a folder: `./a/` -> `a/`.
fn prefix(folder: &str) -> String {
    let mut rest = folder;
    while let Some(tail) = rest.strip_prefix("./") {
        rest = tail.trim_start_matches('/');
    }
    match rest.trim_end_matches('/') {
        "" if folder.starts_with('/') => "/".to_owned(),
        "" | "." => String::new(),
        rest => format!("{rest}/"),
    }
}

fn pattern(word: &str) -> Result<Vec<Source>, Failure> {
    let found = glob::glob(word).map_err(|e| {
        Failure::usage(format!("{word}: no pattern: {e}")).hint("a pattern is written like 'envs/*.yaml'")
    })?;
    let mut files: Vec<PathBuf> = found.filter_map(Result::ok).filter(|p| p.is_file()).collect();
    if files.is_empty() {
        return Err(Failure::usage(format!("{word}: no file is named so"))
            .hint("** stands for folders of any depth; a folder by its name is searched whole"));
    }
    files.sort();
    Ok(files.into_iter().map(Source::File).collect())
}

fn missing(word: &str) -> Failure {
    let path = Path::new(word);
    let above = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let near = std::fs::read_dir(above)
        .into_iter()
        .flatten()
        .flatten()
        .take(10_000)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .map(|entry| (similar(&name, &entry.to_lowercase()), entry))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let failure = Failure::usage(format!("{word}: no such file or folder"));
    match near {
        Some((_, name)) => failure.hint(format!("did you mean {}?", prefixed(above, &name))),
        None if word.contains('@') => {
            failure.hint("a revision is written FOLDER@REVISION, for example .@HEAD~1")
        }
        None => failure,
    }
}

fn similar(one: &str, other: &str) -> f32 {
    similar::TextDiff::from_chars(one, other).ratio()
}

fn prefixed(above: &Path, name: &str) -> String {
    if above == Path::new(".") {
        name.to_owned()
    } else {
        above.join(name).display().to_string()
    }
}

pub(super) fn unreadable(word: &str, error: &FolderError) -> Failure {
    let mut message = format!("{word}: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    let mut failure = Failure::new(Exit::Usage, message);
    failure.hints.extend(error.hint());
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_without_what_says_nothing() {
        for (folder, shown) in [
            (".", ""),
            ("./", ""),
            ("./a", "a/"),
            ("a/", "a/"),
            ("/", "/"),
            ("/a//", "/a/"),
            ("../b", "../b/"),
        ] {
            assert_eq!(prefix(folder), shown, "{folder}");
        }
    }

    #[test]
    fn a_revision_may_have_an_at_in_it() {
        assert_eq!(split_revision("@HEAD@{1}"), Some(("", "HEAD@{1}")));
        assert_eq!(
            split_revision(".@main@{upstream}:envs"),
            Some((".", "main@{upstream}:envs"))
        );
        assert_eq!(split_revision("no-such@HEAD"), None);
        assert_eq!(split_revision(".@"), None);
    }
}
