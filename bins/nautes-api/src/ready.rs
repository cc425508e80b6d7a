//! Whether requests can be served: the forge, the secret store and the tenant cluster answer.
//!
//! The answer is kept for a moment, and asked for by one at a time, so that probes are no load.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nautes_model::name::ClusterName;
use nautes_vault::keys;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;

/// How long an answer is kept.
pub(crate) const KEPT: Duration = Duration::from_secs(2);
/// How long each system may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Whether requests can be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Whether everything answers.
    pub ready: bool,
    /// What of each system: `ok`, or what is wrong.
    pub checks: BTreeMap<&'static str, String>,
}

/// The last answer.
#[derive(Debug, Default)]
pub(crate) struct Kept(tokio::sync::Mutex<Option<(Instant, Readiness)>>);

/// Asks the systems, or gives the answer of a moment ago.
pub(crate) async fn ask(app: &App) -> Readiness {
    let mut kept = app.readiness().0.lock().await;
    if let Some((at, found)) = &*kept
        && at.elapsed() < KEPT
    {
        return found.clone();
    }
    let (forge, store, cluster) = tokio::join!(
        within(async { app.platform().host().platform().await.map_err(drop).map(drop) }),
        within(store(app)),
        within(async {
            let version = app.platform().tenant_cluster().apiserver_version().await;
            version.map_err(drop).map(drop)
        }),
    );
    let checks = BTreeMap::from([("forge", forge), ("store", store), ("tenantCluster", cluster)]);
    let found = Readiness {
        ready: checks.values().all(|text| text == "ok"),
        checks,
    };
    if !found.ready {
        tracing::warn!(checks = ?found.checks, "not ready");
    }
    *kept = Some((Instant::now(), found.clone()));
    found
}

/// Reads a secret that need not be there.
async fn store(app: &App) -> Result<(), ()> {
    let name = ClusterName::new("readiness-probe").map_err(drop)?;
    let path = keys::kubeconfig(&name).path;
    app.platform().store().read(&path).await.map_err(drop).map(drop)
}

async fn within(asked: impl Future<Output = Result<(), ()>>) -> String {
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(())) => "does not answer as it should".to_owned(),
        Err(_) => "does not answer in time".to_owned(),
    }
}
