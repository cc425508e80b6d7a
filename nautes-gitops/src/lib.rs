//! Moving between Git and resources.
//!
//! | module | what it holds |
//! |---|---|
//! | [`host`] | the forge as a trait ([`GitHost`], one [`Session`] per caller), and the local forge |
//! | [`repo`] | [`Mirror`]: a bare repository that is read and written without a work tree |
//!
//! Git objects are read and written with libgit2 in bare repositories: there is no check-out and no subprocess.
//! The one exception is the smart HTTP server of the local forge, which runs `git upload-pack` and
//! `git receive-pack` in a sealed environment.

pub mod host;
pub mod oid;
pub mod repo;

pub use host::{GitHost, HostError, PushError, RepoPath, Session};
pub use oid::Oid;
pub use repo::Mirror;
