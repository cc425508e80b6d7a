//! The tests of the crate that look at it from outside, as one program.

mod access;
mod cases;
mod graph;
mod properties;
mod pure;
mod support;
