//! From declared to running: intents, engines, plan, apply, projection, controllers, and a Kubernetes API
//! server in this process for one machine.
//!
//! * [`intent`]: what a runtime needs, before any engine has a say.
//! * [`engine`]: plug-ins that turn intents into objects, grants and secret mounts.
//! * [`plan`]: pure functions from what is declared and known to what shall exist.
//! * [`admission`]: the verdict on writes to custom resources.
//! * [`clusters`]: how clusters are reached.
//! * [`local`]: a Kubernetes API server in this process.
//! * [`conformance`]: what a Kubernetes API server answers, asked of any server.

pub mod admission;
pub mod apply;
pub mod clusters;
pub mod conformance;
pub mod controller;
pub mod deploy;
pub mod engine;
pub mod intent;
pub mod local;
pub mod object;
pub mod plan;
pub mod platform;
pub mod preview;
pub mod projection;
pub mod runs;
pub mod start;
pub mod status_report;
