//! Keeping secrets and who may read them.
//!
//! A [`SecretStore`] keeps versions of small maps of values under paths, and knows which principal may read or
//! write which path. [`LocalStore`] is the one for a single machine: one encrypted file, or memory.
//! [`VaultStore`] is the one for teams: a server of Vault or OpenBao. Every store is held to the same
//! [`conformance`] suite.
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//! use nautes_model::Secret;
//! use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal};
//! use nautes_vault::{Expect, LocalStore, MasterKey, SecretStore, keys};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = LocalStore::in_memory(&MasterKey::generate()?)?;
//! let kubeconfig = keys::kubeconfig(&"host-1".parse()?);
//!
//! // A kubeconfig arrives with a request: it is stored before the commit that refers to it ...
//! let values = BTreeMap::from([(kubeconfig.key.clone(), Secret::from("apiVersion: v1"))]);
//! let written = store.write(&kubeconfig.path, values, Expect::Absent).await?;
//! assert_eq!(written.version, 1);
//!
//! // ... and the controller may read it once it was granted.
//! let controller = Principal::Platform { component: "controller".into() };
//! assert!(store.read_as(&controller, &kubeconfig.path).await.is_err());
//! let scope = GrantScope::Cluster { cluster: "host-1".parse()? };
//! let wanted = BTreeSet::from([Grant {
//!     principal: controller.clone(),
//!     secret: kubeconfig.path.clone(),
//!     level: GrantLevel::Read,
//! }]);
//! assert_eq!(store.converge_grants(&scope, &wanted).await?.added.len(), 1);
//! assert!(store.converge_grants(&scope, &wanted).await?.is_empty());
//! assert!(store.read_as(&controller, &kubeconfig.path).await?.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | [`store`] | the trait and its vocabulary |
//! | [`error`] | what can go wrong, with class and hint |
//! | [`keys`] | where each secret of the platform is kept |
//! | [`digest`] | keyed digests: comparing values without showing them |
//! | [`local`] | the encrypted store for one machine |
//! | [`vault`] | the store in Vault or OpenBao |
//! | [`proxied`] | the store in Vault whose writes go through a vault-proxy |
//! | [`openbao`] | a server of OpenBao on this machine, to try and to test |
//! | [`migrate`] | copying one store into another |
//! | [`rotation`] | replacing a credential without a gap |
//! | [`conformance`] | what every store must do, as named cases |

pub mod conformance;
pub mod digest;
pub mod error;
pub mod keys;
pub mod local;
pub mod migrate;
pub mod openbao;
pub mod proxied;
pub mod rotation;
pub mod store;
pub mod vault;

pub use digest::SecretDigest;
pub use error::StoreError;
pub use local::{LocalStore, MasterKey};
pub use proxied::{ProxiedStore, ProxySettings};
pub use store::{Expect, GrantChange, Promise, SecretStore, VersionInfo, Versioned, Written};
pub use vault::{VaultSettings, VaultStore};
