//! Moving between Git and resources.
//!
//! | module | what it holds |
//! |---|---|
//! | [`conformance`] | what every forge must do, as cases |
//! | [`folder`] | [`Folder`]: a folder of this machine, or of a revision of any repository on it, read only |
//! | [`feed`] | [`Feed`]: the revisions of watched repositories as a stream |
//! | [`host`] | the forge as a trait ([`GitHost`], one [`Session`] per caller), and the local forge |
//! | [`place`] | [`RepoRef`]: the tenant's repository or a product's, and what its paths are for |
//! | [`change`] | [`ChangeSet`]: what one request changes, as edits of files |
//! | [`checkup`] | what a forge lets the platform's account do, read without changing anything |
//! | [`publish`] | [`Publisher`]: one change, one commit, by compare-and-swap |
//! | [`repo`] | [`Mirror`]: a bare repository that is read and written without a work tree |
//! | [`survey`](mod@survey) | what a group on a forge has, read without changing anything |
//! | [`tree`] | the files of one revision as a scope, with what is wrong with them |
//!
//! Git objects are read and written with libgit2 in bare repositories: there is no check-out and no subprocess.
//! The one exception is the smart HTTP server of the local forge, which runs `git upload-pack` and
//! `git receive-pack` in a sealed environment.
//!
//! ```
//! use nautes_gitops::host::local::{LocalForge, Options};
//! use nautes_gitops::{Author, ChangeSet, GitHost, GroupSpec, Mirror, Publisher, RepoRef, RepoSpec, Scope, Target};
//! use nautes_model::manifest::{Context, Form, parse};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::TempDir::new()?;
//! # let data = dir.path();
//! let forge = LocalForge::open(Options::new(data.join("forge"))).await?;
//! let token = forge.admin().create_user("ann").await?;
//! let session = forge.session(&token).await?;
//! session.create_group(&GroupSpec { name: "demo".to_owned(), ..GroupSpec::default() }).await?;
//! let path = "demo/default.project".parse()?;
//! session.create_repository(&path, &RepoSpec::default()).await?;
//!
//! let text = "
//! apiVersion: nautes.resource.nautes.io/v1alpha1
//! kind: Environment
//! metadata: {name: dev}
//! spec: {product: demo, cluster: worker, envType: test}
//! ";
//! let mut parsed = parse(text, &Context::new("dev.yaml", Form::Git));
//! let change = ChangeSet { upserts: vec![parsed.resources.remove(0).resource], ..ChangeSet::default() };
//! let mirror = Mirror::open_or_create(data.join("mirror.git")).await?;
//! let of = RepoRef::Product("demo".parse()?);
//! let target = Target { session: &*session, of: &of, path: &path, mirror: &mirror, branch: "main" };
//! let author = Author::from(session.user().await?);
//! let accept = |_: &Scope, _: &Scope| Ok::<(), std::convert::Infallible>(());
//! let published = Publisher::default().publish(&target, &change, &author, accept).await?;
//! assert_eq!(session.refs(&path).await?.get("refs/heads/main").copied(), published.commit);
//! # Ok(())
//! # }
//! ```

pub mod change;
pub mod checkup;
pub mod conformance;
pub mod feed;
pub mod folder;
pub mod history;
pub mod host;
pub mod oid;
pub mod place;
pub mod publish;
pub mod repo;
pub mod survey;
pub mod tree;

pub use change::{ChangeError, ChangeSet};
pub use feed::{Feed, Watch};
pub use folder::{Folder, FolderError};
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
