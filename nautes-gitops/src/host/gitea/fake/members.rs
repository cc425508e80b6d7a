//! Teams, and the members of organisations and repositories.

use serde_json::{Value, json};

use super::World;
use super::route::{Answer, Asked, Caller, Result, page, shown as shown_user, unknown};
use super::state::Team;
use crate::host::gitea::wire::WireTeam;
use crate::host::types::{AccessLevel, Group, Member, Place, Repository};

/// How Gitea calls the level of somebody in a repository.
const LEVELS: [(AccessLevel, &str); 4] = [
    (AccessLevel::Owner, "owner"),
    (AccessLevel::Maintainer, "admin"),
    (AccessLevel::Developer, "write"),
    (AccessLevel::Reporter, "read"),
];

fn shown(team: &Team, group: Option<&Group>) -> Value {
    json!({
        "id": team.id,
        "name": team.name,
        "description": team.description,
        "permission": team.permission,
        "includes_all_repositories": team.everywhere,
        "can_create_org_repo": team.creates,
        "units": team.units.keys().collect::<Vec<_>>(),
        "units_map": team.units,
        "organization": group.map(super::groups::shown),
    })
}

/// Returns the level that a team gives, as those read it who are shown it.
fn level_of(team: &Team) -> AccessLevel {
    let team: Option<WireTeam> = serde_json::from_value(shown(team, None)).ok();
    team.map_or(AccessLevel::None, |team| team.level())
}

/// Returns the members of an organisation. To those who may not see them it has none.
async fn members(caller: &Caller, group: &Group) -> Result<Vec<Member>> {
    Ok(caller.session.members(&Place::group(&group.name)).await?)
}

/// Returns all teams of an organisation, that of the owners first.
async fn all(world: &World, caller: &Caller, group: &Group) -> Result<Vec<Team>> {
    let members = members(caller, group).await?;
    let owners = members.iter().filter(|member| member.level == AccessLevel::Owner);
    let owners = owners.map(|member| member.user.name.clone()).collect();
    let mut state = world.state();
    let (id, teams) = state.teams_of(group.id);
    let first = Team {
        id: *id,
        name: "Owners".to_owned(),
        description: String::new(),
        permission: "owner".to_owned(),
        everywhere: true,
        creates: true,
        units: [("repo.code".to_owned(), "owner".to_owned())].into(),
        members: owners,
    };
    Ok(std::iter::once(first).chain(teams.iter().cloned()).collect())
}

pub(super) async fn own_teams(world: &World, caller: &Caller, asked: &Asked) -> Result {
    let mut own = Vec::new();
    for group in caller.session.groups().await? {
        if caller.session.access(&Place::group(&group.name)).await? == AccessLevel::None {
            continue;
        }
        let teams = all(world, caller, &group).await?;
        let mine = teams
            .iter()
            .filter(|team| team.members.contains(&caller.user.name));
        own.extend(mine.map(|team| shown(team, Some(&group))));
    }
    Ok(page(world, asked, true, own))
}

pub(super) async fn of_group(
    world: &World,
    caller: &Caller,
    group: &Group,
    method: &str,
    asked: &Asked,
) -> Result {
    let place = Place::group(&group.name);
    match method {
        "GET" => {
            caller.need(&place, AccessLevel::Guest).await?;
            let owns = caller.session.access(&place).await? == AccessLevel::Owner;
            let teams = all(world, caller, group).await?;
            let seen = teams
                .iter()
                .filter(|team| owns || team.members.contains(&caller.user.name));
            // Of teams Gitea says only how many there are.
            Ok(page(
                world,
                asked,
                false,
                seen.map(|team| shown(team, None)).collect(),
            ))
        }
        "POST" => {
            caller.need(&place, AccessLevel::Owner).await?;
            let name = asked.text("name").unwrap_or_default().to_owned();
            let units = asked.field("units_map").cloned().unwrap_or_default();
            let team = Team {
                id: world.state().next_id(),
                name,
                description: asked.text("description").unwrap_or_default().to_owned(),
                permission: asked.text("permission").unwrap_or("none").to_owned(),
                everywhere: asked.flag("includes_all_repositories").unwrap_or(false),
                creates: asked.flag("can_create_org_repo").unwrap_or(false),
                units: serde_json::from_value(units).unwrap_or_default(),
                members: [].into(),
            };
            let mut state = world.state();
            let (_, teams) = state.teams_of(group.id);
            if teams
                .iter()
                .any(|known| known.name.eq_ignore_ascii_case(&team.name))
            {
                return Err(Answer::message(
                    422,
                    format!("team already exists [name: {}]", team.name),
                ));
            }
            teams.push(team.clone());
            Ok(Answer::new(201, shown(&team, None)))
        }
        _ => Err(unknown()),
    }
}

pub(super) async fn teams(
    world: &World,
    caller: &Caller,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let (id, rest) = match rest {
        [id, "members", rest @ ..] => (id.parse::<u64>().map_err(|_| unknown())?, rest),
        _ => return Err(unknown()),
    };
    let (group, team) = find(world, caller, id).await?;
    let place = Place::group(&group.name);
    let owns = caller.session.access(&place).await? == AccessLevel::Owner;
    if !owns && !team.members.contains(&caller.user.name) {
        return Err(Answer::message(403, "Must be a team member"));
    }
    let users = world.forge.admin().users();
    match (method, rest) {
        ("GET", []) => {
            let inside = users.iter().filter(|user| team.members.contains(&user.name));
            Ok(page(
                world,
                asked,
                false,
                inside.map(|user| shown_user(user, None)).collect(),
            ))
        }
        (_, [name]) => {
            let user = users.iter().find(|user| user.name.eq_ignore_ascii_case(name));
            let user = user.ok_or_else(unknown)?;
            match method {
                "GET" if team.members.contains(&user.name) => Ok(Answer::new(200, shown_user(user, None))),
                "PUT" | "DELETE" => {
                    caller.need(&place, AccessLevel::Owner).await?;
                    put(world, caller, &group, &team, &user.name, method == "PUT").await
                }
                _ => Err(unknown()),
            }
        }
        _ => Err(unknown()),
    }
}

async fn find(world: &World, caller: &Caller, id: u64) -> Result<(Group, Team)> {
    for group in caller.session.groups().await? {
        let teams = all(world, caller, &group).await?;
        if let Some(team) = teams.into_iter().find(|team| team.id == id) {
            return Ok((group, team));
        }
    }
    Err(unknown())
}

/// Makes somebody a member of a team or not, and gives him the level that comes of it.
async fn put(world: &World, caller: &Caller, group: &Group, team: &Team, name: &str, wanted: bool) -> Result {
    {
        let mut state = world.state();
        let (_, teams) = state.teams_of(group.id);
        for known in teams.iter_mut().filter(|known| known.id == team.id) {
            if wanted {
                known.members.insert(name.to_owned());
            } else {
                known.members.remove(name);
            }
        }
    }
    let teams = all(world, caller, group).await?;
    let mut level = teams
        .iter()
        .filter(|known| known.members.contains(name) && (known.id != team.id || wanted))
        .map(level_of)
        .max()
        .unwrap_or_default();
    if wanted && team.permission == "owner" {
        level = AccessLevel::Owner;
    }
    let place = Place::group(&group.name);
    if level == AccessLevel::None {
        caller.session.remove_member(&place, name).await?;
    } else {
        caller.session.add_member(&place, name, level).await?;
    }
    Ok(Answer::empty())
}

pub(super) async fn member(
    world: &World,
    caller: &Caller,
    group: &Group,
    method: &str,
    name: &str,
) -> Result {
    let members = members(caller, group).await?;
    let found = members
        .iter()
        .find(|member| member.user.name.eq_ignore_ascii_case(name));
    match (method, found) {
        ("GET", Some(_)) => Ok(Answer::empty()),
        ("DELETE", found) => {
            let place = Place::group(&group.name);
            caller.need(&place, AccessLevel::Owner).await?;
            let Some(member) = found else {
                return Ok(Answer::empty());
            };
            caller.session.remove_member(&place, &member.user.name).await?;
            let mut state = world.state();
            let (_, teams) = state.teams_of(group.id);
            teams.iter_mut().for_each(|team| {
                team.members.remove(&member.user.name);
            });
            Ok(Answer::empty())
        }
        _ => Err(unknown()),
    }
}

pub(super) async fn collaborators(
    world: &World,
    caller: &Caller,
    repository: &Repository,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    let place = Place::from(&repository.path);
    let members = caller.session.members(&place).await?;
    let find = |name: &str| {
        members
            .iter()
            .find(|member| member.user.name.eq_ignore_ascii_case(name))
    };
    match (method, rest) {
        ("GET", []) => {
            let users = members.iter().map(|member| shown_user(&member.user, None));
            Ok(page(world, asked, true, users.collect()))
        }
        ("GET", [name]) => find(name).map(|_| Answer::empty()).ok_or_else(unknown),
        ("PUT", [name]) => {
            caller.need(&place, AccessLevel::Maintainer).await?;
            let word = asked.text("permission").unwrap_or("write");
            let level = LEVELS.iter().find(|(_, known)| *known == word);
            let (level, _) = level.ok_or_else(|| Answer::message(422, "no such permission"))?;
            caller.session.add_member(&place, name, *level).await?;
            Ok(Answer::empty())
        }
        ("DELETE", [name]) => {
            caller.need(&place, AccessLevel::Maintainer).await?;
            if let Some(member) = find(name) {
                caller.session.remove_member(&place, &member.user.name).await?;
            }
            Ok(Answer::empty())
        }
        ("GET", [name, "permission"]) => {
            let level = if name.eq_ignore_ascii_case(&caller.user.name) {
                caller.session.access(&place).await?
            } else {
                caller.need(&place, AccessLevel::Maintainer).await?;
                find(name).map_or(AccessLevel::None, |member| member.level)
            };
            let word = LEVELS.iter().find(|(known, _)| *known == level);
            let word = word.map_or("none", |(_, word)| word);
            Ok(Answer::new(200, json!({ "permission": word, "role_name": word })))
        }
        _ => Err(unknown()),
    }
}
