//! Step 8: everything goes, in reverse order, and nothing is left.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, ResourceExt};

use super::{BOOKS, LATER, SHOP};
use crate::exit::Failure;
use crate::local::clusters::{ALL, HOST, LIVE, PIPELINES, STAGING, TENANT};
use crate::local::demo::stage::Stage;
use crate::local::demo::until::{hold, until};

/// Takes the step.
pub(super) async fn take(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    // What others made goes by their hand; their namespace would go with it otherwise.
    let maps: Api<ConfigMap> = Api::namespaced(stage.kube(STAGING)?, super::deploy::NAMESPACE);
    maps.delete("of-others", &kube::api::DeleteParams::default())
        .await?;
    stage.bob.remove("books.yaml", BOOKS).await?;
    let both = format!("{SHOP}\n---\n{LATER}");
    let reply = stage.alice.remove("shop.yaml", &both).await?;
    let order: Vec<_> = reply
        .repositories
        .iter()
        .flat_map(|r| &r.resources)
        .map(|o| o.resource.kind)
        .collect();
    let sorted = order.windows(2).all(|w| w[0] >= w[1]);
    hold(sorted, || format!("the order was {order:?}"))?;
    saw.push("the products are removed, runtimes first and the product last, one commit each".to_owned());
    products_gone(stage, saw).await?;
    for name in [LIVE, STAGING, PIPELINES, HOST] {
        stage
            .admin
            .remove(&format!("{name}.yaml"), stage.manifest(name)?)
            .await?;
    }
    clusters_gone(stage, saw).await
}

async fn products_gone(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    for &cluster in ALL {
        let namespaces: Api<Namespace> = Api::all(stage.kube(cluster)?);
        until(
            &format!("the end of the products' namespaces in {cluster}"),
            async || {
                let all = namespaces.list(&ListParams::default()).await?;
                let left: Vec<String> = all
                    .iter()
                    .map(ResourceExt::name_any)
                    .filter(|n| n.contains("shop") || n.contains("books"))
                    .collect();
                Ok(if left.is_empty() {
                    Ok(())
                } else {
                    Err(left.join(", "))
                })
            },
        )
        .await?;
    }
    saw.push("no namespace of the products is left in any cluster, nor an object in one".to_owned());
    until("the end of the groups on the forge", async || {
        let all = stage.desk.forge().await?;
        let left: Vec<_> = all.into_iter().filter(|h| h.group != "nautes").collect();
        Ok(if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        })
    })
    .await?;
    saw.push("no group, repository, deploy key or hook of theirs is left on the forge".to_owned());
    Ok(())
}

async fn clusters_gone(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    until("the end of the clusters", async || {
        let tree = stage.status(None).await?;
        let left: Vec<String> = tree
            .nodes()
            .filter(|n| n.resource.kind != nautes_model::Kind::CodeRepoProvider)
            .map(|n| format!("{}: {}", n.resource, n.message))
            .collect();
        Ok(if left.is_empty() {
            Ok(())
        } else {
            Err(left.join("; "))
        })
    })
    .await?;
    until("the end of all secrets and grants", async || {
        let names = stage.desk.secrets().await?;
        let left = names.secrets.len()
            + names
                .grants
                .values()
                .map(std::collections::BTreeSet::len)
                .sum::<usize>();
        Ok(if left == 0 {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        })
    })
    .await?;
    saw.push("no secret and no grant is left in the store".to_owned());
    let mut left = Vec::new();
    for &cluster in ALL {
        left.extend(ours(stage, cluster).await?);
    }
    hold(left.is_empty(), || format!("left: {}", left.join(", ")))?;
    saw.push(format!("no object of ours is left in {} clusters", ALL.len()));
    Ok(())
}

/// The objects in a cluster that carry our label, but for the tenant's own provider.
async fn ours(stage: &Stage, cluster: &'static str) -> Result<Vec<String>, Failure> {
    let kube = stage.kube(cluster)?;
    let mut left = Vec::new();
    let params = ListParams::default().labels("app.kubernetes.io/managed-by=nautes");
    let mut kinds = vec![
        ("", "v1", "Namespace"),
        ("", "v1", "ConfigMap"),
        ("", "v1", "Secret"),
        ("", "v1", "ServiceAccount"),
        ("", "v1", "Service"),
        ("apps", "v1", "Deployment"),
        ("rbac.authorization.k8s.io", "v1", "Role"),
        ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
        ("rbac.authorization.k8s.io", "v1", "ClusterRole"),
        ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"),
    ];
    if cluster == PIPELINES {
        kinds.push(("tekton.dev", "v1", "PipelineRun"));
    }
    if cluster == TENANT {
        let of_nautes = nautes_model::kind::KINDS
            .iter()
            .filter(|k| k.kind != nautes_model::Kind::CodeRepoProvider);
        kinds.extend(of_nautes.map(|k| (nautes_model::kind::GROUP, nautes_model::kind::VERSION, k.name)));
    }
    for (group, version, kind) in kinds {
        let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if let Some(info) = nautes_model::kind::KINDS
            .iter()
            .find(|k| group == nautes_model::kind::GROUP && k.name == kind)
        {
            info.plural.clone_into(&mut resource.plural);
        }
        let api: Api<DynamicObject> = Api::all_with(kube.clone(), &resource);
        let all = api.list(&params).await?;
        left.extend(all.iter().map(|o| {
            let namespace = o.namespace().unwrap_or_default();
            format!("{cluster}: {kind} {namespace}/{}", o.name_any())
        }));
    }
    Ok(left)
}
