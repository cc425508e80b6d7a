//! Where everything of a document stands, in bytes, for edits of its text.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// A value and the bytes it takes, with its anchor and tag; a block's end at its last value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) range: Range<usize>,
    /// Whether it has an anchor or a tag.
    pub(crate) marked: bool,
    pub(crate) shape: Shape,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A scalar; one without a value is plain and empty.
    Scalar {
        /// Whether it is written with `|` or `>`.
        block: bool,
    },
    /// A repetition of another value.
    Alias,
    /// A list.
    List {
        /// Its values.
        items: Vec<Span>,
    },
    /// A mapping.
    Map {
        /// Whether it stands in braces.
        flow: bool,
        /// Its keys and values, in the order of the text.
        entries: Vec<Member>,
    },
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) key: Range<usize>,
    pub(crate) value: Span,
}

impl Span {
    /// Returns the members of a mapping.
    pub(crate) fn members(&self) -> Option<(&[Member], bool)> {
        match &self.shape {
            Shape::Map { flow, entries } => Some((entries, *flow)),
            _ => None,
        }
    }

    /// Finds a member of a mapping.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members()?.0.iter().find(|m| m.name == name)
    }
}

/// Finds where everything of one document stands. The text must have been read without a problem before, which
/// bounds its size and depth; `None` when it has not.
pub(crate) fn spans(text: &str) -> Option<Span> {
    let bytes = Offsets::of(text);
    let mut stack: Vec<Open> = Vec::new();
    let mut root = None;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, place) = event.ok()?;
        let place = bytes.at(place.start.index())..bytes.at(place.end.index());
        let done = match event {
            Event::Scalar(value, style, anchor, tag) => {
                let marked = anchor != 0 || tag.is_some();
                let scalar = scalar(text, place, style, marked);
                if let Some(Open {
                    span:
                        Span {
                            shape: Shape::Map { .. },
                            ..
                        },
                    key: key @ None,
                }) = stack.last_mut()
                {
                    *key = Some((value.into_owned(), scalar.range));
                    continue;
                }
                scalar
            }
            Event::Alias(_) => Span {
                range: place,
                marked: false,
                shape: Shape::Alias,
            },
            Event::SequenceStart(anchor, tag) => {
                stack.push(Open::new(
                    place,
                    anchor != 0 || tag.is_some(),
                    Shape::List { items: Vec::new() },
                ));
                continue;
            }
            Event::MappingStart(anchor, tag) => {
                let marked = anchor != 0 || tag.is_some();
                let flow = text[place.clone()].ends_with('{');
                let entries = Vec::new();
                stack.push(Open::new(place, marked, Shape::Map { flow, entries }));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let mut span = stack.pop()?.span;
                span.range.end = if place.is_empty() {
                    last_end(&span)
                } else {
                    place.start + 1
                };
                span
            }
            _ => continue,
        };
        match stack.last_mut() {
            None => root = Some(done),
            Some(open) => open.add(done)?,
        }
    }
    root
}

/// A list or mapping whose end was not seen yet.
struct Open {
    span: Span,
    key: Option<(String, Range<usize>)>,
}

impl Open {
    fn new(range: Range<usize>, marked: bool, shape: Shape) -> Self {
        let span = Span { range, marked, shape };
        Self { span, key: None }
    }

    fn add(&mut self, value: Span) -> Option<()> {
        match &mut self.span.shape {
            Shape::List { items } => items.push(value),
            Shape::Map { entries, .. } => {
                let (name, key) = self.key.take()?;
                entries.push(Member { name, key, value });
            }
            Shape::Scalar { .. } | Shape::Alias => return None,
        }
        Some(())
    }
}

fn last_end(span: &Span) -> usize {
    let inner = match &span.shape {
        Shape::Map { entries, .. } => entries.last().map(|m| m.value.range.end),
        Shape::List { items } => items.last().map(|i| i.range.end),
        _ => None,
    };
    inner.unwrap_or(span.range.end)
}

/// The parser counts what follows a quoted text on its line as part of it, and leaves out the line that
/// begins a block.
fn scalar(text: &str, place: Range<usize>, style: ScalarStyle, marked: bool) -> Span {
    let mut range = place;
    let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
    let quote = match style {
        ScalarStyle::SingleQuoted => Some(b'\''),
        ScalarStyle::DoubleQuoted => Some(b'"'),
        _ => None,
    };
    if let Some(quote) = quote {
        range.end = closing(text.as_bytes(), range.clone(), quote);
    } else if block {
        // The indentation of what follows is counted as part of it.
        let end = range.start + text[range.clone()].trim_end_matches(' ').len();
        range.end = end;
    } else {
        let end = range.start + text[range.clone()].trim_end().len();
        range.end = end;
    }
    let shape = Shape::Scalar { block };
    Span { range, marked, shape }
}

/// Finds the end of a quoted text.
fn closing(bytes: &[u8], range: Range<usize>, quote: u8) -> usize {
    let mut at = range.start;
    while at < range.end && bytes[at] != quote {
        at += 1;
    }
    at += 1;
    while at < range.end {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            b'\'' if quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 1,
            b if b == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    range.end
}

/// From characters, which the parser counts, to bytes.
struct Offsets {
    of_characters: Option<Vec<usize>>,
    length: usize,
}

impl Offsets {
    fn of(text: &str) -> Self {
        let of_characters =
            (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect::<Vec<usize>>());
        Self {
            of_characters,
            length: text.len(),
        }
    }

    fn at(&self, index: usize) -> usize {
        match &self.of_characters {
            None => index.min(self.length),
            Some(all) => all.get(index).copied().unwrap_or(self.length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists every value as `path=text`.
    fn shown(text: &str) -> Vec<String> {
        fn walk(text: &str, path: &str, span: &Span, out: &mut Vec<String>) {
            match &span.shape {
                Shape::Map { entries, .. } => {
                    for m in entries {
                        assert!(text[m.key.clone()].contains(&m.name));
                        walk(text, &format!("{path}.{}", m.name), &m.value, out);
                    }
                }
                Shape::List { items } => {
                    for (i, item) in items.iter().enumerate() {
                        walk(text, &format!("{path}[{i}]"), item, out);
                    }
                }
                Shape::Scalar { .. } | Shape::Alias => {
                    out.push(format!("{path}={}", &text[span.range.clone()]));
                }
            }
        }
        let mut out = Vec::new();
        walk(text, "", &spans(text).unwrap(), &mut out);
        out
    }

    #[test]
    fn values_end_where_they_end() {
        assert_eq!(
            shown(
                "é: 'ü' # c\nb: \"x\\\"y\"   \nc: plain   # d\nd: 'it''s'\ne:\n- &a {f: [1, '2' ] } # g\n- *a\nh: ~\ni:\n"
            ),
            [
                ".é='ü'",
                ".b=\"x\\\"y\"",
                ".c=plain",
                ".d='it''s'",
                ".e[0].f[0]=1",
                ".e[0].f[1]='2'",
                ".e[1]=*a",
                ".h=~",
                ".i="
            ]
        );
    }

    #[test]
    fn mappings_end_with_their_last_value_or_brace() {
        let text = "a:\n  b: 1 # x\n  # y\nc: { d: 1 } # z\n";
        let root = spans(text).unwrap();
        assert_eq!(&text[root.member("a").unwrap().value.range.clone()], "b: 1");
        assert_eq!(&text[root.member("c").unwrap().value.range.clone()], "{ d: 1 }");
    }
}
