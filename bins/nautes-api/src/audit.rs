//! Who changed what, from the commits of the repositories in which things are declared.
//!
//! # Guarantees
//! * Only repositories that the caller may read are looked at.
//! * Of each repository a bounded number of commits is looked at, and what is beyond is told as such.

use std::sync::Arc;

use nautes_gitops::history::{Became, ResourceChanges, changes_of};
use nautes_gitops::publish::trailer::Facts;
use nautes_gitops::repo::Commit;
use nautes_gitops::repo::changes::ChangeLimits;
use nautes_gitops::{Mirror, RepoPath, RepoRef};
use nautes_model::{Class, Identity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::{ApiError, internal};
use crate::page::Page;
use crate::wire::{Done, Outcome};

/// How many commits of a repository are looked at.
const WALK: usize = 2_000;
/// How many commits are compared file by file for one answer.
const COMPARED: usize = 1_000;

/// A change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// The commit.
    pub revision: String,
    /// The repository, `group/name`.
    pub repository: String,
    /// The product; `None` for the tenant's repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// When it was committed, in RFC 3339.
    pub time: String,
    /// The name of who wanted it.
    pub author: String,
    /// The address of who wanted it.
    pub email: String,
    /// The name of who wrote it.
    pub committer: String,
    /// The id of the request; `None` for what somebody pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The first line of the message.
    pub message: String,
    /// The rules that were skipped on request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped_rules: Vec<String>,
    /// What became of resources, in order of kind and name.
    pub resources: Vec<Outcome>,
    /// Whether `resources` are all; files that cannot be read, and very large commits, are not told whole.
    pub complete: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) resource: Option<Identity>,
    /// The name or the address, in lower case.
    pub(crate) author: Option<String>,
    /// Seconds since 1970.
    pub(crate) since: Option<i64>,
}

/// A page of changes.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) entries: Vec<AuditEntry>,
    /// The mark of the last commit that was looked at, where there are more.
    pub(crate) more: Option<[String; 3]>,
    pub(crate) truncated: bool,
}

/// A commit among those of all repositories.
struct Candidate {
    of: RepoRef,
    path: RepoPath,
    mirror: Mirror,
    commit: Commit,
    /// The number of commits of the repository that are newer.
    newer: usize,
}

impl Candidate {
    fn mark(&self) -> [String; 3] {
        [
            self.commit.seconds.to_string(),
            self.path.to_string(),
            self.commit.id.to_string(),
        ]
    }
}

/// Reads the newest changes of repositories that a page wants.
///
/// # Errors
/// A repository cannot be read.
pub(crate) async fn read(
    app: &App,
    repos: Vec<(RepoRef, RepoPath)>,
    filter: &Filter,
    page: &Page,
) -> Result<Found, ApiError> {
    let mut found = Found::default();
    // Without a resource to look for, every candidate is an entry: more than a page is not kept.
    let keep = if filter.resource.is_some() {
        usize::MAX
    } else {
        page.limit + 1
    };
    let mut all: Vec<Candidate> = Vec::new();
    for (of, path) in repos {
        let (candidates, truncated) = candidates(app, of, path, filter, page).await?;
        found.truncated |= truncated;
        all.extend(candidates);
        all.sort_by(|a, b| {
            let key = |c: &Candidate| (std::cmp::Reverse(c.commit.seconds), c.path.clone(), c.newer);
            key(a).cmp(&key(b))
        });
        all.truncate(keep);
    }
    let mut looked = None;
    for (number, candidate) in all.into_iter().enumerate() {
        if found.entries.len() >= page.limit || number >= COMPARED {
            found.more = looked;
            return Ok(found);
        }
        looked = Some(candidate.mark());
        let changes = changes_of(
            &candidate.of,
            &candidate.mirror,
            candidate.commit.id,
            ChangeLimits::default(),
        )
        .await
        .map_err(|error| internal("a commit cannot be read", &error))?;
        let wanted = filter
            .resource
            .as_ref()
            .is_none_or(|of| changes.resources.contains_key(of));
        if wanted {
            found.entries.push(entry(candidate, changes));
        }
    }
    Ok(found)
}

async fn candidates(
    app: &App,
    of: RepoRef,
    path: RepoPath,
    filter: &Filter,
    page: &Page,
) -> Result<(Vec<Candidate>, bool), ApiError> {
    let failed = |error: nautes_gitops::repo::RepoError| internal("a history cannot be read", &error);
    let mirror = app.platform().mirrors().open(&path).await.map_err(failed)?;
    let branch = &app.platform().tenant().branch;
    let Some(tip) = mirror.tip(branch).await.map_err(failed)? else {
        return Ok((Vec::new(), false));
    };
    let log = mirror.log(tip, WALK).await.map_err(failed)?;
    let truncated = log.len() == WALK && log.last().is_some_and(|last| !last.parents.is_empty());
    let after = page
        .after
        .as_deref()
        .map(|mark| after(mark, &path, &log))
        .transpose()?;
    let by = |commit: &Commit| {
        filter.author.as_ref().is_none_or(|author| {
            commit.author.to_lowercase() == *author || commit.email.to_lowercase() == *author
        })
    };
    let kept = log
        .into_iter()
        .enumerate()
        .filter(|(newer, commit)| after.as_ref().is_none_or(|after| after.precedes(commit, *newer)))
        .filter(|(_, commit)| filter.since.is_none_or(|since| commit.seconds >= since))
        .filter(|(_, commit)| by(commit))
        .map(|(newer, commit)| Candidate {
            of: of.clone(),
            path: path.clone(),
            mirror: mirror.clone(),
            commit,
            newer,
        });
    Ok((kept.collect(), truncated))
}

/// The commit at which the page before ended, as one repository sees it.
struct After {
    seconds: i64,
    /// The number of newer commits up to which those of the same second were told.
    newer: Option<usize>,
    /// Whether all commits of the same second of this repository were told.
    all: bool,
}

impl After {
    fn precedes(&self, commit: &Commit, newer: usize) -> bool {
        commit.seconds < self.seconds
            || commit.seconds == self.seconds && !self.all && self.newer.is_none_or(|told| newer > told)
    }
}

fn after(mark: &[String], path: &RepoPath, log: &[Commit]) -> Result<After, ApiError> {
    let [seconds, repository, id] = mark else {
        return Err(ApiError::malformed(
            "`continue` is not a mark that this list has given",
        ));
    };
    let seconds = seconds
        .parse()
        .map_err(|_| ApiError::malformed("`continue` is not a mark that this list has given"))?;
    let own = path.to_string();
    let here = log.iter().position(|commit| commit.id.to_string() == *id);
    Ok(After {
        seconds,
        newer: here.filter(|_| own == *repository),
        // Repositories come in order among commits of one second; a history that was rewritten is not told twice.
        all: own < *repository || own == *repository && here.is_none(),
    })
}

fn entry(candidate: Candidate, changes: ResourceChanges) -> AuditEntry {
    let Candidate { of, path, commit, .. } = candidate;
    let facts = Facts::read(&commit.trailers);
    let done = |became| match became {
        Became::Created => Done::Created,
        Became::Changed => Done::Changed,
        Became::Removed => Done::Removed,
    };
    let resources = changes.resources.into_iter().map(|(resource, became)| Outcome {
        resource,
        done: done(became),
    });
    AuditEntry {
        revision: commit.id.to_string(),
        repository: path.to_string(),
        product: of.product().map(ToString::to_string),
        time: time(commit.seconds),
        author: commit.author,
        email: commit.email,
        committer: commit.committer,
        request_id: facts.request,
        message: commit.subject,
        skipped_rules: facts.skipped_rules,
        resources: resources.collect(),
        complete: changes.complete,
    }
}

fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
}

/// Reads a moment: RFC 3339, or a day.
///
/// # Errors
/// It is none.
pub(crate) fn moment(text: &str) -> Result<i64, ApiError> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.as_second());
    }
    let day = text.parse::<jiff::civil::Date>().ok();
    let begin = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    begin.map(|begin| begin.timestamp().as_second()).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        ApiError::malformed(format!("{shown:?} is no moment"))
            .hint("write 2024-01-31 or 2024-01-31T12:00:00Z")
    })
}

/// Says where the repositories are in which things are declared.
///
/// # Errors
/// The group of a product is no path on a forge.
pub(crate) fn repository(
    app: &App,
    scopes: &Arc<nautes_model::Scopes>,
    of: RepoRef,
) -> Result<(RepoRef, RepoPath), ApiError> {
    let path = match of.product() {
        None => app.platform().tenant().repo.clone(),
        Some(name) => {
            let declared = scopes.tenant.product(name.as_str()).map(|(_, product)| product);
            nautes_runtime::platform::paths::default_project(name, declared)
                .map_err(|e| ApiError::of_class(Class::Invalid, e.to_string()))?
        }
    };
    Ok((of, path))
}
