//! Groups, which Gitea calls organisations.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Api;
use super::failure::Task;
use super::text::{self, Notes, merged};
use super::wire::{WireOrg, WireRepo, visibility_name};
use crate::host::HostError;
use crate::host::types::{AccessLevel, Group, GroupChange, GroupSpec, Place, check_group};

/// The longest description of an organisation, in characters.
const LONGEST: usize = 255;

impl Api {
    /// Looks an organisation up.
    pub(super) async fn find_group(&self, name: &str) -> Result<Option<WireOrg>, HostError> {
        if name.contains('/') || check_group(name).is_err() {
            return Ok(None);
        }
        let task = Task::new("look up", format!("group {name}"));
        let found: Option<WireOrg> = self.look(&["orgs", name], &[], &task).await?;
        // Gitea does not tell upper from lower case.
        Ok(found.filter(|org| org.name() == name))
    }

    pub(super) async fn need_group(&self, name: &str) -> Result<WireOrg, HostError> {
        let found = self.find_group(name).await?;
        found.ok_or_else(|| HostError::not_found(format!("group {name}")))
    }

    pub(super) async fn show_groups(&self) -> Result<Vec<Group>, HostError> {
        let task = Task::new("list", "groups");
        let found = self.list::<WireOrg>(&["user", "orgs"], &[], &task).await?;
        let mut groups: Vec<_> = found.unwrap_or_default().iter().map(shown).collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    pub(super) async fn make_group(&self, spec: &GroupSpec) -> Result<Group, HostError> {
        let task = Task::new("create", format!("group {}", spec.name)).needs(AccessLevel::Owner);
        check_group(&spec.name).map_err(|error| HostError::invalid("group", error.to_string()))?;
        if spec.name.contains('/') {
            return Err(HostError::unsupported(
                &self.forge.name,
                task.name(),
                "organisations of Gitea hold repositories only: give the group one name, without `/`",
            ));
        }
        let notes = Notes {
            marker: spec.marker.clone(),
            branch: None,
        };
        let body = json!({
            "username": spec.name,
            "description": fitting(text::join(&spec.description, &notes)?)?,
            "visibility": visibility_name(spec.visibility),
            "repo_admin_change_team_access": false,
        });
        let made: WireOrg = self.ask(Method::POST, &["orgs"], &[], Some(body), &task).await?;
        Ok(shown(&made))
    }

    pub(super) async fn change_group(&self, name: &str, change: &GroupChange) -> Result<Group, HostError> {
        let task = Task::new("change", format!("group {name}")).needs(AccessLevel::Owner);
        let group = self.need_group(name).await?;
        let mut body = Map::new();
        if let Some(visibility) = change.visibility {
            body.insert("visibility".to_owned(), visibility_name(visibility).into());
        }
        let described = change.description.as_deref();
        if let Some(text) = merged(Some(&group.description), described, change.marker.as_ref(), None)? {
            body.insert("description".to_owned(), fitting(text)?.into());
        }
        if body.is_empty() {
            self.need_level(&Place::group(name), &task).await?;
            return Ok(shown(&group));
        }
        let body = Some(Value::Object(body));
        let changed: WireOrg = self.ask(Method::PATCH, &["orgs", name], &[], body, &task).await?;
        Ok(shown(&changed))
    }

    pub(super) async fn drop_group(&self, name: &str) -> Result<(), HostError> {
        let task = Task::new("delete", format!("group {name}")).needs(AccessLevel::Owner);
        self.need_group(name).await?;
        self.need_level(&Place::group(name), &task).await?;
        let inside = self
            .list::<WireRepo>(&["orgs", name, "repos"], &[], &task)
            .await?;
        let count = inside.unwrap_or_default().len();
        if count > 0 {
            let why = format!("it still has {count} repositories");
            return Err(HostError::conflict(format!("group {name}"), why));
        }
        self.remove(&["orgs", name], &[], &task).await
    }

    /// Fails unless the caller has the level that a task takes.
    pub(super) async fn need_level(&self, place: &Place, task: &Task) -> Result<(), HostError> {
        let had = self.level(place).await?;
        if had >= task.needs.unwrap_or_default() {
            Ok(())
        } else {
            Err(task.forbidden(self.name()))
        }
    }
}

/// Fails where a description is longer than Gitea keeps.
fn fitting(text: String) -> Result<String, HostError> {
    if text.chars().count() <= LONGEST {
        return Ok(text);
    }
    let why = format!(
        "with what Nautes notes in it, it is longer than {LONGEST} characters, which is all Gitea keeps"
    );
    Err(HostError::invalid("the description of the group", why))
}

pub(super) fn shown(org: &WireOrg) -> Group {
    let (description, notes) = text::split(&org.description);
    Group {
        id: org.id,
        visibility: org.visibility(),
        name: org.name().to_owned(),
        description,
        marker: notes.marker,
    }
}
