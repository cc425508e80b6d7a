//! What the commits of a mirror say: ancestry, authors, trailers.

use std::collections::BTreeMap;

use git2::{Repository, Sort};

use super::{Mirror, RepoError};
use crate::oid::Oid;

/// The facts in the last paragraph of a commit message: `Key: value`, a key may repeat.
pub type Trailers = BTreeMap<String, Vec<String>>;

/// A commit, as the audit reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: Oid,
    /// The commits that it follows.
    pub parents: Vec<Oid>,
    /// The name of who wanted it.
    pub author: String,
    /// The address of who wanted it.
    pub email: String,
    /// The name of who wrote it.
    pub committer: String,
    /// When it was written, in seconds since 1970.
    pub seconds: i64,
    /// The first line of the message.
    pub subject: String,
    /// The whole message.
    pub message: String,
    /// The facts for machines.
    pub trailers: Trailers,
}

impl Mirror {
    /// Returns up to `limit` commits that `from` reaches, newest first.
    ///
    /// # Errors
    /// The commit is not here, or the mirror cannot be read.
    pub async fn log(&self, from: Oid, limit: usize) -> Result<Vec<Commit>, RepoError> {
        self.range(from, None, limit).await
    }

    /// Returns up to `limit` commits that `to` reaches and `since` does not, newest first.
    ///
    /// # Errors
    /// A commit is not here, or the mirror cannot be read.
    pub async fn range(&self, to: Oid, since: Option<Oid>, limit: usize) -> Result<Vec<Commit>, RepoError> {
        self.with("reading the history", move |repo| range(repo, to, since, limit))
            .await
    }

    /// Returns the best common ancestor of two commits, `None` where they have none.
    ///
    /// # Errors
    /// A commit is not here, or the mirror cannot be read.
    pub async fn merge_base(&self, one: Oid, two: Oid) -> Result<Option<Oid>, RepoError> {
        self.with("comparing histories", move |repo| {
            known(repo, one)?;
            known(repo, two)?;
            match repo.merge_base(one.git(), two.git()) {
                Ok(id) => Ok(Some(id.into())),
                Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
                Err(error) => Err(RepoError::git("comparing histories")(error)),
            }
        })
        .await
    }

    /// Whether `commit` is `ancestor` or follows it. If not, somebody has rewritten the history.
    ///
    /// # Errors
    /// `commit` is not here, or the mirror cannot be read. An `ancestor` that is not here is not an ancestor.
    pub async fn descends_from(&self, commit: Oid, ancestor: Oid) -> Result<bool, RepoError> {
        self.with("comparing histories", move |repo| {
            known(repo, commit)?;
            if commit == ancestor || known(repo, ancestor).is_err() {
                return Ok(commit == ancestor);
            }
            repo.graph_descendant_of(commit.git(), ancestor.git())
                .map_err(RepoError::git("comparing histories"))
        })
        .await
    }
}

fn known(repo: &Repository, id: Oid) -> Result<(), RepoError> {
    repo.find_commit(id.git())
        .map(drop)
        .map_err(RepoError::lookup(format!("commit {id}")))
}

pub(crate) fn range(
    repo: &Repository,
    to: Oid,
    since: Option<Oid>,
    limit: usize,
) -> Result<Vec<Commit>, RepoError> {
    let fail = |source| RepoError::Git {
        action: "walking the history".to_owned(),
        source,
    };
    known(repo, to)?;
    let mut walk = repo.revwalk().map_err(fail)?;
    walk.set_sorting(Sort::TOPOLOGICAL).map_err(fail)?;
    walk.push(to.git()).map_err(fail)?;
    if let Some(since) = since.filter(|id| known(repo, *id).is_ok()) {
        walk.hide(since.git()).map_err(fail)?;
    }
    walk.take(limit)
        .map(|id| {
            let id = id.map_err(fail)?;
            repo.find_commit(id)
                .map(|commit| describe(&commit))
                .map_err(RepoError::lookup(format!("commit {id}")))
        })
        .collect()
}

fn describe(commit: &git2::Commit<'_>) -> Commit {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let message = text(commit.message_bytes());
    Commit {
        id: commit.id().into(),
        parents: commit.parent_ids().map(Oid::from).collect(),
        author: text(commit.author().name_bytes()),
        email: text(commit.author().email_bytes()),
        committer: text(commit.committer().name_bytes()),
        seconds: commit.committer().when().seconds(),
        subject: message.lines().next().unwrap_or_default().to_owned(),
        trailers: trailers(&message),
        message,
    }
}

/// Puts a message and its trailers together. What would break out of a trailer's line becomes a space.
pub(crate) fn compose(message: &str, trailers: &[(String, String)]) -> String {
    let mut text: String = message
        .trim()
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect();
    if text.is_empty() {
        text.push_str("Change");
    }
    text.push('\n');
    if !trailers.is_empty() {
        text.push('\n');
    }
    for (key, value) in trailers {
        let value: String = value
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        text.push_str(&format!("{key}: {}\n", value.trim()));
    }
    text
}

/// Reads the trailers: the last paragraph, if it is not the only one and every line of it is `Key: value`.
#[must_use]
pub fn trailers(message: &str) -> Trailers {
    let Some((_, last)) = message.trim_end().rsplit_once("\n\n") else {
        return Trailers::new();
    };
    let mut found = Trailers::new();
    for line in last.lines() {
        let Some((key, value)) = line.split_once(": ") else {
            return Trailers::new();
        };
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Trailers::new();
        }
        found
            .entry(key.to_owned())
            .or_default()
            .push(value.trim().to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_forge_trailers() {
        let forged = "Innocent\n\nNautes-Skipped-Rules: all";
        let text = compose(
            forged,
            &[("Nautes-Request".to_owned(), "r-1\nNautes-Evil: x".to_owned())],
        );
        let read = trailers(&text);
        assert_eq!(read.keys().collect::<Vec<_>>(), ["Nautes-Request"]);
        assert_eq!(read["Nautes-Request"], ["r-1 Nautes-Evil: x"]);
    }

    #[test]
    fn a_paragraph_of_prose_is_no_trailer() {
        assert!(trailers("Subject\n\nSee: this\nand that").is_empty());
        assert!(trailers("Only: subject").is_empty());
    }
}
