//! The part of YAML that nearly every manifest keeps to, read in one pass over its bytes.
//!
//! Block mappings and lists, plain and quoted texts on one line, empty lists and mappings, and comments on
//! lines of their own. Whatever else a document has, and whatever is wrong with it, is left to the full reader:
//! this one then says nothing at all. What it does say is what the full reader would.

use std::borrow::Cow;

use super::scalar::resolve;
use super::{DocumentLimits, Entry, Node, Value};
use crate::resource::Position;

/// The longest key that is read here, in bytes.
const LONGEST_KEY: usize = 128;
/// The most keys of a mapping that are read here: each is compared with all before it.
const MOST_KEYS: usize = 48;

/// Reads a document that begins at the given line; `None` for everything that the full reader has to look at.
pub(super) fn read(text: &str, line: usize, limits: &DocumentLimits) -> Option<Node> {
    if text.len() > limits.bytes {
        return None;
    }
    let mut reader = Reader {
        text,
        after: 0,
        number: line,
        line: None,
        left: limits.nodes,
        first_line: line,
    };
    reader.advance()?;
    let first = reader.line?;
    if first.indent != 0 || reader.rest(first).starts_with(b"- ") {
        return None;
    }
    let root = reader.mapping(0, limits.depth)?;
    reader.line.is_none().then_some(root)
}

/// A line that is neither empty nor a comment, or what is left of it.
#[derive(Clone, Copy)]
struct Line {
    /// The column at which the rest begins.
    indent: usize,
    /// Where the rest begins in the text.
    start: usize,
    /// Where it ends, without the line feed.
    end: usize,
    /// The number of the line.
    number: usize,
}

struct Reader<'a> {
    text: &'a str,
    /// Where the next line begins.
    after: usize,
    number: usize,
    first_line: usize,
    /// The line to be read, `None` at the end.
    line: Option<Line>,
    /// How many more values there may be.
    left: usize,
}

impl<'a> Reader<'a> {
    /// Goes to the next line with something on it.
    fn advance(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        self.line = None;
        while self.after < bytes.len() {
            let begin = self.after;
            let mut end = begin;
            while let Some(byte) = bytes.get(end).filter(|b| **b != b'\n') {
                if !(0x20..0x7f).contains(byte) {
                    return None;
                }
                end += 1;
            }
            self.after = end + 1;
            let number = self.number;
            self.number += 1;
            let start = begin + bytes[begin..end].iter().take_while(|b| **b == b' ').count();
            // A comment on the first line may be a place at which the full reader counts otherwise.
            if start < end && bytes[start] != b'#' {
                self.line = Some(Line {
                    indent: start - begin,
                    start,
                    end,
                    number,
                });
                return Some(());
            }
            if number == self.first_line {
                return None;
            }
        }
        Some(())
    }

    fn rest(&self, line: Line) -> &'a [u8] {
        &self.text.as_bytes()[line.start..line.end]
    }

    fn count(&mut self) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    /// Reads what begins on the current line, at its indentation.
    fn block(&mut self, depth: usize) -> Option<Node> {
        let line = self.line?;
        if self.rest(line).starts_with(b"- ") {
            let at = place(line);
            self.list(line.indent, at, depth)
        } else {
            self.mapping(line.indent, depth)
        }
    }

    fn mapping(&mut self, indent: usize, depth: usize) -> Option<Node> {
        let depth = depth.checked_sub(1)?;
        self.count()?;
        let at = place(self.line?);
        let mut entries: Vec<Entry> = Vec::with_capacity(4);
        while let Some(line) = self.line {
            if line.indent != indent || entries.len() == MOST_KEYS {
                if line.indent < indent {
                    break;
                }
                return None;
            }
            let (key, value) = self.key(line)?;
            if entries.iter().any(|e| e.key == key) {
                return None;
            }
            self.count()?;
            let key = key.to_owned();
            let node = match value {
                Some(value) => self.scalar(value)?,
                None => {
                    self.advance()?;
                    let next = self.line?;
                    // A list may stand below its key without being indented.
                    let list = next.indent == indent && self.rest(next).starts_with(b"- ");
                    if next.indent <= indent && !list {
                        return None;
                    }
                    if list {
                        // Of such a list the full reader says that it begins with its first item.
                        let mut at = place(next);
                        at.column += 2;
                        self.list(indent, at, depth)?
                    } else {
                        self.block(depth)?
                    }
                }
            };
            entries.push(Entry {
                key,
                at: Some(place(line)),
                node,
            });
        }
        Some(Node {
            at: Some(at),
            value: Value::Map(entries),
        })
    }

    fn list(&mut self, indent: usize, at: Position, depth: usize) -> Option<Node> {
        let depth = depth.checked_sub(1)?;
        self.count()?;
        let mut items = Vec::new();
        while let Some(line) = self.line {
            if line.indent > indent {
                return None;
            }
            if line.indent < indent || !self.rest(line).starts_with(b"- ") {
                break;
            }
            let item = Line {
                indent: indent + 2,
                start: line.start + 2,
                ..line
            };
            self.line = Some(item);
            let rest = self.rest(item);
            items.push(if rest.starts_with(b"- ") || self.key(item).is_some() {
                self.block(depth)?
            } else {
                self.scalar(item)?
            });
        }
        Some(Node {
            at: Some(at),
            value: Value::List(items),
        })
    }

    /// Takes a line apart into its key and the value after it, if there is one on the line.
    fn key(&self, line: Line) -> Option<(&'a str, Option<Line>)> {
        let rest = self.rest(line);
        let in_key = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-');
        let length = rest.iter().take_while(in_key).count();
        if length == 0
            || length > LONGEST_KEY
            || !rest[0].is_ascii_alphanumeric()
            || rest.get(length) != Some(&b':')
        {
            return None;
        }
        let key = self.text.get(line.start..line.start + length)?;
        let after = &rest[length + 1..];
        let blanks = after.iter().take_while(|b| **b == b' ').count();
        if blanks == after.len() {
            return (blanks == 0).then_some((key, None));
        }
        let skipped = length + 1 + blanks;
        (blanks > 0).then_some((
            key,
            Some(Line {
                indent: line.indent + skipped,
                start: line.start + skipped,
                ..line
            }),
        ))
    }

    /// Reads the text that fills the rest of a line, and goes to the next.
    fn scalar(&mut self, line: Line) -> Option<Node> {
        self.count()?;
        let text = self.text.get(line.start..line.end)?;
        let bytes = text.as_bytes();
        let value = match *bytes.first()? {
            quote @ (b'"' | b'\'') => {
                let inner = text.get(1..text.len() - 1).filter(|_| bytes.len() > 1)?;
                let closed = bytes.last() == Some(&quote) && !inner.bytes().any(|b| b == quote || b == b'\\');
                closed.then(|| Value::Text(inner.to_owned()))?
            }
            b'{' if bytes == b"{}" => Value::Map(Vec::new()),
            b'[' if bytes == b"[]" => Value::List(Vec::new()),
            first if (first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_')) && is_plain(bytes) => {
                resolve(Cow::Borrowed(text))
            }
            _ => return None,
        };
        self.advance()?;
        Some(Node {
            at: Some(place(line)),
            value,
        })
    }
}

const fn place(line: Line) -> Position {
    Position {
        line: line.number,
        column: line.indent + 1,
    }
}

/// Whether a text has only what means nothing else anywhere in a plain scalar.
fn is_plain(bytes: &[u8]) -> bool {
    let fine = |(i, byte): (usize, &u8)| match byte {
        b':' => bytes
            .get(i + 1)
            .is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'/'),
        b'_' | b'.' | b'/' | b'-' | b'+' | b'@' | b'=' | b',' | b' ' | b'(' | b')' => true,
        byte => byte.is_ascii_alphanumeric(),
    };
    bytes.last() != Some(&b' ') && bytes.iter().enumerate().all(fine)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::read::read_fully;

    /// Whether this reader understood; what it says must be what the full one does.
    fn agrees(text: &str, limits: &DocumentLimits) -> bool {
        let full = read_fully(text, 3, limits);
        match read(text, 3, limits) {
            Some(node) => {
                assert_eq!(full.problems, [], "{text}");
                assert_eq!(full.root, Some(node), "{text}");
                true
            }
            None => false,
        }
    }

    #[test]
    fn what_manifests_are_made_of_is_read_as_by_the_full_reader() {
        let limits = DocumentLimits::default();
        for text in [
            "a: b\n",
            "a: b",
            "apiVersion: x/v1\nkind: A\nmetadata:\n  name: b-1\nspec:\n  n: 12\n  f: 1.5\n  t: true\n  z: null\n  u: https://a.b:6443/c\n",
            "a:\n- b\n- c: d\n  e: f\n- - g\n  - h\ni: j\n",
            "a:\n  - b\n  - c:\n      - d\n    e: f\n# comment\n\n  # another\ng: \"h: #\"\nk: 'l \"m\"'\n",
            "a: {}\nb: []\nc: two words,  and more\nd: \"\"\ne: ''\n",
            "a:\n   b:\n     c: d\n   e: f\ng: h\n",
        ] {
            assert!(agrees(text, &limits), "{text}");
        }
    }

    #[test]
    fn whatever_else_there_is_is_left_to_the_full_reader() {
        let limits = DocumentLimits::default();
        for text in [
            "",
            "a",
            "- a\n",
            " a: b\n",
            "a:\n",
            "a:\nb: c\n",
            "a: &x b\nc: *x\n",
            "a: |\n  b\n",
            "a: b # c\n",
            "a: b\n  c\n",
            "a: b\na: c\n",
            "a: [b, c]\n",
            "a: {b: c}\n",
            "a: \"b\\n\"\n",
            "a: 'it''s'\n",
            "a:\tb\n",
            "a: b\r\n",
            "a: \u{e4}\n",
            "a: b: c\n",
            "a: !!str 1\n",
            "? a\n: b\n",
            "a:\n    b: c\n  d: e\n",
            "a:\n- b\n  c\n",
            "a: b \n",
            "--- \na: b\n",
            "a: b\n...\n",
            "%YAML 1.2\n---\na: b\n",
        ] {
            assert!(!agrees(text, &limits), "{text}");
        }
    }

    #[test]
    fn limits_are_left_to_the_full_reader() {
        let small = DocumentLimits {
            depth: 2,
            nodes: 5,
            bytes: 100,
        };
        assert!(agrees("a: {}\nb: c\n", &small));
        for text in [
            "a:\n  b:\n    c: d\n",
            "a: b\nc: d\ne: f\n",
            &format!("a: {}\n", "b".repeat(100)),
        ] {
            assert!(!agrees(text, &small), "{text}");
        }
    }

    fn line() -> impl Strategy<Value = String> {
        let indent = prop_oneof![Just(""), Just("  "), Just("    "), Just("      "), Just(" ")];
        let dash =
            prop_oneof![8 => Just(""), 3 => Just("- "), 1 => Just("- - "), 1 => Just("-"), 1 => Just("-  ")];
        let key = prop_oneof![
            Just("a"),
            Just("b"),
            Just("c.d/e"),
            Just("<<"),
            Just("1"),
            Just("x y"),
            Just("-")
        ];
        let colon =
            prop_oneof![8 => Just(": "), 4 => Just(":"), 2 => Just(""), 1 => Just(":  "), 1 => Just(" : ")];
        let value = prop_oneof![
            Just(String::new()),
            prop::sample::select(vec![
                "1",
                "-1",
                "0x1f",
                "1e3",
                ".5",
                "true",
                "~",
                "null",
                "{}",
                "[]",
                "\"q\"",
                "'q'",
                "'",
                "\"",
                "a: b",
                "a:b",
                "a #b",
                "a#b",
                "#",
                "-",
                "- x",
                "&x y",
                "*x",
                "!!str 1",
                "|",
                ">-",
                "{a: 1}",
                "[1, 2]",
                "@",
                "`",
                "x  y",
                "x ",
                "x,y",
                "?",
                "---",
                "...",
                "\u{e9}",
                "\t",
                "%",
                "a\\b",
                "\"a\\tb\"",
                "\"a\"b",
                "'a' 'b'",
            ])
            .prop_map(str::to_owned),
            "[ -~]{0,12}",
        ];
        (indent, dash, key, colon, value).prop_map(|(i, d, k, c, v)| format!("{i}{d}{k}{c}{v}\n"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn every_text_is_read_as_by_the_full_reader_or_left_to_it(lines in prop::collection::vec(line(), 1..7)) {
            agrees(&lines.concat(), &DocumentLimits::default());
        }
    }
}
