//! The HTTP API of Nautes: the door through which teams, the command line and other programs change anything.
//!
//! [`router`] gives the routes over an [`App`], to be called with a request and no port; [`serve`] listens.
//! Requests are authenticated on the forge and authorised before anything is done with them; one request becomes
//! one commit on each repository that it touches.
//!
//! [`routes::table`] is the one table of operations: the router, the gate before every handler, `/openapi.json`, the
//! page at `/docs` and `docs/reference/api.md` are made from it.

pub mod app;
pub mod apply;
pub mod audit;
pub mod auth;
pub mod config;
pub mod describe;
pub mod error;
pub(crate) mod headers;
pub mod keys;
pub mod legacy;
pub mod limits;
pub mod metrics;
pub mod names;
mod page;
pub mod policy;
pub mod program;
pub mod ready;
pub mod register;
pub mod revisions;
pub mod routes;
pub mod run;
pub mod selector;
pub mod settings;
mod sight;
pub(crate) mod tls;
mod trees;
mod views;
pub mod watch;
pub mod wire;

pub use app::App;
pub use error::ApiError;
pub use routes::router;
pub use run::{Serving, serve};
pub use settings::Settings;
pub use watch::WatchLimits;
