//! Plans: what shall exist, computed from what is declared and known, without touching anything.
//!
//! A plan is a value. The same inputs in any order give the same bytes (I3); what cannot be planned is named
//! in the verdicts and held, it is never an error of the whole.

pub mod model;

pub use model::{
    ClusterPlan, DeployUnit, Held, HookUnit, Plan, Planned, PlannedKey, SecretMaterial, Verdict, VerdictState,
};
