//! The HTTP API of Nautes: the door through which teams, the command line and other programs change anything.
//!
//! [`router`] gives the routes over an [`App`], to be called with a request and no port; [`serve`] listens.
//! Requests are authenticated on the forge and authorised before anything is done with them; one request becomes
//! one commit on each repository that it touches.
//!
//! | route | what it does |
//! |---|---|
//! | `POST /api/v1/apply` | puts manifests in place; `dry_run`, `insecure_skip_check` |
//! | `POST /api/v1/remove` | removes what manifests declare |
//! | `POST /api/v1/validate` | judges a change |
//! | `GET /api/v1/status[/{product}]` | whether products work, and why not |
//! | `GET /api/v1/plan[/{product}]` | what is not yet as declared |
//! | `GET, POST, DELETE /api/v1/clusters/...`, `/products/...` | single resources, as the Go version has them |
//! | `GET /healthz`, `/readyz`, `/version` | for machines |

pub mod app;
pub mod apply;
pub mod auth;
pub mod error;
pub mod legacy;
pub mod policy;
pub mod program;
pub mod register;
pub mod routes;
pub mod run;
pub mod selector;
pub mod settings;
pub mod wire;

pub use app::App;
pub use error::ApiError;
pub use routes::router;
pub use run::{Serving, serve};
pub use settings::Settings;
