//! Faults of the rules of an organisation, explained.

use super::{Explained, Row, of_row};
use crate::organisation::rule;

pub(crate) const INVALID: Row = (
    rule::INVALID,
    "a rule of the organisation can be used as it is written",
    "a rule with a fault judges nothing; what a rule names, calls and compares is checked before it is used",
);

const ROWS: &[Row] = &[
    (
        rule::EVALUATION,
        "a rule of the organisation can be evaluated on everything that it is about",
        "what a rule cannot judge is not let through; a finding of the rule's own severity says where it failed",
    ),
    (
        rule::EXAMPLE,
        "the examples of a rule show what they should",
        "an example that no longer breaks its rule means that the rule no longer finds what it was written for",
    ),
    INVALID,
];

/// Goes through the faults.
pub(super) fn explained() -> impl Iterator<Item = Explained> {
    ROWS.iter().map(of_row)
}
