//! Step 1: clusters, registered by the administrator.

use kube::Api;
use kube::api::ListParams;
use nautes_model::kinds::Cluster;
use nautes_runtime::status_report::State;
use nautes_vault::keys;

use crate::exit::Failure;
use crate::local::clusters::{HOST, LIVE, PIPELINES, STAGING, TENANT};
use crate::local::demo::stage::{Stage, commit_on, short};
use crate::local::demo::until::{hold, unmet, until};

const REPOSITORY: &str = "nautes/management";

/// The components that the reference's own cluster examples name and that have no engine here.
const FOREIGN: &[(&str, &str)] = &[
    ("multiTenant", "hnc"),
    ("deployment", "argocd"),
    ("secretSync", "external-secrets"),
];

/// Takes the step.
pub(super) async fn take(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let mut commits = Vec::new();
    for name in [HOST, PIPELINES, STAGING] {
        let before = stage.admin.git.tip(REPOSITORY, "main").await?;
        let file = format!("{name}.yaml");
        let reply = stage.admin.apply(&file, stage.manifest(name)?, &[]).await?;
        let (commit, resources) = commit_on(&reply, REPOSITORY)?;
        hold(resources.len() == 1 && reply.repositories.len() == 1, || {
            format!("{file} touched more than itself")
        })?;
        let tip = stage.admin.git.tip(REPOSITORY, "main").await?;
        hold(tip.as_deref() == Some(commit), || {
            format!("the tip of {REPOSITORY} is not the commit of {file}")
        })?;
        hold(before != tip, || format!("{file} made no commit"))?;
        commits.push(format!("{name} {}", short(commit)));
    }
    saw.push(format!("one commit each on {REPOSITORY}: {}", commits.join(", ")));
    for name in [HOST, PIPELINES, STAGING] {
        stage
            .until_status(&stage.admin, &format!("Cluster/{name}"), |n| {
                n.state == State::Ready
            })
            .await?;
    }
    saw.push(format!(
        "{HOST}, {PIPELINES} and {STAGING} are Ready; the kubeconfig of {STAGING} was read from its host"
    ));
    kubeconfigs(stage, saw).await?;
    missing_engine(stage, saw).await
}

/// Kubeconfigs are in the store and nowhere else.
pub(super) async fn kubeconfigs(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let names = stage.desk.secrets().await?;
    for name in [HOST, PIPELINES, STAGING] {
        let path = keys::kubeconfig(&name.parse()?).path.to_string();
        hold(names.secrets.contains(&path), || {
            format!("the store has no {path}")
        })?;
    }
    let tree = stage.admin.git.clone_of(REPOSITORY).await?;
    let content = tree.everything().await?;
    let api: Api<Cluster> = Api::namespaced(stage.kube(TENANT)?, "nautes");
    let objects = until("the clusters in the tenant cluster", async || {
        let list = api.list(&ListParams::default()).await?;
        let all = [HOST, PIPELINES, STAGING]
            .iter()
            .all(|n| list.items.iter().any(|c| c.metadata.name.as_deref() == Some(n)));
        Ok(if all {
            Ok(list.items)
        } else {
            Err(format!("{} clusters", list.items.len()))
        })
    })
    .await?;
    let objects = serde_json::to_string(&objects)?;
    for secret in &stage.secrets {
        let bytes = secret.as_bytes();
        hold(!content.windows(bytes.len()).any(|w| w == bytes), || {
            "a kubeconfig is in the repository".to_owned()
        })?;
        hold(!objects.contains(secret), || {
            "a kubeconfig is in a custom resource".to_owned()
        })?;
    }
    for trace in ["certificate-authority-data", "client-key"] {
        let bytes = trace.as_bytes();
        hold(!content.windows(bytes.len()).any(|w| w == bytes), || {
            "a kubeconfig is in the repository".to_owned()
        })?;
        hold(!objects.contains(trace), || {
            "a kubeconfig is in a custom resource".to_owned()
        })?;
    }
    saw.push(format!(
        "their kubeconfigs are in the secret store, and in none of the {} bytes of the repository nor in the custom resources",
        content.len()
    ));
    Ok(())
}

/// A cluster with components that have no engine is stored, and says which engine is missing.
async fn missing_engine(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let mut manifest = stage
        .manifest(LIVE)?
        .replacen("name: live\n", "name: legacy\n", 1);
    for (slot, component) in FOREIGN {
        let was = ["namespaces", "direct"]
            .iter()
            .map(|own| format!("{slot}:\n      name: {own}\n"))
            .find(|text| manifest.contains(text))
            .ok_or_else(|| unmet(format!("the manifest of {LIVE} has no {slot}")))?;
        manifest = manifest.replace(&was, &format!("{slot}:\n      name: {component}\n"));
    }
    stage.admin.apply("legacy.yaml", &manifest, &[]).await?;
    let node = stage
        .until_status(&stage.admin, "Cluster/legacy", |n| {
            let said = format!("{} {}", n.message, n.notes.join(" "));
            FOREIGN.iter().all(|(_, component)| said.contains(component))
        })
        .await?;
    let said = if node.message.contains("argocd") {
        node.message.clone()
    } else {
        node.notes.join("; ")
    };
    saw.push(format!(
        "a cluster with other components is stored, and says: {said}"
    ));
    stage.admin.remove("legacy.yaml", &manifest).await?;
    until("the end of Cluster/legacy", async || {
        let tree = stage.status(None).await?;
        Ok(
            match tree.nodes().find(|n| n.resource.to_string() == "Cluster/legacy") {
                None => Ok(()),
                Some(node) => Err(node.message.clone()),
            },
        )
    })
    .await?;
    let path = keys::kubeconfig(&"legacy".parse()?).path.to_string();
    until("the end of its kubeconfig", async || {
        let names = stage.desk.secrets().await?;
        Ok(if names.secrets.contains(&path) {
            Err(format!("{path} is in the store"))
        } else {
            Ok(())
        })
    })
    .await
}
