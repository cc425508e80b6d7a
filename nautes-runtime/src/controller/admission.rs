//! The admission webhook: the door through which the tenant cluster asks about writes to custom resources.
//!
//! # Contract
//! * `POST /admission` with an `AdmissionReview` (v1), as a ValidatingWebhookConfiguration makes Kubernetes send it.
//! * What is declared is what these controllers have read last: nothing is asked of forge, store or clusters.
//! * 400 for a body that is no review, 413 for one of more than 8 MiB (an object and its predecessor at etcd's limit
//!   are less than that); else 200 with the answer.

use std::sync::{Arc, Weak};

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use kube::core::DynamicObject;
use kube::core::admission::AdmissionReview;

use super::state::Shared;
use crate::admission::{Judge, Verdict, Write, answer};

/// The largest body, in bytes.
const MAX_BODY: usize = 8 << 20;

/// Returns the route of the webhook.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/admission", post(review))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared)
}

/// Judges writes by what the controllers have read last. It does not keep them alive: a cluster that asks it may be
/// the one on which they work.
#[derive(Clone, Debug)]
pub struct WriteJudge(Weak<Shared>);

impl WriteJudge {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }

    /// Judges a write (see [`crate::admission`]). Where there are no controllers any more, everything is admitted.
    #[must_use]
    pub fn judge(&self, write: &Write<'_>) -> Verdict {
        match self.0.upgrade() {
            Some(shared) => with(&shared, |judge| judge.judge(write)),
            None => Verdict::Admitted(Vec::new()),
        }
    }
}

fn with<T>(shared: &Shared, then: impl FnOnce(&Judge<'_>) -> T) -> T {
    let world = shared.world();
    then(&Judge {
        declared: world.is_read().then(|| &**world.scopes()),
        tenant_namespace: &shared.platform.tenant().namespace,
        rules: shared.platform.rules(),
    })
}

async fn review(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<AdmissionReview<DynamicObject>>, JsonRejection>,
) -> Response {
    let Json(review) = match body {
        Ok(body) => body,
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => return error.into_response(),
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{}\n", error.body_text())).into_response(),
    };
    // A large platform takes a while to judge; others are served meanwhile.
    let judged = tokio::task::spawn_blocking(move || with(&shared, |judge| answer(judge, review))).await;
    match judged {
        Ok(review) => Json(review).into_response(),
        Err(error) => {
            tracing::error!(%error, "a write could not be judged");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
