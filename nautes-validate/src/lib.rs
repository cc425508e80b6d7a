//! What is allowed in Nautes: the dependency graph, the rules, and who may use which repository.
//!
//! Everything here is a pure function of [`Scopes`](nautes_model::Scopes): no I/O, no clock, no
//! environment, and the same findings in whatever order the input came.
//!
//! ```
//! use nautes_model::Scopes;
//! use nautes_validate::{RuleSet, check};
//!
//! let report = check(&Scopes::default(), &RuleSet::standard());
//! assert!(report.is_ok());
//! ```
//!
//! | module | what is in it |
//! |---|---|
//! | [`graph`] | which resource needs which: orders of creation and removal, dependents, cycles |
//! | [`access`] | who may do what on which repository, and because of what |
//! | [`catalogue`] | the components that clusters can have, and the hooks of pipelines |
//! | [`explain()`] | what each rule wants, why, and examples that break and keep it |
//! | [`rule`] | the trait of a rule, what it is given, and sets of rules |
//! | [`organisation`] | rules of an organisation, in YAML and CEL |
//! | [`part`] | judging a part of a platform: a product without its tenant |
//! | [`judge`] | a verdict that is kept up to date, change by change |
//! | [`report`] | judging a state ([`check`]) and a change ([`check_change`]) |

pub mod access;
pub mod catalogue;
mod cel;
pub mod explain;
#[doc(hidden)]
pub mod generate;
pub mod graph;
pub mod judge;
pub mod organisation;
pub mod part;
pub mod report;
mod resolve;
pub mod rule;
mod rules;
mod table;

pub use access::{Access, Because, Level, Permissions};
pub use explain::{Example, Explained, explain, explained};
pub use graph::{Graph, Link, Target, order};
pub use judge::{Change, Judge};
pub use part::{Part, check_part, check_part_change};
pub use report::{ChangeReport, Report, about, check, check_change};
pub use rule::{Checked, Facts, Rule, RuleSet};
