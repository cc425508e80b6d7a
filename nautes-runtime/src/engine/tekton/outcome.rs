//! What became of a run.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::RunKind;
use crate::runs::{RunPhase, RunState};

/// The kinds of runs, the newest version first.
pub(super) const KINDS: &[RunKind] = &[
    RunKind {
        group: "tekton.dev",
        version: "v1",
        kind: "PipelineRun",
        plural: "pipelineruns",
    },
    RunKind {
        group: "tekton.dev",
        version: "v1beta1",
        kind: "PipelineRun",
        plural: "pipelineruns",
    },
];

/// The label that the pods of a run carry.
pub(super) const PODS: &str = "tekton.dev/pipelineRun";

/// Reads the condition `Succeeded`.
pub(super) fn read(run: &Value) -> RunState {
    let status = &run["status"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |field: &str| status[field].as_str().map(str::to_owned);
    let none = Value::Null;
    let succeeded = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|c| c["type"] == "Succeeded")
        .unwrap_or(&none);
    let reason = text(&succeeded["reason"]);
    let cancelled = [
        "Cancelled",
        "PipelineRunCancelled",
        "CancelledRunningFinally",
        "StoppedRunningFinally",
    ];
    let phase = match succeeded["status"].as_str() {
        Some("True") => RunPhase::Succeeded,
        Some("False") if cancelled.contains(&reason.as_str()) => RunPhase::Cancelled,
        Some("False") => RunPhase::Failed,
        _ if time("startTime").is_some() => RunPhase::Running,
        _ => RunPhase::Pending,
    };
    RunState {
        phase,
        reason,
        message: text(&succeeded["message"]).chars().take(1000).collect(),
        started: time("startTime"),
        finished: time("completionTime"),
    }
}

/// Where Tekton's dashboard shows a run.
pub(super) fn link(host: &str, namespace: &str, run: &str) -> Option<String> {
    let base = if host.contains("://") {
        host.trim_end_matches('/').to_owned()
    } else {
        format!("https://{host}")
    };
    let url = url::Url::parse(&base).ok()?;
    matches!(url.scheme(), "http" | "https")
        .then(|| format!("{base}/#/namespaces/{namespace}/pipelineruns/{run}"))
}

/// The task that a pod works on.
pub(super) fn task(labels: &BTreeMap<String, String>) -> Option<String> {
    labels.get("tekton.dev/pipelineTask").cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_condition_says_what_became_of_it() {
        let phase = |status: Value| read(&json!({ "status": status })).phase;
        let condition = |status: &str, reason: &str| {
            json!({
                "startTime": "2024-01-01T00:00:00Z",
                "conditions": [{ "type": "Succeeded", "status": status, "reason": reason }],
            })
        };
        assert_eq!(phase(Value::Null), RunPhase::Pending);
        assert_eq!(phase(condition("Unknown", "Running")), RunPhase::Running);
        assert_eq!(phase(condition("True", "Completed")), RunPhase::Succeeded);
        assert_eq!(phase(condition("False", "Failed")), RunPhase::Failed);
        assert_eq!(phase(condition("False", "Cancelled")), RunPhase::Cancelled);
    }

    #[test]
    fn a_link_is_one_for_browsers() {
        let of = |host: &str| link(host, "ns", "r");
        assert_eq!(
            of("tekton.example.org").as_deref(),
            Some("https://tekton.example.org/#/namespaces/ns/pipelineruns/r")
        );
        assert!(of("javascript://x").is_none());
    }
}
