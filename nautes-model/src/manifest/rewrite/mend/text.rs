//! From actions on one document to edits of its text.

use std::ops::Range;

use super::super::edit::{Done, Edits, Refusal, indent, line_end, line_start, next_line};
use crate::fix::{Action, Value as New};
use crate::yaml::spans::{Member, Shape, Span};
use crate::yaml::{self, Entry, Node, Value};

/// The edits of one document.
pub(super) struct Mending<'t, 'e> {
    text: &'t str,
    root: &'t Span,
    edits: &'e mut Edits<'t>,
    /// Members and items that go: what holds them, and which.
    gone: Vec<(&'t Span, usize)>,
    /// Lines that are put in: how deep, where, and what.
    lines: Vec<(usize, usize, String)>,
    line_end: &'static str,
}

/// What stands at a path.
#[derive(Clone, Copy)]
enum Spot<'t> {
    /// The whole document.
    Root(&'t Span),
    Member(&'t Span, usize),
    Item(&'t Span, usize),
}

/// What is found on the way of a path.
struct Walk<'t, 'p> {
    /// What holds each part, from the root on.
    way: Vec<Spot<'t>>,
    /// What is not there.
    rest: &'p str,
}

impl<'t> Spot<'t> {
    fn value(self) -> Option<&'t Span> {
        match self {
            Self::Root(span) => Some(span),
            Self::Member(within, index) => within.members()?.0.get(index).map(|m| &m.value),
            Self::Item(list, index) => match &list.shape {
                Shape::List { items } => items.get(index),
                _ => None,
            },
        }
    }

    fn member(self) -> Option<&'t Member> {
        match self {
            Self::Member(within, index) => within.members()?.0.get(index),
            Self::Root(_) | Self::Item(..) => None,
        }
    }
}

impl<'t, 'e> Mending<'t, 'e> {
    /// Turns actions into edits.
    pub(super) fn make(text: &'t str, root: &'t Span, actions: &[Action], edits: &'e mut Edits<'t>) -> Done {
        let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut mending = Self {
            text,
            root,
            edits,
            gone: Vec::new(),
            lines: Vec::new(),
            line_end,
        };
        for action in actions {
            match action {
                Action::Set { field, value } => mending.set(field, value)?,
                Action::Append { field, values } => mending.append(field, values)?,
                Action::Rename { field, key } => mending.rename(field, key)?,
                Action::Remove { field } => mending.remove(field, false)?,
                Action::RemoveRepeated { field } => mending.remove(field, true)?,
                Action::Add { .. } | Action::Delete => return Err(mending.refuse("a document", root)),
            }
        }
        // Where an inner value ends together with an outer one, what joins the inner one comes first.
        let mut lines = std::mem::take(&mut mending.lines);
        lines.sort_by_key(|(depth, ..)| std::cmp::Reverse(*depth));
        for (_, at, text) in lines {
            mending.edits.insert(at, text);
        }
        mending.close_gaps()
    }

    fn refuse(&self, what: &str, at: &Span) -> Refusal {
        Refusal::new(
            format!("{what} is written in a way that cannot be edited"),
            at.range.start,
        )
    }

    fn walk<'p>(&self, path: &'p str) -> Walk<'t, 'p> {
        let mut walk = Walk {
            way: vec![Spot::Root(self.root)],
            rest: path,
        };
        let mut span = self.root;
        while !walk.rest.is_empty() {
            let (spot, after) = match &span.shape {
                Shape::Map { entries, .. } => {
                    let fits = |m: &&Member| {
                        walk.rest
                            .strip_prefix(m.name.as_str())
                            .is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
                    };
                    let Some(name) = entries
                        .iter()
                        .filter(fits)
                        .map(|m| &m.name)
                        .max_by_key(|n| n.len())
                    else {
                        break;
                    };
                    // Of a key that stands twice the first counts.
                    let Some(index) = entries.iter().position(|m| m.name == *name) else {
                        break;
                    };
                    (Spot::Member(span, index), &walk.rest[name.len()..])
                }
                Shape::List { items } => {
                    let index = walk.rest.strip_prefix('[').and_then(|r| r.split_once(']'));
                    let Some((index, after)) = index else { break };
                    let Some(index) = index.parse().ok().filter(|i| *i < items.len()) else {
                        break;
                    };
                    (Spot::Item(span, index), after)
                }
                Shape::Scalar { .. } | Shape::Alias => break,
            };
            let Some(next) = spot.value() else { break };
            walk.way.push(spot);
            span = next;
            walk.rest = after.strip_prefix('.').unwrap_or(after);
        }
        walk
    }

    fn found(&self, path: &str) -> Done<(Spot<'t>, &'t Span)> {
        let walk = self.walk(path);
        let last = walk.way.last().copied().filter(|_| walk.rest.is_empty());
        last.and_then(|spot| Some((spot, spot.value()?)))
            .ok_or_else(|| Refusal::new(format!("{path} is not there, or comes from an alias"), 0))
    }

    /// Whether words are in quotes where something stands, as in JSON.
    fn quotes(&self, within: &Span) -> bool {
        let first = within.members().and_then(|(all, _)| all.first());
        first.is_some_and(|m| self.text[m.key.clone()].starts_with('"'))
    }

    /// Whether a value stands in braces or brackets.
    fn in_flow(&self, within: &Span) -> bool {
        match &within.shape {
            Shape::Map { flow, .. } => *flow,
            Shape::List { .. } => is_bracketed(&self.text[within.range.clone()]),
            Shape::Scalar { .. } | Shape::Alias => false,
        }
    }

    fn set(&mut self, path: &str, value: &New) -> Done {
        let walk = self.walk(path);
        if walk.rest.is_empty() {
            let (spot, old) = self.found(path)?;
            return self.replace(path, spot, old, value);
        }
        if walk.rest.contains('[') {
            return Err(self.refuse(path, self.root));
        }
        let mut node = Node::from_json(value.to_json());
        let mut keys = walk.rest.rsplit('.');
        let last = keys.next().unwrap_or_default();
        let mut key = last;
        for above in keys {
            node = map(key, node);
            key = above;
        }
        let spot = walk.way.last().copied().unwrap_or(Spot::Root(self.root));
        self.insert(path, (walk.way.len(), spot), key, node)
    }

    /// Puts another value in the place of one.
    fn replace(&mut self, path: &str, spot: Spot<'t>, old: &'t Span, value: &New) -> Done {
        if old.marked || old.shape == Shape::Alias {
            return Err(Refusal::new(
                format!("{path} has an anchor, a tag or an alias"),
                old.range.start,
            ));
        }
        let raw = &self.text[old.range.clone()];
        let simple = match &old.shape {
            Shape::Scalar { block } => !block,
            Shape::Map { flow, .. } => *flow,
            Shape::List { .. } => self.in_flow(old),
            Shape::Alias => false,
        };
        if !simple || raw.contains('\n') {
            return Err(Refusal::new(
                format!("{path} takes several lines"),
                old.range.start,
            ));
        }
        if matches!(value, New::Text(text) if is_other_spelling(raw, text)) {
            return Err(Refusal::new(
                format!("{path} is a number that is written in an unusual way"),
                old.range.start,
            ));
        }
        let json = match spot {
            Spot::Member(within, _) => self.quotes(within),
            Spot::Item(list, _) => self.in_flow(list) && raw.starts_with('"'),
            Spot::Root(_) => false,
        };
        let new = word(value, raw, json);
        match spot.member() {
            Some(member) if raw.is_empty() => {
                let colon = member.key.end
                    + self.text[member.key.end..]
                        .find(':')
                        .ok_or_else(|| self.refuse(path, old))?;
                self.edits.insert(colon + 1, format!(" {new}"));
            }
            None if raw.is_empty() => return Err(self.refuse(path, old)),
            _ => self.edits.replace(old.range.clone(), new),
        }
        Ok(())
    }

    /// Puts a field at the end of the mapping at a spot.
    fn insert(&mut self, path: &str, (depth, spot): (usize, Spot<'t>), key: &str, node: Node) -> Done {
        let within = spot.value().ok_or_else(|| self.refuse(path, self.root))?;
        match &within.shape {
            Shape::Map { flow: true, entries } => {
                let quotes = self.quotes(within) || entries.is_empty() && self.quotes(self.root);
                let text = flow_field(key, node, quotes);
                match entries.last() {
                    Some(last) => {
                        let end = last.value.range.end.max(last.key.end);
                        // Where each field has a line of its own, the new one has too.
                        let before = &self.text[..last.key.start];
                        let space = &before[before.trim_end_matches([' ', '\t', '\r', '\n']).len()..];
                        let space = if space.contains('\n') { space } else { " " };
                        self.edits.insert(end, format!(",{space}{text}"));
                    }
                    None => self.edits.insert(within.range.end - 1, text),
                }
                Ok(())
            }
            Shape::Map { flow: false, entries } => {
                let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
                    return Err(self.refuse(path, within));
                };
                let column = self.text[line_start(self.text, first.key.start)..first.key.start]
                    .chars()
                    .count();
                let lines = self.lines(&yaml::write(&map(key, node)), column);
                let is_root = matches!(spot, Spot::Root(_));
                if is_root && matches!(key, "apiVersion" | "kind") && column == 0 {
                    self.edits.insert(line_start(self.text, first.key.start), lines);
                    return Ok(());
                }
                let end = self.end_of(last);
                self.put_lines(depth, end, lines);
                Ok(())
            }
            Shape::Scalar { block: false } if within.range.is_empty() && !within.marked => {
                let member = spot.member().ok_or_else(|| self.refuse(path, within))?;
                let column = indent(self.text, member.key.start)
                    .ok_or_else(|| self.refuse(path, within))?
                    .len();
                let lines = self.lines(&yaml::write(&map(key, node)), column + 2);
                let end = next_line(self.text, member.key.end);
                self.put_lines(depth, end, lines);
                Ok(())
            }
            _ => Err(self.refuse(path, within)),
        }
    }

    /// Returns where what follows a field begins.
    fn end_of(&self, member: &Member) -> usize {
        let end = member.value.range.end.max(member.key.end);
        if end > 0 && self.text.as_bytes()[end - 1] == b'\n' {
            end
        } else {
            next_line(self.text, end)
        }
    }

    fn put_lines(&mut self, depth: usize, at: usize, lines: String) {
        let text = if at == 0 || self.text[..at].ends_with('\n') {
            lines
        } else {
            format!("{}{}", self.line_end, lines.trim_end())
        };
        self.lines.push((depth, at, text));
    }

    /// Indents lines.
    fn lines(&self, text: &str, column: usize) -> String {
        let pad = " ".repeat(column);
        text.lines()
            .map(|line| {
                if line.is_empty() {
                    self.line_end.to_owned()
                } else {
                    format!("{pad}{line}{}", self.line_end)
                }
            })
            .collect()
    }

    fn append(&mut self, path: &str, values: &[New]) -> Done {
        let walk = self.walk(path);
        let spot = walk.way.last().copied().filter(|_| walk.rest.is_empty());
        let Some((spot, list)) = spot.and_then(|spot| Some((spot, spot.value()?))) else {
            return self.set(path, &New::List(values.to_vec()));
        };
        match &list.shape {
            Shape::Scalar { block: false } => self.set(path, &New::List(values.to_vec())),
            Shape::List { items } if self.in_flow(list) => {
                let json = match spot {
                    Spot::Member(within, _) => self.quotes(within),
                    Spot::Item(..) | Spot::Root(_) => false,
                };
                let json = json || items.iter().any(|i| self.text[i.range.clone()].starts_with('"'));
                let words: Vec<String> = values.iter().map(|v| word(v, "", json)).collect();
                let words = words.join(", ");
                match items.last() {
                    Some(last) => self.edits.insert(last.range.end, format!(", {words}")),
                    None => self.edits.insert(list.range.end - 1, words),
                }
                Ok(())
            }
            Shape::List { items } => {
                let last = items.last().ok_or_else(|| self.refuse(path, list))?;
                let dash = self.dash(last).ok_or_else(|| self.refuse(path, list))?;
                let column = dash - line_start(self.text, dash);
                let node = Node {
                    at: None,
                    value: Value::List(values.iter().map(|v| Node::from_json(v.to_json())).collect()),
                };
                let lines = self.lines(&yaml::write(&node), column);
                let end = last.range.end;
                let at = if end > 0 && self.text.as_bytes()[end - 1] == b'\n' {
                    end
                } else {
                    next_line(self.text, end)
                };
                self.put_lines(walk.way.len(), at, lines);
                Ok(())
            }
            _ => Err(self.refuse(path, list)),
        }
    }

    fn rename(&mut self, path: &str, key: &str) -> Done {
        let (spot, value) = self.found(path)?;
        let member = spot.member().ok_or_else(|| self.refuse(path, value))?;
        let token = &self.text[member.key.clone()];
        let quote = match token.as_bytes().first() {
            Some(b'"') => "\"",
            Some(b'\'') => "'",
            _ => "",
        };
        if token != format!("{quote}{}{quote}", member.name) {
            return Err(self.refuse(&format!("the key of {path}"), value));
        }
        let new = if quote.is_empty() {
            yaml::flow(&Node::text(key, None))
        } else {
            format!("{quote}{key}{quote}")
        };
        self.edits.replace(member.key.clone(), new);
        Ok(())
    }

    /// Notes what goes; `again` means the repetitions of a key only.
    fn remove(&mut self, path: &str, again: bool) -> Done {
        let (spot, value) = self.found(path)?;
        match spot {
            Spot::Member(within, first) => {
                let (members, _) = within.members().unwrap_or_default();
                let name = &members[first].name;
                for (index, member) in members.iter().enumerate() {
                    if member.name == *name && (index > first || !again) {
                        self.gone.push((within, index));
                    }
                }
            }
            Spot::Item(list, index) if !again => self.gone.push((list, index)),
            Spot::Item(..) | Spot::Root(_) => return Err(self.refuse(path, value)),
        }
        Ok(())
    }

    /// Takes out what goes; a list or mapping that is left empty stays one.
    fn close_gaps(&mut self) -> Done {
        let gone = std::mem::take(&mut self.gone);
        let mut done: Vec<&Span> = Vec::new();
        for (within, _) in &gone {
            if done.iter().any(|d| std::ptr::eq(*d, *within)) {
                continue;
            }
            done.push(within);
            let mut which: Vec<usize> = gone
                .iter()
                .filter(|(other, _)| std::ptr::eq(*other, *within))
                .map(|(_, index)| *index)
                .collect();
            which.sort_unstable();
            which.dedup();
            let ranges: Vec<Range<usize>> = match &within.shape {
                Shape::Map { entries, .. } => entries
                    .iter()
                    .map(|m| m.key.start..m.value.range.end.max(m.key.end))
                    .collect(),
                Shape::List { items } => items.iter().map(|i| i.range.clone()).collect(),
                Shape::Scalar { .. } | Shape::Alias => return Err(self.refuse("it", within)),
            };
            if self.in_flow(within) {
                self.take_out_of_flow(&ranges, &which);
                continue;
            }
            for index in &which {
                self.take_out_lines(within, ranges[*index].clone())?;
            }
            if which.len() == ranges.len() {
                self.leave_empty(within)?;
            }
        }
        Ok(())
    }

    fn take_out_of_flow(&mut self, ranges: &[Range<usize>], which: &[usize]) {
        let mut kept_end = None;
        for (index, range) in ranges.iter().enumerate() {
            if !which.contains(&index) {
                kept_end = Some(range.end);
                continue;
            }
            let out = match ranges.get(index + 1) {
                Some(next) => range.start..next.start,
                None => kept_end.unwrap_or(range.start)..range.end,
            };
            self.edits.delete(out);
        }
    }

    /// Deletes the lines of a field or an item. Comments above it stay, and one that follows it stays on a line of
    /// its own; comments within it are in the way.
    fn take_out_lines(&mut self, within: &Span, range: Range<usize>) -> Done {
        let is_item = matches!(within.shape, Shape::List { .. });
        let start = if is_item {
            let item = Span {
                range: range.clone(),
                marked: false,
                shape: Shape::Alias,
            };
            self.dash(&item).ok_or_else(|| self.refuse("the item", within))?
        } else {
            indent(self.text, range.start)
                .ok_or_else(|| Refusal::new("the field stands on the line of a dash", range.start))?;
            range.start
        };
        let mut end = range.end;
        if self.text[range.clone()].ends_with('\n') {
            self.edits.delete(line_start(self.text, start)..end);
            return Ok(());
        }
        // A field without a value ends at its colon.
        let rest = &self.text[end..line_end(self.text, end)];
        if !is_item && rest.trim_start().starts_with(':') {
            end += rest.find(':').map_or(0, |i| i + 1);
        }
        let rest = &self.text[end..line_end(self.text, end)];
        let after = rest.trim_start();
        if after.is_empty() {
            self.edits
                .delete(line_start(self.text, start)..next_line(self.text, end));
        } else if after.starts_with('#') {
            self.edits.delete(start..end + rest.len() - after.len());
        } else {
            return Err(Refusal::new("something follows on the line", end));
        }
        Ok(())
    }

    /// Finds the dash of an item that has a line of its own.
    fn dash(&self, item: &Span) -> Option<usize> {
        let begin = line_start(self.text, item.range.start);
        let before = &self.text[begin..item.range.start];
        let dash = before.trim_end_matches(' ');
        let spaces = dash.strip_suffix('-')?;
        spaces.bytes().all(|b| b == b' ').then_some(begin + spaces.len())
    }

    /// Writes an empty list or mapping where everything was taken out.
    fn leave_empty(&mut self, within: &Span) -> Done {
        let owner = owner(self.root, within)
            .filter(|_| !within.marked)
            .ok_or_else(|| self.refuse("what would be left empty", within))?;
        let colon = self.text[owner.key.end..]
            .find(':')
            .ok_or_else(|| self.refuse(&owner.name, within))?;
        let empty = if matches!(within.shape, Shape::List { .. }) {
            " []"
        } else {
            " {}"
        };
        self.edits.insert(owner.key.end + colon + 1, empty);
        Ok(())
    }
}

/// The field that holds a value.
fn owner<'s>(root: &'s Span, value: &Span) -> Option<&'s Member> {
    match &root.shape {
        Shape::Map { entries, .. } => entries.iter().find_map(|m| {
            if std::ptr::eq(&raw const m.value, value) {
                Some(m)
            } else {
                owner(&m.value, value)
            }
        }),
        Shape::List { items } => items.iter().find_map(|i| owner(i, value)),
        Shape::Scalar { .. } | Shape::Alias => None,
    }
}

/// Whether a list stands in brackets, after its anchor and tag if it has any.
fn is_bracketed(text: &str) -> bool {
    let mut rest = text;
    while rest.starts_with(['&', '!']) {
        rest = rest
            .split_once(char::is_whitespace)
            .map_or("", |(_, rest)| rest.trim_start());
    }
    rest.starts_with('[')
}

/// Whether a text in plain style is a number or a word that is read as this, but written otherwise, such as `007`.
fn is_other_spelling(raw: &str, text: &str) -> bool {
    let read = yaml::read(raw, 1, &yaml::DocumentLimits::default()).root;
    raw != text && matches!(read.map(|r| r.value), Some(Value::Number(n)) if n.to_string() == text)
}

fn map(key: &str, node: Node) -> Node {
    Node {
        at: None,
        value: Value::Map(vec![Entry {
            key: key.to_owned(),
            at: None,
            node,
        }]),
    }
}

fn flow_field(key: &str, node: Node, quotes: bool) -> String {
    if quotes {
        return format!("{}: {}", quoted(key), node.into_json());
    }
    format!("{}: {}", yaml::flow(&Node::text(key, None)), yaml::flow(&node))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes a value on one line, in the quotes of what it replaces.
fn word(value: &New, old: &str, json: bool) -> String {
    if json {
        return value.to_json().to_string();
    }
    match value {
        New::Text(text) if old.starts_with('\'') && text.chars().all(|c| c != '\'' && !c.is_control()) => {
            format!("'{text}'")
        }
        New::Text(text) if old.starts_with('"') => quoted(text),
        other => yaml::flow(&Node::from_json(other.to_json())),
    }
}
