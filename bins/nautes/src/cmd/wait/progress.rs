//! What is said while somebody waits: a living list on a terminal, and a line for each change elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nautes_model::Identity;
use nautes_runtime::status_report::{State, StatusNode};

use super::{Seen, Until};
use crate::output::list::List;
use crate::output::{self, DIM, GREEN, RED, YELLOW};

/// How many resources the living list names.
const MANY: usize = 12;

/// Says what becomes of resources.
pub(super) struct Progress {
    until: Until,
    begun: Instant,
    /// The list; `None` without a terminal.
    list: Option<Arc<Mutex<List>>>,
    /// What was said last of each.
    said: BTreeMap<Identity, String>,
}

impl Progress {
    /// Begins, on stderr; `is_dumb` where the terminal can do nothing but print lines.
    pub(super) fn begin(until: Until, is_dumb: bool) -> Self {
        let is_living = std::io::stderr().is_terminal() && !is_dumb;
        Self {
            until,
            begun: Instant::now(),
            list: is_living.then(|| Arc::new(Mutex::new(List::begin()))),
            said: BTreeMap::new(),
        }
    }

    /// Returns what says something else meanwhile, so that the list stays whole.
    pub(super) fn voice(&self) -> impl Fn(&str) + Send + Sync + use<> {
        let list = self.list.clone();
        move |text| {
            if let Some(list) = &list {
                list.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            output::say(text);
        }
    }

    /// Says what has changed, and draws the list anew.
    pub(super) fn show(&mut self, seen: &[Seen]) {
        let mut above = Vec::new();
        for (identity, node) in seen {
            let text = format!("{identity} {}", told(self.until, node.as_ref()));
            if self.said.get(identity) == Some(&text) {
                continue;
            }
            match &self.list {
                None => output::say(&text),
                Some(_) if self.until.holds(node.as_ref()) => above.push(text.clone()),
                Some(_) => {}
            }
            self.said.insert(identity.clone(), text);
        }
        let Some(list) = &self.list else { return };
        let open: Vec<&Identity> = seen
            .iter()
            .filter(|(_, node)| !self.until.holds(node.as_ref()))
            .map(|(identity, _)| identity)
            .collect();
        let mut rows = vec![format!(
            "{DIM}{} of {} {}, {} s{DIM:#}",
            seen.len() - open.len(),
            seen.len(),
            self.until.word(),
            self.begun.elapsed().as_secs()
        )];
        let said = open.iter().take(MANY).filter_map(|one| self.said.get(one));
        rows.extend(said.map(|text| format!("  {text}")));
        if open.len() > MANY {
            rows.push(format!("  {DIM}and {} more{DIM:#}", open.len() - MANY));
        }
        list.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .draw(&above, &rows);
    }

    /// Leaves the terminal as it was, but for what is there to stay.
    pub(super) fn end(&self) {
        if let Some(list) = &self.list {
            list.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
