//! Files that are in no repository's order, read as `nautes apply` takes them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use nautes_gitops::folder::Listing;
use nautes_gitops::repo::snapshot::Problem;
use nautes_gitops::repo::{Limits, SnapshotFile};
use nautes_gitops::tree::rule;
use nautes_gitops::{Folder, FolderError, Oid, RepoRef};
use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ProductName;
use nautes_model::scope::Broken;
use nautes_model::{Finding, Identity, Severity};

use super::layers::FileRead;
use super::word::Shown;
use crate::exit::Failure;

/// How much is read of a folder without an order; the reader of trees has its own limits.
pub(super) const LIMITS: Limits = Limits {
    file_bytes: 16 << 20,
    total_bytes: 1 << 30,
    entries: 500_000,
    depth: 64,
};

/// Reads all manifests of a folder.
pub(super) fn folder(
    folder: &Folder,
    shown: &Shown,
    path: &Path,
    product: Option<&ProductName>,
) -> Result<Vec<FileRead>, FolderError> {
    let snapshot = folder.snapshot(LIMITS, &wanted)?;
    let root = root_key(folder, path);
    let mut all = Vec::new();
    for (path, SnapshotFile { id, bytes }) in snapshot.files {
        let name = format!("{}{path}", shown.prefix);
        all.push(text(format!("{root}{path}"), &name, &bytes, Some(id), product));
    }
    for finding in snapshot.findings {
        if finding.problem == Problem::Symlink {
            continue;
        }
        let name = format!("{}{}", shown.prefix, finding.path);
        let file: Arc<str> = Arc::from(name.trim_end_matches('/'));
        let found = Finding::error(rule::UNREADABLE, &file, finding.problem.to_string());
        let key = format!("{root}{}", finding.path);
        all.push(unread(key, &file, found.hint(way_out(&finding.problem))));
    }
    Ok(all)
}

/// Whether a path is read; folders end with `/`.
fn wanted(path: &str) -> bool {
    let folder = path.strip_suffix('/');
    let name = folder.unwrap_or(path).rsplit('/').next().unwrap_or_default();
    if name.starts_with('.') {
        return false;
    }
    let is_manifest = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
    folder.is_some() || (is_manifest && name != "kustomization.yaml")
}

fn way_out(problem: &Problem) -> &'static str {
    match problem {
        Problem::TooLarge { .. } | Problem::TotalTooLarge { .. } => "split it into several files",
        Problem::TooMany { .. } | Problem::TooDeep { .. } => "name the folders that hold manifests",
        Problem::Refused { .. } => "let yourself read it (chmod), or name other files",
        Problem::Name => "rename the file",
        Problem::Symlink | Problem::Submodule | Problem::Special => "name the file itself",
    }
}

/// By what files of a folder are known again: the same file of another revision has the same key.
fn root_key(folder: &Folder, path: &Path) -> String {
    match folder.in_repository() {
        Some((repository, below)) => format!("{}:{below}", repository.display()),
        None => {
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            format!("{}/", path.display())
        }
    }
}

/// Reads a file that was named.
pub(super) fn file(path: &Path, product: Option<&ProductName>) -> Result<FileRead, Failure> {
    let name = path.display().to_string();
    let name = name.strip_prefix("./").unwrap_or(&name);
    let failed = |e: std::io::Error| {
        let failure = Failure::usage(format!("{name}: the file cannot be read: {e}"));
        match e.kind() {
            std::io::ErrorKind::PermissionDenied => failure.hint("let yourself read it: chmod u+r"),
            _ => failure,
        }
    };
    let open = std::fs::File::open(path).map_err(failed)?;
    let size = open.metadata().map_err(failed)?.len();
    let key = key_of(path);
    if size > LIMITS.file_bytes as u64 {
        return Ok(too_large(key, name, size));
    }
    stream(open, key, name, product).map_err(failed)
}

/// By what a file that was named is known again: where it is in its repository, else where it is.
fn key_of(path: &Path) -> String {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match (real.parent().map(Folder::on_disk), real.file_name()) {
        (Some(Ok(folder)), Some(name)) => {
            let root = root_key(&folder, real.parent().unwrap_or(&real));
            format!("{root}{}", name.to_string_lossy())
        }
        _ => real.display().to_string(),
    }
}

/// Reads standard input.
pub(super) fn stdin(product: Option<&ProductName>) -> Result<FileRead, Failure> {
    stream(super::stdin::take()?, "-".to_owned(), "-", product)
        .map_err(|e| Failure::usage(format!("standard input cannot be read: {e}")))
}

fn stream(
    from: impl std::io::Read,
    key: String,
    name: &str,
    product: Option<&ProductName>,
) -> std::io::Result<FileRead> {
    let mut bytes = Vec::new();
    from.take(LIMITS.file_bytes as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LIMITS.file_bytes {
        return Ok(too_large(key, name, bytes.len() as u64));
    }
    let id = Oid::of_content(&bytes);
    Ok(text(key, name, &bytes, id, product))
}

/// Reads a file of a revision; `path` is where the same is on disk.
pub(super) fn blob(path: Option<&str>, name: &str, bytes: &[u8], product: Option<&ProductName>) -> FileRead {
    let key = path.map_or_else(|| name.to_owned(), |path| key_of(Path::new(path)));
    if bytes.len() > LIMITS.file_bytes {
        return too_large(key, name, bytes.len() as u64);
    }
    text(key, name, bytes, Oid::of_content(bytes), product)
}

fn too_large(key: String, name: &str, size: u64) -> FileRead {
    let file: Arc<str> = Arc::from(name);
    let limit = LIMITS.file_bytes;
    let message = format!("the file has {size} bytes or more, {limit} are read");
    let finding = Finding::error(manifest::rule::LIMIT, &file, message);
    unread(key, &file, finding.hint("split it into several files"))
}

fn unread(key: String, file: &Arc<str>, finding: Finding) -> FileRead {
    FileRead {
        key,
        shown: Arc::clone(file),
        content: None,
        resources: Vec::new(),
        catalogue: None,
        findings: vec![finding],
        broken: Vec::new(),
        text: None,
    }
}

/// Reads the text of a file.
pub(super) fn text(
    key: String,
    name: &str,
    bytes: &[u8],
    content: Option<Oid>,
    product: Option<&ProductName>,
) -> FileRead {
    let context = Context::new(name, Form::Request).product(product);
    let parsed = manifest::parse_bytes(bytes, &context);
    let text = (!parsed.findings.is_empty()).then(|| Arc::from(String::from_utf8_lossy(bytes)));
    FileRead {
        key,
        shown: Arc::from(name),
        content,
        broken: broken(name, &parsed.findings),
        resources: parsed.resources.into_iter().map(Arc::new).collect(),
        catalogue: parsed.catalogue,
        findings: parsed.findings,
        text,
    }
}

/// What the broken documents say that they are: it is not missing, it cannot be read.
fn broken(name: &str, findings: &[Finding]) -> Vec<(RepoRef, Broken)> {
    let mut all: BTreeMap<RepoRef, Broken> = BTreeMap::new();
    let errors = findings.iter().filter(|f| f.severity == Severity::Error);
    for (identity, finding) in errors.filter_map(|f| Some((f.resource.as_ref()?, f))) {
        let entry = all.entry(RepoRef::of(identity)).or_insert_with(|| Broken {
            path: name.to_owned(),
            identities: Vec::<Identity>::new(),
            problems: Vec::new(),
        });
        if !entry.identities.contains(identity) {
            entry.identities.push(identity.clone());
        }
        entry.problems.push(finding.message.clone());
    }
    all.into_iter().collect()
}

/// Says what of a folder is passed over.
pub(super) fn notes(listing: &Listing, shown: &Shown) -> Vec<String> {
    let mut notes = Vec::new();
    if let [first, rest @ ..] = listing.links.as_slice() {
        let more = if rest.is_empty() {
            String::new()
        } else {
            format!(" and {} more", rest.len())
        };
        notes.push(format!("links are not followed: {}{first}{more}", shown.prefix));
    }
    notes
}
