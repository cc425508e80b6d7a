//! Exit codes, and the error that carries one.

use std::process::ExitCode;

use nautes_model::{Class, Finding};
use nautes_vault::StoreError;

/// How the program ends. The numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// All is well and there is nothing to say.
    Clean = 0,
    /// There are findings, or differences.
    Findings = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The caller is not known, or may not do this.
    Denied = 3,
    /// What was asked for does not exist.
    NotFound = 4,
    /// Somebody else changed the same thing, or still needs it.
    Conflict = 5,
    /// Some of it is done; the same command again does the rest.
    Partial = 6,
    /// The server, or something behind it, does not answer.
    Unavailable = 7,
    /// A fault of Nautes.
    Internal = 8,
    /// Somebody pressed ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Class> for Exit {
    fn from(class: Class) -> Self {
        match class {
            Class::Invalid => Self::Findings,
            Class::Denied => Self::Denied,
            Class::NotFound => Self::NotFound,
            Class::Conflict => Self::Conflict,
            Class::Waiting | Class::Unreachable => Self::Unavailable,
            Class::Bug => Self::Internal,
        }
    }
}

/// What every command answers.
pub type Outcome = Result<Exit, Failure>;

/// Why a command failed: the code, a text, and what the user can do.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What went wrong, with its causes.
    pub message: String,
    /// What to do about it, each on a line of its own.
    pub hints: Vec<String>,
    /// Every finding that led to it.
    pub findings: Vec<Finding>,
}

impl Failure {
    /// Makes a failure.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hints: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Makes a failure of the command line.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error: anyhow::Error = error.into();
        let text = format!("{error:#}");
        match error.downcast_ref::<StoreError>() {
            Some(of_store) => {
                let failure = Self::new(of_store.class().into(), text);
                of_store.hint().into_iter().fold(failure, Self::hint)
            }
            None => Self::new(Exit::Internal, text),
        }
    }
}
