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
pub mod objects;

pub use crds::require_crds;
pub use error::ProjectionError;
pub use objects::{Live, Projection};

/// The name under which Nautes writes to clusters.
pub const FIELD_MANAGER: &str = "nautes";
/// The label that says who manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] on what is ours.
pub const NAUTES: &str = "nautes";
/// The label that says to which product an object belongs.
pub const BELONGS_TO: &str = "resource.nautes.io/belongsto";
