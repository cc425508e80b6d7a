//! What a Kubernetes API server answers, asked of any server through a [`kube::Client`].
//!
//! A [`Case`] states one behaviour of Kubernetes, makes the few requests that show it, and knows what kube-apiserver
//! 1.36 answered to them. [`run`] plays cases on a server and compares, word for word; what differs from run to run is
//! given a name instead: identities, revisions, times, addresses. The [`Report`] names every case that was answered
//! otherwise, with the behaviour that it states and the difference.
//!
//! ```
//! use nautes_runtime::{conformance::{self, Subject}, local::{Cluster, Options}};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let cluster = Cluster::start(Options::in_memory("mine")).await?;
//! let subject = Subject { leeway: true, ..Subject::new("mine", cluster.client()) };
//! let cases = conformance::cases()?.into_iter().filter(|case| case.topic() == "namespaces");
//! let report = conformance::run(&subject, cases).await;
//! assert!(report.conforms(), "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Cases of your own
//! [`read`] takes a topic, which is a file of cases in YAML, and the transcript of what Kubernetes said; [`record`] asks
//! a server for the part of a case, and [`transcript`] puts the parts together.
//!
//! ```yaml
//! about: maps
//! given:                  # what several cases begin with; it must succeed and is not compared
//!   a map:
//!   - call: POST /api/v1/namespaces/$NS/configmaps
//!     body: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
//! cases:
//! - name: twice
//!   states: A second object of a name is refused as a conflict.
//!   given: [a map]
//!   steps:
//!   - call: POST /api/v1/namespaces/$NS/configmaps
//!     body: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
//!     show: [/code, /reason, /message]
//! ```
//!
//! In steps, `$NS` is the namespace of the case and `$ID` is unique to it. `type` is how the body is meant (`apply`,
//! `merge`, `strategic`, `patch`, or a media type) and `text` a body that is no JSON; `accept` is `table`, `metadata` or
//! a media type; `as` and `groups` say whom to impersonate. `save` remembers places of the answer under names, `show`
//! narrows what is compared to places, `until` asks again until places have values (at most 60 s), a `later` step is asked
//! when the clock shows another second, and a `quiet` step only has to succeed. `controllers: true` at a case says that something but the API server has to act, `compacted: true` that
//! the first revision has to be forgotten, and `differs` at a
//! case or a step why the local cluster answers otherwise.
//!
//! # Guarantees
//! * Every case is played in a namespace of its own, with nothing that another case has made. The namespace is deleted
//!   afterwards, with what the case has made besides.
//! * A case that fails, or that the server gives no answer to, keeps no other from being played.
//!
//! # Caveats
//! * Cases are played several at a time.
//! * The user of the client must be allowed everything, impersonation included.
//! * The client must not ask again by itself (`kube::Config::default_retry`): a refusal is an answer.
//! * A server that writes to what it stores, as the controllers of workloads do, answers some cases otherwise.

mod case;
mod play;
mod transcript;

use std::fmt;

use futures::StreamExt as _;
use kube::Client;

pub use self::case::{Case, cases, read, transcript};

/// A server, and what is known about it.
#[derive(Clone)]
pub struct Subject {
    /// What reports call it.
    pub name: String,
    /// Asks as a user who may do everything, each request once.
    pub client: Client,
    /// True where namespaces end, owners take their objects along and namespaces get service accounts: what the
    /// controller manager of Kubernetes does. Cases that need it are skipped elsewhere.
    pub controllers: bool,
    /// True where the first revision was compacted away: a list at exactly revision 1 is answered with `410 Gone`.
    /// Cases that need it are skipped elsewhere.
    pub compacted: bool,
    /// True where the cases and steps that are marked as known to be answered otherwise (`differs`) are not
    /// compared. They are those of the local cluster.
    pub leeway: bool,
}

impl Subject {
    /// A server with controllers, with all its revisions, and without leeway.
    #[must_use]
    pub fn new(name: &str, client: Client) -> Self {
        Self {
            name: name.to_owned(),
            client,
            controllers: true,
            compacted: false,
            leeway: false,
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name)
            .field("controllers", &self.controllers)
            .field("compacted", &self.compacted)
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}

/// How many cases are played at a time: some wait for most of their time.
const AT_ONCE: usize = 12;

/// Why a case cannot be read or played. Answers that differ are no error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of cases cannot be read.
    #[error("cannot read the cases of {topic}")]
    Topic {
        /// Which.
        topic: String,
        /// Why.
        source: Option<serde_yaml::Error>,
    },
    /// A case has no steps, a name that another one has, or a preparation that nobody knows.
    #[error("the case {name} has no steps, a name that is taken, or an unknown preparation")]
    Case {
        /// Which.
        name: String,
    },
    /// A step is no request.
    #[error("{call} is no request")]
    Step {
        /// The step, as the case has it.
        call: String,
        /// Why, where HTTP has an objection.
        source: Option<http::Error>,
    },
    /// The server gave no answer.
    #[error("cannot ask {call}")]
    Ask {
        /// The request.
        call: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// What only prepares a case was refused.
    #[error("{call} prepares the case, and was answered with {code}: {said}")]
    Refused {
        /// The request.
        call: String,
        /// Status code of the answer.
        code: u16,
        /// The answer.
        said: String,
    },
}

/// A case that was answered otherwise than is written.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Name of the case.
    pub case: String,
    /// The behaviour that the server does not show.
    pub states: String,
    /// The answers that differ, step by step, as differences of lines; or why the case could not be played.
    pub difference: String,
}

/// What came of playing cases.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name of the server.
    pub subject: String,
    /// Names of the cases that were answered as is written.
    pub passed: Vec<String>,
    /// Names of the cases that were not played, and why.
    pub skipped: Vec<(String, String)>,
    /// The cases that were answered otherwise.
    pub failed: Vec<Failure>,
}

impl Report {
    /// True where no case failed and some passed.
    #[must_use]
    pub fn conforms(&self) -> bool {
        self.failed.is_empty() && !self.passed.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failed {
            let Failure {
                case,
                states,
                difference,
            } = failure;
            writeln!(f, "{}: {case}: {states}\n{difference}", self.subject)?;
        }
        for (case, why) in &self.skipped {
            writeln!(f, "{}: {case} is skipped: {why}", self.subject)?;
        }
        let (passed, failed) = (self.passed.len(), self.failed.len());
        write!(f, "{}: {passed} cases pass, {failed} fail", self.subject)?;
        for failure in &self.failed {
            write!(f, "\n  {}: {}", failure.case, failure.states)?;
        }
        Ok(())
    }
}

/// Plays cases on a server and compares.
pub async fn run(subject: &Subject, cases: impl IntoIterator<Item = Case>) -> Report {
    let mut report = Report {
        subject: subject.name.clone(),
        ..Report::default()
    };
    let (skipped, played): (Vec<_>, Vec<_>) = cases
        .into_iter()
        .map(|case| (case.reason_to_skip(subject), case))
        .partition(|(why, _)| why.is_some());
    let skipped = skipped
        .into_iter()
        .filter_map(|(why, case)| Some((case.name, why?)));
    report.skipped.extend(skipped);
    let mut outcomes = futures::stream::iter(played)
        .map(async |(_, case)| {
            let difference = match play::play(subject, &case).await {
                Ok(said) => case.difference(&said, subject.leeway),
                Err(error) => Some(causes(&error)),
            };
            (case, difference)
        })
        .buffered(AT_ONCE);
    while let Some((case, difference)) = outcomes.next().await {
        match difference {
            None => report.passed.push(case.name),
            Some(difference) => report.failed.push(Failure {
                case: case.name,
                states: case.states,
                difference,
            }),
        }
    }
    report
}

/// An error with what led to it.
fn causes(error: &Error) -> String {
    let mut text = format!("  {error}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Plays a case and answers with what the server said: its part of the [`transcript`] of the topic.
///
/// # Errors
/// The case cannot be played, or the server gives no answer.
pub async fn record(subject: &Subject, case: &Case) -> Result<String, Error> {
    play::play(subject, case).await
}
