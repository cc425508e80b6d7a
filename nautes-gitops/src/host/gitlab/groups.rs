//! Groups.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Api;
use super::Protection;
use super::failure::Task;
use super::text::{self, Notes, merged};
use super::wire::{WireGroup, WireProject, visibility_name};
use crate::host::HostError;
use crate::host::types::{AccessLevel, Group, GroupChange, GroupSpec, Place, check_group};

impl Api {
    /// Looks a group up by its path.
    pub(super) async fn find_group(&self, name: &str) -> Result<Option<WireGroup>, HostError> {
        if check_group(name).is_err() {
            return Ok(None);
        }
        let task = Task::new("look up", format!("group {name}"));
        let query = [("with_projects", "false")];
        let found: Option<WireGroup> = self.look(&["groups", name], &query, &task).await?;
        // GitLab does not tell upper from lower case, and finds what was renamed by its old path.
        Ok(found.filter(|group| group.full_path == name && group.marked_for_deletion_on.is_none()))
    }

    pub(super) async fn need_group(&self, name: &str) -> Result<WireGroup, HostError> {
        self.find_group(name)
            .await?
            .ok_or_else(|| HostError::not_found(format!("group {name}")))
    }

    pub(super) async fn show_groups(&self) -> Result<Vec<Group>, HostError> {
        let task = Task::new("list", "groups");
        let query = [("all_available", "false"), ("order_by", "id"), ("sort", "asc")];
        let found = self.list::<WireGroup>(&["groups"], &query, &task).await?;
        let mut groups: Vec<_> = found
            .unwrap_or_default()
            .into_iter()
            .filter(|group| group.marked_for_deletion_on.is_none())
            .map(shown)
            .collect();
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(groups)
    }

    pub(super) async fn make_group(&self, spec: &GroupSpec) -> Result<Group, HostError> {
        let task = Task::new("create", format!("group {}", spec.name)).needs(AccessLevel::Owner);
        check_group(&spec.name).map_err(|error| HostError::invalid("group", error.to_string()))?;
        let notes = Notes {
            marker: spec.marker.clone(),
            branch: None,
        };
        let (parent, path) = match spec.name.rsplit_once('/') {
            Some((parent, path)) => (Some(self.need_group(parent).await?.id), path),
            None => (None, spec.name.as_str()),
        };
        let protection = match self.forge.protection {
            Protection::Nobody => 0,
            Protection::Developers => 1,
            Protection::Maintainers => 2,
        };
        let mut body = json!({
            "name": path,
            "path": path,
            "description": text::join(&spec.description, &notes)?,
            "visibility": visibility_name(spec.visibility),
            "project_creation_level": "maintainer",
            "subgroup_creation_level": "owner",
            "default_branch_protection": protection,
        });
        if let Some(parent) = parent {
            body["parent_id"] = parent.into();
        }
        let made: WireGroup = self
            .ask(Method::POST, &["groups"], &[], Some(body), &task)
            .await?;
        Ok(shown(made))
    }

    pub(super) async fn change_group(&self, name: &str, change: &GroupChange) -> Result<Group, HostError> {
        let task = Task::new("change", format!("group {name}")).needs(AccessLevel::Owner);
        let group = self.need_group(name).await?;
        let GroupChange {
            visibility,
            description,
            marker,
        } = change;
        let mut body = Map::new();
        if let Some(visibility) = visibility {
            body.insert("visibility".to_owned(), visibility_name(*visibility).into());
        }
        if let Some(text) = merged(
            group.description.as_deref(),
            description.as_deref(),
            marker.as_ref(),
            None,
        )? {
            body.insert("description".to_owned(), text.into());
        }
        if body.is_empty() {
            // GitLab takes no change without content, so the rights are looked at here.
            self.need_level(&Place::group(name), &task).await?;
            return Ok(shown(group));
        }
        let id = group.id.to_string();
        let changed: WireGroup = self
            .ask(
                Method::PUT,
                &["groups", &id],
                &[],
                Some(Value::Object(body)),
                &task,
            )
            .await?;
        Ok(shown(changed))
    }

    pub(super) async fn drop_group(&self, name: &str) -> Result<(), HostError> {
        let task = Task::new("delete", format!("group {name}")).needs(AccessLevel::Owner);
        let group = self.need_group(name).await?;
        self.need_level(&Place::group(name), &task).await?;
        let id = group.id.to_string();
        // With a group, GitLab deletes whatever is in it.
        let query = [
            ("include_subgroups", "true"),
            ("with_shared", "false"),
            ("order_by", "id"),
            ("sort", "asc"),
        ];
        let repositories = self
            .list::<WireProject>(&["groups", &id, "projects"], &query, &task)
            .await?
            .unwrap_or_default();
        let repositories = repositories.iter().filter(|project| !project.is_marked()).count();
        let query = [("order_by", "id"), ("sort", "asc")];
        let groups = self
            .list::<WireGroup>(&["groups", &id, "subgroups"], &query, &task)
            .await?
            .unwrap_or_default();
        let groups = groups
            .iter()
            .filter(|group| group.marked_for_deletion_on.is_none())
            .count();
        if repositories + groups > 0 {
            let why = format!("it still has {repositories} repositories and {groups} groups");
            return Err(HostError::conflict(format!("group {name}"), why));
        }
        self.delete(&["groups", &id], &task).await
    }

    /// Fails unless the caller has the level that a task takes.
    pub(super) async fn need_level(&self, place: &Place, task: &Task) -> Result<(), HostError> {
        if self.level(place).await? < task.needs.unwrap_or_default() {
            return Err(task.forbidden(self.name()));
        }
        Ok(())
    }
}

pub(super) fn shown(group: WireGroup) -> Group {
    let (description, notes) = text::split(group.description.as_deref().unwrap_or_default());
    Group {
        id: group.id,
        name: group.full_path,
        visibility: group.visibility.unwrap_or_default(),
        description,
        marker: notes.marker,
    }
}
