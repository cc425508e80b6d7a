//! A list at the end of what is said on a terminal, drawn anew in its place until it is gone.
//!
//! The cursor always stands below it, at the begin of a line: the `^C` that a terminal writes where somebody presses
//! ctrl-C is wiped away with the list.

use std::io::Write as _;

use anstream::ColorChoice;
use console::{Term, truncate_str};

/// How wide lines are where the terminal does not say how wide it is.
const WIDTH: usize = 80;

/// The list, on stderr. Nothing of it is left when it is dropped.
#[derive(Debug)]
pub struct List {
    /// How many lines are there now.
    drawn: usize,
    is_plain: bool,
}

impl List {
    /// Begins with nothing. Stderr must be a terminal.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            drawn: 0,
            is_plain: anstream::AutoStream::choice(&std::io::stderr()) == ColorChoice::Never,
        }
    }

    /// Puts lines above the list, to stay there, and draws the list anew.
    pub fn draw(&mut self, above: &[String], list: &[String]) {
        let (rows, columns) = Term::stderr()
            .size_checked()
            .map_or((usize::MAX, WIDTH), |(rows, columns)| {
                (rows.into(), columns.into())
            });
        // What has left the terminal at its top cannot be drawn anew.
        let list = &list[..list.len().min(rows.saturating_sub(1))];
        let cut = list
            .iter()
            .map(|line| truncate_str(line, columns, "\u{2026}").into_owned());
        let lines: Vec<String> = above.iter().cloned().chain(cut).collect();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let text = if self.is_plain {
            anstream::adapter::strip_str(&text).to_string()
        } else {
            text
        };
        let wiped = wipe(self.drawn);
        self.drawn = list.len();
        raw(&format!("{wiped}{text}"));
    }

    /// Takes the list away.
    pub fn clear(&mut self) {
        if self.drawn > 0 {
            raw(&wipe(self.drawn));
        }
        self.drawn = 0;
    }
}

impl Drop for List {
    fn drop(&mut self) {
        self.clear();
    }
}

/// To the first of so many lines above, and nothing from there on.
fn wipe(lines: usize) -> String {
    match lines {
        0 => String::new(),
        lines => format!("\r\x1b[{lines}A\x1b[J"),
    }
}

/// Writes past the filter of colours. A terminal that is gone is no fault.
fn raw(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
