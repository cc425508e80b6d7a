//! Step 5: what is pushed to the deployment repository is what runs.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use nautes_runtime::status_report::State;
use serde_json::json;

use super::{SERVICE, WEB};
use crate::exit::Failure;
use crate::local::clusters::STAGING;
use crate::local::demo::stage::{Stage, look_for, named, short};
use crate::local::demo::until::{hold, until};

/// Where the deployment runtime of the shop deploys to.
pub(super) const NAMESPACE: &str = "shop-web";
const RUNTIME: &str = "DeploymentRuntime/shop/web-staging";

/// Reaches outside: into a namespace that is not the runtime's.
const OUTSIDE: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: intruder\n  namespace: default\ndata:\n  a: b\n";
/// Names an object that somebody else made.
const TAKEN: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: of-others\ndata:\n  whose: mine now\n";

/// Takes the step.
pub(super) async fn take(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let kube = stage.kube(STAGING)?;
    let maps: Api<ConfigMap> = Api::namespaced(kube.clone(), NAMESPACE);
    let services: Api<Service> = Api::namespaced(kube.clone(), NAMESPACE);
    let deployments: Api<Deployment> = Api::namespaced(kube.clone(), NAMESPACE);
    let theirs = foreign(&maps).await?;

    let tree = stage.alice.git.clone_of("shop/web-deploy").await?;
    tree.write("deployments/test/web.yaml", WEB)?;
    tree.write("deployments/test/service.yaml", SERVICE)?;
    let commit = tree.push("main", "The shop, deployed").await?;
    until("the Deployment web", async || look_for(&deployments, "web").await).await?;
    until("the Service web", async || look_for(&services, "web").await).await?;
    greeting(&maps, "hello").await?;
    stage
        .until_status(&stage.alice, RUNTIME, |n| {
            deployed(n, &commit) && n.state == State::Ready
        })
        .await?;
    saw.push(format!(
        "ConfigMap, Deployment and Service are in {NAMESPACE} of {STAGING}, at {}",
        short(&commit)
    ));

    tree.write(
        "deployments/test/web.yaml",
        &WEB.replace("greeting: hello", "greeting: welcome"),
    )?;
    tree.push("main", "Greet better").await?;
    greeting(&maps, "welcome").await?;
    tree.remove("deployments/test/service.yaml")?;
    tree.push("main", "No service").await?;
    until("the end of the Service web", async || {
        let found = look_for(&services, "web").await?;
        Ok(if found.is_ok() {
            Err("it is there".to_owned())
        } else {
            Ok(())
        })
    })
    .await?;
    let edit = json!({ "data": { "greeting": "edited by hand" } });
    maps.patch("web", &PatchParams::default(), &Patch::Merge(edit))
        .await?;
    greeting(&maps, "welcome").await?;
    saw.push("a change is followed, a deleted file is pruned, an edit by hand is healed".to_owned());

    refused(stage, &tree, &maps, saw).await?;
    let now = maps.get("of-others").await?;
    hold(
        now.data == theirs.data && now.metadata.resource_version == theirs.metadata.resource_version,
        || "an object of others was touched".to_owned(),
    )?;
    saw.push("an object of others in the same namespace is as it was, to its resource version".to_owned());
    Ok(())
}

/// What lies outside, and what belongs to others, is refused and said so; then it is taken back.
async fn refused(
    stage: &Stage,
    tree: &crate::local::demo::git::WorkTree,
    maps: &Api<ConfigMap>,
    saw: &mut Vec<String>,
) -> Result<(), Failure> {
    tree.write("deployments/test/outside.yaml", OUTSIDE)?;
    tree.write("deployments/test/taken.yaml", TAKEN)?;
    tree.push("main", "Reach out").await?;
    let node = stage
        .until_status(&stage.alice, RUNTIME, |n| {
            let said = format!("{} {}", n.message, n.notes.join(" "));
            n.state != State::Ready && said.contains("outside.yaml") && said.contains("of-others")
        })
        .await?;
    let outside: Api<ConfigMap> = Api::namespaced(stage.kube(STAGING)?, "default");
    hold(outside.get_opt("intruder").await?.is_none(), || {
        "it was deployed outside".to_owned()
    })?;
    greeting(maps, "welcome").await?;
    saw.push(format!(
        "what lies outside is refused, and status says so: {}: {}",
        node.reason, node.message
    ));
    tree.remove("deployments/test/outside.yaml")?;
    tree.remove("deployments/test/taken.yaml")?;
    let commit = tree.push("main", "Stay at home").await?;
    stage
        .until_status(&stage.alice, RUNTIME, |n| {
            deployed(n, &commit) && n.state == State::Ready
        })
        .await?;
    Ok(())
}

/// Puts an object of somebody else into the namespace.
async fn foreign(maps: &Api<ConfigMap>) -> Result<ConfigMap, Failure> {
    let data = BTreeMap::from([("whose".to_owned(), "theirs".to_owned())]);
    let map = ConfigMap {
        metadata: named("of-others"),
        data: Some(data),
        ..ConfigMap::default()
    };
    until("the namespace of the runtime", async || {
        match maps.create(&PostParams::default(), &map).await {
            Ok(made) => Ok(Ok(made)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Err(status.message.clone())),
            Err(error) => Err(error.into()),
        }
    })
    .await
}

async fn greeting(maps: &Api<ConfigMap>, wanted: &str) -> Result<(), Failure> {
    until(&format!("the greeting {wanted:?}"), async || {
        let map = match look_for(maps, "web").await? {
            Ok(map) => map,
            Err(why) => return Ok(Err(why)),
        };
        let greeting = map
            .data
            .and_then(|mut d| d.remove("greeting"))
            .unwrap_or_default();
        Ok(if greeting == wanted { Ok(()) } else { Err(greeting) })
    })
    .await
}

fn deployed(node: &nautes_runtime::status_report::StatusNode, commit: &str) -> bool {
    node.deployment
        .as_ref()
        .is_some_and(|d| d.revision.as_deref() == Some(commit))
}
