//! Keeping secrets and who may read them.
//!
//! A [`SecretStore`] keeps versions of small maps of values under paths, and knows which principal may read or
//! write which path. The types here are what every store has in common.
//!
//!
//! | module | what is in it |
//! |---|---|
//! | [`store`] | the trait and its vocabulary |
//! | [`error`] | what can go wrong, with class and hint |
//! | [`keys`] | where each secret of the platform is kept |
//! | [`digest`] | keyed digests: comparing values without showing them |

pub mod digest;
pub mod error;
pub mod keys;
pub mod store;

pub use digest::SecretDigest;
pub use error::StoreError;
pub use store::{Expect, GrantChange, SecretStore, VersionInfo, Versioned, Written};
