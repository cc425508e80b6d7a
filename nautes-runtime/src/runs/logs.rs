//! The logs of a run: what its pods have written, as long as the cluster keeps them.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, LogParams};
use nautes_model::{Identity, Scopes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Place, RunsError, place};
use crate::platform::Platform;

/// How many pods of a run are looked at.
const PODS: u32 = 200;

/// How much of the logs of a run is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// The last lines of each container.
    pub lines: u32,
    /// Bytes of one container.
    pub container_bytes: u32,
    /// Bytes of all; containers beyond are left out.
    pub bytes: usize,
}

/// What a container has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// The pod.
    pub pod: String,
    /// The task of the pipeline, where the engine says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// The container.
    pub container: String,
    /// Its last lines.
    pub text: String,
    /// Why there is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Returns what the containers of a run have written, in order of the pods' begin, and whether some were left out.
///
/// # Errors
/// There is no such run, or the cluster keeps no pods of it.
pub async fn logs(
    platform: &Platform,
    scopes: &Scopes,
    runtime: &Identity,
    run: &str,
    limits: LogLimits,
) -> Result<(Vec<Log>, bool), RunsError> {
    let place = place(platform, scopes, runtime).await?;
    let run = place.find(run).await?;
    let pods = place.pods(&run.name).await?;
    let api: Api<Pod> = Api::namespaced(place.client.clone(), &place.namespace);
    let (mut all, mut bytes) = (Vec::new(), 0);
    for pod in pods {
        let task = pod
            .metadata
            .labels
            .as_ref()
            .and_then(|labels| place.engine.run_task(labels));
        let name = pod.metadata.name.unwrap_or_default();
        for container in pod.spec.into_iter().flat_map(|spec| spec.containers) {
            if bytes >= limits.bytes {
                return Ok((all, true));
            }
            let params = LogParams {
                container: Some(container.name.clone()),
                tail_lines: Some(limits.lines.into()),
                limit_bytes: Some(limits.container_bytes.into()),
                ..LogParams::default()
            };
            let read = tokio::time::timeout(place.limit, api.logs(&name, &params)).await;
            let (text, error) = match read {
                Ok(Ok(text)) => (text, None),
                // The message of the cluster may name addresses of nodes.
                Ok(Err(kube::Error::Api(status))) => {
                    (String::new(), Some(format!("the cluster says {}", status.code)))
                }
                Ok(Err(_)) => (String::new(), Some("the cluster does not give it".to_owned())),
                Err(_) => (String::new(), Some("it did not come in time".to_owned())),
            };
            bytes += text.len();
            all.push(Log {
                pod: name.clone(),
                task: task.clone(),
                container: container.name,
                text,
                error,
            });
        }
    }
    Ok((all, false))
}

impl Place<'_> {
    async fn pods(&self, run: &str) -> Result<Vec<Pod>, RunsError> {
        let Some(label) = self.engine.pods_label() else {
            return Err(RunsError::Unsupported {
                cluster: self.cluster.clone(),
                what: "logs that its pipeline engine can find".to_owned(),
                hint: "look at the runs where they run",
            });
        };
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let params = ListParams::default()
            .labels(&format!("{label}={run}"))
            .limit(PODS);
        let found = self.timed("pods", api.list(&params)).await?;
        let mut pods = found.map(|list| list.items).unwrap_or_default();
        if pods.is_empty() {
            return Err(RunsError::NoLogs {
                cluster: self.cluster.clone(),
                run: run.to_owned(),
            });
        }
        pods.sort_by_key(|pod| {
            let begin = pod.status.as_ref().and_then(|status| status.start_time.as_ref());
            (begin.map(|time| time.0), pod.metadata.name.clone())
        });
        Ok(pods)
    }
}
