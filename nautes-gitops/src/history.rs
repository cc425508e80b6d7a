//! Who changed what: commits of a repository, read as changes of resources.
//!
//! # Caveats
//! * What a commit says about itself (author, request, skipped rules) is what whoever pushed wrote; Nautes' own commits
//!   say it truly.
//! * A merge is compared with the first commit that it follows.

use std::collections::BTreeMap;

use nautes_model::manifest::{Context, Form, parse_bytes};
use nautes_model::{Identity, Resource};

use crate::oid::Oid;
use crate::place::RepoRef;
use crate::repo::Mirror;
use crate::repo::RepoError;
use crate::repo::changes::{ChangeLimits, Changes};

/// What became of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Became {
    /// It was not declared before.
    Created,
    /// It is declared differently.
    Changed,
    /// It is declared no more.
    Removed,
}

/// What a commit changed of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceChanges {
    /// The resources, in order of identity.
    pub resources: BTreeMap<Identity, Became>,
    /// Whether these are all: the commit is not larger than what is read, and every file could be read.
    pub complete: bool,
}

/// Reads what a commit changed of resources. A resource that only moved to another file has not changed.
///
/// # Errors
/// The commit is not here, or the mirror cannot be read.
pub async fn changes_of(
    of: &RepoRef,
    mirror: &Mirror,
    commit: Oid,
    limits: ChangeLimits,
) -> Result<ResourceChanges, RepoError> {
    let whose = of.clone();
    let changes = mirror
        .changes(commit, limits, move |path| whose.wants(path))
        .await?;
    Ok(read(of, &changes))
}

fn read(of: &RepoRef, changes: &Changes) -> ResourceChanges {
    let mut complete = changes.complete;
    let mut before: BTreeMap<Identity, Resource> = BTreeMap::new();
    let mut after: BTreeMap<Identity, Resource> = BTreeMap::new();
    let mut put = |path: &str, bytes: &Option<Vec<u8>>, all: &mut BTreeMap<Identity, Resource>| {
        let Some(bytes) = bytes else { return };
        let context = Context::new(path, Form::Git).product(of.product());
        let parsed = parse_bytes(bytes, &context);
        complete &= !parsed
            .findings
            .iter()
            .any(|f| f.severity == nautes_model::Severity::Error);
        all.extend(parsed.resources.into_iter().map(|s| (s.identity, s.resource)));
    };
    for file in &changes.files {
        put(&file.path, &file.before, &mut before);
        put(&file.path, &file.after, &mut after);
    }
    let mut resources = BTreeMap::new();
    for (identity, old) in &before {
        match after.get(identity) {
            None => resources.insert(identity.clone(), Became::Removed),
            Some(new) if new != old => resources.insert(identity.clone(), Became::Changed),
            Some(_) => None,
        };
    }
    let new = after
        .into_keys()
        .filter(|identity| !before.contains_key(identity));
    resources.extend(new.map(|identity| (identity, Became::Created)));
    ResourceChanges { resources, complete }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::changes::FileChange;

    fn project(name: &str, language: &str) -> Vec<u8> {
        format!(
            "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\nmetadata: {{name: {name}}}\n\
             spec: {{language: {language}}}\n"
        )
        .into_bytes()
    }

    fn of(files: Vec<FileChange>) -> ResourceChanges {
        let product = RepoRef::Product("shop".parse().unwrap());
        read(
            &product,
            &Changes {
                files,
                complete: true,
            },
        )
    }

    fn file(path: &str, before: Option<Vec<u8>>, after: Option<Vec<u8>>) -> FileChange {
        FileChange {
            path: path.to_owned(),
            before,
            after,
        }
    }

    #[test]
    fn resources_are_compared_and_not_files() {
        let found = of(vec![
            file("projects/a/a.yaml", None, Some(project("a", "go"))),
            file(
                "projects/b/b.yaml",
                Some(project("b", "go")),
                Some(project("b", "rust")),
            ),
            file("projects/c/c.yaml", Some(project("c", "go")), None),
            file("projects/d/d.yaml", Some(project("d", "go")), None),
            file("projects/e/d.yaml", None, Some(project("d", "go"))),
        ]);
        let told: Vec<(String, Became)> = found
            .resources
            .iter()
            .map(|(identity, became)| (identity.to_string(), *became))
            .collect();
        assert_eq!(
            told,
            [
                ("Project/shop/a".to_owned(), Became::Created),
                ("Project/shop/b".to_owned(), Became::Changed),
                ("Project/shop/c".to_owned(), Became::Removed),
            ]
        );
        assert!(found.complete);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_not_all() {
        let found = of(vec![file("projects/a/a.yaml", None, Some(b"kind: [".to_vec()))]);
        assert!(found.resources.is_empty() && !found.complete);
    }
}
