//! Admission webhooks: services that judge and change writes.
//!
//! The state is locked while a write is made, and a webhook may take seconds, or write to this server itself.
//! So a write that has to ask stops, the webhooks are asked without the lock, and the write is begun anew with
//! what they said. An answer counts only for the state of the object that was shown: a write that met another
//! state by then asks again.

mod ask;
mod https;
mod matching;
mod review;

use std::sync::{Arc, Mutex, PoisonError};

use http::Response;
use serde_json::Value;

use self::matching::Hook;
use super::{
    Operation, json,
    server::{Body, Scope, State, fail, warn},
    status::Status,
};

const GROUP: &str = "admissionregistration.k8s.io";

/// How often a write is begun anew because its object changed while its webhooks were asked.
const ATTEMPTS: usize = 16;

/// Which webhooks are asked: first those that change objects, then those that only judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Mutating,
    Validating,
}

impl Stage {
    fn storage(self) -> String {
        let plural = match self {
            Self::Mutating => "mutatingwebhookconfigurations",
            Self::Validating => "validatingwebhookconfigurations",
        };
        format!("{plural}.{GROUP}")
    }
}

/// A write, as webhooks are shown it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) operation: Operation,
    pub(crate) object: Option<&'a Value>,
    pub(crate) old: Option<&'a Value>,
    pub(crate) dry_run: bool,
}

/// What an answer of webhooks is about: a stage of a write, and the state that the object had.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    stage: Stage,
    name: String,
    uid: String,
    version: String,
}

/// Webhooks to ask.
#[derive(Debug)]
struct Question {
    subject: Subject,
    hooks: Vec<Hook>,
    operation: Operation,
    object: Option<Value>,
    old: Option<Value>,
    dry_run: bool,
    /// The labels that selectors of namespaces see; none where they do not count.
    namespace: Option<Arc<Value>>,
}

/// What the webhooks of one request have said.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The object that mutating webhooks made of theirs; none where they left it.
    answers: Vec<(Subject, Option<Value>)>,
    open: Option<Question>,
    warnings: Vec<String>,
    /// What is made up for a new object, the same in every attempt.
    made_up: Option<(String, String)>,
}

impl Hooks {
    fn with<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The identity of a new object and the end of its generated name.
    pub(crate) fn made_up(&self, make: impl FnOnce() -> (String, String)) -> (String, String) {
        self.with(|i| i.made_up.get_or_insert_with(make).clone())
    }

    /// The end of another generated name, of a part of the new object.
    pub(crate) fn tail(&self) -> String {
        self.with(|i| i.made_up.as_ref().map(|(_, tail)| tail.chars().rev().collect()))
            .unwrap_or_default()
    }
}

/// Asks the webhooks of a stage, or says what they said. The answer is the object that they made.
///
/// # Errors
/// Their refusal; or they have to be asked first, which [`judged`] does.
pub(crate) fn judge(
    scope: &Scope<'_>,
    state: &State,
    stage: Stage,
    attempt: &Attempt<'_>,
) -> Result<Option<Value>, Status> {
    let storage = stage.storage();
    if scope.kind.group == GROUP || state.store.all_opened(&storage, None).next().is_none() {
        return Ok(None);
    }
    let shown = attempt.object.or(attempt.old);
    let subject = Subject {
        stage,
        name: shown.map(json::name).unwrap_or_default().to_owned(),
        uid: attempt.old.map(json::uid).unwrap_or_default().to_owned(),
        version: attempt
            .old
            .map(json::resource_version)
            .unwrap_or_default()
            .to_owned(),
    };
    let known = scope.hooks.with(|i| {
        let found = i.answers.iter().find(|(s, _)| *s == subject);
        found.map(|(_, object)| object.clone())
    });
    if let Some(object) = known {
        return Ok(object);
    }
    let hooks = matching::hooks(scope, state, &storage, attempt.operation);
    if hooks.is_empty() {
        return Ok(None);
    }
    let namespace = matching::namespace(scope, state, attempt);
    scope.hooks.with(|i| {
        i.open = Some(Question {
            subject,
            hooks,
            operation: attempt.operation,
            object: attempt.object.cloned(),
            old: attempt.old.cloned(),
            dry_run: attempt.dry_run,
            namespace,
        });
    });
    Err(Status::internal("webhooks are being asked"))
}

/// Makes a write, which may have to ask webhooks on its way.
pub(crate) async fn judged(
    scope: &Scope<'_>,
    write: impl Fn() -> Result<Response<Body>, Status> + Send + Sync,
) -> Result<Response<Body>, Status> {
    let mut attempts = 0;
    let answer = loop {
        let answer = write();
        let Some(question) = scope.hooks.with(|i| i.open.take()) else {
            break answer;
        };
        attempts += usize::from(question.subject.stage == Stage::Mutating || attempts == 0);
        if attempts > ATTEMPTS {
            break Err(Status::stale(&scope.kind, scope.name()));
        }
        match ask::ask(scope, &question).await {
            Ok((object, warnings)) => scope.hooks.with(|i| {
                i.warnings.extend(warnings);
                i.answers.push((question.subject, object));
            }),
            Err((status, warnings)) => {
                scope.hooks.with(|i| i.warnings.extend(warnings));
                break Err(status);
            }
        }
    };
    let warnings = scope.hooks.with(|i| std::mem::take(&mut i.warnings));
    if warnings.is_empty() {
        return answer;
    }
    let mut response = answer.unwrap_or_else(|status| fail(&status));
    warn(&mut response, &warnings);
    Ok(response)
}
