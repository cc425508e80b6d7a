//! Moving between Git and resources.
//!
//! | module | what it holds |
//! |---|---|
//! | [`conformance`] | what every forge must do, as cases |
//! | [`feed`] | [`Feed`]: the revisions of watched repositories as a stream |
//! | [`host`] | the forge as a trait ([`GitHost`], one [`Session`] per caller), and the local forge |
//! | [`place`] | [`RepoRef`]: the tenant's repository or a product's, and what its paths are for |
//! | [`change`] | [`ChangeSet`]: what one request changes, as edits of files |
//! | [`publish`] | [`Publisher`]: one change, one commit, by compare-and-swap |
//! | [`repo`] | [`Mirror`]: a bare repository that is read and written without a work tree |
//! | [`tree`] | the files of one revision as a scope, with what is wrong with them |
//!
//! Git objects are read and written with libgit2 in bare repositories: there is no check-out and no subprocess.
//! The one exception is the smart HTTP server of the local forge, which runs `git upload-pack` and
//! `git receive-pack` in a sealed environment.

pub mod change;
pub mod conformance;
pub mod feed;
pub mod host;
pub mod oid;
pub mod place;
pub mod publish;
pub mod repo;
pub mod tree;

pub use change::{ChangeError, ChangeSet};
pub use feed::{Feed, Watch};
pub use host::{
    AccessLevel, DeployKey, DeployKeySpec, GitHost, Group, GroupChange, GroupSpec, Hook, HookEvent, HookSpec,
    HostError, Member, Place, Poke, PushError, Refs, RepoChange, RepoPath, RepoSpec, Repository, Session,
    User, Visibility,
};
pub use oid::Oid;
pub use place::RepoRef;
pub use publish::{Author, PublishError, Published, Publisher, Target};
pub use repo::Mirror;
pub use tree::{Paths, Reading, Scope, TreeReader};
