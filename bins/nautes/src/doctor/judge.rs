//! Judging facts: pure functions, which read no clock and ask nobody.

pub mod api;
pub mod cluster;
pub mod forge;
pub mod reach;
pub mod vault;

use jiff::{Timestamp, Unit};

/// Says a day, for people.
fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// How many days are left until a time; negative where it has passed.
fn days(from: Timestamp, until: Timestamp) -> i64 {
    let span = until.since((Unit::Hour, from));
    span.map_or(0, |span| span.get_hours().div_euclid(24).into())
}
