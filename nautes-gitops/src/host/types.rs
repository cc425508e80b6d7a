//! The vocabulary of a forge.

use std::fmt;
use std::str::FromStr;

use nautes_model::Secret;
pub use nautes_model::kinds::Visibility;
use serde::{Deserialize, Serialize};

use crate::oid::Oid;

/// The longest path of a group or name of a repository, in bytes.
const MAX_SEGMENTS: usize = 200;

/// Where a repository is: the path of its group, and its name within.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath {
    group: String,
    name: String,
}

/// A text is not the path of a group or a repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not a {what}: {why}")]
pub struct PathError {
    what: &'static str,
    shown: String,
    why: &'static str,
}

impl RepoPath {
    /// Reads a path from its two parts.
    ///
    /// # Errors
    /// A part has a segment that is no name on a forge, or that could be taken for something else in a file system.
    pub fn new(group: impl Into<String>, name: impl Into<String>) -> Result<Self, PathError> {
        let (group, name) = (group.into(), name.into());
        check_group(&group)?;
        check_segment("repository name", &name)?;
        Ok(Self { group, name })
    }

    /// Returns the path of the group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Returns the name within the group.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Checks the path of a group: segments separated by `/`.
///
/// # Errors
/// A segment is no name on a forge.
pub fn check_group(path: &str) -> Result<(), PathError> {
    if path.len() > MAX_SEGMENTS {
        return Err(wrong("group", path, "it is longer than 200 bytes"));
    }
    path.split('/')
        .try_for_each(|segment| check_segment("group", segment))
}

fn check_segment(what: &'static str, text: &str) -> Result<(), PathError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let edge = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(wrong(what, text, "a segment is empty"));
    }
    if bytes.len() > MAX_SEGMENTS {
        return Err(wrong(what, text, "it is longer than 200 bytes"));
    }
    if !bytes.iter().copied().all(good) || !edge(bytes[0]) {
        return Err(wrong(
            what,
            text,
            "only letters, digits, '.', '_' and '-', beginning with a letter, digit or '_'",
        ));
    }
    if text.contains("..") || text.ends_with('.') {
        return Err(wrong(what, text, "it has '..' or ends with '.'"));
    }
    let lower = text.to_ascii_lowercase();
    if [".git", ".lock", ".atom"].iter().any(|end| lower.ends_with(end)) {
        return Err(wrong(what, text, "it ends with .git, .lock or .atom"));
    }
    Ok(())
}

fn wrong(what: &'static str, text: &str, why: &'static str) -> PathError {
    PathError {
        what,
        shown: text.chars().take(80).collect(),
        why,
    }
}

impl FromStr for RepoPath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (group, name) = text
            .rsplit_once('/')
            .ok_or_else(|| wrong("repository path", text, "it has no group"))?;
        Self::new(group, name)
    }
}

impl TryFrom<String> for RepoPath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.name)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// A group or a repository: where membership is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A group, by its path.
    Group(String),
    /// A repository.
    Repository(RepoPath),
}

impl Place {
    /// Names a group.
    #[must_use]
    pub fn group(path: impl Into<String>) -> Self {
        Self::Group(path.into())
    }
}

impl From<&RepoPath> for Place {
    fn from(path: &RepoPath) -> Self {
        Self::Repository(path.clone())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "group {name}"),
            Self::Repository(path) => write!(f, "repository {path}"),
        }
    }
}

/// What a member may do; each level may do what those before it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLevel {
    /// Not a member.
    #[default]
    None,
    /// Knows that it exists.
    Guest,
    /// Reads.
    Reporter,
    /// Pushes.
    Developer,
    /// Has repositories, keys and hooks in hand.
    Maintainer,
    /// Has members and existence in hand.
    Owner,
}

impl fmt::Display for AccessLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Guest => "guest",
            Self::Reporter => "reporter",
            Self::Developer => "developer",
            Self::Maintainer => "maintainer",
            Self::Owner => "owner",
        })
    }
}

/// An account on a forge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct User {
    /// The id on the forge.
    pub id: u64,
    /// The unique name by which it signs in.
    pub name: String,
    /// The address that its commits carry.
    pub email: String,
}

/// A direct member of a group or repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Who.
    pub user: User,
    /// What he may do.
    pub level: AccessLevel,
}

/// A group of repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The id on the forge; a re-created group of the same name has another.
    pub id: u64,
    /// The path.
    pub name: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// What it is for.
    pub description: String,
    /// What its creator left in it, to know it again after a crash.
    pub marker: Option<String>,
}

/// What a new group shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSpec {
    /// The path.
    pub name: String,
    /// Who may see it.
    pub visibility: Visibility,
    /// What it is for.
    pub description: String,
    /// What to leave in it, to know it again after a crash.
    pub marker: Option<String>,
}

/// What shall change in a group; `None` leaves as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupChange {
    /// Who may see it.
    pub visibility: Option<Visibility>,
    /// What it is for.
    pub description: Option<String>,
    /// The marker; `Some(None)` takes it away.
    pub marker: Option<Option<String>>,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The id on the forge; a re-created repository of the same path has another.
    pub id: u64,
    /// Where it is.
    pub path: RepoPath,
    /// The branch that a clone checks out, a short name; it need not exist yet.
    pub default_branch: String,
    /// The address for Git over HTTP, without a credential.
    pub http_url: String,
    /// The address for Git over SSH, where the forge serves it.
    pub ssh_url: Option<String>,
    /// Whether it is read-only.
    pub archived: bool,
    /// Who may read it.
    pub visibility: Visibility,
    /// What it is for.
    pub description: String,
    /// What its creator left in it, to know it again after a crash.
    pub marker: Option<String>,
}

/// What a new repository shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoSpec {
    /// The default branch.
    pub default_branch: String,
    /// Who may read it.
    pub visibility: Visibility,
    /// What it is for.
    pub description: String,
    /// What to leave in it, to know it again after a crash.
    pub marker: Option<String>,
}

impl Default for RepoSpec {
    fn default() -> Self {
        Self {
            default_branch: "main".to_owned(),
            visibility: Visibility::Private,
            description: String::new(),
            marker: None,
        }
    }
}

/// What shall change in a repository; `None` leaves as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepoChange {
    /// The default branch.
    pub default_branch: Option<String>,
    /// Who may read it.
    pub visibility: Option<Visibility>,
    /// What it is for.
    pub description: Option<String>,
    /// The marker; `Some(None)` takes it away.
    pub marker: Option<Option<String>>,
}

/// An SSH key that belongs to repositories instead of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployKey {
    /// The id on the forge.
    pub id: u64,
    /// What it is called.
    pub title: String,
    /// The public key, `type base64`, without a comment.
    pub public_key: String,
    /// Whether it may push to this repository.
    pub can_push: bool,
}

/// What a new deploy key shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployKeySpec {
    /// What it is called.
    pub title: String,
    /// The public key in OpenSSH's form; a comment is dropped.
    pub public_key: String,
    /// Whether it may push.
    pub can_push: bool,
}

/// What a hook is called for. Each forge sends those that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookEvent {
    /// A branch was created, moved or deleted.
    Push,
    /// A tag was created, moved or deleted.
    TagPush,
    /// Something happened to a merge request.
    MergeRequests,
    /// Something was commented.
    Note,
    /// Something confidential was commented.
    ConfidentialNote,
    /// Something happened to an issue.
    Issues,
    /// Something happened to a confidential issue.
    ConfidentialIssues,
    /// The state of a job has changed.
    Job,
    /// The state of a pipeline has changed.
    Pipeline,
    /// A release was made, changed or deleted.
    Releases,
    /// A deployment has begun or ended.
    Deployment,
}

impl HookEvent {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Push,
        Self::TagPush,
        Self::MergeRequests,
        Self::Note,
        Self::ConfidentialNote,
        Self::Issues,
        Self::ConfidentialIssues,
        Self::Job,
        Self::Pipeline,
        Self::Releases,
        Self::Deployment,
    ];

    /// Returns the name of the flag by which GitLab's API knows it, as manifests name it, too.
    #[must_use]
    pub const fn flag(&self) -> &'static str {
        match self {
            Self::Push => "push_events",
            Self::TagPush => "tag_push_events",
            Self::MergeRequests => "merge_requests_events",
            Self::Note => "note_events",
            Self::ConfidentialNote => "confidential_note_events",
            Self::Issues => "issues_events",
            Self::ConfidentialIssues => "confidential_issues_events",
            Self::Job => "job_events",
            Self::Pipeline => "pipeline_events",
            Self::Releases => "releases_events",
            Self::Deployment => "deployment_events",
        }
    }

    /// Returns what the header `X-Gitlab-Event` of its deliveries says.
    #[must_use]
    pub const fn header(&self) -> &'static str {
        match self {
            Self::Push => "Push Hook",
            Self::TagPush => "Tag Push Hook",
            Self::MergeRequests => "Merge Request Hook",
            Self::Note => "Note Hook",
            Self::ConfidentialNote => "Confidential Note Hook",
            Self::Issues => "Issue Hook",
            Self::ConfidentialIssues => "Confidential Issue Hook",
            Self::Job => "Job Hook",
            Self::Pipeline => "Pipeline Hook",
            Self::Releases => "Release Hook",
            Self::Deployment => "Deployment Hook",
        }
    }
}

/// A registered hook. Its secret can be set and never read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The id on the forge.
    pub id: u64,
    /// Where it calls.
    pub url: String,
    /// What it is called for.
    pub events: Vec<HookEvent>,
}

/// What a new hook shall be.
#[derive(Clone, Debug)]
pub struct HookSpec {
    /// Where to call: `http` or `https`, without a credential.
    pub url: String,
    /// What to call it for.
    pub events: Vec<HookEvent>,
    /// What calls carry to prove where they come from.
    pub secret: Secret,
}

/// Fails unless a text can be the short name of a branch.
pub(crate) fn check_branch(name: &str) -> Result<(), super::HostError> {
    let full = format!("refs/heads/{name}");
    if name.len() <= 200
        && !name.contains('\0')
        && !name.starts_with('-')
        && git2::Reference::is_valid_name(&full)
    {
        Ok(())
    } else {
        Err(super::HostError::invalid(
            "branch",
            "it is not the name of a branch",
        ))
    }
}

/// A hint that references of a repository have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poke {
    /// The repository.
    pub repo: RepoPath,
}

/// One reference that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefMove {
    pub(crate) name: String,
    pub(crate) old: Option<Oid>,
    pub(crate) new: Option<Oid>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_paths_cannot_climb_or_hide() {
        for bad in [
            "",
            "a",
            "/a",
            "a/",
            "a//b",
            "a/..",
            "../a",
            "a/.b",
            "a/b.git",
            "a/b.lock",
            "a/b c",
            "a/-b",
            "a/b.",
            "a/ü",
            "a\\b/c",
            "a/b\0",
            &format!("a/{}", "b".repeat(300)),
        ] {
            assert!(bad.parse::<RepoPath>().is_err(), "{bad:?}");
        }
        let path: RepoPath = "demo/default.project".parse().unwrap();
        assert_eq!((path.group(), path.name()), ("demo", "default.project"));
        let nested: RepoPath = "demo/team/app_1".parse().unwrap();
        assert_eq!((nested.group(), nested.name()), ("demo/team", "app_1"));
    }

    #[test]
    fn levels_are_ordered() {
        use AccessLevel::*;
        let mut levels = [Owner, Guest, None, Maintainer, Reporter, Developer];
        levels.sort();
        assert_eq!(levels, [None, Guest, Reporter, Developer, Maintainer, Owner]);
    }
}
