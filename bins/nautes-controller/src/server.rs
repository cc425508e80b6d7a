//! The routes of the program.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use nautes_runtime::controller::{Controllers, DeliveryCounts, Totals};

/// Returns the routes: the webhook receiver, health, readiness, metrics.
pub fn router(controllers: &Controllers) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(controllers.clone())
        .merge(controllers.router())
}

async fn ready(State(controllers): State<Controllers>) -> (StatusCode, &'static str) {
    if controllers.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "what is declared was not read yet\n",
        )
    }
}

async fn metrics(State(controllers): State<Controllers>) -> String {
    text(&controllers.totals(), controllers.deliveries())
}

fn text(totals: &Totals, deliveries: DeliveryCounts) -> String {
    let mut out = String::from(
        "# HELP nautes_writes_total Writes that the controllers have made.\n# TYPE nautes_writes_total counter\n",
    );
    for (to, count) in [
        ("projection", totals.projection),
        ("status", totals.status),
        ("forge", totals.forge),
        ("grants", totals.grants),
        ("objects", totals.objects),
        ("runs", totals.runs),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "nautes_writes_total{{to=\"{to}\"}} {count}");
    }
    out.push_str("# HELP nautes_failing_units Units that could not be brought in line.\n");
    out.push_str("# TYPE nautes_failing_units gauge\n");
    let _ = writeln!(out, "nautes_failing_units {}", totals.failures.len());
    out.push_str("# HELP nautes_deliveries_total Deliveries of the forge to the webhook receiver.\n");
    out.push_str("# TYPE nautes_deliveries_total counter\n");
    for (answer, count) in [
        ("accepted", deliveries.accepted),
        ("denied", deliveries.denied),
        ("refused", deliveries.refused),
    ] {
        let _ = writeln!(out, "nautes_deliveries_total{{answer=\"{answer}\"}} {count}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_count_writes_and_name_no_failure() {
        let mut totals = Totals {
            objects: 3,
            ..Totals::default()
        };
        totals.failures.insert("unit".to_owned(), "canary".to_owned());
        let deliveries = DeliveryCounts {
            denied: 2,
            ..DeliveryCounts::default()
        };
        let text = text(&totals, deliveries);
        assert!(text.contains("nautes_deliveries_total{answer=\"denied\"} 2\n"));
        assert!(text.contains("nautes_writes_total{to=\"objects\"} 3\n"));
        assert!(text.contains("nautes_failing_units 1\n"));
        assert!(!text.contains("canary"));
    }
}
