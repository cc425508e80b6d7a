//! What a Kubernetes API server answers, asked of any server through a [`kube::Client`].
//!
//! A [`Case`] is a script of requests about one rule of Kubernetes, and the transcript of what kube-apiserver 1.36
//! answered to it. [`run`] plays the cases on a server and compares, word for word; what differs from run to run
//! is given a name instead: identities, revisions, times, addresses.
//!
//! ```
//! use nautes_runtime::{conformance::{self, Subject}, local::{Cluster, Options}};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let cluster = Cluster::start(Options::in_memory("mine")).await?;
//! let subject = Subject { leeway: true, ..Subject::new("mine", cluster.client()) };
//! let cases = conformance::cases()?.into_iter().filter(|case| case.name == "lists");
//! let report = conformance::run(&subject, cases).await?;
//! assert!(report.conforms(), "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Guarantees
//! * Every case is played in a namespace of its own, which is deleted afterwards, with what the case has made
//!   besides.
//!
//! # Caveats
//! * The user of the client must be allowed everything, impersonation included.
//! * The client must not ask again by itself (`kube::Config::default_retry`): a refusal is an answer.
//! * A server that writes to what it stores, as the controllers of workloads do, answers some cases otherwise.

mod case;
mod play;
mod transcript;

use std::fmt;

use kube::Client;

pub use self::case::{Case, cases};

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
    /// True where the cases and steps that are marked as known to be answered otherwise (`differs`) are not
    /// compared. They are those of the local cluster.
    pub leeway: bool,
}

impl Subject {
    /// A server with controllers and without leeway.
    #[must_use]
    pub fn new(name: &str, client: Client) -> Self {
        Self {
            name: name.to_owned(),
            client,
            controllers: true,
            leeway: false,
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name)
            .field("controllers", &self.controllers)
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}

/// Why a suite did not come to its end. Answers that differ are no error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A case cannot be read.
    #[error("cannot read the case {name}")]
    Case {
        /// Which.
        name: String,
        /// Why.
        source: serde_yaml::Error,
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
    /// The namespace of a case cannot be made.
    #[error("cannot make a namespace for the case {case}: {said}")]
    Namespace {
        /// The case.
        case: String,
        /// What the server said.
        said: String,
    },
}

/// A case that was answered otherwise than is written.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Name of the case.
    pub case: String,
    /// The answers that differ, step by step, as differences of lines.
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
    /// The cases that were not.
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
            writeln!(f, "{}: {}\n{}", self.subject, failure.case, failure.difference)?;
        }
        for (case, why) in &self.skipped {
            writeln!(f, "{}: {case} is skipped: {why}", self.subject)?;
        }
        let (passed, failed) = (self.passed.len(), self.failed.len());
        write!(f, "{}: {passed} cases pass, {failed} differ", self.subject)
    }
}

/// Plays cases on a server, one after the other, and compares.
///
/// # Errors
/// A case cannot be played, or the server gives no answer.
pub async fn run(subject: &Subject, cases: impl IntoIterator<Item = Case>) -> Result<Report, Error> {
    let mut report = Report {
        subject: subject.name.clone(),
        ..Report::default()
    };
    for case in cases {
        if let Some(why) = case.reason_to_skip(subject) {
            report.skipped.push((case.name, why));
            continue;
        }
        let said = play::play(subject, &case).await?;
        match case.difference(&said, subject.leeway) {
            None => report.passed.push(case.name),
            Some(difference) => report.failed.push(Failure {
                case: case.name,
                difference,
            }),
        }
    }
    Ok(report)
}

/// Plays a case and answers with the transcript of what the server said, to be kept beside the script.
///
/// # Errors
/// The case cannot be played, or the server gives no answer.
pub async fn record(subject: &Subject, case: &Case) -> Result<String, Error> {
    play::play(subject, case).await
}
