//! The custom resource definitions have to be there first.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams};
use nautes_model::kind::{GROUP, KINDS, KindInfo};
use tokio::time::MissedTickBehavior;

use super::ProjectionError;

/// Waits until every kind of Nautes is served, at most for `limit`.
///
/// # Errors
/// Names the definitions that are missing or not established by then.
pub async fn require_crds(client: &kube::Client, limit: Duration) -> Result<(), ProjectionError> {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = tokio::time::Instant::now() + limit;
    loop {
        let missing = tokio::time::timeout_at(end, missing(client))
            .await
            .unwrap_or_else(|_| {
                Err(ProjectionError::Late {
                    action: "listing custom resource definitions".to_owned(),
                })
            });
        match missing {
            Ok(missing) if missing.is_empty() => return Ok(()),
            Ok(missing) if tokio::time::Instant::now() >= end => {
                return Err(ProjectionError::MissingCrds(missing));
            }
            Err(error) if tokio::time::Instant::now() >= end => return Err(error),
            Ok(_) | Err(_) => {}
        }
        ticks.tick().await;
    }
}

async fn missing(client: &kube::Client) -> Result<Vec<String>, ProjectionError> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let there = api
        .list(&ListParams::default())
        .await
        .map_err(ProjectionError::cluster("listing custom resource definitions"))?;
    let served = |info: &KindInfo| {
        let name = format!("{}.{GROUP}", info.plural);
        there
            .items
            .iter()
            .any(|crd| crd.metadata.name.as_deref() == Some(name.as_str()) && is_established(crd))
    };
    Ok(KINDS
        .iter()
        .filter(|info| !served(info))
        .map(|info| format!("{}.{GROUP}", info.plural))
        .collect())
}

fn is_established(crd: &CustomResourceDefinition) -> bool {
    crd.status
        .as_ref()
        .and_then(|status| status.conditions.as_ref())
        .is_some_and(|all| all.iter().any(|c| c.type_ == "Established" && c.status == "True"))
}
