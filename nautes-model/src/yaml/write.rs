//! The canonical form of a value: block style, keys in the given order, no anchors.
//!
//! A text is left bare only when no reader of YAML 1.1 or 1.2 could take it for anything else.

use super::{Entry, Node, Value};

/// Writes a value; it ends with a newline.
#[must_use]
pub fn write(node: &Node) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Map(entries) if !entries.is_empty() => write_map(&mut out, entries, 0),
        Value::List(items) if !items.is_empty() => write_list(&mut out, items, 0),
        value => {
            write_scalar(&mut out, value, 2);
            out.push('\n');
        }
    }
    out
}

/// Writes a value on one line, with braces and brackets.
#[must_use]
pub fn flow(node: &Node) -> String {
    let mut out = String::new();
    write_flow(&mut out, node);
    out
}

fn write_flow(out: &mut String, node: &Node) {
    match &node.value {
        Value::Map(entries) => {
            out.push('{');
            for (index, entry) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_text(out, &entry.key);
                out.push_str(": ");
                write_flow(out, &entry.node);
            }
            out.push('}');
        }
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_flow(out, item);
            }
            out.push(']');
        }
        Value::Text(text) => write_text(out, text),
        other => write_scalar(out, other, 0),
    }
}

fn write_map(out: &mut String, entries: &[Entry], indent: usize) {
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            pad(out, indent);
        }
        write_text(out, &entry.key);
        out.push(':');
        write_value(out, &entry.node.value, indent);
    }
}

fn write_value(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Map(entries) if !entries.is_empty() => {
            out.push('\n');
            pad(out, indent + 2);
            write_map(out, entries, indent + 2);
        }
        Value::List(items) if !items.is_empty() => {
            out.push('\n');
            pad(out, indent);
            write_list(out, items, indent);
        }
        _ => {
            out.push(' ');
            write_scalar(out, value, indent + 2);
            out.push('\n');
        }
    }
}

fn write_list(out: &mut String, items: &[Node], indent: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            pad(out, indent);
        }
        out.push_str("- ");
        match &item.value {
            Value::Map(entries) if !entries.is_empty() => write_map(out, entries, indent + 2),
            Value::List(inner) if !inner.is_empty() => write_list(out, inner, indent + 2),
            value => {
                write_scalar(out, value, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&n.to_string()),
        Value::Text(text) if is_block(text) => write_block(out, text, indent),
        Value::Text(text) => write_text(out, text),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_text(out: &mut String, text: &str) {
    if is_bare(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if needs_escape(c) => out.push_str(&escape(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn escape(c: char) -> String {
    let code = u32::from(c);
    if code <= 0xff {
        format!("\\x{code:02X}")
    } else if code <= 0xffff {
        format!("\\u{code:04X}")
    } else {
        format!("\\U{code:08X}")
    }
}

/// Control characters, line ends of other conventions, and what no eye can see.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a text may stand without quotes.
fn is_bare(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let word = |c: char| c.is_alphabetic() && !needs_escape(c);
    // A digit first is a number, a date or a time to somebody, unless a letter makes it a name.
    let begins_well = word(first)
        || first == '/'
        || (first.is_ascii_digit() && text.contains('-') && text.chars().any(|c| ('g'..='z').contains(&c)));
    begins_well
        && text.chars().all(|c| {
            word(c) || c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | '/' | '@' | '+' | ':' | ' ')
        })
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && text.len() <= 200
        && !is_reserved(text)
}

/// Words that are booleans or nothing to a reader of YAML 1.1.
fn is_reserved(text: &str) -> bool {
    matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null"
    )
}

/// Whether a text reads best as a block: several lines that survive one as they are.
fn is_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.chars().any(|c| c != '\n' && needs_escape(c))
        && text
            .lines()
            .all(|line| !line.ends_with([' ', '\t']) && !line.starts_with('\t'))
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    // Every newline beyond the last line's own is an empty line that "|+" keeps.
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
    }
    for _ in 1..(text.len() - body.len()) {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{DocumentLimits, Node, documents};

    fn write(value: &Value) -> String {
        super::write(&Node::from_json(value.clone()))
    }

    #[test]
    fn texts_that_look_like_other_types_are_quoted() {
        for text in [
            "",
            "yes",
            "No",
            "on",
            "~",
            "null",
            "true",
            "1",
            "1.5",
            "0x1",
            "0o7",
            "1e3",
            "12:30:45",
            "2024-01-01",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "'a",
            "\"a",
            "[a",
            "{a",
            "a:",
            " a",
            "a ",
            "<<",
            "=",
            "---",
            "...",
            "?",
            "|",
            ">",
            "1_000",
            ".inf",
            "a\nb",
            "a\u{0}",
            "\u{feff}a",
            "a\u{85}b",
            "\u{1f600}",
            "a,b",
            "\t",
            "a\r\nb",
            "+1",
            "\n\n",
            "a\n\n",
            "a\n \nb",
            "a\nb\n\n",
            "  a\nb",
            "a\n  b\n",
            "a\n# b",
            "a\n---\nb",
            "50-abx",
            "1e-3",
            "0b1-0",
        ] {
            for value in [
                json!(text),
                json!({ "k": text }),
                json!([text]),
                json!({ text: [[text]] }),
            ] {
                let written = write(&value);
                let read = documents(&written, &DocumentLimits::default()).unwrap();
                let expected = if value.is_null() {
                    vec![]
                } else {
                    vec![value.clone()]
                };
                assert_eq!(read, expected, "{written}");
                assert_eq!(
                    serde_yaml::from_str::<Value>(&written).unwrap(),
                    value,
                    "{written}"
                );
            }
        }
        assert_eq!(write(&json!({ "a": "on", "b": "main" })), "a: \"on\"\nb: main\n");
    }

    #[test]
    fn values_nest() {
        let value = json!({
            "a": [], "b": {}, "c": [{ "x": 1, "y": [1, [2, {}], { "z": null }] }], "d": { "e": { "f": true } },
            "g": [["a\nb\n"], { "h": "a\nb" }]
        });
        let written = write(&value);
        assert_eq!(documents(&written, &DocumentLimits::default()).unwrap(), [value]);
    }
}
