//! OpenAPI documents, made from the registry.

use http::Response;

use super::{
    call::Call,
    server::{Body, Server},
    status::Status,
};

pub(crate) fn serve(_server: &Server, _call: &Call) -> Result<Response<Body>, Status> {
    Err(Status::no_such_path())
}
