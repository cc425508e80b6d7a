//! Protected branches, and statuses of commits.

use serde_json::{Value, json};

use super::World;
use super::route::{Answer, Asked, Caller, Result, page, shown as shown_user, unknown};
use crate::host::types::{AccessLevel, Place, Repository};

pub(super) async fn rules(
    world: &World,
    caller: &Caller,
    repository: &Repository,
    method: &str,
    rest: &[&str],
    asked: &Asked,
) -> Result {
    caller
        .need(&Place::from(&repository.path), AccessLevel::Maintainer)
        .await?;
    let mut state = world.state();
    let rules = state.rules.entry(repository.id).or_default();
    let at = |name: &str| rules.iter().position(|rule| rule["rule_name"] == name);
    match (method, rest) {
        ("GET", []) => Ok(Answer::new(200, rules.clone().into())),
        ("POST", []) => {
            let name = asked.text("rule_name").unwrap_or_default();
            if name.is_empty() || at(name).is_some() {
                return Err(Answer::message(403, "Branch protection already exist"));
            }
            let mut rule = json!({ "rule_name": name, "branch_name": name });
            fill(&mut rule, asked);
            rules.push(rule.clone());
            Ok(Answer::new(201, rule))
        }
        ("PATCH", [name]) => {
            let at = at(name).ok_or_else(unknown)?;
            let rule = rules.get_mut(at).ok_or_else(unknown)?;
            fill(rule, asked);
            Ok(Answer::new(200, rule.clone()))
        }
        ("DELETE", [name]) => {
            let at = at(name).ok_or_else(unknown)?;
            rules.remove(at);
            Ok(Answer::empty())
        }
        _ => Err(unknown()),
    }
}

fn fill(rule: &mut Value, asked: &Asked) {
    let fields = asked.body.as_ref().and_then(Value::as_object);
    for (name, value) in fields.into_iter().flatten() {
        rule[name] = value.clone();
    }
}

pub(super) async fn set_status(
    world: &World,
    caller: &Caller,
    repository: &Repository,
    sha: &str,
    asked: &Asked,
) -> Result {
    caller
        .need(&Place::from(&repository.path), AccessLevel::Developer)
        .await?;
    let mut state = world.state();
    let status = json!({
        "id": state.next_id(),
        "status": asked.text("state").unwrap_or("pending"),
        "context": asked.text("context"),
        "description": asked.text("description"),
        "target_url": asked.text("target_url"),
        "creator": shown_user(&caller.user, None),
    });
    let statuses = state.statuses.entry((repository.id, sha.to_owned())).or_default();
    // The newest first.
    statuses.insert(0, status.clone());
    Ok(Answer::new(201, status))
}

pub(super) async fn statuses(
    world: &World,
    caller: &Caller,
    repository: &Repository,
    sha: &str,
    asked: &Asked,
) -> Result {
    caller.session.refs(&repository.path).await?;
    let found = world
        .state()
        .statuses
        .get(&(repository.id, sha.to_owned()))
        .cloned();
    Ok(page(world, asked, true, found.unwrap_or_default()))
}
