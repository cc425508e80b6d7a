//! What every forge at another address keeps for itself: the platform's session, and who listens to it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use nautes_model::Secret;
use tokio::sync::{OnceCell, broadcast};
use zeroize::Zeroizing;

use crate::host::{HostError, Poke, Session};

/// How many pokes wait for a slow receiver.
const POKES: usize = 1024;

/// The platform's session, and who listens.
pub(crate) struct Desk {
    pub(crate) platform: Secret,
    pub(crate) account: OnceCell<Arc<dyn Session>>,
    pokes: broadcast::Sender<Poke>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    pub(crate) fn new(platform: Secret) -> Self {
        let (pokes, _) = broadcast::channel(POKES);
        Self {
            platform,
            account: OnceCell::new(),
            pokes,
        }
    }

    pub(crate) fn announce(&self, poke: Poke) {
        // Nobody has to listen.
        let _ = self.pokes.send(poke);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Poke> {
        self.pokes.subscribe()
    }
}

/// Reads a token, and certificates that are trusted besides those of the system, from files.
pub(crate) async fn read_files(
    token: &Path,
    ca: Option<&Path>,
) -> Result<(Secret, Option<Vec<u8>>), HostError> {
    let read = async |file: &Path| {
        let failed = |error: std::io::Error| {
            HostError::invalid(format!("the file {}", file.display()), error.to_string())
        };
        tokio::fs::read(file).await.map_err(failed)
    };
    let token = Zeroizing::new(read(token).await?);
    let bundle = match ca {
        Some(ca) => Some(read(ca).await?),
        None => None,
    };
    Ok((Secret::new(token.trim_ascii()), bundle))
}
