//! The one follower of the projection, and what it keeps for watchers.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use nautes_model::name::ClusterName;
use nautes_model::{Identity, Kind};
use nautes_runtime::platform::Platform;
use nautes_runtime::projection::follow::{Seen, follow};
use nautes_runtime::runs::RunSeen;
use nautes_runtime::status_report::{StatusChange, StatusNode, Statuses};
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::runs::{self, RunOf};
use super::{WatchEvent, WatchLimits};
use crate::error::ApiError;

/// How much that was seen of runs may wait.
const RUNS: usize = 256;

/// Where a watcher is: the number of an event of one life of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    life: u64,
    number: u64,
}

impl Cursor {
    /// Whether it comes after another of the same life.
    pub(crate) const fn is_after(self, other: Self) -> bool {
        self.number > other.number
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.life, self.number)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (life, number) = text.split_once('-').ok_or(())?;
        Ok(Self {
            life: u64::from_str_radix(life, 16).map_err(|_| ())?,
            number: number.parse().map_err(|_| ())?,
        })
    }
}

/// An event with its place.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) at: Cursor,
    pub(crate) event: WatchEvent,
    /// Whether it tells of a product that was not there before.
    pub(crate) is_new_product: bool,
}

/// What a watcher begins with.
pub(crate) struct Begin {
    /// Where everything is now.
    pub(crate) at: Cursor,
    /// What he has missed; `None` where that is kept no more, or he begins.
    pub(crate) missed: Option<Vec<Arc<Numbered>>>,
    /// What comes.
    pub(crate) coming: broadcast::Receiver<Arc<Numbered>>,
}

/// The follower. It works from the first watcher on, until it is told to stop.
pub(crate) struct Hub {
    pub(crate) limits: WatchLimits,
    pub(crate) stop: CancellationToken,
    /// Something has changed about where pipelines run.
    pub(super) moved: Notify,
    platform: Platform,
    state: Mutex<State>,
    complete: watch::Sender<bool>,
}

struct State {
    life: u64,
    last: u64,
    kept: VecDeque<Arc<Numbered>>,
    statuses: Statuses,
    runs: runs::Known,
    coming: broadcast::Sender<Arc<Numbered>>,
    callers: HashMap<String, usize>,
    started: bool,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A place among the watchers; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Arc<Hub>,
    caller: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        if let Some(count) = state.callers.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                state.callers.remove(&self.caller);
            }
        }
    }
}

impl Hub {
    pub(crate) fn new(platform: Platform, limits: WatchLimits) -> Self {
        let state = State {
            life: rand::random(),
            last: 0,
            kept: VecDeque::new(),
            statuses: Statuses::new(&platform.tenant().namespace),
            runs: runs::Known::default(),
            coming: broadcast::channel(limits.waiting.max(1)).0,
            callers: HashMap::new(),
            started: false,
        };
        Self {
            limits,
            stop: CancellationToken::new(),
            moved: Notify::new(),
            platform,
            state: Mutex::new(state),
            complete: watch::Sender::new(false),
        }
    }

    pub(crate) const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Takes a place for a caller.
    ///
    /// # Errors
    /// There are too many watchers, of him or at all.
    pub(crate) fn seat(self: &Arc<Self>, caller: &str) -> Result<Seat, ApiError> {
        let mut state = self.lock();
        let all: usize = state.callers.values().sum();
        let own = state.callers.get(caller).copied().unwrap_or_default();
        let full = |message: String, hint: &str| {
            let status = axum::http::StatusCode::TOO_MANY_REQUESTS;
            Err(ApiError::new(status, "BUSY", message).retry_after(10).hint(hint))
        };
        if own >= self.limits.per_caller {
            let most = self.limits.per_caller;
            return full(
                format!("{caller} has {own} watches open, and {most} are allowed"),
                "close one of them, or watch several products in one: leave out `product`",
            );
        }
        if all >= self.limits.all {
            return full("too many watches are open".to_owned(), "come back in a moment");
        }
        state.callers.insert(caller.to_owned(), own + 1);
        Ok(Seat {
            hub: Arc::clone(self),
            caller: caller.to_owned(),
        })
    }

    /// Begins to follow where nobody has yet.
    fn start(self: &Arc<Self>) {
        if !std::mem::replace(&mut self.lock().started, true) {
            tokio::spawn(Arc::clone(self).work());
        }
    }

    /// Asks what is kept, as far as it is what there is: at the begin and while following is interrupted, it is not.
    pub(crate) fn now<T>(self: &Arc<Self>, ask: impl FnOnce(&Statuses) -> T) -> Option<T> {
        self.start();
        let state = self.lock();
        state.statuses.is_current().then(|| ask(&state.statuses))
    }

    /// Waits until everything is known, and begins to follow where nobody has yet.
    ///
    /// # Errors
    /// The tenant cluster does not answer in time.
    pub(crate) async fn ready(self: &Arc<Self>) -> Result<(), ApiError> {
        self.start();
        let mut complete = self.complete.subscribe();
        let limit: Duration = self.platform.timing().call;
        let known = tokio::time::timeout(limit, complete.wait_for(|known| *known)).await;
        if matches!(known, Ok(Ok(_))) {
            return Ok(());
        }
        let error = ApiError::of_class(
            nautes_model::Class::Unreachable,
            "the statuses in the tenant cluster cannot be followed",
        );
        Err(error
            .hint("try again in a moment; if it stays so, see whether the kinds are installed: nautes crds"))
    }

    async fn work(self: Arc<Self>) {
        let mut seen = std::pin::pin!(follow(self.platform.tenant_cluster()));
        let (out, mut of_runs) = mpsc::channel(RUNS);
        tokio::spawn(runs::follow_all(Arc::clone(&self), out));
        loop {
            let next = tokio::select! {
                () = self.stop.cancelled() => return,
                next = seen.next() => next,
                Some((cluster, seen)) = of_runs.recv() => {
                    self.take_runs(&cluster, seen);
                    continue;
                }
            };
            match next {
                None => return,
                Some(seen) => {
                    if let Seen::Interrupted(kind, error) = &seen {
                        tracing::warn!(%kind, error, "following the projection was interrupted");
                    }
                    self.take(seen);
                }
            }
        }
    }

    fn take(&self, seen: Seen) {
        let mut state = self.lock();
        let was_complete = state.statuses.is_complete();
        let changes = state.statuses.take(seen);
        if changes.iter().any(moves_pipelines) {
            self.moved.notify_one();
        }
        if was_complete {
            for change in changes {
                let is_new = change.before.is_none() && change.resource.kind == Kind::Product;
                for event in WatchEvent::of(change) {
                    // Of a run that its cluster knows more is told already.
                    if let WatchEvent::Run { resource, run } = &event
                        && state.runs.has(resource, &run.name)
                    {
                        continue;
                    }
                    let is_new = is_new && matches!(event, WatchEvent::Status { .. });
                    state.tell(event, is_new, self.limits.kept);
                }
            }
        } else if state.statuses.is_complete() {
            self.complete.send_replace(true);
        }
    }

    fn take_runs(&self, cluster: &ClusterName, seen: RunSeen) {
        let mut state = self.lock();
        for RunOf { resource, run } in state.runs.take(cluster, seen) {
            state.tell(WatchEvent::Run { resource, run }, false, self.limits.kept);
        }
    }

    /// Lets somebody watch from now on, and tells what he has missed since he was there last.
    pub(crate) fn begin(&self, since: Option<Cursor>) -> Begin {
        let state = self.lock();
        let at = state.at();
        let first = state.kept.front().map_or(at.number + 1, |first| first.at.number);
        let missed = since
            .filter(|since| since.life == at.life && since.number <= at.number && since.number + 1 >= first)
            .map(|since| {
                let after = |n: &&Arc<Numbered>| n.at.number > since.number;
                state.kept.iter().filter(after).cloned().collect()
            });
        Begin {
            at,
            missed,
            coming: state.coming.subscribe(),
        }
    }

    /// Returns the statuses that somebody may see and the runs that have not ended, and where that is in the order of
    /// events.
    pub(crate) fn all(&self, sees: impl Fn(&Identity) -> bool) -> (Cursor, Vec<StatusNode>, Vec<RunOf>) {
        let state = self.lock();
        let items = state.statuses.iter().filter(|node| sees(&node.resource));
        let runs = state.runs.open().filter(|of| sees(&of.resource)).cloned();
        (state.at(), items.collect(), runs.collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    const fn at(&self) -> Cursor {
        Cursor {
            life: self.life,
            number: self.last,
        }
    }

    fn tell(&mut self, event: WatchEvent, is_new_product: bool, kept: usize) {
        self.last += 1;
        let numbered = Arc::new(Numbered {
            at: self.at(),
            event,
            is_new_product,
        });
        if self.kept.len() >= kept {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::clone(&numbered));
        // Nobody listens: it is kept for those who come back.
        let _ = self.coming.send(numbered);
    }
}

/// Whether pipelines may run elsewhere because of a change.
fn moves_pipelines(change: &StatusChange) -> bool {
    let revision = |node: &Option<StatusNode>| node.as_ref().map(|node| node.revision.clone());
    matches!(
        change.resource.kind,
        Kind::ProjectPipelineRuntime | Kind::Environment | Kind::Cluster
    ) && revision(&change.before) != revision(&change.now)
}
