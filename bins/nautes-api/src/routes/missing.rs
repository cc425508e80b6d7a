//! Answers where the table has nothing: other paths, other methods, a slash too many.

use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::operation::Operation;
use crate::error::ApiError;

/// The paths of the table.
#[derive(Clone, Debug)]
pub(crate) struct Paths(Arc<[String]>);

impl Paths {
    pub(crate) fn of(table: &[Operation]) -> Self {
        Self(table.iter().map(|o| o.path.clone()).collect())
    }

    fn has(&self, path: &str) -> bool {
        self.0.iter().any(|template| {
            let (mut wanted, mut found) = (template.split('/'), path.split('/'));
            loop {
                match (wanted.next(), found.next()) {
                    (None, None) => return true,
                    (Some(w), Some(f)) if w == f || (w.starts_with('{') && !f.is_empty()) => {}
                    _ => return false,
                }
            }
        })
    }
}

/// There is no such route. With a slash at the end of one that there is, the client is sent there, as the
/// reference does; other methods than reading keep theirs.
pub(crate) fn route(paths: &Paths, method: &Method, uri: &Uri) -> Response {
    if let Some(path) = uri.path().strip_suffix('/')
        && paths.has(path)
    {
        let to = uri
            .query()
            .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        if let Ok(to) = HeaderValue::from_str(&to) {
            let status = if matches!(*method, Method::GET | Method::HEAD) {
                StatusCode::MOVED_PERMANENTLY
            } else {
                StatusCode::PERMANENT_REDIRECT
            };
            return (status, [(header::LOCATION, to)]).into_response();
        }
    }
    let shown: String = uri.path().chars().take(200).collect();
    ApiError::new(
        StatusCode::NOT_FOUND,
        "ROUTE_NOT_FOUND",
        format!("there is no route {shown}"),
    )
    .hint("GET /docs lists the routes")
    .into_response()
}

/// The route has other methods.
pub(crate) fn method(allowed: &str, method: &Method, uri: &Uri) -> Response {
    let mut response = if *method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let shown: String = uri.path().chars().take(200).collect();
        ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            format!("{method} cannot be used on {shown}"),
        )
        .hint(format!("it takes {allowed}"))
        .into_response()
    };
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// Returns the methods of a path, as the `Allow` header lists them.
pub(crate) fn allowed<'o>(operations: impl Iterator<Item = &'o Operation>) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for operation in operations {
        methods.push(operation.method.as_str());
        if operation.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}
