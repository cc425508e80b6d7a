//! Step 3: what is wrong is refused with everything that is wrong; what comes too early can be let in, and waits.

use nautes_model::Severity;
use nautes_runtime::status_report::State;

use super::{BROKEN, LATER};
use crate::exit::Failure;
use crate::local::clusters::LIVE;
use crate::local::demo::stage::{Stage, commit_on, short};
use crate::local::demo::until::{hold, unmet};

const REPOSITORY: &str = "shop/default.project";

/// Takes the step.
pub(super) async fn take(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let alice = &stage.alice;
    let tip = alice.git.tip(REPOSITORY, "main").await?;
    let refused = refusal(stage, "broken.yaml", BROKEN, &[]).await?;
    let faults: Vec<_> = refused
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .collect();
    let rules: std::collections::BTreeSet<&str> = faults.iter().map(|f| f.rule.as_str()).collect();
    hold(faults.len() >= 4 && rules.len() >= 4, || {
        format!("only {} faults were found", faults.len())
    })?;
    for fault in &faults {
        let whole = &*fault.file == "broken.yaml" && fault.position.is_some() && fault.hint.is_some();
        hold(whole, || {
            format!("a finding lacks its place or the way out: {fault}")
        })?;
    }
    refusal(stage, "broken.yaml", BROKEN, &[("insecure_skip_check", true)]).await?;
    let still = alice.git.tip(REPOSITORY, "main").await?;
    hold(still == tip, || "a refused request moved the tip".to_owned())?;
    saw.push(format!(
        "broken.yaml is refused with {} faults at once, each with line, rule and the way out ({}); the tip stays",
        faults.len(),
        rules.into_iter().collect::<Vec<_>>().join(", ")
    ));
    early(stage, saw).await
}

async fn early(stage: &Stage, saw: &mut Vec<String>) -> Result<(), Failure> {
    let alice = &stage.alice;
    let refused = refusal(stage, "later.yaml", LATER, &[]).await?;
    let rule = refused
        .findings
        .first()
        .map(|f| f.rule.clone())
        .unwrap_or_default();
    let reply = alice
        .apply("later.yaml", LATER, &[("insecure_skip_check", true)])
        .await?;
    hold(reply.skipped.iter().any(|f| f.rule == rule), || {
        "the answer does not say what was skipped".to_owned()
    })?;
    let (commit, _) = commit_on(&reply, REPOSITORY)?;
    let commit = commit.to_owned();
    let message = alice.git.clone_of(REPOSITORY).await?.message().await?;
    hold(message.contains(&rule), || {
        format!("the commit does not name {rule}")
    })?;
    let node = stage
        .until_status(alice, "Environment/shop/live", |n| {
            n.state == State::Pending && n.message.contains("waiting for")
        })
        .await?;
    saw.push(format!(
        "later.yaml with --insecure-skip-check is accepted; commit {} records {rule}; Pending: {}",
        short(&commit),
        node.message
    ));
    stage.admin.apply("live.yaml", stage.manifest(LIVE)?, &[]).await?;
    stage
        .until_status(alice, "Environment/shop/live", |n| n.state == State::Ready)
        .await?;
    let tip = alice.git.tip(REPOSITORY, "main").await?;
    hold(tip.as_deref() == Some(commit.as_str()), || {
        "something else moved the tip".to_owned()
    })?;
    saw.push("when the cluster live is registered, it turns Ready with no further call".to_owned());
    Ok(())
}

/// Hands in what must be refused.
async fn refusal(stage: &Stage, name: &str, text: &str, query: &[(&str, bool)]) -> Result<Failure, Failure> {
    match stage.alice.apply(name, text, query).await {
        Ok(_) => Err(unmet(format!("{name} was accepted"))),
        Err(failure) if failure.findings.is_empty() => Err(failure),
        Err(failure) => Ok(failure),
    }
}
