//! The platform's own account on a forge: who it is, also when its token is replaced while the program runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use nautes_model::Secret;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::host::{HostError, Session};

/// How often the file of a token is looked at, at most.
const LOOK: Duration = Duration::from_secs(5);

/// The token of the platform's own account.
#[derive(Clone)]
pub struct PlatformToken(Told);

#[derive(Clone)]
enum Told {
    Fixed(Secret),
    File(PathBuf),
}

impl PlatformToken {
    /// Takes the token from a file, now and whenever it holds another one: new sessions are those of the new token within
    /// five seconds. A new one that the forge does not take is logged and left out, as long as there is one before it.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Told::File(path.into()))
    }

    /// Reads the token.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn read(&self) -> Result<Secret, HostError> {
        match &self.0 {
            Told::Fixed(token) => Ok(token.clone()),
            Told::File(path) => {
                let read = tokio::fs::read(path).await;
                let bytes = Zeroizing::new(read.map_err(|error| unreadable(path, &error))?);
                Ok(Secret::new(bytes.trim_ascii()))
            }
        }
    }
}

impl From<Secret> for PlatformToken {
    fn from(token: Secret) -> Self {
        Self(Told::Fixed(token))
    }
}

impl fmt::Debug for PlatformToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Told::Fixed(_) => f.write_str("PlatformToken"),
            Told::File(path) => f.debug_tuple("PlatformToken").field(path).finish(),
        }
    }
}

/// The refusal of a file that cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> HostError {
    HostError::invalid(format!("the file {}", path.display()), error.to_string())
}

/// The account, signed in.
pub(crate) struct Account {
    token: PlatformToken,
    known: Mutex<Option<Known>>,
    /// One signs in at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    session: Arc<dyn Session>,
    token: Secret,
    looked: Instant,
}

impl Account {
    pub(crate) fn new(token: PlatformToken) -> Self {
        Self {
            token,
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Returns the session of the account. While a new token is tried, it is the one before.
    pub(crate) async fn session(
        &self,
        sign_in: impl AsyncFnOnce(&Secret) -> Result<Arc<dyn Session>, HostError>,
    ) -> Result<Arc<dyn Session>, HostError> {
        if let Some(session) = self.fresh() {
            return Ok(session);
        }
        let _turn = match self.known() {
            Some(known) => match self.turn.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(known.session),
            },
            None => self.turn.lock().await,
        };
        // Somebody may have been faster.
        if let Some(session) = self.fresh() {
            return Ok(session);
        }
        let before = self.known();
        let found = async {
            let token = self.token.read().await?;
            let same = before.as_ref().filter(|known| known.token == token);
            let session = match same {
                Some(known) => Arc::clone(&known.session),
                None => sign_in(&token).await?,
            };
            Ok((session, token, same.is_none()))
        };
        let (session, token) = match (found.await, before) {
            (Ok((session, token, new)), before) => {
                if new && before.is_some() {
                    tracing::info!(forge = session.host(), "the platform's account has another token");
                }
                (session, token)
            }
            (Err(error), Some(known)) => {
                let forge = known.session.host();
                tracing::warn!(forge, %error, "the new token of the platform's account cannot be used: the one before stays");
                (known.session, known.token)
            }
            (Err(error), None) => return Err(error),
        };
        let known = Known {
            session: Arc::clone(&session),
            token,
            looked: Instant::now(),
        };
        *self.locked() = Some(known);
        Ok(session)
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> Option<Known> {
        self.locked().clone()
    }

    /// The session, where its token need not be looked at.
    fn fresh(&self) -> Option<Arc<dyn Session>> {
        let is_fixed = matches!(self.token.0, Told::Fixed(_));
        let known = self.locked();
        let known = known.as_ref()?;
        (is_fixed || known.looked.elapsed() < LOOK).then(|| Arc::clone(&known.session))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::GitHost as _;
    use crate::host::local::{LocalForge, Options};

    /// Two people whose tokens are those of the account, one after the other.
    struct World {
        forge: LocalForge,
        file: PathBuf,
        account: Account,
        signed_in: AtomicUsize,
        _dir: tempfile::TempDir,
    }

    impl World {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let forge = LocalForge::open(Options::new(dir.path().join("forge")))
                .await
                .unwrap();
            let file = dir.path().join("token");
            Self {
                forge,
                account: Account::new(PlatformToken::file(&file)),
                file,
                signed_in: AtomicUsize::default(),
                _dir: dir,
            }
        }

        async fn person(&self, name: &str) -> Secret {
            self.forge.admin().create_user(name).await.unwrap()
        }

        fn put(&self, token: &Secret) {
            std::fs::write(&self.file, [token.expose(), b"\n"].concat()).unwrap();
        }

        async fn who(&self) -> Result<String, HostError> {
            let session = self.account.session(async |token| {
                self.signed_in.fetch_add(1, Ordering::Relaxed);
                self.forge.session(token).await
            });
            Ok(session.await?.user().await?.name)
        }

        /// Another look comes after some time.
        async fn later(&self) -> Result<String, HostError> {
            tokio::time::pause();
            tokio::time::advance(LOOK).await;
            tokio::time::resume();
            self.who().await
        }
    }

    #[tokio::test]
    async fn a_token_that_is_replaced_counts_after_a_while_and_one_that_is_none_never() {
        let world = World::new().await;
        assert!(world.who().await.is_err(), "there is no file");
        world.put(&Secret::from("nonsense"));
        assert!(world.who().await.is_err(), "it is nobody's");
        let (ann, bob) = (world.person("ann").await, world.person("bob").await);
        world.put(&ann);
        assert_eq!(world.who().await.unwrap(), "ann");
        world.put(&bob);
        assert_eq!(
            world.who().await.unwrap(),
            "ann",
            "the file is not looked at each time"
        );
        assert_eq!(world.later().await.unwrap(), "bob");
        let before = world.signed_in.load(Ordering::Relaxed);
        assert_eq!(world.later().await.unwrap(), "bob");
        assert_eq!(
            world.signed_in.load(Ordering::Relaxed),
            before,
            "nobody signs in again"
        );
        world.put(&Secret::from("half of a tok"));
        assert_eq!(world.later().await.unwrap(), "bob");
        std::fs::remove_file(&world.file).unwrap();
        assert_eq!(world.later().await.unwrap(), "bob");
        world.put(&ann);
        assert_eq!(world.later().await.unwrap(), "ann");
    }

    #[tokio::test]
    async fn while_a_new_token_is_tried_the_one_before_works() {
        let world = World::new().await;
        let (ann, bob) = (world.person("ann").await, world.person("bob").await);
        world.put(&ann);
        assert_eq!(world.who().await.unwrap(), "ann");
        world.put(&bob);
        tokio::time::pause();
        tokio::time::advance(LOOK).await;
        tokio::time::resume();
        let slow = world.account.session(async |token| {
            // Somebody else asks meanwhile.
            assert_eq!(world.who().await.unwrap(), "ann");
            world.forge.session(token).await
        });
        assert_eq!(slow.await.unwrap().user().await.unwrap().name, "bob");
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = PlatformToken::from(Secret::from("canary"));
        assert!(!format!("{token:?}").contains("canary"));
    }
}
