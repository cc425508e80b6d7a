//! Plans: what shall exist, computed from what is declared and known, without touching anything.
//!
//! A plan is a value. The same inputs in any order give the same bytes (I3); what cannot be planned is named
//! in the verdicts and held, it is never an error of the whole.

pub mod check;
pub mod cluster;
pub mod compare;
pub mod diff;
pub mod inputs;
pub mod judged;
pub mod model;
pub mod product;
pub mod text;
pub mod trigger;
mod verdict;

pub use check::{PlanFault, check_plan};
pub use cluster::{SharedPlan, plan_cluster, tenant_verdicts};
pub use compare::{Comparison, compare};
pub use diff::{Diff, diff, diff_keys, diff_plans};
pub use inputs::{Claims, Holder, Inputs};
pub use judged::Judged;
pub use model::{
    ClusterPlan, DeployUnit, Held, HookUnit, Plan, Planned, PlannedKey, SecretMaterial, Verdict, VerdictState,
};
pub use product::plan_product;
pub use text::{text, text_with_objects};
pub use trigger::{ForgeEvent, triggers};
