//! What things are in Nautes: the vocabulary that every other crate speaks.
//!
//! Nothing here does I/O, reads a clock or knows a network: names, kinds, references, manifests with
//! positions, the layout of the repositories, scopes (everything that one revision declares), secrets and
//! grants, and the custom resource definitions made from the types.
//!
//! ```
//! use nautes_model::name::ProductName;
//!
//! let product: ProductName = "demo".parse()?;
//! assert_eq!(product.namespace(), "product-demo");
//! # Ok::<(), nautes_model::name::NameError>(())
//! ```

pub mod annotation;
pub mod catalogue;
pub mod condition;
pub mod crd;
pub mod error;
pub mod field;
pub mod finding;
pub mod fix;
pub mod forge_path;
pub mod kind;
pub mod kinds;
pub mod known;
pub mod layout;
pub mod manifest;
pub mod name;
pub mod reference;
pub mod resource;
pub mod scope;
pub mod secret;
pub mod yaml;

pub use error::Class;
pub use finding::{Finding, Severity};
pub use fix::Fix;
pub use forge_path::{ForgePaths, Meaning};
pub use kind::Kind;
pub use known::Known;
pub use resource::{Identity, Resource, Sourced};
pub use scope::{ProductScope, Revision, Scopes, TenantScope};
pub use secret::Secret;
