//! What watchers are told.

use nautes_model::Identity;
use nautes_runtime::status_report::{Deployment, Run, StatusChange, StatusNode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::RunOf;

/// One event of the stream, as the description of the API has it.
#[derive(JsonSchema)]
#[allow(
    dead_code,
    reason = "only its schema is used: the server's library writes events"
)]
pub(crate) struct WatchMessage {
    /// What to send as `Last-Event-ID` to go on after it; events without one leave the last as it is.
    id: Option<String>,
    /// The type of the event, as in the data.
    event: String,
    /// The event, as JSON text.
    #[schemars(schema_with = "data_of_event")]
    data: String,
}

fn data_of_event(schemas: &mut SchemaGenerator) -> Schema {
    let event = schemas.subschema_for::<WatchEvent>();
    json_schema!({
        "description": "The event, as JSON text.",
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": event,
    })
}

/// The data of one event. Its `type` is also the name of the event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum WatchEvent {
    /// Forget what you know: this is everything now.
    Reset {
        /// Why.
        reason: ResetReason,
        /// The status of everything that is watched, in order of kind and name; nothing has children here.
        items: Vec<StatusNode>,
        /// The runs that have not ended, of the pipeline runtimes that are watched, as far as their clusters tell.
        #[serde(default)]
        runs: Vec<RunOf>,
    },
    /// The status of a resource is another, or it is new.
    Status {
        /// The status.
        item: Box<StatusNode>,
    },
    /// A resource is gone from the tenant cluster.
    Removed {
        /// The resource.
        resource: Identity,
    },
    /// An event of a repository has started a run, or something became of a run: see its phase.
    Run {
        /// The pipeline runtime.
        resource: Identity,
        /// The run.
        run: Run,
    },
    /// A deployment runtime deploys another revision, or has deployed it, or other objects.
    Deployment {
        /// The deployment runtime.
        resource: Identity,
        /// What is deployed now, and what is being deployed.
        deployment: Deployment,
    },
    /// This is the last event of this answer.
    End {
        /// Why.
        reason: EndReason,
        /// The reason in a sentence.
        message: String,
        /// What to do about it.
        hint: String,
    },
}

/// Why everything is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResetReason {
    /// The watcher begins.
    Begin,
    /// What happened after the id that he came with is kept no more, or the server has begun anew.
    Expired,
    /// The caller may see other products than before.
    Rights,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndReason {
    /// The time that was asked for, or that the server allows, is over.
    Time,
    /// The reader is too slow.
    Slow,
    /// The token is nobody's any more, or the caller may not see this any more.
    Rights,
    /// The forge cannot be asked whether the caller may still see this.
    Forge,
    /// The server stops.
    Shutdown,
}

impl WatchEvent {
    /// Returns the name of the event.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reset { .. } => "reset",
            Self::Status { .. } => "status",
            Self::Removed { .. } => "removed",
            Self::Run { .. } => "run",
            Self::Deployment { .. } => "deployment",
            Self::End { .. } => "end",
        }
    }

    /// Returns the resource that it is about.
    #[must_use]
    pub fn resource(&self) -> Option<&Identity> {
        match self {
            Self::Status { item } => Some(&item.resource),
            Self::Removed { resource } | Self::Run { resource, .. } | Self::Deployment { resource, .. } => {
                Some(resource)
            }
            Self::Reset { .. } | Self::End { .. } => None,
        }
    }

    /// Ends an answer.
    pub(crate) fn end(reason: EndReason) -> Self {
        let (message, hint) = match reason {
            EndReason::Time => ("the time of this answer is over", "ask again with Last-Event-ID"),
            EndReason::Slow => (
                "the reader is too slow",
                "read faster or watch less, and ask again with Last-Event-ID",
            ),
            EndReason::Rights => (
                "the token is not known any more, or its user may not see this any more",
                "log in again, or ask an owner of the product",
            ),
            EndReason::Forge => (
                "the forge does not say whether you may still see this",
                "ask again with Last-Event-ID in a moment",
            ),
            EndReason::Shutdown => ("the server stops", "ask again with Last-Event-ID"),
        };
        Self::End {
            reason,
            message: message.to_owned(),
            hint: hint.to_owned(),
        }
    }

    /// Says what a change of status means to watchers.
    pub(crate) fn of(change: StatusChange) -> Vec<Self> {
        let StatusChange {
            resource,
            before,
            now,
        } = change;
        let Some(now) = now else {
            return vec![Self::Removed { resource }];
        };
        let known: &[Run] = before.as_ref().map_or(&[], |before| &before.runs);
        let mut events: Vec<Self> = now
            .runs
            .iter()
            .filter(|run| !known.contains(run))
            .map(|run| Self::Run {
                resource: resource.clone(),
                run: run.clone(),
            })
            .collect();
        if let Some(deployment) = &now.deployment
            && before.and_then(|before| before.deployment).as_ref() != Some(deployment)
        {
            events.push(Self::Deployment {
                resource,
                deployment: deployment.clone(),
            });
        }
        events.push(Self::Status { item: Box::new(now) });
        events
    }
}
