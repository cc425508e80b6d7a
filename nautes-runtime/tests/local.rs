//! The local cluster through the eyes of its clients.

#[path = "local/apply.rs"]
mod apply;
#[path = "local/crud.rs"]
mod crud;
#[path = "local/support.rs"]
mod support;
