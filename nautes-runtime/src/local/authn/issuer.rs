//! What is told to those who judge tokens by themselves: who issues them, and by which key they are signed.

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response};
use serde_json::json;

use super::ISSUER;
use super::signing::ALGORITHM;
use crate::local::call::Call;
use crate::local::server::{Body, Server, plain};
use crate::local::status::Status;

/// Where the issuer tells about itself (OpenID Connect Discovery 1.0).
pub(crate) const CONFIGURATION: &str = "/.well-known/openid-configuration";
/// Where the keys are (RFC 7517).
pub(crate) const KEYS: &str = "/openid/v1/jwks";

/// Answers a request for one of the two documents. Each has one form, which the client has to take by its name.
pub(crate) fn serve(server: &Server, call: &Call) -> Option<Result<Response<Body>, Status>> {
    let (media, body) = match call.path.trim_end_matches('/') {
        CONFIGURATION => (
            "application/json",
            json!({
                "issuer": ISSUER, "jwks_uri": format!("{ISSUER}{KEYS}"),
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
            }),
        ),
        KEYS => (
            "application/jwk-set+json",
            json!({ "keys": [server.signing.public()] }),
        ),
        _ => return None,
    };
    let mut taken = call
        .accept
        .split(',')
        .map(|one| one.split(';').next().unwrap_or_default().trim());
    if !taken.any(|one| ["", "*/*", media].contains(&one)) {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {media}");
        return Some(Err(Status::told(406, "NotAcceptable", message, None)));
    }
    let mut answer = plain(200, media, body.to_string());
    let hour = HeaderValue::from_static("public, max-age=3600");
    answer.headers_mut().insert(CACHE_CONTROL, hour);
    Some(Ok(answer))
}
