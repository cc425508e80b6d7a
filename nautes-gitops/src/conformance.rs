//! What every forge must do, as named cases.
//!
//! [`run`] takes any forge and asserts all cases. Each case works in a group of its own, whose name begins with
//! [`Subject::prefix`], and removes it afterwards: a forge in use can be checked, too.
//!
//! The forge needs three accounts that have nothing to do with each other, each of which may create groups.

mod access;
mod git;
mod groups;
mod parts;
mod publishers;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use nautes_model::{Class, Secret};

use crate::host::{GitHost, GroupSpec, HostError, RepoPath, RepoSpec, Session};
use crate::oid::Oid;
use crate::repo::{CommitSpec, Mirror, Signature};

/// How a case ended: what was not as it must be.
pub type Outcome = Result<(), String>;

type Body = for<'a> fn(&'a Stage) -> BoxFuture<'a, Outcome>;

/// A forge that is to be checked.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The forge.
    pub host: Arc<dyn GitHost>,
    /// The tokens of three accounts.
    pub tokens: [Secret; 3],
    /// What the names of the groups begin with.
    pub prefix: String,
    /// A folder for mirrors.
    pub mirrors: PathBuf,
}

/// One rule that every forge keeps.
pub struct Case {
    /// The rule.
    pub name: &'static str,
    body: Body,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Where a case plays.
#[derive(Debug)]
pub(crate) struct Stage {
    host: Arc<dyn GitHost>,
    /// Owns the group.
    owner: Arc<dyn Session>,
    /// Is made a member where the case says so.
    member: Arc<dyn Session>,
    /// Has nothing to do with the group.
    stranger: Arc<dyn Session>,
    group: String,
    mirrors: PathBuf,
}

impl Case {
    /// Tries the rule on a forge.
    ///
    /// # Errors
    /// Says what was not as it must be.
    pub async fn run(&self, subject: &Subject) -> Outcome {
        let stage = Stage::set(subject, self.name).await?;
        stage.clear().await?;
        let spec = GroupSpec {
            name: stage.group.clone(),
            ..GroupSpec::default()
        };
        need(
            "creating the group of the case",
            stage.owner.create_group(&spec).await,
        )?;
        let outcome = (self.body)(&stage).await;
        stage.clear().await?;
        outcome
    }
}

/// Returns all cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        groups::cases(),
        access::cases(),
        parts::cases(),
        git::cases(),
        publishers::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Tries every case on a forge, one after the other.
///
/// # Panics
/// A case did not hold; the message names all that did not.
pub async fn run(subject: &Subject) {
    let mut broken = Vec::new();
    for case in cases() {
        if let Err(what) = case.run(subject).await {
            broken.push(format!("{}: {what}", case.name));
        }
    }
    assert!(
        broken.is_empty(),
        "{} broke {} rules:\n{}",
        subject.host.name(),
        broken.len(),
        broken.join("\n")
    );
}

impl Stage {
    async fn set(subject: &Subject, case: &str) -> Result<Self, String> {
        let host = Arc::clone(&subject.host);
        let [owner, member, stranger] = &subject.tokens;
        let owner = need("signing in", host.session(owner).await)?;
        let member = need("signing in", host.session(member).await)?;
        let stranger = need("signing in", host.session(stranger).await)?;
        let short: String = case
            .split_whitespace()
            .filter_map(|word| word.chars().next())
            .collect();
        let group = format!("{}-{}", subject.prefix, short.to_ascii_lowercase());
        let mirrors = subject.mirrors.join(&group);
        Ok(Self {
            host,
            owner,
            member,
            stranger,
            group,
            mirrors,
        })
    }

    /// Removes the group of the case, and what is in it.
    async fn clear(&self) -> Outcome {
        if need("looking for the group", self.owner.group(&self.group).await)?.is_none() {
            return Ok(());
        }
        for repository in need("listing repositories", self.owner.repositories(&self.group).await)? {
            need(
                "deleting a repository",
                self.owner.delete_repository(&repository.path).await,
            )?;
        }
        need("deleting the group", self.owner.delete_group(&self.group).await)
    }

    fn path(&self, name: &str) -> Result<RepoPath, String> {
        need("naming a repository", RepoPath::new(self.group.clone(), name))
    }

    /// Creates an empty repository.
    async fn repository(&self, name: &str) -> Result<RepoPath, String> {
        let path = self.path(name)?;
        need(
            "creating a repository",
            self.owner.create_repository(&path, &RepoSpec::default()).await,
        )?;
        Ok(path)
    }

    async fn mirror(&self, name: &str) -> Result<Mirror, String> {
        need(
            "opening a mirror",
            Mirror::open_or_create(self.mirrors.join(format!("{name}.git"))).await,
        )
    }

    /// Creates a repository with one commit on `main`, and returns both with a mirror.
    async fn filled(&self, name: &str) -> Result<(RepoPath, Mirror, Oid), String> {
        let path = self.repository(name).await?;
        let mirror = self.mirror(name).await?;
        let first = commit(&mirror, None, "first").await?;
        need(
            "pushing the first commit",
            self.owner.push(&path, &mirror, "main", None, first).await,
        )?;
        Ok((path, mirror, first))
    }

    async fn name_of(&self, session: &Arc<dyn Session>) -> Result<String, String> {
        Ok(need("asking who the caller is", session.user().await)?.name)
    }
}

/// Writes a commit that differs from others by `text`.
async fn commit(mirror: &Mirror, parent: Option<Oid>, text: &str) -> Result<Oid, String> {
    let who = Signature {
        name: "Con".to_owned(),
        email: "con@example.org".to_owned(),
        seconds: 1_700_000_000,
    };
    let spec = CommitSpec {
        parent,
        edits: [(
            format!("files/{text}.txt"),
            Some(format!("{text}\n").into_bytes()),
        )]
        .into(),
        author: who.clone(),
        committer: who,
        message: text.to_owned(),
        trailers: Vec::new(),
    };
    need("writing a commit", mirror.commit(spec).await)?
        .ok_or_else(|| "the commit changes nothing".to_owned())
}

/// Names what was attempted where it failed.
fn need<T, E: std::error::Error>(what: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| {
        let cause = error
            .source()
            .map_or_else(String::new, |cause| format!(": {cause}"));
        format!("{what} failed: {error}{cause}")
    })
}

fn holds(what: &str, condition: bool) -> Outcome {
    if condition {
        Ok(())
    } else {
        Err(format!("{what}: it does not hold"))
    }
}

fn equal<T: PartialEq + fmt::Debug>(what: &str, found: &T, expected: &T) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found:?}, expected {expected:?}"))
    }
}

/// Asserts that a call failed with a class.
fn fails<T: fmt::Debug>(what: &str, result: Result<T, HostError>, class: Class) -> Outcome {
    match result {
        Err(error) if error.class() == class => Ok(()),
        Err(error) => Err(format!(
            "{what}: it failed as {} ({error}), not as {class}",
            error.class()
        )),
        Ok(value) => Err(format!("{what}: it succeeded with {value:?}")),
    }
}
