//! From the steps of one resource to edits of its text.

use std::ops::Range;

use super::edit::{Done, Edits, Refusal, indent, line_end, line_start, next_line};
use super::item::{Content, Item};
use crate::manifest::convert::step::Step;
use crate::yaml::spans::{Member, Shape, Span};

/// The text of a document and the edits of one resource in it.
pub(super) struct Plan<'t, 'e> {
    pub(super) text: &'t str,
    pub(super) edits: &'e mut Edits<'t>,
    /// The resource.
    root: &'t Span,
    /// Numbers that are texts now: where they stand, and the text.
    texts: Vec<(Range<usize>, String)>,
    /// Fields that go: the mapping, and the place of the key.
    removed: Vec<(&'t Span, usize)>,
    /// Mappings that something was put into.
    filled: Vec<usize>,
    line_end: &'static str,
}

/// A field and what surrounds it.
#[derive(Clone, Copy)]
pub(super) struct Place<'t> {
    pub(super) member: &'t Member,
    /// The mapping that holds it, and the field that holds that, if one does.
    pub(super) within: &'t Span,
    pub(super) owner: Option<&'t Member>,
}

impl<'t, 'e> Plan<'t, 'e> {
    /// Turns the steps into edits.
    pub(super) fn make(text: &'t str, root: &'t Span, steps: &[Step], edits: &'e mut Edits<'t>) -> Done {
        let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut plan = Self {
            text,
            edits,
            root,
            texts: Vec::new(),
            removed: Vec::new(),
            filled: Vec::new(),
            line_end,
        };
        let mut metadata = Vec::new();
        let mut additions = Vec::new();
        // Numbers first: what is moved takes them along.
        for step in steps {
            if let Step::Text { path, text } = step {
                plan.number_to_text(path, text)?;
            }
        }
        for step in steps {
            match step {
                Step::Text { .. } | Step::Secret { .. } => {}
                Step::Key { path, key } => plan.rename(path, key)?,
                Step::Wrap { path, key } => plan.wrap(path, key)?,
                Step::Drop { path } => plan.drop_field(path)?,
                Step::Metadata {
                    path,
                    key,
                    value,
                    stays,
                } => metadata.push((path.as_str(), *key, value.as_deref(), *stays)),
                Step::Additions(step) => additions.push(step),
            }
        }
        plan.additions(&additions)?;
        plan.metadata(&metadata)?;
        plan.clean_up()
    }

    /// Finds a field, which must stand in the text itself and not come from an alias.
    pub(super) fn find(&self, path: &str) -> Done<Place<'t>> {
        let missing = |at: usize| Refusal::new(format!("{path} comes from an alias"), at);
        let (mut span, mut owner) = (self.root, None);
        let mut rest = path;
        loop {
            let at = span.range.start;
            if let Shape::List { items } = &span.shape {
                let (index, after) = rest
                    .strip_prefix('[')
                    .and_then(|r| r.split_once(']'))
                    .ok_or_else(|| missing(at))?;
                span = index
                    .parse()
                    .ok()
                    .and_then(|i: usize| items.get(i))
                    .ok_or_else(|| missing(at))?;
                rest = after.strip_prefix('.').unwrap_or(after);
                continue;
            }
            let (members, _) = span.members().ok_or_else(|| missing(at))?;
            let member = members
                .iter()
                .filter(|m| {
                    rest.strip_prefix(m.name.as_str())
                        .is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
                })
                .max_by_key(|m| m.name.len())
                .ok_or_else(|| missing(at))?;
            let after = &rest[member.name.len()..];
            if after.is_empty() {
                return Ok(Place {
                    member,
                    within: span,
                    owner,
                });
            }
            owner = Some(member);
            span = &member.value;
            rest = after.strip_prefix('.').unwrap_or(after);
        }
    }

    fn rename(&mut self, path: &str, key: &str) -> Done {
        let member = self.find(path)?.member;
        let token = &self.text[member.key.clone()];
        let quote = match token.as_bytes().first() {
            Some(b'"') => "\"",
            Some(b'\'') => "'",
            _ => "",
        };
        if token != format!("{quote}{}{quote}", member.name) {
            return Err(Refusal::new(
                format!("the key of {path} is written in an unusual way"),
                member.key.start,
            ));
        }
        self.edits
            .replace(member.key.clone(), format!("{quote}{key}{quote}"));
        Ok(())
    }

    fn number_to_text(&mut self, path: &str, text: &str) -> Done {
        let value = &self.find(path)?.member.value;
        self.single_line(path, value)?;
        if value.marked || value.shape == Shape::Alias {
            return Err(Refusal::new(
                format!("{path} is a number with an anchor or an alias"),
                value.range.start,
            ));
        }
        let quoted = format!("\"{text}\"");
        self.edits.replace(value.range.clone(), quoted.clone());
        self.texts.push((value.range.clone(), quoted));
        Ok(())
    }

    /// Puts a value one level deeper.
    fn wrap(&mut self, path: &str, key: &str) -> Done {
        let place = self.find(path)?;
        let (member, value) = (place.member, &place.member.value);
        self.single_line(path, value)?;
        let same_line = line_start(self.text, member.key.start) == line_start(self.text, value.range.start);
        let gap = member.key.end..value.range.start;
        let Some(colon) = self.text[gap.clone()].find(':') else {
            return Err(self.unusual(path, member));
        };
        let (_, flow) = place.within.members().unwrap_or_default();
        match indent(self.text, member.key.start) {
            Some(before) if !flow && same_line => {
                let text = format!("{}{before}  {key}: ", self.line_end);
                self.edits.replace(gap.start + colon + 1..gap.end, text);
            }
            _ if same_line => {
                let mark = if self.quotes(member) { "\"" } else { "" };
                self.edits
                    .insert(value.range.start, format!("{{{mark}{key}{mark}: "));
                self.edits.insert(value.range.end, "}");
            }
            _ if !flow => self.edits.insert(value.range.start, format!("{key}: ")),
            _ => return Err(self.unusual(path, member)),
        }
        Ok(())
    }

    fn unusual(&self, path: &str, member: &Member) -> Refusal {
        Refusal::new(format!("{path} is written in an unusual way"), member.key.start)
    }

    /// Refuses a value of several lines.
    pub(super) fn single_line(&self, path: &str, value: &Span) -> Done {
        let simple = matches!(value.shape, Shape::Scalar { block: false } | Shape::Alias);
        if simple && !self.text[value.range.clone()].contains('\n') {
            return Ok(());
        }
        Err(Refusal::new(
            format!("{path} takes several lines"),
            value.range.start,
        ))
    }

    /// Returns a value as it is written, or as it will be.
    pub(super) fn raw(&self, value: &Span) -> String {
        let changed = self.texts.iter().find(|(range, _)| *range == value.range);
        changed.map_or_else(
            || self.text[value.range.clone()].to_owned(),
            |(_, text)| text.clone(),
        )
    }

    /// Whether words are in quotes where a field stands, as in JSON.
    pub(super) fn quotes(&self, member: &Member) -> bool {
        self.text[member.key.clone()].starts_with('"')
    }

    /// Returns where the comments directly above a field begin; they belong to it.
    pub(super) fn comments_start(&self, place: Place<'t>) -> usize {
        let (member, text) = (place.member, self.text);
        let mut start = line_start(text, member.key.start);
        let column = member.key.start - start;
        let before = place
            .within
            .members()
            .and_then(|(all, _)| all.iter().take_while(|m| *m != member).last())
            .map(|m| m.value.range.end.max(m.key.end));
        let floor = before.or(place.owner.map(|o| o.key.end)).unwrap_or(0);
        while start > 0 {
            let above = line_start(text, start - 1);
            let line = &text[above..start];
            let content = line.trim_start_matches(' ');
            if above < floor || !content.starts_with('#') || line.len() - content.len() != column {
                break;
            }
            start = above;
        }
        start
    }

    /// Returns the comments directly above a field, without indentation.
    fn comments(&self, place: Place<'t>) -> Vec<String> {
        let range = self.comments_start(place)..line_start(self.text, place.member.key.start);
        self.text[range].lines().map(|l| l.trim().to_owned()).collect()
    }

    /// Returns what follows a value on its line: nothing, or a comment.
    pub(super) fn after(&self, path: &str, value_end: usize) -> Done<&'t str> {
        let after = self.text[value_end..line_end(self.text, value_end)].trim_end();
        if after.is_empty() || after.trim_start().starts_with('#') {
            return Ok(after);
        }
        Err(Refusal::new(
            format!("something follows {path} on its line"),
            value_end,
        ))
    }

    /// Takes out a field of one value; what is said about it goes along, or stays.
    pub(super) fn lift(&mut self, path: &str, key: &str, with_comments: bool) -> Done<Item> {
        let place = self.find(path)?;
        let (member, value) = (place.member, &place.member.value);
        self.single_line(path, value)?;
        let mut item = Item {
            comments: Vec::new(),
            key: key.to_owned(),
            value: Content::Raw(self.raw(value), String::new()),
        };
        if value.range.is_empty() {
            return Err(self.unusual(path, member));
        }
        if place.within.members().is_some_and(|(_, flow)| !flow) {
            let after = self.after(path, value.range.end)?.to_owned();
            if with_comments {
                item.comments = self.comments(place);
                item.value = Content::Raw(self.raw(value), after);
            }
        }
        self.take_out(path, place, with_comments)?;
        Ok(item)
    }

    /// Deletes a field, with its comments or without.
    pub(super) fn take_out(&mut self, path: &str, place: Place<'t>, with_comments: bool) -> Done {
        let member = place.member;
        let (_, flow) = place.within.members().unwrap_or_default();
        self.removed.push((place.within, member.key.start));
        if flow {
            return Ok(());
        }
        if indent(self.text, member.key.start).is_none() {
            return Err(Refusal::new(
                format!("{path} stands on the line of a dash"),
                member.key.start,
            ));
        }
        let end = member.value.range.end.max(member.key.end);
        let tail = if member.value.range.is_empty() {
            end + self.text[end..].find(':').map_or(0, |i| i + 1)
        } else {
            end
        };
        let comment = self.after(path, tail)?.trim_start();
        if !with_comments && !comment.is_empty() {
            // Its comment stays, on a line of its own.
            let comment = self.text[tail..].find('#').map_or(tail, |i| tail + i);
            self.edits.delete(member.key.start..comment);
            return Ok(());
        }
        let from = if with_comments {
            self.comments_start(place)
        } else {
            line_start(self.text, member.key.start)
        };
        self.edits.delete(from..next_line(self.text, end));
        Ok(())
    }

    /// Remembers that a field goes, whose lines somebody else takes out.
    pub(super) fn note_removed(&mut self, place: Place<'t>) {
        self.removed.push((place.within, place.member.key.start));
    }

    /// Deletes a field that adds nothing; its comments stay.
    pub(super) fn drop_field(&mut self, path: &str) -> Done {
        let place = self.find(path)?;
        let value = &place.member.value;
        let raw = &self.text[value.range.clone()];
        let block = matches!(value.shape, Shape::Scalar { block: true });
        if block || (raw.contains('\n') && raw.contains('#')) {
            return Err(Refusal::new(
                format!("{path} has several lines, and comments may be among them"),
                place.member.key.start,
            ));
        }
        self.take_out(path, place, false)
    }

    /// Puts fields in front of another of a mapping in lines.
    pub(super) fn put_before(&mut self, place: Place<'t>, items: &[Item]) -> Done {
        let Some(before) = indent(self.text, place.member.key.start) else {
            return Err(Refusal::new(
                "there is no line to put a field in front of",
                place.member.key.start,
            ));
        };
        let is_first = place
            .within
            .members()
            .is_some_and(|(all, _)| all.first() == Some(place.member));
        let at = if is_first && place.owner.is_none() {
            line_start(self.text, place.member.key.start)
        } else {
            self.comments_start(place)
        };
        let text: String = items.iter().map(|i| i.block(before, self.line_end)).collect();
        self.filled.push(place.within.range.start);
        self.edits.insert(at, text);
        Ok(())
    }

    /// Puts fields at the beginning of the mapping that a field holds.
    pub(super) fn put_into(&mut self, owner: &'t Member, items: &[Item]) -> Done {
        let value = &owner.value;
        self.filled.push(value.range.start);
        match &value.shape {
            Shape::Map { flow: true, entries } if !self.takes_lines(owner) => {
                self.put_into_braces(owner, entries, items)
            }
            Shape::Map { entries, .. } if !entries.is_empty() => {
                let within = Place {
                    member: &entries[0],
                    within: value,
                    owner: Some(owner),
                };
                self.put_before(within, items)
            }
            Shape::Map { .. } | Shape::Scalar { block: false } if !value.marked => {
                self.put_below(owner, items)
            }
            _ => Err(Refusal::new(
                format!("{} comes from an alias", owner.name),
                value.range.start,
            )),
        }
    }

    /// Whether what is put into the mapping of a field is written in lines: the mapping is, or it is empty and
    /// the field stands on a line of its own.
    pub(super) fn takes_lines(&self, owner: &Member) -> bool {
        let value = &owner.value;
        match &value.shape {
            Shape::Map { flow: false, .. } => true,
            Shape::Map { entries, .. } if !entries.is_empty() => false,
            Shape::Map { .. } | Shape::Scalar { block: false } => {
                !value.marked
                    && !self.quotes(owner)
                    && indent(self.text, owner.key.start).is_some()
                    && !self.text[owner.key.end..value.range.end.max(owner.key.end)].contains('\n')
                    && (value.range.is_empty() || self.after("", value.range.end).is_ok())
            }
            Shape::Scalar { .. } | Shape::List { .. } | Shape::Alias => false,
        }
    }

    /// Puts fields below one that has no value, or an empty mapping.
    fn put_below(&mut self, owner: &Member, items: &[Item]) -> Done {
        let Some(before) = indent(self.text, owner.key.start).filter(|_| self.takes_lines(owner)) else {
            return Err(self.unusual(&owner.name, owner));
        };
        let colon = owner.key.end + self.text[owner.key.end..].find(':').map_or(0, |i| i + 1);
        if colon < owner.value.range.end {
            self.edits.delete(colon..owner.value.range.end);
        }
        let at = next_line(self.text, owner.key.end);
        let deeper = format!("{before}  ");
        let mut text: String = items.iter().map(|i| i.block(&deeper, self.line_end)).collect();
        if !self.text[..at].ends_with('\n') {
            text = format!("{}{}", self.line_end, text.trim_end());
        }
        self.edits.insert(at, text);
        Ok(())
    }

    fn put_into_braces(&mut self, owner: &Member, entries: &[Member], items: &[Item]) -> Done {
        if items.iter().any(Item::has_comments) {
            let message = format!("a comment has no place in the braces of {}", owner.name);
            return Err(Refusal::new(message, owner.key.start));
        }
        let quotes = entries
            .first()
            .map_or_else(|| self.quotes(owner), |m| self.quotes(m));
        let texts: Vec<String> = items.iter().map(|i| i.flow(quotes)).collect();
        let Some(first) = entries.first() else {
            let close = owner.value.range.end - 1;
            self.edits.insert(close, texts.join(", "));
            return Ok(());
        };
        let space = self.space_before(first);
        let text: String = texts.iter().map(|t| format!("{t},{space}")).collect();
        self.edits.insert(first.key.start, text);
        Ok(())
    }

    /// Returns what separates the fields of a mapping in braces: a line end and an indentation, or a blank.
    pub(super) fn space_before(&self, member: &Member) -> &'t str {
        let before = &self.text[..member.key.start];
        let space = &before[before.trim_end().len()..];
        if space.contains('\n') { space } else { " " }
    }

    /// Puts a field at the end of the mapping that a field holds, where that is simple, else at its beginning.
    pub(super) fn put_after(&mut self, owner: &'t Member, items: &[Item]) -> Done {
        if let Shape::Map { flow: false, entries } = &owner.value.shape
            && let Some(last) = entries.last()
            && self.single_line("", &last.value).is_ok()
            && let Some(before) = indent(self.text, last.key.start)
        {
            let end = last.value.range.end.max(last.key.end);
            let at = next_line(self.text, end);
            if self.text[..at].ends_with('\n') {
                let text: String = items.iter().map(|i| i.block(before, self.line_end)).collect();
                self.filled.push(owner.value.range.start);
                self.edits.insert(at, text);
                return Ok(());
            }
        }
        self.put_into(owner, items)
    }

    /// Moves fields into the metadata.
    fn metadata(&mut self, fields: &[(&str, &'static str, Option<&str>, bool)]) -> Done {
        if fields.is_empty() {
            return Ok(());
        }
        let metadata = self.root.member("metadata");
        let in_braces = self.root.members().is_some_and(|(_, flow)| flow);
        let with_comments = !in_braces && metadata.is_none_or(|m| self.takes_lines(m));
        let mut items = Vec::new();
        for (path, key, value, stays) in fields {
            if let Some(old) = metadata.and_then(|m| m.value.member(key)) {
                self.drop_field(&format!("metadata.{}", old.name))?;
            }
            let mut item = if *stays {
                let member = self.find(path)?.member;
                self.single_line(path, &member.value)?;
                Item {
                    comments: Vec::new(),
                    key: (*key).to_owned(),
                    value: Content::Raw(self.raw(&member.value), String::new()),
                }
            } else {
                self.lift(path, key, with_comments)?
            };
            if let (Some(value), Content::Raw(_, after)) = (value, &item.value) {
                let after = after.clone();
                item.value = if after.is_empty() {
                    Content::Word((*value).to_owned())
                } else {
                    Content::Raw((*value).to_owned(), after)
                };
            }
            items.push(item);
        }
        match metadata {
            Some(member) => self.put_into(member, &items),
            None => self.new_metadata(items),
        }
    }

    fn new_metadata(&mut self, items: Vec<Item>) -> Done {
        let (members, flow) = self.root.members().unwrap_or_default();
        let missing = || Refusal::new("there is no place for metadata", self.root.range.start);
        let spec = self.root.member("spec").ok_or_else(missing)?;
        let item = Item::map("metadata", items);
        if flow {
            let text = item.flow(self.quotes(spec));
            let space = self.space_before(spec);
            self.edits.insert(spec.key.start, format!("{text},{space}"));
            return Ok(());
        }
        let from = members.iter().skip_while(|m| *m != spec);
        let member = from
            .into_iter()
            .find(|m| indent(self.text, m.key.start).is_some())
            .ok_or_else(missing)?;
        self.put_before(
            Place {
                member,
                within: self.root,
                owner: None,
            },
            &[item],
        )
    }

    /// Takes fields out of mappings in braces, and keeps mappings that were emptied mappings.
    fn clean_up(&mut self) -> Done {
        let removed = std::mem::take(&mut self.removed);
        let mut seen: Vec<usize> = Vec::new();
        for (span, _) in &removed {
            if seen.contains(&span.range.start) {
                continue;
            }
            seen.push(span.range.start);
            let gone: Vec<usize> = removed
                .iter()
                .filter(|(other, _)| std::ptr::eq(*other, *span))
                .map(|(_, at)| *at)
                .collect();
            let (members, flow) = span.members().unwrap_or_default();
            if flow {
                self.take_out_of_braces(members, &gone)?;
            } else if gone.len() == members.len() && !self.filled.contains(&span.range.start) {
                self.leave_empty(span)?;
            }
        }
        Ok(())
    }

    fn take_out_of_braces(&mut self, members: &[Member], gone: &[usize]) -> Done {
        let ends = |m: &Member| m.value.range.end.max(m.key.end);
        let mut kept_end = None;
        for (index, member) in members.iter().enumerate() {
            if !gone.contains(&member.key.start) {
                kept_end = Some(ends(member));
                continue;
            }
            let range = match members.get(index + 1) {
                Some(next) => member.key.start..next.key.start,
                None => kept_end.unwrap_or(member.key.start)..ends(member),
            };
            if self.text[range.clone()].contains('#') {
                return Err(Refusal::new(
                    format!("comments stand around {}", member.name),
                    member.key.start,
                ));
            }
            self.edits.delete(range);
        }
        Ok(())
    }

    fn leave_empty(&mut self, span: &Span) -> Done {
        let (members, _) = self.root.members().unwrap_or_default();
        let owner = members.iter().find(|m| std::ptr::eq(&m.value, span));
        match owner {
            Some(owner) if !span.marked => {
                let colon = self.text[owner.key.end..].find(':').unwrap_or(0);
                self.edits.insert(owner.key.end + colon + 1, " {}");
                Ok(())
            }
            _ => Err(Refusal::new("a mapping would be left empty", span.range.start)),
        }
    }
}
