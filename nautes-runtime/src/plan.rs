//! Plans: what shall exist, computed from what is declared and known, without touching anything.
//!
//! A plan is a value. The same inputs in any order give the same bytes (I3); what cannot be planned is named
//! in the verdicts and held, it is never an error of the whole.

pub mod inputs;
pub mod judged;
pub mod model;
pub mod product;
pub mod trigger;
mod verdict;

pub use inputs::{Claims, Holder, Inputs};
pub use judged::Judged;
pub use model::{
    ClusterPlan, DeployUnit, Held, HookUnit, Plan, Planned, PlannedKey, SecretMaterial, Verdict, VerdictState,
};
pub use product::plan_product;
pub use trigger::{ForgeEvent, triggers};
