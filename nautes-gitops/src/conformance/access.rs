//! Which level may do what.

use nautes_model::{Class, Secret};

use super::{Case, Outcome, Stage, commit, fails, holds, need};
use crate::host::{
    AccessLevel, GroupChange, HookEvent, HookSpec, HostError, Place, PushError, RepoChange, RepoPath,
    RepoSpec, Session, Visibility,
};
use crate::oid::Oid;
use crate::repo::Mirror;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "each level may do its share",
            body: |stage| Box::pin(table(stage)),
        },
        Case {
            name: "visibility opens reading only",
            body: |stage| Box::pin(visibility(stage)),
        },
        Case {
            name: "rights end with membership",
            body: |stage| Box::pin(ended(stage)),
        },
    ]
}

/// What is tried at each level, and the lowest level that may do it.
const TABLE: [(&str, AccessLevel); 8] = [
    ("see", AccessLevel::Guest),
    ("read", AccessLevel::Reporter),
    ("push", AccessLevel::Developer),
    ("see hooks", AccessLevel::Maintainer),
    ("add a hook", AccessLevel::Maintainer),
    ("change", AccessLevel::Maintainer),
    ("create", AccessLevel::Maintainer),
    ("change the group", AccessLevel::Owner),
];

async fn table(stage: &Stage) -> Outcome {
    let (path, mirror, mut tip) = stage.filled("app").await?;
    let place = Place::group(stage.group.clone());
    let member = stage.name_of(&stage.member).await?;
    let levels = [
        AccessLevel::Guest,
        AccessLevel::Reporter,
        AccessLevel::Developer,
        AccessLevel::Maintainer,
        AccessLevel::Owner,
    ];
    for level in levels {
        need(
            "setting the level",
            stage.owner.add_member(&place, &member, level).await,
        )?;
        for (action, lowest) in TABLE {
            let what = format!("{level}: {action}");
            let result = attempt(stage, action, &path, &mirror, tip, &format!("{level}")).await?;
            match (result, level >= lowest) {
                (Ok(new), true) => tip = new.unwrap_or(tip),
                (Err(error), false) if matches!(error.class(), Class::Denied) => {}
                (Err(error), _) => return Err(format!("{what}: {error}")),
                (Ok(_), false) => return Err(format!("{what}: it is allowed")),
            }
        }
    }
    Ok(())
}

/// Tries one thing as the member.
async fn attempt(
    stage: &Stage,
    action: &str,
    path: &RepoPath,
    mirror: &Mirror,
    tip: Oid,
    text: &str,
) -> Result<Result<Option<Oid>, HostError>, String> {
    let by = &stage.member;
    Ok(match action {
        "see" => {
            holds(
                "he sees the repository",
                need("looking", by.repository(path).await)?.is_some(),
            )?;
            Ok(None)
        }
        "read" => by.refs(path).await.map(|_| None),
        "push" => {
            let new = commit(mirror, Some(tip), text).await?;
            push(&**by, path, mirror, tip, new).await
        }
        "see hooks" => by.hooks(path).await.map(|_| None),
        "add a hook" => {
            let url = "http://127.0.0.1:9/hook".to_owned();
            let spec = HookSpec {
                url,
                events: vec![HookEvent::Push],
                secret: Secret::from("s"),
            };
            by.create_hook(path, &spec).await.map(|_| None)
        }
        "change" => {
            let change = RepoChange {
                description: Some(text.to_owned()),
                ..RepoChange::default()
            };
            by.update_repository(path, &change).await.map(|_| None)
        }
        "create" => {
            let path = stage.path(&format!("by-{text}"))?;
            by.create_repository(&path, &RepoSpec::default())
                .await
                .map(|_| None)
        }
        _ => by
            .update_group(&stage.group, &GroupChange::default())
            .await
            .map(|_| None),
    })
}

async fn push(
    by: &dyn Session,
    path: &RepoPath,
    mirror: &Mirror,
    old: Oid,
    new: Oid,
) -> Result<Option<Oid>, HostError> {
    match by.push(path, mirror, "main", Some(old), new).await {
        Ok(()) => Ok(Some(new)),
        Err(PushError::Host(error)) => Err(error),
        Err(other) => Err(HostError::internal("pushing", other)),
    }
}

async fn visibility(stage: &Stage) -> Outcome {
    let (path, mirror, tip) = stage.filled("app").await?;
    let by = &stage.stranger;
    let change = GroupChange {
        visibility: Some(Visibility::Public),
        ..GroupChange::default()
    };
    need(
        "opening the group",
        stage.owner.update_group(&stage.group, &change).await,
    )?;
    fails("reading what is private", by.refs(&path).await, Class::NotFound)?;
    for visibility in [Visibility::Internal, Visibility::Public] {
        let change = RepoChange {
            visibility: Some(visibility),
            ..RepoChange::default()
        };
        match stage.owner.update_repository(&path, &change).await {
            // Some forges know nothing between.
            Err(error) if error.is_unsupported() && visibility == Visibility::Internal => continue,
            opened => need("opening the repository", opened)?,
        };
        need("reading", by.refs(&path).await)?;
        let into = stage.mirror("stranger").await?;
        need("fetching", by.fetch(&path, &into).await)?;
        let new = commit(&mirror, Some(tip), "stranger").await?;
        fails(
            "pushing",
            push(&**by, &path, &mirror, tip, new).await,
            Class::Denied,
        )?;
        fails(
            "changing",
            by.update_repository(&path, &RepoChange::default()).await,
            Class::Denied,
        )?;
    }
    Ok(())
}

async fn ended(stage: &Stage) -> Outcome {
    let (path, mirror, tip) = stage.filled("app").await?;
    let place = Place::group(stage.group.clone());
    let member = stage.name_of(&stage.member).await?;
    need(
        "adding a member",
        stage
            .owner
            .add_member(&place, &member, AccessLevel::Developer)
            .await,
    )?;
    need("reading as a member", stage.member.refs(&path).await)?;
    need("removing him", stage.owner.remove_member(&place, &member).await)?;
    fails(
        "reading afterwards",
        stage.member.refs(&path).await,
        Class::NotFound,
    )?;
    let new = commit(&mirror, Some(tip), "late").await?;
    fails(
        "pushing afterwards",
        push(&*stage.member, &path, &mirror, tip, new).await,
        Class::NotFound,
    )
}
