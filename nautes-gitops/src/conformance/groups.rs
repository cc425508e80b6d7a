//! Callers, groups and members.

use nautes_model::{Class, Secret};

use super::{Case, Outcome, Stage, equal, fails, holds, need};
use crate::host::{AccessLevel, GroupChange, GroupSpec, Place, Visibility};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "a wrong token is nobody",
            body: |stage| Box::pin(wrong_token(stage)),
        },
        Case {
            name: "a session is its caller",
            body: |stage| Box::pin(caller(stage)),
        },
        Case {
            name: "groups live and die",
            body: |stage| Box::pin(life(stage)),
        },
        Case {
            name: "what one cannot see is absent",
            body: |stage| Box::pin(unseen(stage)),
        },
        Case {
            name: "a group with repositories stays",
            body: |stage| Box::pin(kept(stage)),
        },
        Case {
            name: "members come and go",
            body: |stage| Box::pin(members(stage)),
        },
        Case {
            name: "nobody gives more than he has",
            body: |stage| Box::pin(no_more(stage)),
        },
    ]
}

async fn wrong_token(stage: &Stage) -> Outcome {
    for token in ["", "wrong", "nlf-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        match stage.host.session(&Secret::from(token)).await {
            Err(error) if error.is_unauthenticated() => {}
            Err(error) => return Err(format!("a wrong token gives {error}")),
            Ok(_) => return Err("a wrong token is accepted".to_owned()),
        }
    }
    Ok(())
}

async fn caller(stage: &Stage) -> Outcome {
    let owner = need("asking who it is", stage.owner.user().await)?;
    let member = need("asking who it is", stage.member.user().await)?;
    holds(
        "two accounts are two users",
        owner.id != member.id && owner.name != member.name,
    )?;
    holds("a user has an address", owner.email.contains('@'))
}

async fn life(stage: &Stage) -> Outcome {
    let group = need("finding the group", stage.owner.group(&stage.group).await)?.ok_or("it was created")?;
    equal(
        "the level of the creator",
        &access(stage, &stage.owner).await?,
        &AccessLevel::Owner,
    )?;
    let again = GroupSpec {
        name: stage.group.clone(),
        ..GroupSpec::default()
    };
    fails(
        "creating it again",
        stage.owner.create_group(&again).await,
        Class::Conflict,
    )?;
    let change = GroupChange {
        visibility: Some(Visibility::Internal),
        description: Some("changed".to_owned()),
        marker: Some(Some("marker-1".to_owned())),
    };
    let changed = need(
        "changing it",
        stage.owner.update_group(&stage.group, &change).await,
    )?;
    equal("the id after a change", &changed.id, &group.id)?;
    equal("the description", &changed.description, &"changed".to_owned())?;
    equal("the marker", &changed.marker.as_deref(), &Some("marker-1"))?;
    equal("the visibility", &changed.visibility, &Visibility::Internal)?;
    let kept = need(
        "changing nothing",
        stage
            .owner
            .update_group(&stage.group, &GroupChange::default())
            .await,
    )?;
    equal("what is not changed", &kept, &changed)?;
    let listed = need("listing groups", stage.owner.groups().await)?;
    holds("the list has the group", listed.contains(&changed))?;
    need("deleting it", stage.owner.delete_group(&stage.group).await)?;
    equal(
        "after deleting",
        &need("looking", stage.owner.group(&stage.group).await)?,
        &None,
    )?;
    fails(
        "deleting it again",
        stage.owner.delete_group(&stage.group).await,
        Class::NotFound,
    )?;
    let new = need("creating it anew", stage.owner.create_group(&again).await)?;
    holds("a group that was created anew has another id", new.id != group.id)?;
    equal("its marker", &new.marker, &None)
}

async fn access(stage: &Stage, of: &std::sync::Arc<dyn crate::host::Session>) -> Result<AccessLevel, String> {
    need(
        "asking for the level",
        of.access(&Place::group(stage.group.clone())).await,
    )
}

async fn unseen(stage: &Stage) -> Outcome {
    let path = stage.repository("app").await?;
    let who = &stage.stranger;
    equal(
        "the group",
        &need("looking", who.group(&stage.group).await)?,
        &None,
    )?;
    equal(
        "the repository",
        &need("looking", who.repository(&path).await)?,
        &None,
    )?;
    equal(
        "the level in the group",
        &access(stage, who).await?,
        &AccessLevel::None,
    )?;
    equal(
        "the level in the repository",
        &need("asking", who.access(&(&path).into()).await)?,
        &AccessLevel::None,
    )?;
    let listed = need("listing groups", who.groups().await)?;
    holds(
        "the list lacks the group",
        listed.iter().all(|group| group.name != stage.group),
    )?;
    let change = GroupChange::default();
    fails(
        "changing the group",
        who.update_group(&stage.group, &change).await,
        Class::NotFound,
    )?;
    fails(
        "deleting the group",
        who.delete_group(&stage.group).await,
        Class::NotFound,
    )?;
    fails(
        "listing its repositories",
        who.repositories(&stage.group).await,
        Class::NotFound,
    )?;
    fails(
        "deleting the repository",
        who.delete_repository(&path).await,
        Class::NotFound,
    )?;
    fails("listing references", who.refs(&path).await, Class::NotFound)?;
    fails("reading hooks", who.hooks(&path).await, Class::NotFound)?;
    let missing = stage.path("missing")?;
    fails(
        "listing references of nothing",
        stage.owner.refs(&missing).await,
        Class::NotFound,
    )
}

async fn kept(stage: &Stage) -> Outcome {
    let path = stage.repository("app").await?;
    fails(
        "deleting a full group",
        stage.owner.delete_group(&stage.group).await,
        Class::Conflict,
    )?;
    need("archiving", stage.owner.archive_repository(&path, true).await)?;
    fails(
        "deleting a group of archives",
        stage.owner.delete_group(&stage.group).await,
        Class::Conflict,
    )?;
    need(
        "deleting the repository",
        stage.owner.delete_repository(&path).await,
    )?;
    need(
        "deleting the empty group",
        stage.owner.delete_group(&stage.group).await,
    )
}

async fn members(stage: &Stage) -> Outcome {
    let place = Place::group(stage.group.clone());
    let (owner, member) = (
        stage.name_of(&stage.owner).await?,
        stage.name_of(&stage.member).await?,
    );
    for level in [AccessLevel::Guest, AccessLevel::Developer, AccessLevel::Reporter] {
        need(
            "adding a member",
            stage.owner.add_member(&place, &member, level).await,
        )?;
        equal("the level", &access(stage, &stage.member).await?, &level)?;
    }
    let listed = need("listing members", stage.owner.members(&place).await)?;
    let names: Vec<_> = listed.iter().map(|m| (m.user.name.clone(), m.level)).collect();
    let mut expected = vec![
        (owner.clone(), AccessLevel::Owner),
        (member.clone(), AccessLevel::Reporter),
    ];
    expected.sort();
    equal("the members", &names, &expected)?;
    fails(
        "adding nobody",
        stage
            .owner
            .add_member(&place, "no-such-user-x", AccessLevel::Guest)
            .await,
        Class::NotFound,
    )?;
    need(
        "removing a member",
        stage.owner.remove_member(&place, &member).await,
    )?;
    equal(
        "the level after",
        &access(stage, &stage.member).await?,
        &AccessLevel::None,
    )?;
    fails(
        "removing him again",
        stage.owner.remove_member(&place, &member).await,
        Class::NotFound,
    )?;
    fails(
        "removing the last owner",
        stage.owner.remove_member(&place, &owner).await,
        Class::Conflict,
    )
}

async fn no_more(stage: &Stage) -> Outcome {
    let path = stage.repository("app").await?;
    let (group, repo) = (Place::group(stage.group.clone()), Place::from(&path));
    let (member, stranger) = (
        stage.name_of(&stage.member).await?,
        stage.name_of(&stage.stranger).await?,
    );
    need(
        "adding a member",
        stage
            .owner
            .add_member(&group, &member, AccessLevel::Maintainer)
            .await,
    )?;
    let by = &stage.member;
    fails(
        "a maintainer in a group",
        by.add_member(&group, &stranger, AccessLevel::Guest).await,
        Class::Denied,
    )?;
    fails(
        "making oneself owner",
        by.add_member(&group, &member, AccessLevel::Owner).await,
        Class::Denied,
    )?;
    fails(
        "giving more",
        by.add_member(&repo, &stranger, AccessLevel::Owner).await,
        Class::Denied,
    )?;
    need(
        "giving as much",
        by.add_member(&repo, &stranger, AccessLevel::Developer).await,
    )?;
    let level = need("asking", stage.stranger.access(&repo).await)?;
    equal("the level in the repository", &level, &AccessLevel::Developer)
}
