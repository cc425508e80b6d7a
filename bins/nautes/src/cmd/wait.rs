//! Waiting until what was committed is in place.

use std::time::Duration;

use nautes_api::wire::ApplyReply;
use nautes_model::Identity;
use nautes_runtime::status_report::{State, StatusNode, StatusTree};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::client::Client;
use crate::cmd::status;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, GREEN};

/// How often the state is asked for.
const EVERY: Duration = Duration::from_millis(250);

/// Waits until every resource of a reply is ready.
///
/// # Errors
/// Something failed for good, or is not ready in time; the failure names what.
pub async fn ready(client: &Client, reply: &ApplyReply, limit: Duration) -> Outcome {
    let wanted = resources(reply);
    let found = until(client, &wanted, limit, |found| {
        found
            .iter()
            .all(|(_, node)| node.is_some_and(|n| n.state == State::Ready))
            || found
                .iter()
                .any(|(_, node)| node.is_some_and(|n| n.state == State::Failed))
    })
    .await?;
    let mut failure = Failure::new(Exit::Findings, "");
    let mut open = 0;
    for (identity, node) in &found {
        let (state, why) = node
            .as_ref()
            .map_or((State::Unknown, String::new()), |n| (n.state, n.message.clone()));
        if state != State::Ready {
            open += 1;
            failure = failure.hint(format!("{identity}: {state:?} {why}").trim_end().to_owned());
        }
    }
    if open == 0 {
        output::say(&format!("{GREEN}ready{GREEN:#}: {}", found.len()));
        return Ok(Exit::Clean);
    }
    failure.message = format!("{open} of {} are not ready", found.len());
    Err(failure)
}

/// Waits until no resource of a reply is left.
///
/// # Errors
/// Something is still there when the time is over; the failure names what.
pub async fn gone(client: &Client, reply: &ApplyReply, limit: Duration) -> Outcome {
    let wanted = resources(reply);
    let found = until(client, &wanted, limit, |found| {
        found.iter().all(|(_, node)| node.is_none())
    })
    .await?;
    let left: Vec<_> = found.iter().filter(|(_, node)| node.is_some()).collect();
    if left.is_empty() {
        output::say(&format!("{GREEN}gone{GREEN:#}: {}", found.len()));
        return Ok(Exit::Clean);
    }
    let failure = Failure::new(
        Exit::Findings,
        format!("{} of {} are still there", left.len(), found.len()),
    );
    Err(left.iter().fold(failure, |failure, (identity, _)| {
        failure.hint(identity.to_string())
    }))
}

fn resources(reply: &ApplyReply) -> Vec<Identity> {
    reply
        .repositories
        .iter()
        .flat_map(|r| &r.resources)
        .map(|o| o.resource.clone())
        .collect()
}

/// Asks until the condition holds or the time is over, and returns what was last seen.
async fn until(
    client: &Client,
    wanted: &[Identity],
    limit: Duration,
    holds: impl Fn(&[(&Identity, Option<&StatusNode>)]) -> bool,
) -> Result<Vec<(Identity, Option<StatusNode>)>, Failure> {
    let end = Instant::now() + limit;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<StatusTree> = None;
    loop {
        match timeout_at(end, client.get(&status::path("status", None))).await {
            Ok(Ok(tree)) => last = Some(tree),
            // The server may be restarting; what stays wrong is told at the end.
            Ok(Err(failure)) if failure.exit == Exit::Unavailable && Instant::now() < end => {}
            Ok(Err(failure)) => return Err(failure),
            Err(_) if last.is_none() => {
                return Err(Failure::new(Exit::Unavailable, "the status did not come in time"));
            }
            Err(_) => {}
        }
        if let Some(tree) = &last {
            let found: Vec<_> = wanted.iter().map(|w| (w, tree.get(w))).collect();
            if holds(&found) || Instant::now() >= end {
                return Ok(found.into_iter().map(|(i, n)| (i.clone(), n.cloned())).collect());
            }
        }
        if timeout_at(end, ticks.tick()).await.is_err() && last.is_none() {
            return Err(Failure::new(Exit::Unavailable, "the status did not come in time"));
        }
    }
}
