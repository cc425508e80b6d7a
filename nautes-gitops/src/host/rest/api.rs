//! One caller of a REST API.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use nautes_model::Secret;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::failure::{self, Task};
use super::paging::Paging;
use crate::host::HostError;
use crate::host::net::{Auth, Call, Fault, Gate, Net, Reply};
use crate::host::types::User;

/// Parameters of a query.
pub(crate) type Query<'a> = &'a [(&'a str, &'a str)];

/// A forge that has a REST API.
pub(crate) trait Rest: Send + Sync + 'static {
    /// What the paths of the API begin with.
    const ROOT: [&'static str; 2];
    /// How it divides listings.
    const PAGING: Paging;
    /// How it shows an account.
    type User: DeserializeOwned + Account + Send;

    /// Returns the name of the forge, as messages name it.
    fn name(&self) -> &str;

    /// Returns how to talk to it.
    fn net(&self) -> &Net;
}

/// An account, as a forge shows it.
pub(crate) trait Account {
    /// Returns the user; `host` is for an address where the forge shows none.
    fn user(self, host: &str) -> User;
}

/// A caller: a token, and whose it is.
pub(crate) struct Api<F> {
    pub(crate) forge: Arc<F>,
    pub(crate) token: Secret,
    pub(crate) gate: Gate,
    pub(crate) me: OnceCell<User>,
}

impl<F> fmt::Debug for Api<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api")
            .field("user", &self.me.get().map(|me| &me.name))
            .finish_non_exhaustive()
    }
}

impl<F: Rest> Api<F> {
    /// Asks whose token it is.
    pub(crate) async fn sign_in(forge: Arc<F>, token: Secret) -> Result<Self, HostError> {
        if token.is_empty() {
            return Err(HostError::Unauthenticated {
                host: forge.name().to_owned(),
            });
        }
        let api = Self {
            forge,
            token,
            gate: Gate::default(),
            me: OnceCell::new(),
        };
        let user = api.whoami().await?;
        // It is empty until now.
        let _ = api.me.set(user);
        Ok(api)
    }

    /// Returns who the caller is, as the forge says now.
    pub(crate) async fn whoami(&self) -> Result<User, HostError> {
        let task = Task::new("ask", "who the caller is");
        let user: F::User = self.ask(Method::GET, &["user"], &[], None, &task).await?;
        Ok(user.user(self.forge.net().address().host()))
    }

    /// Returns the name of the caller.
    pub(crate) fn name(&self) -> &str {
        self.me.get().map_or("the caller", |me| &me.name)
    }

    /// Returns the id of the caller.
    pub(crate) fn id(&self) -> u64 {
        self.me.get().map_or(0, |me| me.id)
    }

    pub(crate) fn url(&self, at: &[&str], query: Query<'_>) -> Url {
        let segments = F::ROOT.into_iter().chain(at.iter().copied());
        let mut url = self.forge.net().address().join(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends a request, and returns the answer with whatever status.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        repeatable: bool,
    ) -> Result<Reply, Fault> {
        let options = self.forge.net().options();
        let mut headers = vec![("accept", "application/json")];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let call = Call {
            method,
            url,
            auth: Auth::Bearer(&self.token),
            headers,
            body: body.map(|body| Bytes::from(body.to_string())),
            repeatable,
            streams: false,
            limit: options.answer_bytes,
            total: options.total,
            attempt: options.attempt,
        };
        self.forge.net().call(&self.gate, &call).await
    }

    pub(crate) fn fault(&self, fault: Fault, task: &Task) -> HostError {
        match &fault {
            // It has been moved or renamed: under this path there is nothing.
            Fault::Redirect { to, .. } if self.is_ours(to) => HostError::not_found(&task.what),
            _ => fault.of(self.forge.name(), task.name()),
        }
    }

    pub(crate) fn refused(&self, reply: &Reply, task: &Task) -> HostError {
        failure::refused(reply, self.forge.name(), self.name(), &self.token, task)
    }

    /// Sends a request that succeeds or is an error. Everything but `POST` may be sent twice.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        at: &[&str],
        query: Query<'_>,
        body: Option<Value>,
        task: &Task,
    ) -> Result<T, HostError> {
        let repeatable = method != Method::POST;
        self.ask_as(method, at, query, body, task, repeatable).await
    }

    /// Sends a request that succeeds or is an error.
    pub(crate) async fn ask_as<T: DeserializeOwned>(
        &self,
        method: Method,
        at: &[&str],
        query: Query<'_>,
        body: Option<Value>,
        task: &Task,
        repeatable: bool,
    ) -> Result<T, HostError> {
        let reply = self
            .send(method, self.url(at, query), body.as_ref(), repeatable)
            .await;
        let reply = reply.map_err(|fault| self.fault(fault, task))?;
        if !reply.status.is_success() {
            return Err(self.refused(&reply, task));
        }
        self.read(&reply, task)
    }

    /// Looks something up; `None` where there is no such thing, where it does not show, or where it has moved away.
    pub(crate) async fn look<T: DeserializeOwned>(
        &self,
        at: &[&str],
        query: Query<'_>,
        task: &Task,
    ) -> Result<Option<T>, HostError> {
        match self.send(Method::GET, self.url(at, query), None, true).await {
            Ok(reply) if reply.status == reqwest::StatusCode::NOT_FOUND => Ok(None),
            Ok(reply) if reply.status.is_success() => self.read(&reply, task).map(Some),
            Ok(reply) => Err(self.refused(&reply, task)),
            Err(Fault::Redirect { to, .. }) if self.is_ours(&to) => {
                tracing::debug!(what = task.what, "it has moved");
                Ok(None)
            }
            Err(fault) => Err(self.fault(fault, task)),
        }
    }

    /// Whether a redirect leads to another place of the same API.
    fn is_ours(&self, to: &str) -> bool {
        to.strip_prefix(self.forge.net().address().text())
            .is_some_and(|path| path.starts_with(&format!("/{}/", F::ROOT.join("/"))))
    }

    /// Whether there is something, of which nothing else is told.
    pub(crate) async fn exists(&self, at: &[&str], task: &Task) -> Result<bool, HostError> {
        match self.send(Method::GET, self.url(at, &[]), None, true).await {
            Ok(reply) if reply.status == reqwest::StatusCode::NOT_FOUND => Ok(false),
            Ok(reply) if reply.status.is_success() => Ok(true),
            Ok(reply) => Err(self.refused(&reply, task)),
            Err(Fault::Redirect { to, .. }) if self.is_ours(&to) => Ok(false),
            Err(fault) => Err(self.fault(fault, task)),
        }
    }

    /// Sends a request that may be sent twice, and whose answer has no content.
    pub(crate) async fn put(&self, at: &[&str], body: Option<&Value>, task: &Task) -> Result<(), HostError> {
        let reply = self.send(Method::PUT, self.url(at, &[]), body, true).await;
        let reply = reply.map_err(|fault| self.fault(fault, task))?;
        if reply.status.is_success() {
            Ok(())
        } else {
            Err(self.refused(&reply, task))
        }
    }

    /// Sends a request whose answer has no content. What an earlier attempt has done already is done.
    pub(crate) async fn remove(&self, at: &[&str], query: Query<'_>, task: &Task) -> Result<(), HostError> {
        let reply = self.send(Method::DELETE, self.url(at, query), None, true).await;
        let reply = reply.map_err(|fault| self.fault(fault, task))?;
        let is_done = reply.again && reply.status == reqwest::StatusCode::NOT_FOUND;
        if reply.status.is_success() || is_done {
            Ok(())
        } else {
            Err(self.refused(&reply, task))
        }
    }

    /// Reads an answer. The error does not show it, because it may hold a secret.
    pub(crate) fn read<T: DeserializeOwned>(&self, reply: &Reply, task: &Task) -> Result<T, HostError> {
        serde_json::from_slice(reply.bytes()).map_err(|error| {
            let why = format!(
                "it is not the JSON that was expected ({:?}, line {}, column {})",
                error.classify(),
                error.line(),
                error.column()
            );
            self.fault(Fault::Strange(why), task)
        })
    }
}
