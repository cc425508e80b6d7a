//! The columns of workloads.

use super::{AGE, CONTAINERS, IMAGES, Row};

pub(super) fn apps(plural: &str) -> Option<&'static [Row]> {
    Some(match plural {
        "deployments" => &[
            (
                "Ready",
                "string",
                0,
                "ready",
                "Number of the pod with ready state",
            ),
            (
                "Up-to-date",
                "string",
                0,
                "int:.status.updatedReplicas",
                "@apps.v1.DeploymentStatus/updatedReplicas",
            ),
            (
                "Available",
                "string",
                0,
                "int:.status.availableReplicas",
                "@apps.v1.DeploymentStatus/availableReplicas",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.selector",
                "@apps.v1.DeploymentSpec/selector",
            ),
        ],
        "statefulsets" => &[
            (
                "Ready",
                "string",
                0,
                "ready",
                "Number of the pod with ready state",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
        ],
        "replicasets" => &[
            (
                "Desired",
                "integer",
                0,
                "int:.spec.replicas",
                "@apps.v1.ReplicaSetSpec/replicas",
            ),
            (
                "Current",
                "integer",
                0,
                "int:.status.replicas",
                "@apps.v1.ReplicaSetStatus/replicas",
            ),
            (
                "Ready",
                "integer",
                0,
                "int:.status.readyReplicas",
                "@apps.v1.ReplicaSetStatus/readyReplicas",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.selector",
                "@apps.v1.ReplicaSetSpec/selector",
            ),
        ],
        "daemonsets" => &[
            (
                "Desired",
                "integer",
                0,
                "int:.status.desiredNumberScheduled",
                "@apps.v1.DaemonSetStatus/desiredNumberScheduled",
            ),
            (
                "Current",
                "integer",
                0,
                "int:.status.currentNumberScheduled",
                "@apps.v1.DaemonSetStatus/currentNumberScheduled",
            ),
            (
                "Ready",
                "integer",
                0,
                "int:.status.numberReady",
                "@apps.v1.DaemonSetStatus/numberReady",
            ),
            (
                "Up-to-date",
                "integer",
                0,
                "int:.status.updatedNumberScheduled",
                "@apps.v1.DaemonSetStatus/updatedNumberScheduled",
            ),
            (
                "Available",
                "integer",
                0,
                "int:.status.numberAvailable",
                "@apps.v1.DaemonSetStatus/numberAvailable",
            ),
            (
                "Node Selector",
                "string",
                0,
                "labels:.spec.template.spec.nodeSelector",
                "@core.v1.PodSpec/nodeSelector",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.selector",
                "@apps.v1.DaemonSetSpec/selector",
            ),
        ],
        _ => return None,
    })
}

/// Those of autoscalers, in all versions.
pub(super) const AUTOSCALERS: &[Row] = &[
    (
        "Reference",
        "string",
        0,
        "scaled",
        "@autoscaling.v2.HorizontalPodAutoscalerSpec/scaleTargetRef",
    ),
    (
        "Targets",
        "string",
        0,
        "targets",
        "@autoscaling.v2.HorizontalPodAutoscalerSpec/metrics",
    ),
    (
        "MinPods",
        "string",
        0,
        "or-unset:.spec.minReplicas",
        "@autoscaling.v2.HorizontalPodAutoscalerSpec/minReplicas",
    ),
    (
        "MaxPods",
        "string",
        0,
        "int:.spec.maxReplicas",
        "@autoscaling.v2.HorizontalPodAutoscalerSpec/maxReplicas",
    ),
    (
        "Replicas",
        "string",
        0,
        "int:.status.currentReplicas",
        "@autoscaling.v2.HorizontalPodAutoscalerStatus/currentReplicas",
    ),
    AGE,
];

pub(super) fn batch(plural: &str) -> Option<&'static [Row]> {
    Some(match plural {
        "cronjobs" => &[
            (
                "Schedule",
                "string",
                0,
                "text:.spec.schedule",
                "@batch.v1.CronJobSpec/schedule",
            ),
            (
                "Timezone",
                "string",
                0,
                "or-none:.spec.timeZone",
                "@batch.v1.CronJobSpec/timeZone",
            ),
            (
                "Suspend",
                "boolean",
                0,
                "suspend",
                "@batch.v1.CronJobSpec/suspend",
            ),
            (
                "Active",
                "integer",
                0,
                "count:.status.active",
                "@batch.v1.CronJobStatus/active",
            ),
            (
                "Last Schedule",
                "string",
                0,
                "since-or-none:.status.lastScheduleTime",
                "@batch.v1.CronJobStatus/lastScheduleTime",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.jobTemplate.spec.selector",
                "@batch.v1.JobSpec/selector",
            ),
        ],
        "jobs" => &[
            ("Status", "string", 0, "job-status", "Status of the job."),
            (
                "Completions",
                "string",
                0,
                "completions",
                "@batch.v1.JobStatus/succeeded",
            ),
            (
                "Duration",
                "string",
                0,
                "job-duration",
                "Time required to complete the job.",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.selector",
                "@batch.v1.JobSpec/selector",
            ),
        ],
        _ => return None,
    })
}
