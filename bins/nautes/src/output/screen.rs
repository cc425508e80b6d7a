//! A picture on the whole terminal that is drawn anew, and gone without a trace when it is dropped.

use std::io::Write as _;

use anstream::ColorChoice;
use console::{Term, truncate_str};

/// The other screen of the terminal, without a cursor.
const BEGIN: &str = "\x1b[?1049h\x1b[?25l";
/// The screen with what was there before, and the cursor where it was.
const END: &str = "\x1b[?25h\x1b[?1049l";
/// To the first line.
const HOME: &str = "\x1b[H";
/// What is left of the line, and to the next.
const NEXT: &str = "\x1b[K\r\n";
/// What is left of the line, and everything below.
const REST: &str = "\x1b[K\x1b[J";

/// The picture. The terminal is as it was when this is dropped.
#[derive(Debug)]
pub struct Screen {
    is_plain: bool,
}

impl Screen {
    /// Begins, on stdout, which must be a terminal.
    #[must_use]
    pub fn begin() -> Self {
        raw(BEGIN);
        Self {
            is_plain: anstream::AutoStream::choice(&std::io::stdout()) == ColorChoice::Never,
        }
    }

    /// Draws a text, as much of it as there is room for, and a line below it.
    pub fn draw(&self, text: &str, foot: &str) {
        let size = Term::stdout().size_checked();
        let (rows, columns) = size.map_or((24, 80), |(rows, columns)| {
            (usize::from(rows), usize::from(columns))
        });
        let picture = picture(text, foot, rows, columns);
        raw(&if self.is_plain {
            // The places of lines are no colours, and stay.
            let plain = anstream::adapter::strip_str(&picture).to_string();
            placed(&plain)
        } else {
            placed(&picture)
        });
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        raw(END);
    }
}

/// Writes past the filter of colours. A terminal that is gone is no fault.
fn raw(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The lines that fit.
fn picture(text: &str, foot: &str, rows: usize, columns: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let room = rows.saturating_sub(1);
    let (shown, left_out) = if lines.len() > room {
        let shown = room.saturating_sub(1);
        (shown, format!("and {} lines more", lines.len() - shown))
    } else {
        (lines.len(), String::new())
    };
    let more = Some(left_out.as_str()).filter(|more| !more.is_empty() && room > 0);
    let all = lines[..shown].iter().copied().chain(more).chain([foot]);
    let cut: Vec<String> = all
        .map(|line| truncate_str(line, columns, "\u{2026}").into_owned())
        .collect();
    cut.join("\n")
}

/// Puts lines where they belong on the terminal.
fn placed(lines: &str) -> String {
    format!("{HOME}{}{REST}", lines.replace('\n', NEXT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_never_larger_than_the_terminal() {
        assert_eq!(picture("one\ntwo\n", "foot", 3, 80), "one\ntwo\nfoot");
        assert_eq!(
            picture("one\ntwo\nthree\n", "foot", 3, 80),
            "one\nand 2 lines more\nfoot"
        );
        assert_eq!(picture("one\ntwo\n", "foot", 1, 80), "foot");
        assert_eq!(picture("", "foot", 24, 80), "foot");
        assert_eq!(picture("a long line\n", "foot", 24, 6), "a lon\u{2026}\nfoot");
        let coloured = "\x1b[31ma long line\x1b[0m";
        let cut = picture(coloured, "", 24, 6);
        assert_eq!(anstream::adapter::strip_str(&cut).to_string(), "a lon\u{2026}\n");
    }
}
