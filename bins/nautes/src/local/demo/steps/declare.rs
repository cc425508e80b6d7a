//! Step 2: a whole product in one file, in the form of the reference's own tool and in shuffled order.

use nautes_model::Kind;
use nautes_runtime::status_report::State;

use super::SHOP;
use crate::exit::Failure;
use crate::local::demo::stage::{Stage, commit_on, short};
use crate::local::demo::until::{hold, until};

const REPOSITORY: &str = "shop/default.project";

/// Takes the step.
pub(super) async fn take(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let alice = &stage.alice;
    let reply = alice.apply("shop.yaml", SHOP, &[]).await?;
    let (commit, resources) = commit_on(&reply, REPOSITORY)?;
    let position = |kind: Kind| resources.iter().position(|r| r.kind == kind);
    let last = |kind: Kind| resources.iter().rposition(|r| r.kind == kind);
    for (before, after) in [
        (Kind::Project, Kind::CodeRepo),
        (Kind::CodeRepo, Kind::CodeRepoBinding),
        (Kind::CodeRepo, Kind::ProjectPipelineRuntime),
        (Kind::Environment, Kind::ProjectPipelineRuntime),
        (Kind::Environment, Kind::DeploymentRuntime),
    ] {
        hold(last(before) < position(after), || {
            format!("{after} came before {before}")
        })?;
    }
    let tree = alice.git.clone_of(REPOSITORY).await?;
    let (count, linear) = tree.history().await?;
    let tip = alice.git.tip(REPOSITORY, "main").await?;
    hold(tip.as_deref() == Some(commit), || {
        "the tip is not the commit of the request".to_owned()
    })?;
    // The first commit came with the repository, which is never without its branch.
    hold(count == 2 && linear, || {
        format!("{count} commits on {REPOSITORY}")
    })?;
    saw.push(format!(
        "{} resources, sorted, in one commit on the new {REPOSITORY}: {}",
        resources.len(),
        short(commit)
    ));
    until("repositories, keys and hooks on the forge", async || {
        let all = stage.desk.forge().await?;
        let Some(shop) = all.iter().find(|h| h.group == "shop") else {
            return Ok(Err("no group".to_owned()));
        };
        let has = |name: &str| shop.repositories.get(&format!("shop/{name}"));
        let repos = ["web-source", "web-pipeline", "web-deploy"]
            .iter()
            .all(|n| has(n).is_some());
        let hook = has("web-source").is_some_and(|r| r.hooks == 1);
        let keys = has("web-pipeline").is_some_and(|r| !r.keys.is_empty());
        Ok(if repos && hook && keys {
            Ok(())
        } else {
            Err(format!("{:?}", shop.repositories))
        })
    })
    .await?;
    saw.push("three repositories on the forge, with deploy keys, and one hook on web-source".to_owned());
    for resource in [
        "Product/shop",
        "Environment/shop/dev",
        "CodeRepo/shop/web-source",
        "CodeRepo/shop/web-pipeline",
        "CodeRepo/shop/web-deploy",
        "ProjectPipelineRuntime/shop/web-pipelines",
    ] {
        stage
            .until_status(alice, resource, |n| n.state == State::Ready)
            .await?;
    }
    saw.push("the product, its environment, repositories and pipeline runtime are Ready".to_owned());
    Ok(())
}
