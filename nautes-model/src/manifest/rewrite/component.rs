//! Old fields of clusters, moved into the additions of their components.

use super::edit::{Done, Refusal, indent, line_end, line_start, next_line};
use super::item::{Content, Item};
use super::plan::{Place, Plan};
use crate::manifest::convert::step::Additions;
use crate::yaml::spans::{Member, Shape, Span};

impl<'t> Plan<'t, '_> {
    /// Moves settings to where they belong: into a list of components that is there, or a new one.
    pub(super) fn additions(&mut self, steps: &[&Additions]) -> Done {
        let Some(first) = steps.first() else {
            return Ok(());
        };
        let spec = self.find(&first.path)?.within;
        let list = spec
            .member("componentsList")
            .or_else(|| spec.member("components_list"));
        match list.filter(|member| member.value.members().is_some()) {
            Some(list) => {
                let mut slots = Vec::new();
                for step in steps {
                    slots.extend(self.move_into_list(list, step)?);
                }
                if slots.is_empty() {
                    return Ok(());
                }
                self.put_into(list, &slots)
            }
            None => self.new_list(list, steps),
        }
    }

    fn new_list(&mut self, nothing: Option<&'t Member>, steps: &[&Additions]) -> Done {
        let mut places = Vec::new();
        for step in steps {
            places.push(self.find(&step.path)?);
        }
        let Some(first) = places.iter().min_by_key(|p| p.member.key.start).copied() else {
            return Ok(());
        };
        let (_, flow) = first.within.members().unwrap_or_default();
        if let Some(member) = nothing {
            if !matches!(member.value.shape, Shape::Scalar { block: false }) {
                return Err(alias(member));
            }
            self.drop_field(&format!("spec.{}", member.name))?;
        }
        let mut slots = Vec::new();
        for step in steps {
            slots.push(self.slot(step, !flow)?);
        }
        let item = Item::map("componentsList", slots);
        match first.owner {
            Some(owner) if flow => self.put_into(owner, &[item]),
            _ => self.put_before(first, &[item]),
        }
    }

    /// Moves settings into their component; for a free slot, returns the component that belongs there.
    fn move_into_list(&mut self, list: &'t Member, step: &Additions) -> Done<Option<Item>> {
        let slot = list.value.member(step.slot);
        let Some(component) = slot.filter(|m| m.value.members().is_some()) else {
            if let Some(nothing) = slot {
                self.drop_slot(list, nothing)?;
            }
            return self.slot(step, self.takes_lines(list)).map(Some);
        };
        let additions = component.value.member("additions");
        match additions.filter(|m| m.value.members().is_some()) {
            Some(additions) => {
                let items = self.settings(step, self.takes_lines(additions))?;
                self.put_after(additions, &items)?;
            }
            None => {
                if let Some(nothing) = additions {
                    self.drop_slot(component, nothing)?;
                }
                let items = self.settings(step, self.takes_lines(component))?;
                self.put_after(component, &[Item::map("additions", items)])?;
            }
        }
        Ok(None)
    }

    /// Takes out a field without a value.
    fn drop_slot(&mut self, owner: &'t Member, nothing: &'t Member) -> Done {
        if !matches!(nothing.value.shape, Shape::Scalar { block: false }) {
            return Err(alias(nothing));
        }
        let place = Place {
            member: nothing,
            within: &owner.value,
            owner: Some(owner),
        };
        self.take_out(&nothing.name, place, false)
    }

    /// Makes the component of a free slot.
    fn slot(&mut self, step: &Additions, with_comments: bool) -> Done<Item> {
        let mut settings = self.settings(step, with_comments)?;
        let comments = settings
            .first_mut()
            .map(|item| std::mem::take(&mut item.comments))
            .unwrap_or_default();
        let mut slot = Item::map(
            step.slot,
            vec![
                Item::word("name", step.name),
                Item::word("namespace", step.namespace),
                Item::map("additions", settings),
            ],
        );
        slot.comments = comments;
        Ok(slot)
    }

    /// Takes the settings of an old field out of the text.
    fn settings(&mut self, step: &Additions, with_comments: bool) -> Done<Vec<Item>> {
        let place = self.find(&step.path)?;
        let member = place.member;
        match &member.value.shape {
            Shape::Map { flow, entries } if !member.value.marked => {
                if *flow || in_braces(place.within) {
                    self.lift_from_braces(step, place, entries, with_comments)
                } else {
                    self.lift_from_lines(step, place, entries, with_comments)
                }
            }
            Shape::Scalar { .. } => {
                let key = step.values.first().map_or("", |(_, key)| key.as_str());
                Ok(vec![self.lift(&step.path, key, with_comments)?])
            }
            Shape::Map { .. } | Shape::List { .. } | Shape::Alias => Err(Refusal::new(
                format!("{} has an anchor or is an alias", step.path),
                member.key.start,
            )),
        }
    }

    fn lift_from_braces(
        &mut self,
        step: &Additions,
        place: Place<'t>,
        entries: &'t [Member],
        with_comments: bool,
    ) -> Done<Vec<Item>> {
        let member = place.member;
        if self.text[member.value.range.clone()].contains('#') {
            return Err(Refusal::new(
                format!("comments stand in the braces of {}", step.path),
                member.key.start,
            ));
        }
        let mut items = Vec::new();
        for entry in entries {
            if let Some(key) = self.key_of(step, entry) {
                self.single_line(&step.path, &entry.value)?;
                items.push(self.setting(Vec::new(), key, entry, ""));
            }
        }
        if let (Some(first), false) = (items.first_mut(), in_braces(place.within)) {
            let after = self.after(&step.path, member.value.range.end)?.trim();
            if with_comments {
                let start = self.comments_start(place);
                let above = start..line_start(self.text, member.key.start);
                first.comments = self.text[above].lines().map(|l| l.trim().to_owned()).collect();
                first
                    .comments
                    .extend((!after.is_empty()).then(|| after.to_owned()));
            }
        }
        self.take_out(&step.path, place, with_comments)?;
        Ok(items)
    }

    fn lift_from_lines(
        &mut self,
        step: &Additions,
        place: Place<'t>,
        entries: &'t [Member],
        with_comments: bool,
    ) -> Done<Vec<Item>> {
        let member = place.member;
        if indent(self.text, member.key.start).is_none() {
            return Err(Refusal::new(
                format!("{} stands on the line of a dash", step.path),
                member.key.start,
            ));
        }
        let begin = self.comments_start(place);
        let head = line_start(self.text, member.key.start);
        let end = next_line(self.text, member.value.range.end);
        if !with_comments && self.text[head..end].contains('#') {
            return Err(Refusal::new(
                format!("comments stand in {}, and braces where it moves to", step.path),
                member.key.start,
            ));
        }
        let mut comments: Vec<String> = if with_comments {
            let above = self.text[begin..head].lines();
            above.map(|l| l.trim().to_owned()).collect()
        } else {
            Vec::new()
        };
        let rest = &self.text[member.key.end..line_end(self.text, member.key.end)];
        comments.extend(rest.find('#').map(|i| rest[i..].trim_end().to_owned()));
        let mut items: Vec<Item> = Vec::new();
        let mut line = next_line(self.text, member.key.end);
        while line < end {
            let next = next_line(self.text, line);
            let content = self.text[line..next].trim();
            if let Some(entry) = entries.iter().find(|e| (line..next).contains(&e.key.start)) {
                self.single_line(&step.path, &entry.value)?;
                let entry_end = entry.value.range.end.max(entry.key.end);
                let after = self.after(&step.path, entry_end)?;
                match self.key_of(step, entry) {
                    Some(key) => {
                        let above = std::mem::take(&mut comments);
                        items.push(self.setting(above, key, entry, after));
                    }
                    None => comments.extend((!after.is_empty()).then(|| after.trim().to_owned())),
                }
            } else if content.starts_with('#') {
                comments.push(content.to_owned());
            } else if !content.is_empty() {
                return Err(Refusal::new(format!("{} takes several lines", step.path), line));
            }
            line = next;
        }
        if let Some(first) = items.first_mut() {
            first.comments.extend(comments);
        }
        self.note_removed(place);
        let from = if with_comments { begin } else { head };
        self.edits.delete(from..end);
        Ok(items)
    }

    /// Returns what a setting is called among the additions, if it moves.
    fn key_of<'s>(&self, step: &'s Additions, entry: &Member) -> Option<&'s str> {
        let path = format!("{}.{}", step.path, entry.name);
        let value = step.values.iter().find(|(written, _)| *written == path);
        value.map(|(_, key)| key.as_str())
    }

    fn setting(&self, comments: Vec<String>, key: &str, entry: &Member, after: &str) -> Item {
        Item {
            comments,
            key: key.to_owned(),
            value: Content::Raw(self.raw(&entry.value), after.to_owned()),
        }
    }
}

fn in_braces(span: &Span) -> bool {
    span.members().is_some_and(|(_, flow)| flow)
}

fn alias(member: &Member) -> Refusal {
    Refusal::new(format!("{} comes from an alias", member.name), member.key.start)
}
