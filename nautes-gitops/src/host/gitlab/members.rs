//! Members and levels.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Api;
use super::failure::Task;
use super::wire::{WireMember, WireUser, level, number};
use crate::host::HostError;
use crate::host::rest::Account as _;
use crate::host::types::{AccessLevel, Member, Place};

/// How GitLab's API names a place: what kind it is of, and its path.
fn segments(place: &Place) -> (&'static str, String) {
    match place {
        Place::Group(name) => ("groups", name.clone()),
        Place::Repository(path) => ("projects", path.to_string()),
    }
}

const fn rights(place: &Place) -> AccessLevel {
    match place {
        Place::Group(_) => AccessLevel::Owner,
        Place::Repository(_) => AccessLevel::Maintainer,
    }
}

impl Api {
    /// Returns the level of the caller, inherited ones included.
    pub(super) async fn level(&self, place: &Place) -> Result<AccessLevel, HostError> {
        let task = Task::new("ask for the level in", place.to_string());
        let ((kind, path), id) = (segments(place), self.id().to_string());
        let found: Option<WireMember> = self
            .look(&[kind, &path, "members", "all", &id], &[], &task)
            .await?;
        Ok(found
            .filter(is_active)
            .map_or(AccessLevel::None, |member| level(member.access_level)))
    }

    pub(super) async fn show_members(&self, place: &Place) -> Result<Vec<Member>, HostError> {
        let task = Task::new("list the members of", place.to_string());
        let (kind, path) = segments(place);
        let found = self
            .list::<WireMember>(&[kind, &path, "members"], &[], &task)
            .await?;
        let host = self.forge.net.address().host();
        let mut members: Vec<_> = found
            .ok_or_else(|| HostError::not_found(place.to_string()))?
            .into_iter()
            .filter(is_active)
            .map(|member| Member {
                level: level(member.access_level),
                user: member.user.user(host),
            })
            .filter(|member| member.level > AccessLevel::None)
            .collect();
        members.sort_by(|a, b| a.user.name.cmp(&b.user.name));
        Ok(members)
    }

    pub(super) async fn set_member(
        &self,
        place: &Place,
        name: &str,
        to: AccessLevel,
    ) -> Result<(), HostError> {
        if to == AccessLevel::None {
            return Err(HostError::invalid("member", "the level none is no membership"));
        }
        let task = Task::new("change the members of", place.to_string()).needs(rights(place));
        let user = self.user_id(name).await?;
        let (kind, path) = segments(place);
        let fresh = json!({ "user_id": user, "access_level": number(to) });
        let url = self.url(&[kind, &path, "members"], &[]);
        let reply = self.send(Method::POST, url, Some(&fresh), false).await;
        let reply = reply.map_err(|fault| self.fault(fault, &task))?;
        match reply.status {
            status if status.is_success() => Ok(()),
            StatusCode::CONFLICT => {
                let at = [kind, &path, "members", &user.to_string()];
                let body = json!({ "access_level": number(to) });
                self.ask::<Value>(Method::PUT, &at, &[], Some(body), &task)
                    .await
                    .map(drop)
            }
            _ => Err(self.refused(&reply, &task)),
        }
    }

    pub(super) async fn drop_member(&self, place: &Place, name: &str) -> Result<(), HostError> {
        let user = self.user_id(name).await?;
        let task = Task::new("remove", format!("member {name} of {place}")).needs(rights(place));
        let (kind, path) = segments(place);
        let at = [kind, &path, "members", &user.to_string()];
        // What he was given below stays: it is another membership.
        let query = [("skip_subresources", "true"), ("unassign_issuables", "false")];
        match self.remove(&at, &query, &task).await {
            Err(error @ HostError::Forbidden { .. }) if matches!(place, Place::Group(_)) => {
                // GitLab does not say whether it was for the rights or for want of another owner.
                let members = self.show_members(place).await?;
                let owns = |member: &&Member| member.level == AccessLevel::Owner;
                let mut owners = members.iter().filter(owns);
                if owners.next().is_some_and(|owner| owner.user.id == user) && owners.next().is_none() {
                    let why = "it would be left without an owner";
                    return Err(HostError::conflict(place.to_string(), why));
                }
                Err(error)
            }
            other => other,
        }
    }

    async fn user_id(&self, name: &str) -> Result<u64, HostError> {
        let task = Task::new("look up", format!("user {name}"));
        let found: Vec<WireUser> = self
            .ask(Method::GET, &["users"], &[("username", name)], None, &task)
            .await?;
        found
            .into_iter()
            .find(|user| user.username.eq_ignore_ascii_case(name))
            .map(|user| user.id)
            .ok_or_else(|| HostError::not_found(format!("user {name}")))
    }
}

/// Whether a membership counts: not that of somebody who is blocked, or waits to be let in.
fn is_active(member: &WireMember) -> bool {
    member.state.as_deref().is_none_or(|state| state == "active")
}
