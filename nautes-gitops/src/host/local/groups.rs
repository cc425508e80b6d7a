//! Groups and members.

use super::state::{GroupRecord, Members, State};
use crate::host::HostError;
use crate::host::types::{AccessLevel, Group, GroupChange, GroupSpec, Member, Place, check_group};

impl State {
    pub(super) fn show_group(&self, name: &str) -> Option<Group> {
        let record = self.groups.get(name)?;
        Some(Group {
            id: record.id,
            name: name.to_owned(),
            visibility: record.visibility,
            description: record.description.clone(),
            marker: record.marker.clone(),
        })
    }

    pub(super) fn create_group(&mut self, user: u64, spec: &GroupSpec) -> Result<Group, HostError> {
        let GroupSpec {
            name,
            visibility,
            description,
            marker,
        } = spec.clone();
        check_group(&name).map_err(|error| HostError::invalid("group", error.to_string()))?;
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.need(
                user,
                &Place::group(parent),
                AccessLevel::Owner,
                "create a group in",
            )?;
        }
        if self.groups.keys().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(HostError::conflict(
                format!("group {name}"),
                "there is one of this name",
            ));
        }
        if self
            .repositories
            .keys()
            .any(|path| path.to_string().eq_ignore_ascii_case(&name))
        {
            return Err(HostError::conflict(
                format!("group {name}"),
                "there is a repository of this name",
            ));
        }
        let id = self.next_id();
        let members = Members::from([(user, AccessLevel::Owner)]);
        self.groups.insert(
            name.clone(),
            GroupRecord {
                id,
                visibility,
                description,
                marker,
                members,
            },
        );
        self.show_group(&name)
            .ok_or_else(|| HostError::not_found(format!("group {name}")))
    }

    pub(super) fn update_group(
        &mut self,
        user: u64,
        name: &str,
        change: GroupChange,
    ) -> Result<Group, HostError> {
        self.need(user, &Place::group(name), AccessLevel::Owner, "change")?;
        let group = self.group_mut(name)?;
        let GroupChange {
            visibility,
            description,
            marker,
        } = change;
        group.visibility = visibility.unwrap_or(group.visibility);
        if let Some(description) = description {
            group.description = description;
        }
        if let Some(marker) = marker {
            group.marker = marker;
        }
        self.show_group(name)
            .ok_or_else(|| HostError::not_found(format!("group {name}")))
    }

    pub(super) fn delete_group(&mut self, user: u64, name: &str) -> Result<(), HostError> {
        self.need(user, &Place::group(name), AccessLevel::Owner, "delete")?;
        let inside = format!("{name}/");
        let repositories = self
            .repositories
            .keys()
            .filter(|path| path.to_string().starts_with(&inside))
            .count();
        let groups = self
            .groups
            .keys()
            .filter(|known| known.starts_with(&inside))
            .count();
        if repositories + groups > 0 {
            let why = format!("it still has {repositories} repositories and {groups} groups");
            return Err(HostError::conflict(format!("group {name}"), why));
        }
        self.groups.remove(name);
        Ok(())
    }

    pub(super) fn show_members(&self, user: u64, place: &Place) -> Result<Vec<Member>, HostError> {
        self.need(user, place, AccessLevel::None, "see")?;
        let mut members: Vec<_> = self
            .members_of(place)?
            .iter()
            .filter_map(|(id, level)| {
                Some(Member {
                    user: self.user(*id)?,
                    level: *level,
                })
            })
            .collect();
        members.sort_by(|a, b| a.user.name.cmp(&b.user.name));
        Ok(members)
    }

    pub(super) fn add_member(
        &mut self,
        user: u64,
        place: &Place,
        name: &str,
        level: AccessLevel,
    ) -> Result<(), HostError> {
        self.need(user, place, rights_over_members(place), "change the members of")?;
        let who = self.user_by_name(name)?;
        if level == AccessLevel::None {
            return Err(HostError::invalid("member", "the level none is no membership"));
        }
        let present = self.members_of(place)?.get(&who).copied().unwrap_or_default();
        if level.max(present) > self.level(user, place) {
            let action = format!("give or take {} in {place}", level.max(present));
            return Err(HostError::Forbidden {
                user: self.user_name(user),
                action,
                needs: Some(level.max(present)),
            });
        }
        if level < present {
            self.keep_an_owner(place, who)?;
        }
        self.members_of_mut(place)?.insert(who, level);
        Ok(())
    }

    pub(super) fn remove_member(&mut self, user: u64, place: &Place, name: &str) -> Result<(), HostError> {
        let who = self.user_by_name(name)?;
        if who != user {
            self.need(user, place, rights_over_members(place), "change the members of")?;
        }
        let Some(present) = self.members_of(place)?.get(&who).copied() else {
            return Err(HostError::not_found(format!("member {name} of {place}")));
        };
        if present > self.level(user, place) {
            let action = format!("take {present} in {place}");
            return Err(HostError::Forbidden {
                user: self.user_name(user),
                action,
                needs: Some(present),
            });
        }
        self.keep_an_owner(place, who)?;
        self.members_of_mut(place)?.remove(&who);
        Ok(())
    }

    fn keep_an_owner(&self, place: &Place, leaving: u64) -> Result<(), HostError> {
        let Place::Group(name) = place else { return Ok(()) };
        let members = self.members_of(place)?;
        let owns = |id: &u64| members.get(id) == Some(&AccessLevel::Owner);
        if !name.contains('/') && owns(&leaving) && !members.keys().any(|id| *id != leaving && owns(id)) {
            return Err(HostError::conflict(
                place.to_string(),
                "it would be left without an owner",
            ));
        }
        Ok(())
    }

    fn members_of(&self, place: &Place) -> Result<&Members, HostError> {
        let found = match place {
            Place::Group(name) => self.groups.get(name).map(|group| &group.members),
            Place::Repository(path) => self.repositories.get(path).map(|repo| &repo.members),
        };
        found.ok_or_else(|| HostError::not_found(place.to_string()))
    }

    fn members_of_mut(&mut self, place: &Place) -> Result<&mut Members, HostError> {
        match place {
            Place::Group(name) => Ok(&mut self.group_mut(name)?.members),
            Place::Repository(path) => Ok(&mut self.repository_mut(path)?.members),
        }
    }
}

const fn rights_over_members(place: &Place) -> AccessLevel {
    match place {
        Place::Group(_) => AccessLevel::Owner,
        Place::Repository(_) => AccessLevel::Maintainer,
    }
}
