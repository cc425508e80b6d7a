//! What is said while somebody waits: a living list on a terminal, and a line for each change elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nautes_model::Identity;
use nautes_runtime::status_report::{State, StatusNode};

use super::{Seen, Until};
use crate::output::{self, DIM, GREEN, RED, YELLOW};

/// How many resources the living list names.
const MANY: usize = 12;

/// Says what becomes of resources.
pub(super) struct Progress {
    until: Until,
    /// The list; `None` without a terminal.
    list: Option<ProgressBar>,
    /// Whether the terminal is to have no colours: the list does not look after that itself.
    is_plain: bool,
    /// What was said last of each.
    said: BTreeMap<Identity, String>,
}

impl Progress {
    /// Begins, on stderr.
    pub(super) fn begin(until: Until, all: usize) -> Self {
        let list = std::io::stderr().is_terminal().then(|| {
            let list = ProgressBar::new(all as u64);
            let style = ProgressStyle::with_template("{spinner} {pos} of {len} {prefix}, {elapsed}{msg}");
            list.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            list.set_prefix(until.word());
            list.enable_steady_tick(Duration::from_millis(120));
            list
        });
        Self {
            until,
            list,
            is_plain: anstream::AutoStream::choice(&std::io::stderr()) == anstream::ColorChoice::Never,
            said: BTreeMap::new(),
        }
    }

    /// Says what has changed.
    pub(super) fn show(&mut self, seen: &[Seen]) {
        for (identity, node) in seen {
            let is_there = self.until.holds(node.as_ref());
            let text = format!("{identity} {}", told(self.until, node.as_ref()));
            if self.said.get(identity) == Some(&text) {
                continue;
            }
            match &self.list {
                None => output::say(&text),
                Some(list) if is_there => list.println(self.coloured(&text)),
                Some(_) => {}
            }
            self.said.insert(identity.clone(), text);
        }
        if let Some(list) = &self.list {
            let open: Vec<&Seen> = seen
                .iter()
                .filter(|(_, n)| !self.until.holds(n.as_ref()))
                .collect();
            let mut rows = String::new();
            for (identity, _) in open.iter().take(MANY) {
                let text = self.said.get(identity).map_or("", String::as_str);
                rows.push_str(&format!("\n  {text}"));
            }
            if open.len() > MANY {
                rows.push_str(&format!("\n  {DIM}and {} more{DIM:#}", open.len() - MANY));
            }
            list.set_position((seen.len() - open.len()) as u64);
            list.set_message(self.coloured(&rows));
        }
    }

    fn coloured(&self, text: &str) -> String {
        if self.is_plain {
            anstream::adapter::strip_str(text).to_string()
        } else {
            text.to_owned()
        }
    }

    /// Leaves the terminal as it was, but for what is there to stay.
    pub(super) fn end(&self) {
        if let Some(list) = &self.list {
            list.finish_and_clear();
        }
    }
}

fn told(until: Until, node: Option<&StatusNode>) -> String {
    let Some(node) = node else {
        return match until {
            Until::Gone => format!("{GREEN}gone{GREEN:#}"),
            Until::Ready => format!("{DIM}not seen yet{DIM:#}"),
        };
    };
    let (style, word) = match node.state {
        State::Ready => (GREEN, "ready"),
        State::Pending => (YELLOW, "pending"),
        State::Failed => (RED, "failed"),
        State::Unknown => (DIM, "unknown"),
    };
    if until == Until::Gone {
        return format!("{YELLOW}still there{YELLOW:#}");
    }
    let why = if node.state == State::Ready || node.message.is_empty() {
        String::new()
    } else {
        format!(": {}", node.message)
    };
    format!("{style}{word}{style:#}{why}")
}
