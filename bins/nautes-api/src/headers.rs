//! Headers of every answer, and who may ask from a browser.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::keys;
use crate::settings::Settings;

/// What a browser may do with an answer that is no page: nothing.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// How long a browser may keep what a preflight said.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// Adds the headers that every answer has. What the handler said stays.
pub(crate) fn harden(headers: &mut HeaderMap, hsts: Option<&HeaderValue>) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Some(hsts) = hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
}

/// Returns the header by which browsers keep to HTTPS, where the server speaks it.
pub(crate) fn hsts(settings: &Settings) -> Option<HeaderValue> {
    settings.tls.as_ref()?;
    let seconds = settings.hsts.as_secs();
    if seconds == 0 {
        return None;
    }
    HeaderValue::try_from(format!("max-age={seconds}; includeSubDomains")).ok()
}

/// Returns what lets other origins in, where some are configured. Cookies are never taken: tokens come in a header.
pub(crate) fn cors(settings: &Settings) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = settings
        .cors_origins
        .iter()
        .filter_map(|origin| origin.parse().ok())
        .collect();
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins)
    };
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::ACCEPT,
                header::IF_MATCH,
                HeaderName::from_static(keys::HEADER),
                HeaderName::from_static("x-request-id"),
                HeaderName::from_static("last-event-id"),
            ])
            .expose_headers([
                header::ETAG,
                header::RETRY_AFTER,
                HeaderName::from_static(keys::REPLAYED),
                HeaderName::from_static("x-request-id"),
            ])
            .max_age(PREFLIGHT),
    )
}
