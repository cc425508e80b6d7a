//! Many who publish at once.

use std::collections::BTreeSet;

use futures::future::join_all;
use nautes_model::Resource;
use nautes_model::manifest::{Context, Form, parse};

use super::{Case, Outcome, Stage, equal, holds, need};
use crate::change::ChangeSet;
use crate::place::RepoRef;
use crate::publish::{Author, PublishError, Publisher, Target};
use crate::tree::{Paths, Scope, TreeReader};

/// How many publish at once.
const MANY: usize = 100;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "of a hundred changes none is lost",
            body: |stage| Box::pin(hundred(stage)),
        },
        Case {
            name: "strangers to each other lose nothing",
            body: |stage| Box::pin(strangers(stage)),
        },
    ]
}

fn environment(name: &str) -> Result<Resource, String> {
    let text = format!(
        "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Environment\nmetadata:\n  name: {name}\n\
         spec:\n  product: demo\n  cluster: worker\n  envType: test\n"
    );
    let product = need("naming a product", "demo".parse())?;
    let parsed = parse(
        &text,
        &Context::new("env.yaml", Form::Git).product(Some(&product)),
    );
    let found = parsed
        .resources
        .into_iter()
        .next()
        .map(|sourced| sourced.resource);
    found.ok_or_else(|| format!("the manifest is not read: {:?}", parsed.findings))
}

/// Publishes with several publishers, each with a mirror of its own, and returns how many changes were
/// acknowledged. Makes sure that these and no others are there, in a linear history.
async fn publish(stage: &Stage, publishers: usize, changes: usize) -> Result<usize, String> {
    let path = stage.repository("default.project").await?;
    let of = RepoRef::Product(need("naming a product", "demo".parse())?);
    let author = Author {
        name: "Con".to_owned(),
        email: "con@example.org".to_owned(),
    };
    let mut mirrors = Vec::new();
    for number in 0..publishers {
        mirrors.push((
            Publisher::default(),
            stage.mirror(&format!("publisher-{number}")).await?,
        ));
    }
    let one = |number: usize| {
        let (publisher, mirror) = &mirrors[number % publishers];
        let (session, path, of, author) = (&*stage.owner, &path, &of, &author);
        async move {
            let name = format!("env-{number}");
            let change = ChangeSet {
                upserts: vec![environment(&name)?],
                request_id: format!("request-{number}"),
                ..ChangeSet::default()
            };
            let target = Target {
                session,
                of,
                path,
                mirror,
                branch: "main",
            };
            let check = |_: &Scope, _: &Scope| Ok::<(), std::convert::Infallible>(());
            match publisher.publish(&target, &change, author, check).await {
                Ok(_) => Ok(Some(name)),
                Err(PublishError::Conflict { .. }) => Ok(None),
                Err(error) => need("publishing", Err(error)),
            }
        }
    };
    let results = join_all((0..changes).map(one)).await;
    let acknowledged: Vec<Option<String>> = results.into_iter().collect::<Result<_, String>>()?;
    let acknowledged: BTreeSet<String> = acknowledged.into_iter().flatten().collect();

    let mirror = stage.mirror("reader").await?;
    let refs = need("fetching", stage.owner.fetch(&path, &mirror).await)?;
    let tip = refs.get("refs/heads/main").copied().ok_or("there is no branch")?;
    let reading = need(
        "reading",
        TreeReader::new(of.clone())
            .read(&mirror, tip, &Paths::new())
            .await,
    )?;
    let there: BTreeSet<String> = reading
        .scope
        .resources()
        .iter()
        .map(|resource| resource.identity.name.to_string())
        .collect();
    equal("what is declared", &there, &acknowledged)?;
    let log = need("reading the history", mirror.log(tip, 10 * changes).await)?;
    equal("how many commits there are", &log.len(), &acknowledged.len())?;
    holds(
        "the history is linear",
        log.iter().all(|commit| commit.parents.len() <= 1),
    )?;
    Ok(acknowledged.len())
}

async fn hundred(stage: &Stage) -> Outcome {
    equal(
        "how many were acknowledged",
        &publish(stage, 1, MANY).await?,
        &MANY,
    )
}

async fn strangers(stage: &Stage) -> Outcome {
    holds("some were acknowledged", publish(stage, 4, 24).await? > 0)
}
