//! Members.

use serde_json::{Value, json};

use super::World;
use super::answer::{Answer, Result, page};
use super::route::{Asked, Caller, basic};
use crate::host::HostError;
use crate::host::gitlab::wire::{level, number};
use crate::host::types::{AccessLevel, Member, Place, User};

pub(super) async fn answer(
    world: &World,
    caller: &Caller,
    place: &Place,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    match (method, rest) {
        ("GET", []) => {
            let members = caller.session.members(place).await?;
            Ok(page(world, asked, members.iter().map(shown).collect()))
        }
        ("POST", []) => {
            let user = match (asked.number("user_id"), asked.text("username")) {
                (Some(id), _) => user(world, |user| user.id == id)?,
                (None, Some(name)) => user(world, |user| user.name == name)?,
                (None, None) => return Err(Answer::lacks("user_id, username")),
            };
            let wanted = wanted(asked)?;
            caller.need(place, rights(place)).await?;
            let members = caller.session.members(place).await?;
            if members.iter().any(|member| member.user.id == user.id) {
                return Err(Answer::message(409, "Member already exists"));
            }
            caller.session.add_member(place, &user.name, wanted).await?;
            Ok(Answer::new(201, shown(&Member { user, level: wanted })))
        }
        ("GET", ["all", id]) => {
            let user = by_id(world, id)?;
            let level = level_of(caller, place, &user).await?;
            if level == AccessLevel::None {
                return Err(Answer::missing("Not found"));
            }
            Ok(Answer::new(200, shown(&Member { user, level })))
        }
        ("PUT", [id]) => {
            let user = by_id(world, id)?;
            let wanted = wanted(asked)?;
            caller.need(place, rights(place)).await?;
            let members = caller.session.members(place).await?;
            if members.iter().all(|member| member.user.id != user.id) {
                return Err(Answer::missing("Member"));
            }
            caller.session.add_member(place, &user.name, wanted).await?;
            Ok(Answer::new(200, shown(&Member { user, level: wanted })))
        }
        ("DELETE", [id]) => {
            let user = by_id(world, id)?;
            let removed = caller.session.remove_member(place, &user.name).await;
            removed.map_err(|error| match error {
                // GitLab does not say that somebody is the last owner.
                HostError::Conflict { .. } => Answer::forbidden(),
                error => error.into(),
            })?;
            Ok(Answer::empty())
        }
        _ => Err(Answer::new(404, json!({ "error": "404 Not Found" }))),
    }
}

const fn rights(place: &Place) -> AccessLevel {
    match place {
        Place::Group(_) => AccessLevel::Owner,
        Place::Repository(_) => AccessLevel::Maintainer,
    }
}

fn wanted(asked: &Asked) -> Result<AccessLevel> {
    let wanted = asked
        .number("access_level")
        .ok_or_else(|| Answer::lacks("access_level"))?;
    match wanted {
        10 | 15 | 20 | 30 | 40 | 50 => Ok(level(u32::try_from(wanted).unwrap_or_default())),
        _ => Err(Answer::new(
            400,
            json!({ "error": "access_level does not have a valid value" }),
        )),
    }
}

fn user(world: &World, is: impl Fn(&User) -> bool) -> Result<User> {
    let users = world.forge.admin().users();
    users
        .into_iter()
        .find(|user| is(user))
        .ok_or_else(|| Answer::missing("User"))
}

fn by_id(world: &World, id: &str) -> Result<User> {
    let id: u64 = id
        .parse()
        .map_err(|_| Answer::new(400, json!({ "error": "user_id is invalid" })))?;
    user(world, |user| user.id == id)
}

async fn level_of(caller: &Caller, place: &Place, user: &User) -> Result<AccessLevel> {
    if user.id == caller.user.id {
        return Ok(caller.session.access(place).await?);
    }
    let mut places = vec![place.clone()];
    let mut group = match place {
        Place::Group(name) => name.rsplit_once('/').map(|(parent, _)| parent.to_owned()),
        Place::Repository(path) => Some(path.group().to_owned()),
    };
    while let Some(name) = group {
        group = name.rsplit_once('/').map(|(parent, _)| parent.to_owned());
        places.push(Place::group(name));
    }
    let mut found = AccessLevel::None;
    for place in &places {
        let members = caller.session.members(place).await?;
        let own = members.iter().find(|member| member.user.id == user.id);
        found = found.max(own.map(|member| member.level).unwrap_or_default());
    }
    Ok(found)
}

fn shown(member: &Member) -> Value {
    let mut shown = basic(&member.user);
    shown["access_level"] = number(member.level).into();
    shown["created_at"] = "2024-01-01T00:00:00.000Z".into();
    shown["expires_at"] = Value::Null;
    shown["membership_state"] = "active".into();
    shown
}
