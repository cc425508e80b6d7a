//! controllers

mod code_repo;
mod conditions;
mod facts;
mod queue;
