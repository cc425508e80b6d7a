//! Moving commits.

use futures::future::join_all;

use super::{Case, Outcome, Stage, commit, equal, holds, need};
use crate::host::PushError;
use crate::oid::Oid;
use crate::repo::Limits;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "an empty repository is no error",
            body: |stage| Box::pin(empty(stage)),
        },
        Case {
            name: "what is pushed is fetched",
            body: |stage| Box::pin(round(stage)),
        },
        Case {
            name: "a push compares first",
            body: |stage| Box::pin(compares(stage)),
        },
        Case {
            name: "of rivals one wins",
            body: |stage| Box::pin(rivals(stage)),
        },
        Case {
            name: "a fetch brings the mirror in line",
            body: |stage| Box::pin(in_line(stage)),
        },
    ]
}

async fn empty(stage: &Stage) -> Outcome {
    let path = stage.repository("empty").await?;
    equal(
        "its references",
        &need("listing", stage.owner.refs(&path).await)?.len(),
        &0,
    )?;
    let mirror = stage.mirror("empty").await?;
    equal(
        "what is fetched",
        &need("fetching", stage.owner.fetch(&path, &mirror).await)?.len(),
        &0,
    )
}

async fn round(stage: &Stage) -> Outcome {
    let (path, mirror, first) = stage.filled("app").await?;
    let second = commit(&mirror, Some(first), "second").await?;
    need(
        "pushing",
        stage
            .owner
            .push(&path, &mirror, "main", Some(first), second)
            .await,
    )?;
    need(
        "pushing a branch",
        stage.owner.push(&path, &mirror, "feature/one", None, first).await,
    )?;
    let refs = need("listing", stage.owner.refs(&path).await)?;
    let expected = [
        ("refs/heads/feature/one".to_owned(), first),
        ("refs/heads/main".to_owned(), second),
    ]
    .into();
    equal("the references", &refs, &expected)?;
    let other = stage.mirror("other").await?;
    equal(
        "what is fetched",
        &need("fetching", stage.owner.fetch(&path, &other).await)?,
        &expected,
    )?;
    equal(
        "the tip of the mirror",
        &need("reading", other.tip("main").await)?,
        &Some(second),
    )?;
    let read = need("reading", other.read(second, Limits::default(), |_| true).await)?;
    let files: Vec<_> = read.files.keys().cloned().collect();
    equal(
        "the files",
        &files,
        &vec!["files/first.txt".to_owned(), "files/second.txt".to_owned()],
    )
}

/// Asserts that a push failed because the branch is elsewhere.
fn moved(what: &str, result: Result<(), PushError>, expected: Option<Oid>) -> Outcome {
    match result {
        Err(PushError::Moved { actual, .. }) => equal(what, &actual, &expected),
        other => Err(format!("{what}: {other:?}")),
    }
}

async fn compares(stage: &Stage) -> Outcome {
    let (path, mirror, first) = stage.filled("app").await?;
    let second = commit(&mirror, Some(first), "second").await?;
    let rival = commit(&mirror, Some(first), "rival").await?;
    let push = |branch: &'static str, old, new| {
        let (path, mirror) = (&path, &mirror);
        async move { stage.owner.push(path, mirror, branch, old, new).await }
    };
    moved(
        "creating what exists",
        push("main", None, second).await,
        Some(first),
    )?;
    need("moving on", push("main", Some(first), second).await)?;
    moved(
        "moving from where it was",
        push("main", Some(first), rival).await,
        Some(second),
    )?;
    moved(
        "moving what is not there",
        push("none", Some(first), second).await,
        None,
    )?;
    let refs = need("listing", stage.owner.refs(&path).await)?;
    equal("the branch", &refs.get("refs/heads/main"), &Some(&second))?;
    equal("the number of branches", &refs.len(), &1)?;
    for bad in ["", "../main", "a b", "-x", "a..b", "a.lock", "refs/heads/"] {
        match stage.owner.push(&path, &mirror, bad, None, second).await {
            Err(PushError::Host(_) | PushError::Refused { .. }) => {}
            other => return Err(format!("pushing to the branch {bad:?}: {other:?}")),
        }
    }
    let listed = need("listing", stage.owner.refs(&path).await)?;
    equal("the references after bad names", &listed, &refs)
}

async fn rivals(stage: &Stage) -> Outcome {
    let (path, mirror, first) = stage.filled("app").await?;
    let mut commits = Vec::new();
    for number in 0..10 {
        commits.push(commit(&mirror, Some(first), &format!("rival-{number}")).await?);
    }
    let pushes = commits
        .iter()
        .map(|new| stage.owner.push(&path, &mirror, "main", Some(first), *new));
    let results = join_all(pushes).await;
    let won: Vec<_> = commits
        .iter()
        .zip(&results)
        .filter(|(_, result)| result.is_ok())
        .map(|(id, _)| *id)
        .collect();
    equal("how many have won", &won.len(), &1)?;
    let lost = results
        .iter()
        .filter(|result| matches!(result, Err(PushError::Moved { .. })))
        .count();
    equal("how many were told so", &lost, &9)?;
    let refs = need("listing", stage.owner.refs(&path).await)?;
    equal(
        "the branch",
        &refs.get("refs/heads/main").copied(),
        &won.first().copied(),
    )
}

async fn in_line(stage: &Stage) -> Outcome {
    let (path, mirror, first) = stage.filled("app").await?;
    let other = stage.mirror("other").await?;
    let stray = commit(&other, None, "stray").await?;
    need(
        "setting a stray reference",
        other
            .set_refs([("refs/heads/stray".to_owned(), stray)].into())
            .await,
    )?;
    need("fetching", stage.owner.fetch(&path, &other).await)?;
    let refs = need("listing", other.refs().await)?;
    equal(
        "the references of the mirror",
        &refs,
        &[("refs/heads/main".to_owned(), first)].into(),
    )?;
    // A push that moves the branch to another history is a matter of the caller; a fetch follows it.
    let rewritten = commit(&mirror, None, "rewritten").await?;
    need(
        "rewriting",
        stage
            .owner
            .push(&path, &mirror, "main", Some(first), rewritten)
            .await,
    )?;
    need("fetching again", stage.owner.fetch(&path, &other).await)?;
    equal(
        "the tip",
        &need("reading", other.tip("main").await)?,
        &Some(rewritten),
    )?;
    holds(
        "the histories differ",
        !need("comparing", other.descends_from(rewritten, first).await)?,
    )
}
