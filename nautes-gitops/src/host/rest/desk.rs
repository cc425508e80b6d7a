//! What every forge at another address keeps for itself: the platform's session, and who listens to it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use nautes_model::Secret;
use tokio::sync::broadcast;

use super::account::{Account, PlatformToken, unreadable};
use crate::host::{HostError, Poke, Session};

/// How many pokes wait for a slow receiver.
const POKES: usize = 1024;

/// The platform's session, and who listens.
pub(crate) struct Desk {
    account: Account,
    pokes: broadcast::Sender<Poke>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    pub(crate) fn new(platform: PlatformToken) -> Self {
        let (pokes, _) = broadcast::channel(POKES);
        Self {
            account: Account::new(platform),
            pokes,
        }
    }

    /// Returns the session of the platform's account.
    pub(crate) async fn platform(
        &self,
        sign_in: impl AsyncFnOnce(&Secret) -> Result<Arc<dyn Session>, HostError>,
    ) -> Result<Arc<dyn Session>, HostError> {
        self.account.session(sign_in).await
    }

    pub(crate) fn announce(&self, poke: Poke) {
        // Nobody has to listen.
        let _ = self.pokes.send(poke);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Poke> {
        self.pokes.subscribe()
    }
}

/// Prepares for a token, and reads certificates that are trusted besides those of the system, from files.
pub(crate) async fn read_files(
    token: &Path,
    ca: Option<&Path>,
) -> Result<(PlatformToken, Option<Vec<u8>>), HostError> {
    let token = PlatformToken::file(token);
    // What cannot be read is said at once.
    token.read().await?;
    let bundle = match ca {
        Some(ca) => Some(
            tokio::fs::read(ca)
                .await
                .map_err(|error| unreadable(ca, &error))?,
        ),
        None => None,
    };
    Ok((token, bundle))
}
