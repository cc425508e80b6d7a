//! Forges with a REST API: what is the same for all of them, whatever they call their things.

pub(crate) mod account;
pub(crate) mod api;
pub(crate) mod desk;
pub(crate) mod failure;
pub(crate) mod given;
pub(crate) mod paging;
pub(crate) mod text;

pub(crate) use api::{Account, Api, Rest};
pub(crate) use paging::{Listed, Paging};
