//! Faults on demand: what a client meets on a bad day, chosen by a test.
//!
//! A [`Faults`] holds rules and belongs to one or several clusters ([`Options::faults`](super::Options)), so that a count
//! goes over all of them. Each request is compared with the rules in the order in which they were added; the first that
//! matches and is due decides.
//!
//! ```
//! # use nautes_runtime::local::fault::{Effect, Faults, Rule};
//! # use nautes_runtime::local::{self, Options};
//! # use k8s_openapi::api::core::v1::Namespace;
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let faults = Faults::seeded(1);
//! let options = Options { faults: faults.clone(), ..Options::in_memory("demo") };
//! let cluster = local::Cluster::start(options).await?;
//! faults.add(Rule::of(Effect::Refuse(503)).times(1));
//! let namespaces: kube::Api<Namespace> = kube::Api::all(cluster.client());
//! assert!(namespaces.get("default").await.is_err());
//! assert!(namespaces.get("default").await.is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//! * Without rules nothing is different from a cluster without faults.
//! * The same seed and the same order of requests give the same faults.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, StreamBody};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::watch;

use super::call::Call;
use super::server::Body;
use super::status::Status;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is answered later, by a time of this range.
    Delay(RangeInclusive<Duration>),
    /// It is answered with this code and does nothing: 409 as if somebody else had been faster, 429 and 503 with
    /// `Retry-After: 1`, 500, or another code of errors.
    Refuse(u16),
    /// The connection ends before the request is read.
    LoseRequest,
    /// The request is served, and the connection ends before its answer.
    LoseAnswer,
    /// A watch ends like one whose connection is cut, after so many pieces of its answer. Other requests do not match.
    CutWatch(usize),
    /// A watch tells nothing from now on, until [`Faults::clear`]. Other requests do not match.
    StaleWatch,
}

/// Which requests have a fault, and what fault.
#[derive(Clone, Debug)]
pub struct Rule {
    effect: Effect,
    user: Option<String>,
    verbs: Vec<String>,
    resource: Option<String>,
    writes: bool,
    skip: u64,
    times: Option<u64>,
    share: f64,
}

impl Rule {
    /// A fault for every request.
    #[must_use]
    pub const fn of(effect: Effect) -> Self {
        Self {
            effect,
            user: None,
            verbs: Vec::new(),
            resource: None,
            writes: false,
            skip: 0,
            times: None,
            share: 1.0,
        }
    }

    /// Only for requests of one user: a partition of that client, with [`Effect::LoseRequest`].
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.user = Some(name.to_owned());
        self
    }

    /// Only for these verbs, as authorisation knows them: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`,
    /// `deletecollection`.
    #[must_use]
    pub fn verbs(mut self, verbs: &[&str]) -> Self {
        self.verbs = verbs.iter().map(|verb| (*verb).to_owned()).collect();
        self
    }

    /// Only for one resource, by its plural: `configmaps`.
    #[must_use]
    pub fn resource(mut self, plural: &str) -> Self {
        self.resource = Some(plural.to_owned());
        self
    }

    /// Only for requests that write.
    #[must_use]
    pub const fn writes(mut self) -> Self {
        self.writes = true;
        self
    }

    /// Not for the first so many of the requests that match.
    #[must_use]
    pub const fn after(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// For so many of the requests that match, and no more.
    #[must_use]
    pub const fn times(mut self, requests: u64) -> Self {
        self.times = Some(requests);
        self
    }

    /// For this share of the requests that match, chosen by the seed: 0.1 is one of ten.
    #[must_use]
    pub const fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    fn matches(&self, call: &Call, user: &str) -> bool {
        let plural = call.target.as_ref().map(|target| target.plural.as_str());
        let watches = matches!(self.effect, Effect::CutWatch(_) | Effect::StaleWatch);
        self.user.as_deref().is_none_or(|wanted| wanted == user)
            && (self.verbs.is_empty() || self.verbs.iter().any(|verb| verb == call.verb))
            && self
                .resource
                .as_deref()
                .is_none_or(|wanted| plural == Some(wanted))
            && (!self.writes || call.is_write())
            && (!watches || call.verb == "watch")
    }
}

/// Which requests count until a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Those that write.
    Writes,
    /// All of them, watches that begin included.
    All,
}

/// Where a process dies at its last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Before the request arrives.
    Before,
    /// After it was served, before its answer arrives.
    After,
}

/// The rules, and what came of them. Cloning gives another handle on the same.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Rung whenever something changes that watches which are open have to know.
    changed: watch::Sender<()>,
}

struct State {
    rules: Vec<(Rule, u64)>,
    deaths: Vec<Death>,
    random: StdRng,
    hits: u64,
}

/// A client that is about to die.
struct Death {
    user: Option<String>,
    counted: Counted,
    allowed: u64,
    crash: Crash,
    is_dead: bool,
}

impl Death {
    fn concerns(&self, user: &str) -> bool {
        self.user.as_deref().is_none_or(|wanted| wanted == user)
    }
}

/// What a watch that is open does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// It tells what happens.
    Go,
    /// It is silent.
    Hold,
    /// It ends like one whose connection is cut.
    Cut,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::seeded(0)
    }
}

impl Faults {
    /// No faults yet; what is chosen by chance is chosen by this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                rules: Vec::new(),
                deaths: Vec::new(),
                random: StdRng::seed_from_u64(seed),
                hits: 0,
            }),
            changed: watch::Sender::new(()),
        }))
    }

    /// Adds a rule, after those that are there.
    pub fn add(&self, rule: Rule) {
        self.lock().rules.push((rule, 0));
        self.0.changed.send_replace(());
    }

    /// Lets a client die at one of the requests that count: `allowed` of them are served, the next is cut. Its watches end
    /// then, and whatever it asks is lost, until [`clear`](Self::clear). `user` names the client; `None` is everybody.
    pub fn crash(&self, user: Option<&str>, counted: Counted, allowed: u64, crash: Crash) {
        self.lock().deaths.push(Death {
            user: user.map(str::to_owned),
            counted,
            allowed,
            crash,
            is_dead: false,
        });
    }

    /// Takes everything back: rules are gone, watches that were held go on, and clients that died are served again.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.rules.clear();
        state.deaths.clear();
        drop(state);
        self.0.changed.send_replace(());
    }

    /// How many requests have had a fault.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.lock().hits
    }

    /// Decides about a request.
    pub(crate) fn decide(&self, call: &Call, user: &str) -> Option<Effect> {
        let mut state = self.lock();
        let effect = state.dies(call, user).or_else(|| state.rule(call, user))?;
        state.hits += 1;
        drop(state);
        if matches!(effect, Effect::LoseRequest | Effect::LoseAnswer) {
            self.0.changed.send_replace(());
        }
        Some(effect)
    }

    /// Says what a watch that is open does now.
    pub(crate) fn flow(&self, call: &Call, user: &str) -> Flow {
        let state = self.lock();
        if state
            .deaths
            .iter()
            .any(|death| death.is_dead && death.concerns(user))
        {
            return Flow::Cut;
        }
        let holds = |(rule, _): &(Rule, u64)| rule.effect == Effect::StaleWatch && rule.matches(call, user);
        if state.rules.iter().any(holds) {
            Flow::Hold
        } else {
            Flow::Go
        }
    }

    /// Returns what rings when [`flow`](Self::flow) may say something else.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn dies(&mut self, call: &Call, user: &str) -> Option<Effect> {
        for death in self.deaths.iter_mut().filter(|death| death.concerns(user)) {
            if death.is_dead {
                return Some(Effect::LoseRequest);
            }
            if death.counted == Counted::Writes && !call.is_write() {
                continue;
            }
            if death.allowed > 0 {
                death.allowed -= 1;
                continue;
            }
            death.is_dead = true;
            return Some(match death.crash {
                Crash::Before => Effect::LoseRequest,
                Crash::After => Effect::LoseAnswer,
            });
        }
        None
    }

    fn rule(&mut self, call: &Call, user: &str) -> Option<Effect> {
        let Self { rules, random, .. } = self;
        for (rule, seen) in rules.iter_mut().filter(|(rule, _)| rule.matches(call, user)) {
            // It holds watches while it is there; it does not choose among requests.
            if rule.effect == Effect::StaleWatch {
                continue;
            }
            *seen += 1;
            let is_due = *seen > rule.skip && rule.times.is_none_or(|times| *seen <= rule.skip + times);
            if is_due && (rule.share >= 1.0 || random.random_bool(rule.share.clamp(0.0, 1.0))) {
                return Some(match &rule.effect {
                    Effect::Delay(range) => {
                        let by = random.random_range(range.clone());
                        Effect::Delay(by..=by)
                    }
                    effect => effect.clone(),
                });
            }
        }
        None
    }
}

/// A connection that ended in the middle.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut")]
pub(crate) struct Lost;

/// Makes the answer of a watch obey the faults: `pieces` of it are told, if there is a limit.
pub(crate) fn obeying(faults: Faults, call: Call, user: String, body: Body, pieces: Option<usize>) -> Body {
    struct Told {
        faults: Faults,
        changes: watch::Receiver<()>,
        call: Call,
        user: String,
        body: Option<Body>,
        pieces: Option<usize>,
    }
    let told = Told {
        changes: faults.changes(),
        faults,
        call,
        user,
        body: Some(body),
        pieces,
    };
    let stream = futures::stream::unfold(told, |mut told| async move {
        loop {
            let flow = match told.pieces {
                Some(0) => Flow::Cut,
                _ => told.faults.flow(&told.call, &told.user),
            };
            let body = told.body.as_mut()?;
            match flow {
                Flow::Cut => {
                    told.body = None;
                    let lost: Box<dyn std::error::Error + Send + Sync> = Box::new(Lost);
                    return Some((Err(lost), told));
                }
                Flow::Hold => told.changes.changed().await.ok()?,
                Flow::Go => tokio::select! {
                    changed = told.changes.changed() => changed.ok()?,
                    frame = body.frame() => {
                        told.pieces = told.pieces.map(|left| left - 1);
                        return Some((frame?, told));
                    }
                },
            }
        }
    });
    StreamBody::new(stream).boxed_unsync()
}

/// Waits before a request is served.
#[allow(clippy::disallowed_methods, reason = "the time itself is what was asked for")]
pub(crate) async fn delay(by: Duration) {
    tokio::time::sleep(by).await;
}

/// The answer of a request that is refused.
pub(crate) fn refusal(code: u16) -> Status {
    match code {
        409 => Status::new(
            409,
            "Conflict",
            "the object has been modified; please apply your changes to the latest version and try again",
        ),
        429 => Status::new(
            429,
            "TooManyRequests",
            "The server has received too many requests and has asked us to try again later",
        ),
        503 => Status::new(
            503,
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        code => Status::new(
            code,
            "InternalError",
            "an error on the server has prevented the request from succeeding",
        ),
    }
}
