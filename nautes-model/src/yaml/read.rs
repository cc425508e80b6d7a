//! From parser events to nodes, within limits.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::scalar::resolve;
use super::{DocumentLimits, Entry, Fault, Node, Problem, Value, plain};
use crate::resource::Position;

/// From how many keys on a mapping is searched through a set.
const MANY_KEYS: usize = 16;

/// What was read of one document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The value; when reading stopped at a problem, what had been read by then. `None` for no value at all.
    pub root: Option<Node>,
    /// What is wrong, in order. With any, the value is only good for saying what the document is about.
    pub problems: Vec<Problem>,
}

/// Reads one document: a piece of a text that begins at the given line.
#[must_use]
pub fn read(text: &str, line: usize, limits: &DocumentLimits) -> Document {
    match plain::read(text, line, limits) {
        Some(root) => Document {
            root: Some(root),
            problems: Vec::new(),
        },
        None => read_fully(text, line, limits),
    }
}

/// Reads one document by every rule of YAML.
pub(super) fn read_fully(text: &str, line: usize, limits: &DocumentLimits) -> Document {
    let mut reader = Reader {
        limits,
        first_line: line,
        stack: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        nodes: 0,
        bytes: 0,
        problems: Vec::new(),
    };
    let outcome = check_characters(text, line)
        .and_then(|()| check_flow(text, limits))
        .and_then(|()| reader.run(text));
    if let Err(problem) = outcome {
        reader.problems.push(*problem);
        reader.fold();
    }
    Document {
        root: reader.root,
        problems: reader.problems,
    }
}

type Step<T = ()> = Result<T, Box<Problem>>;

fn problem(fault: Fault, at: Option<Position>, message: impl Into<String>) -> Box<Problem> {
    Box::new(Problem {
        fault,
        at,
        field: None,
        message: message.into(),
        hint: None,
        repeats: false,
    })
}

fn too_deep(limits: &DocumentLimits, at: Option<Position>) -> Box<Problem> {
    let message = format!("values are nested deeper than {}", limits.depth);
    problem(Fault::Limit, at, message)
}

/// A reader may take a NUL for the end of the text and drop what follows, so that control characters are
/// refused before.
fn check_characters(text: &str, line: usize) -> Step {
    let bad = |b: &u8| (*b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || *b == 0x7f;
    let Some(offset) = text.as_bytes().iter().position(bad) else {
        return Ok(());
    };
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let at = Position {
        line: line + before.bytes().filter(|b| *b == b'\n').count(),
        column: before[start..].chars().count() + 1,
    };
    let code = text.as_bytes()[offset];
    Err(problem(
        Fault::Syntax,
        Some(at),
        format!("the control character U+{code:04X} is not allowed in YAML"),
    ))
}

/// The scanner holds every token of a list in brackets before the first comes out. Each has at least one of
/// these characters, and no honest document has so many.
fn check_flow(text: &str, limits: &DocumentLimits) -> Step {
    let most = limits.nodes.saturating_mul(4);
    let marks = |b: &&u8| matches!(b, b'[' | b']' | b'{' | b'}' | b',' | b':');
    if text.len() <= most || text.as_bytes().iter().filter(marks).count() <= most {
        return Ok(());
    }
    let message = format!("the document has more than {most} brackets, commas and colons");
    Err(problem(Fault::Limit, None, message))
}

/// Whether two values are the same, wherever they stand.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.value, &other.value) {
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Map(one), Value::Map(other)) => {
            let pairs = one.iter().zip(other);
            one.len() == other.len()
                && pairs
                    .into_iter()
                    .all(|(one, other)| one.key == other.key && same(&one.node, &other.node))
        }
        (one, other) => one == other,
    }
}

/// A list or mapping whose end was not seen yet.
struct Frame {
    at: Option<Position>,
    anchor: usize,
    open: Open,
    /// What the whole document held when it began: the difference is its size.
    nodes_before: usize,
    bytes_before: usize,
    /// The greatest depth below it.
    height: usize,
}

enum Open {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        key: Option<Key>,
        merged: Vec<Entry>,
        seen: HashSet<String>,
    },
}

struct Key {
    text: String,
    at: Option<Position>,
    merges: bool,
}

/// A value that an alias may repeat.
struct Anchored {
    node: Node,
    nodes: usize,
    bytes: usize,
    height: usize,
}

struct Reader<'a> {
    limits: &'a DocumentLimits,
    first_line: usize,
    stack: Vec<Frame>,
    root: Option<Node>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    bytes: usize,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn run(&mut self, text: &str) -> Step {
        let mut parser = Parser::new_from_str(text);
        let mut ended = false;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|e| {
                let at = self.position(*e.marker());
                // The scanner looks ahead, and has a limit of its own on how deep that may go.
                if e.info().contains("recursion limit") {
                    return too_deep(self.limits, at);
                }
                problem(Fault::Syntax, at, e.info().to_lowercase())
            })?;
            let at = self.position(span.start);
            match event {
                Event::Nothing | Event::StreamStart => {}
                Event::StreamEnd => break,
                Event::DocumentStart(_) if ended => {
                    return Err(problem(
                        Fault::Syntax,
                        at,
                        "something stands after the end of the document",
                    ));
                }
                Event::DocumentStart(_) => {}
                Event::DocumentEnd => ended = true,
                Event::Alias(anchor) => self.alias(anchor, at)?,
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(text, style, anchor, tag.as_deref(), at)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    check_tag(tag.as_deref(), &["seq"], at)?;
                    self.open(Open::List(Vec::new()), anchor, at)?;
                }
                Event::MappingStart(anchor, tag) => {
                    check_tag(tag.as_deref(), &["map"], at)?;
                    let open = Open::Map {
                        entries: Vec::new(),
                        key: None,
                        merged: Vec::new(),
                        seen: HashSet::new(),
                    };
                    self.open(open, anchor, at)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close()?,
            }
        }
        Ok(())
    }

    fn position(&self, marker: saphyr_parser::Marker) -> Option<Position> {
        Some(Position {
            line: marker.line() + self.first_line - 1,
            column: marker.col() + 1,
        })
    }

    fn count(&mut self, nodes: usize, bytes: usize, at: Option<Position>) -> Step {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        let message = if self.nodes > self.limits.nodes {
            format!("the document holds more than {} values", self.limits.nodes)
        } else if self.bytes > self.limits.bytes {
            format!("the document holds more than {} bytes of text", self.limits.bytes)
        } else {
            return Ok(());
        };
        let mut problem = problem(Fault::Limit, at, message);
        problem.hint = Some("aliases count as what they stand for; write less in one document".to_owned());
        Err(problem)
    }

    fn check_depth(&self, more: usize, at: Option<Position>) -> Step {
        if self.stack.len() + more <= self.limits.depth {
            return Ok(());
        }
        Err(too_deep(self.limits, at))
    }

    fn open(&mut self, open: Open, anchor: usize, at: Option<Position>) -> Step {
        self.check_depth(1, at)?;
        if matches!(
            self.stack.last().map(|f| &f.open),
            Some(Open::Map { key: None, .. })
        ) {
            return Err(problem(Fault::Syntax, at, "a key must be a plain text"));
        }
        let (nodes_before, bytes_before) = (self.nodes, self.bytes);
        self.count(1, 0, at)?;
        self.stack.push(Frame {
            at,
            anchor,
            open,
            nodes_before,
            bytes_before,
            height: 0,
        });
        Ok(())
    }

    fn close(&mut self) -> Step {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let nodes = self.nodes - frame.nodes_before;
        let bytes = self.bytes - frame.bytes_before;
        let (anchor, height) = (frame.anchor, frame.height + 1);
        let node = frame.finish();
        self.add(node, anchor, nodes, bytes, height)
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Option<Position>,
    ) -> Step {
        check_tag(tag, &["str", "int", "float", "bool", "null"], at)?;
        self.count(1, text.len(), at)?;
        let plain = style == ScalarStyle::Plain && tag.is_none();
        if let Some(Frame {
            open: Open::Map { key: key @ None, .. },
            ..
        }) = self.stack.last_mut()
        {
            *key = Some(Key {
                merges: plain && text == "<<",
                text: text.into_owned(),
                at,
            });
            return Ok(());
        }
        let resolves = match tag {
            Some(tag) => tag.suffix != "str",
            None => plain,
        };
        let bytes = text.len();
        let value = if resolves {
            resolve(text)
        } else {
            Value::Text(text.into_owned())
        };
        self.add(Node { at, value }, anchor, 1, bytes, 0)
    }

    fn alias(&mut self, anchor: usize, at: Option<Position>) -> Step {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(problem(
                Fault::Syntax,
                at,
                "an alias stands inside the value that it names",
            ));
        };
        let (nodes, bytes, height) = (anchored.nodes, anchored.bytes, anchored.height);
        self.check_depth(height, at)?;
        self.count(nodes, bytes, at)?;
        let Some(mut node) = self.anchors.get(&anchor).map(|a| a.node.clone()) else {
            return Ok(());
        };
        node.at = at;
        if let Some(Frame {
            open: Open::Map { key: key @ None, .. },
            ..
        }) = self.stack.last_mut()
        {
            let Value::Text(text) = node.value else {
                return Err(problem(Fault::Syntax, at, "a key must be a plain text"));
            };
            *key = Some(Key {
                merges: false,
                text,
                at,
            });
            return Ok(());
        }
        self.add(node, 0, nodes, bytes, height)
    }

    /// Puts a finished value where it belongs.
    fn add(&mut self, node: Node, anchor: usize, nodes: usize, bytes: usize, height: usize) -> Step {
        if anchor != 0 {
            self.count(nodes, bytes, node.at)?;
            let node = node.clone();
            self.anchors.insert(
                anchor,
                Anchored {
                    node,
                    nodes,
                    bytes,
                    height,
                },
            );
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.height = frame.height.max(height);
        match &mut frame.open {
            Open::List(items) => items.push(node),
            Open::Map {
                entries,
                key,
                merged,
                seen,
            } => {
                let Some(key) = key.take() else {
                    return Ok(());
                };
                if key.merges {
                    return merge(node, merged);
                }
                if is_new(entries, seen, &key.text) {
                    entries.push(Entry {
                        key: key.text,
                        at: key.at,
                        node,
                    });
                } else {
                    let repeats = entries
                        .iter()
                        .find(|e| e.key == key.text)
                        .is_some_and(|first| same(&first.node, &node));
                    self.report_duplicate(&key, repeats);
                }
            }
        }
        Ok(())
    }

    fn report_duplicate(&mut self, key: &Key, repeats: bool) {
        let mut field = self.path();
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(&shown(&key.text));
        let mut problem = problem(
            Fault::DuplicateKey,
            key.at,
            format!("the key {:?} stands twice in the same mapping", shown(&key.text)),
        );
        problem.field = Some(field);
        problem.hint = Some("keep one of the two".to_owned());
        problem.repeats = repeats;
        self.problems.push(*problem);
    }

    /// Returns the path of the mapping on top of the stack.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in self.stack.iter().rev().skip(1).rev() {
            match &frame.open {
                Open::List(items) => path.push_str(&format!("[{}]", items.len())),
                Open::Map { key, .. } => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&key.as_ref().map(|k| shown(&k.text)).unwrap_or_default());
                }
            }
        }
        path
    }

    /// Ends everything that is open, to keep what was read so far.
    fn fold(&mut self) {
        while let Some(frame) = self.stack.pop() {
            let node = frame.finish();
            match self.stack.last_mut().map(|f| &mut f.open) {
                Some(Open::List(items)) => items.push(node),
                Some(Open::Map { entries, key, .. }) => {
                    if let Some(key) = key.take() {
                        entries.push(Entry {
                            key: key.text,
                            at: key.at,
                            node,
                        });
                    }
                }
                None => self.root = Some(node),
            }
        }
    }
}

impl Frame {
    fn finish(self) -> Node {
        let value = match self.open {
            Open::List(items) => Value::List(items),
            Open::Map {
                mut entries,
                merged,
                mut seen,
                ..
            } => {
                for entry in merged {
                    if is_new(&entries, &mut seen, &entry.key) {
                        entries.push(entry);
                    }
                }
                Value::Map(entries)
            }
        };
        Node { at: self.at, value }
    }
}

fn is_new(entries: &[Entry], seen: &mut HashSet<String>, key: &str) -> bool {
    if entries.len() < MANY_KEYS {
        return entries.iter().all(|e| e.key != key);
    }
    if seen.is_empty() {
        seen.extend(entries.iter().map(|e| e.key.clone()));
    }
    seen.insert(key.to_owned())
}

/// Keeps what `<<` brings in; a key of the mapping itself wins, then the first that was merged.
fn merge(node: Node, merged: &mut Vec<Entry>) -> Step {
    let at = node.at;
    match node.value {
        Value::Map(entries) => merged.extend(entries),
        Value::List(items) if items.iter().all(|n| matches!(n.value, Value::Map(_))) => {
            for item in items {
                if let Value::Map(entries) = item.value {
                    merged.extend(entries);
                }
            }
        }
        _ => return Err(problem(Fault::Syntax, at, "what << merges must be a mapping")),
    }
    Ok(())
}

fn check_tag(tag: Option<&Tag>, allowed: &[&str], at: Option<Position>) -> Step {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && allowed.contains(&tag.suffix.as_str())) => {
            let mut problem = problem(Fault::Syntax, at, "a tag is not supported here");
            problem.hint = Some("write the value without the word that begins with '!'".to_owned());
            Err(problem)
        }
        _ => Ok(()),
    }
}

/// Returns the beginning of a text, for messages.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        let document = read(text, 1, &DocumentLimits::default());
        assert_eq!(document.problems, [], "{text}");
        document.root.unwrap().into_json()
    }

    fn first_problem(text: &str) -> Problem {
        let limits = DocumentLimits {
            depth: 10,
            nodes: 1000,
            bytes: 10_000,
        };
        read(text, 1, &limits).problems.into_iter().next().unwrap()
    }

    #[test]
    fn scalars_follow_yaml_1_2() {
        assert_eq!(
            json("[yes, true, ~, 1, -1, +2, 0x10, 0o17, 1.5, 1e3, 1_0, '1', 12:30, .inf, 0123, !!str 1, '']"),
            serde_json::json!([
                "yes", true, null, 1, -1, 2, 16, 15, 1.5, 1000.0, "1_0", "1", "12:30", ".inf", 123, "1", ""
            ])
        );
    }

    #[test]
    fn anchors_aliases_and_merge_keys_are_expanded() {
        assert_eq!(
            json("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\nd: {<<: [*x, {r: 4}]}\n"),
            serde_json::json!({
                "a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 2}, "c": {"p": 1, "q": 3},
                "d": {"p": 1, "q": 2, "r": 4}
            })
        );
    }

    #[test]
    fn bombs_stop_at_the_limits() {
        let mut aliases = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (from, to) in [('a', 'b'), ('b', 'c'), ('c', 'd'), ('d', 'e')] {
            aliases += &format!("{to}: &{to} [*{from},*{from},*{from},*{from},*{from},*{from},*{from}]\n");
        }
        let text = format!("a: &a {}\nb: [{}]", "x".repeat(2000), "*a,".repeat(100));
        for bomb in [
            aliases,
            text,
            "[".repeat(100_000),
            "- ".repeat(100_000),
            "{a: ".repeat(5000),
        ] {
            assert_eq!(first_problem(&bomb).fault, Fault::Limit, "{:.30}", bomb);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "a: !!python/object:os.system x",
            "!local {a: 1}",
            "? {a: 1}\n: 2",
            "? [a]\n: 2",
            "a: &x [*x]",
            "a: *nothing",
            "a: \u{0}b",
            "a: 'b",
            "a:\n\t- b",
            "<<: 1",
        ] {
            assert_eq!(first_problem(bad).fault, Fault::Syntax, "{bad}");
        }
    }

    #[test]
    fn duplicate_keys_are_found_with_their_path() {
        let problem = first_problem("a:\n- b: 1\n  c: 1\n  b: 2\n");
        assert_eq!(problem.fault, Fault::DuplicateKey);
        assert_eq!(problem.field.as_deref(), Some("a[0].b"));
        assert_eq!(problem.at, Some(Position { line: 4, column: 3 }));
        let many: String = (0..100).chain([50]).map(|i| format!("k{i}: 1\n")).collect();
        assert_eq!(first_problem(&many).field.as_deref(), Some("k50"));
    }

    #[test]
    fn what_was_read_before_a_fault_is_kept() {
        let document = read(
            "kind: A\nmetadata:\n  name: b\nspec: ]\n",
            1,
            &DocumentLimits::default(),
        );
        assert!(!document.problems.is_empty());
        let root = document.root.unwrap();
        assert_eq!(
            root.get("metadata").unwrap().get("name").unwrap().as_text(),
            Some("b")
        );
    }
}
