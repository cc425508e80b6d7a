//! The projection: what the repositories declare, as custom resources in the tenant cluster.
//!
//! Nothing is planned from these objects (decision D2). They are there for people and kubectl, and they carry
//! status and conditions. Git is the truth: an edited object is healed, one of ours that is not in Git is
//! deleted, and one that somebody else made gets a condition that says that it has no effect.
//!
//! # Guarantees
//! * Only what differs is written: a second pass with nothing changed makes no write request.
//! * An object without our label is never changed or deleted, but for its status.

pub mod crds;
pub mod error;
pub mod follow;
pub mod objects;

pub use crds::require_crds;
pub use error::ProjectionError;
pub use objects::{Live, Projection};

/// The name under which Nautes writes to clusters.
pub const FIELD_MANAGER: &str = "nautes";
/// The annotation on the namespace of a product with its name.
pub const PRODUCT: &str = "resource.nautes.io/product";
