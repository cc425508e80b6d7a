//! Step 6: two products on the same clusters: neither can see, name or take what belongs to the other.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::ListParams;
use kube::{Api, Client};
use nautes_runtime::status_report::State;

use super::deploy::NAMESPACE;
use super::{BOOKS, SERVICE};
use crate::exit::{Exit, Failure};
use crate::local::clusters::{PIPELINES, STAGING};
use crate::local::demo::stage::{Stage, look_for};
use crate::local::demo::until::{hold, unmet, until};

const OWN: &str = "books-catalogue";
const ACCOUNT: &str = "catalogue";

/// Takes the step.
pub(super) async fn take(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let bob = &stage.bob;
    bob.apply("books.yaml", BOOKS, &[]).await?;
    stage
        .until_status(bob, "CodeRepo/books/deploy", |n| n.state == State::Ready)
        .await?;
    let tree = bob.git.clone_of("books/deploy").await?;
    tree.write(
        "deployments/service.yaml",
        &SERVICE.replace("name: web", "name: catalogue"),
    )?;
    tree.push("main", "The catalogue").await?;
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(stage.kube(STAGING)?, OWN);
    until("the Service of the second product", async || {
        look_for(&services, "catalogue").await
    })
    .await?;
    stage
        .until_status(bob, "DeploymentRuntime/books/catalogue", |n| {
            n.state == State::Ready
        })
        .await?;
    saw.push(format!(
        "the second product, books, is deployed to {OWN} of the same cluster"
    ));
    doors(stage).await?;
    saw.push("bob sees shop neither through the API nor by git, and alice not books".to_owned());
    accounts(stage).await?;
    saw.push(
        "the account of each product is refused in the namespaces of the other: objects and secrets"
            .to_owned(),
    );
    taking(stage, saw).await?;
    grants(stage, saw).await
}

/// Through the API and by git.
async fn doors(stage: &Stage) -> Result<(), Failure> {
    for (user, other) in [(&stage.bob, "shop"), (&stage.alice, "books")] {
        let seen = user.status(None).await?;
        let leaks = seen.products.iter().any(|n| n.resource.name.as_str() == other);
        hold(!leaks, || format!("{} sees {other} in the status", user.name))?;
        match user.status(Some(other)).await {
            Err(failure) if matches!(failure.exit, Exit::Denied | Exit::NotFound) => {}
            Err(failure) => return Err(failure),
            Ok(_) => return Err(unmet(format!("{} reads the status of {other}", user.name))),
        }
        let read = user.git.tip(&format!("{other}/default.project"), "main").await;
        hold(read.is_err(), || {
            format!("{} reads {other}/default.project by git", user.name)
        })?;
    }
    Ok(())
}

/// In the cluster, acting as the account of each.
async fn accounts(stage: &Stage) -> Result<(), Failure> {
    let bob = stage.kube_as(STAGING, OWN, ACCOUNT)?;
    let alice = stage.kube_as(STAGING, NAMESPACE, "web-deployer")?;
    // Each may look at what is its own: otherwise a refusal would prove nothing.
    allowed::<ConfigMap>(&bob, OWN).await?;
    allowed::<ConfigMap>(&alice, NAMESPACE).await?;
    for (kube, namespace) in [
        (&bob, NAMESPACE),
        (&bob, "product-shop"),
        (&alice, OWN),
        (&alice, "product-books"),
    ] {
        denied::<ConfigMap>(kube, namespace).await?;
        denied::<Secret>(kube, namespace).await?;
    }
    denied::<Secret>(&stage.kube_as(PIPELINES, OWN, ACCOUNT)?, "shop-pipelines").await
}

async fn allowed<K>(kube: &Client, namespace: &str) -> Result<(), Failure>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    Api::<K>::namespaced(kube.clone(), namespace)
        .list(&ListParams::default())
        .await?;
    Ok(())
}

async fn denied<K>(kube: &Client, namespace: &str) -> Result<(), Failure>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    match Api::<K>::namespaced(kube.clone(), namespace)
        .list(&ListParams::default())
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(unmet(format!(
            "an account of the other product reads {} in {namespace}",
            K::kind(&())
        ))),
    }
}

/// Naming what belongs to the other is refused, even when checks are skipped it changes nothing there.
async fn taking(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let mut rules = std::collections::BTreeSet::new();
    let before = stage.bob.git.tip("books/default.project", "main").await?;
    for (was, now) in [
        ("- books-catalogue", format!("- {NAMESPACE}")),
        ("codeRepo: deploy\n", "codeRepo: shop/web-deploy\n".to_owned()),
    ] {
        let greedy = BOOKS.replace(was, &now).replace(
            "name: catalogue\n  product: books\n  projectsRef",
            "name: greedy\n  product: books\n  projectsRef",
        );
        hold(greedy != BOOKS, || format!("books.yaml has no {was:?}"))?;
        match stage.bob.apply("greedy.yaml", &greedy, &[]).await {
            Err(failure) if !failure.findings.is_empty() => {
                rules.extend(failure.findings.into_iter().map(|f| f.rule));
            }
            Err(failure) => return Err(failure),
            Ok(_) => return Err(unmet(format!("books was given {now}"))),
        }
    }
    let after = stage.bob.git.tip("books/default.project", "main").await?;
    hold(before == after, || "a refused request moved the tip".to_owned())?;
    let rules: Vec<String> = rules.into_iter().collect();
    saw.push(format!(
        "naming a namespace or repository of the other is refused ({})",
        rules.join(", ")
    ));
    Ok(())
}

/// In the secret store.
async fn grants(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let names = stage.desk.secrets().await?;
    let mut count = 0;
    for (scope, grants) in &names.grants {
        for (own, other) in [("books", "shop"), ("shop", "books")] {
            if !scope.contains(own) || scope.contains(other) {
                continue;
            }
            count += grants.len();
            let leak = grants.iter().find(|grant| grant.contains(other));
            hold(leak.is_none(), || {
                format!("{own} may read a secret of {other}: {leak:?}")
            })?;
        }
    }
    hold(count > 0, || "there are no grants at all".to_owned())?;
    saw.push(format!(
        "none of {count} grants in the secret store reaches across"
    ));
    Ok(())
}
