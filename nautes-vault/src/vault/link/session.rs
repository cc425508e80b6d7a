//! The login of Nautes: a short-lived token that is renewed while it is used, and revoked when it is not needed.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;
use vaultrs::api::AuthInfo;
use vaultrs::auth::{approle, kubernetes, oidc};
use vaultrs::client::VaultClient;
use vaultrs::token;
use zeroize::Zeroizing;

use super::{Ask, Link, Tries, once};
use crate::vault::fault::Fault;
use crate::vault::settings::Login;

/// How soon renewing is tried again after the server did not answer.
const RETRY: Duration = Duration::from_secs(5);

/// One token and the client that sends it.
pub(super) struct Session {
    pub(super) client: Arc<VaultClient>,
    token: Zeroizing<String>,
    /// Whether Nautes made the token, so that it is its to revoke.
    ours: bool,
    /// Whether the server may make the token valid for longer.
    renewable: bool,
    /// How long the token was valid at first; `None` for ever.
    ttl: Option<Duration>,
    expires: Mutex<Option<Instant>>,
    over: AtomicBool,
    ended: Notify,
}

impl Session {
    fn is_fresh(&self) -> bool {
        let expires = *self.expires.lock().unwrap_or_else(PoisonError::into_inner);
        !self.over.load(Ordering::Acquire) && expires.is_none_or(|at| Instant::now() < at)
    }

    /// Returns when to renew: after two thirds of what is left.
    fn due(&self) -> Option<Duration> {
        let expires = (*self.expires.lock().unwrap_or_else(PoisonError::into_inner))?;
        Some(expires.saturating_duration_since(Instant::now()) * 2 / 3)
    }

    fn extend(&self, ttl: Duration) {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + ttl);
    }

    fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.ended.notify_waiters();
        self.ended.notify_one();
    }
}

impl Link {
    /// Returns the current session, and logs in if there is none.
    pub(super) async fn session(self: &Arc<Self>) -> Result<Arc<Session>, Fault> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.as_ref()
            && session.is_fresh()
        {
            return Ok(Arc::clone(session));
        }
        if let Some(old) = held.take() {
            old.end();
        }
        let session = self.log_in().await?;
        *held = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Whether the token of a session is not valid any more: a server says the same of that as of a right that is
    /// missing.
    pub(super) async fn is_over(&self, session: &Session) -> Result<bool, Fault> {
        if !session.is_fresh() {
            return Ok(true);
        }
        match once(Ask::SECRET, token::lookup_self(&*session.client)).await {
            Ok(_) => Ok(false),
            Err(Fault::Denied) => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    /// Logs in anew, unless somebody did so already.
    pub(super) async fn replace(self: &Arc<Self>, old: &Arc<Session>) -> Result<Arc<Session>, Fault> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.as_ref()
            && !Arc::ptr_eq(session, old)
            && session.is_fresh()
        {
            return Ok(Arc::clone(session));
        }
        old.end();
        let session = self.log_in().await?;
        if !session.ours && session.token == old.token {
            let what = "the token is not valid any more, and nobody has given another";
            return Err(Fault::Login(what.to_owned()));
        }
        *held = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Revokes the token, if Nautes made it. A later request logs in again.
    pub(in crate::vault) async fn log_out(&self) -> Result<(), Fault> {
        let Some(session) = self.session.lock().await.take() else {
            return Ok(());
        };
        session.end();
        if !session.ours {
            return Ok(());
        }
        let mut tries = Tries::new(self);
        loop {
            match once(Ask::SECRET, token::revoke_self(&*session.client)).await {
                Err(Fault::Denied) => return Ok(()),
                Err(fault) if tries.another(Ask::SECRET, &fault).await => {}
                outcome => return outcome,
            }
        }
    }

    fn log_in(self: &Arc<Self>) -> BoxFuture<'_, Result<Arc<Session>, Fault>> {
        self.log_in_now().boxed()
    }

    async fn log_in_now(self: &Arc<Self>) -> Result<Arc<Session>, Fault> {
        let mut tries = Tries::new(self);
        let made = loop {
            match self.try_log_in().await {
                Err(fault) if tries.another(Ask::SECRET, &fault).await => {}
                outcome => break outcome,
            }
        };
        let session = Arc::new(made.map_err(|fault| match fault {
            Fault::Denied => Fault::Login("the server does not accept the credential".to_owned()),
            Fault::Refused(code, _) => {
                Fault::Login(format!("the server does not accept the credential ({code})"))
            }
            Fault::NoRoute(_) | Fault::Absent => {
                Fault::Login("the auth mount or the role does not exist".to_owned())
            }
            fault => fault,
        })?);
        if session.renewable && session.due().is_some() {
            tokio::spawn(keep(Arc::downgrade(self), Arc::clone(&session)).boxed());
        }
        Ok(session)
    }

    async fn try_log_in(&self) -> Result<Session, Fault> {
        let login = &self.settings.login;
        let nobody = self.client("");
        let auth = match login {
            Login::Token(token) => {
                let text = token.expose_str().ok().and_then(clean);
                return self.given(text.ok_or_else(|| not_a_token("the token"))?).await;
            }
            Login::TokenFile(file) => return self.given(read(file).await?).await,
            Login::AppRole {
                mount,
                role_id,
                secret_id_file,
            } => {
                let secret = read(secret_id_file).await?;
                once(Ask::SECRET, approle::login(&*nobody, mount, role_id, &secret)).await?
            }
            Login::Jwt { mount, role, file } => {
                let jwt = read(file).await?;
                once(
                    Ask::SECRET,
                    oidc::login(&*nobody, mount, &jwt, Some(role.clone())),
                )
                .await?
            }
            Login::Kubernetes { mount, role, file } => {
                let jwt = read(file).await?;
                once(Ask::SECRET, kubernetes::login(&*nobody, mount, role, &jwt)).await?
            }
        };
        tracing::debug!(
            method = login.method(),
            seconds = auth.lease_duration,
            "logged in to the secret store"
        );
        Ok(self.made(&auth))
    }

    /// Takes a token that somebody else made.
    async fn given(&self, text: Zeroizing<String>) -> Result<Session, Fault> {
        let client = self.client(&text);
        let about = once(Ask::SECRET, token::lookup_self(&*client)).await?;
        let ttl = (about.ttl > 0).then(|| Duration::from_secs(about.ttl));
        Ok(Session {
            renewable: about.renewable == Some(true),
            ..session(client, text, false, ttl)
        })
    }

    fn made(&self, auth: &AuthInfo) -> Session {
        let ttl = (auth.lease_duration > 0).then(|| Duration::from_secs(auth.lease_duration));
        let text = Zeroizing::new(auth.client_token.clone());
        Session {
            renewable: auth.renewable,
            ..session(self.client(&text), text, true, ttl)
        }
    }

    /// Makes the token valid for longer. `false` means that it cannot be: a new login is due.
    async fn renew(&self, session: &Session) -> Result<bool, Fault> {
        let mut tries = Tries::new(self);
        let renewed = loop {
            match once(Ask::SECRET, token::renew_self(&*session.client, None)).await {
                Err(fault) if tries.another(Ask::SECRET, &fault).await => {}
                outcome => break outcome,
            }
        };
        match renewed {
            Ok(auth) => {
                let ttl = Duration::from_secs(auth.lease_duration);
                session.extend(ttl);
                // A server gives less and less towards the longest life of a token.
                Ok(session.ttl.is_none_or(|whole| ttl * 2 > whole))
            }
            Err(Fault::Denied | Fault::Refused(..)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

/// Whoever still holds the token of a link that is dropped cannot use it for long.
impl Drop for Link {
    fn drop(&mut self) {
        let Some(session) = self.session.get_mut().take() else {
            return;
        };
        session.end();
        if !session.ours {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = once(Ask::SECRET, token::revoke_self(&*session.client)).await;
            });
        }
    }
}

/// Renews one session until it ends, and then begins another.
async fn keep(link: Weak<Link>, session: Arc<Session>) {
    let mut wait = session.due();
    while let Some(pause) = wait {
        let _ = timeout(pause, session.ended.notified()).await;
        if session.over.load(Ordering::Acquire) {
            return;
        }
        let Some(link) = link.upgrade() else { return };
        wait = match link.renew(&session).await {
            Ok(true) => session.due(),
            // Whoever made the token brings another; the file is read again when this one has ended.
            Ok(false) if !session.ours => return,
            Ok(false) => {
                // The next one is kept by a task of its own.
                match link.replace(&session).await {
                    Ok(_) => drop(once(Ask::SECRET, token::revoke_self(&*session.client)).await),
                    Err(fault) => tracing::warn!(%fault, "logging in to the secret store again failed"),
                }
                return;
            }
            Err(fault) => {
                tracing::warn!(%fault, "renewing the login at the secret store failed");
                session.is_fresh().then_some(RETRY)
            }
        };
    }
}

fn session(client: Arc<VaultClient>, token: Zeroizing<String>, ours: bool, ttl: Option<Duration>) -> Session {
    Session {
        client,
        token,
        ours,
        renewable: false,
        ttl,
        expires: Mutex::new(ttl.map(|ttl| Instant::now() + ttl)),
        over: AtomicBool::new(false),
        ended: Notify::new(),
    }
}

async fn read(file: &Path) -> Result<Zeroizing<String>, Fault> {
    let bytes = tokio::fs::read(file)
        .await
        .map(Zeroizing::new)
        .map_err(|error| Fault::Login(format!("cannot read {}: {}", file.display(), error.kind())))?;
    let text = std::str::from_utf8(&bytes).ok().and_then(clean);
    text.ok_or_else(|| not_a_token(&file.display().to_string()))
}

/// Returns a credential without the white space around it, if it can be sent.
fn clean(text: &str) -> Option<Zeroizing<String>> {
    let text = text.trim();
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| Zeroizing::new(text.to_owned()))
}

fn not_a_token(what: &str) -> Fault {
    Fault::Login(format!(
        "{what} is empty, or has characters that no credential has"
    ))
}
