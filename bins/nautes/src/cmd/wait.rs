//! Waiting until what was committed is in place, and saying what is still open.

mod progress;

use std::time::Duration;

use nautes_api::wire::ApplyReply;
use nautes_model::{Identity, Kind};
use nautes_runtime::status_report::{State, StatusNode, StatusTree};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use self::progress::Progress;
use crate::client::Client;
use crate::cmd::status;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, GREEN};

/// How often the state is asked for.
const EVERY: Duration = Duration::from_millis(250);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Every resource is ready.
    Ready,
    /// No resource is left.
    Gone,
}

impl Until {
    /// Whether a resource has come so far.
    fn holds(self, node: Option<&StatusNode>) -> bool {
        match self {
            Self::Ready => node.is_some_and(|n| n.state == State::Ready),
            Self::Gone => node.is_none(),
        }
    }

    /// Whether it will not come so far by itself.
    fn is_hopeless(self, node: Option<&StatusNode>) -> bool {
        self == Self::Ready && node.is_some_and(|n| n.state == State::Failed)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Gone => "gone",
        }
    }
}

/// The state of one resource, as it was last seen.
type Seen = (Identity, Option<StatusNode>);

/// Waits for every resource of a reply, and says on stderr what becomes of them.
///
/// # Errors
/// Something failed for good, or is not there in time, or ctrl-C was pressed; the failure names what and the way on.
pub async fn run(client: &Client, reply: &ApplyReply, until: Until, limit: Duration) -> Outcome {
    let wanted: Vec<Identity> = reply
        .repositories
        .iter()
        .flat_map(|r| &r.resources)
        .map(|o| o.resource.clone())
        .collect();
    let mut seen: Vec<Seen> = wanted.into_iter().map(|identity| (identity, None)).collect();
    let mut is_known = false;
    let mut progress = Progress::begin(until, seen.len());
    let ended = tokio::select! {
        ended = watch(client, &mut seen, &mut is_known, until, limit, &mut progress) => ended,
        _ = tokio::signal::ctrl_c() => Ok(End::Interrupted),
    };
    progress.end();
    let open: Vec<&Seen> = seen
        .iter()
        .filter(|(_, node)| !is_known || !until.holds(node.as_ref()))
        .collect();
    let (exit, why) = match ended? {
        End::Reached => {
            output::say(&format!("{GREEN}{}{GREEN:#}: {}", until.word(), seen.len()));
            return Ok(Exit::Clean);
        }
        End::Hopeless => (Exit::Findings, String::new()),
        End::Late => (
            Exit::Findings,
            format!(" after {}", indicatif::HumanDuration(limit)),
        ),
        End::Interrupted => (Exit::Interrupted, "; no longer waiting".to_owned()),
    };
    let verb = match until {
        Until::Ready => "not ready",
        Until::Gone => "still there",
    };
    let message = format!("{} of {} are {verb}{why}", open.len(), seen.len());
    let failure = open
        .iter()
        .fold(Failure::new(exit, message), |failure, (identity, node)| {
            let what = node
                .as_ref()
                .filter(|_| until == Until::Ready)
                .map_or_else(String::new, |n| format!(": {:?} {}", n.state, n.message));
            failure.hint(format!("{identity}{what}").trim_end().to_owned())
        });
    Err(failure.hint(
        "what was committed stays, and the controllers go on with it: nautes status --watch shows it, and the same \
         command again waits on",
    ))
}

/// How the waiting ended.
enum End {
    Reached,
    Hopeless,
    Late,
    Interrupted,
}

async fn watch(
    client: &Client,
    seen: &mut [Seen],
    is_known: &mut bool,
    until: Until,
    limit: Duration,
    progress: &mut Progress,
) -> Result<End, Failure> {
    let path = place(seen);
    let end = Instant::now() + limit;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let unheard = || Failure::new(Exit::Unavailable, "the status did not come in time");
    loop {
        let tree = match timeout_at(end, client.get::<StatusTree>(&path)).await {
            Ok(Ok(tree)) => Some(tree),
            // A product that is gone has no status, and nothing in it is left.
            Ok(Err(failure)) if failure.exit == Exit::NotFound && until == Until::Gone => {
                Some(StatusTree::default())
            }
            // The server may be restarting; what stays wrong is told at the end.
            Ok(Err(failure)) if failure.exit == Exit::Unavailable => None,
            Ok(Err(failure)) => return Err(failure),
            Err(_) if *is_known => return Ok(End::Late),
            Err(_) => return Err(unheard()),
        };
        if let Some(tree) = tree {
            *is_known = true;
            for (identity, node) in seen.iter_mut() {
                *node = tree.get(identity).cloned();
            }
            progress.show(seen);
            if seen.iter().all(|(_, node)| until.holds(node.as_ref())) {
                return Ok(End::Reached);
            }
            if seen.iter().any(|(_, node)| until.is_hopeless(node.as_ref())) {
                return Ok(End::Hopeless);
            }
        }
        if timeout_at(end, ticks.tick()).await.is_err() || Instant::now() >= end {
            return if *is_known { Ok(End::Late) } else { Err(unheard()) };
        }
    }
}

/// Returns what is asked: the status of one product where everything is of it.
fn place(seen: &[Seen]) -> String {
    let mut products = seen.iter().map(|(identity, _)| match identity.kind {
        Kind::Product => Some(identity.name.as_str()),
        _ => identity.product.as_ref().map(|p| p.as_str()),
    });
    let first = products.next().flatten();
    let only = first.filter(|_| products.all(|other| other == first));
    status::path("status", only)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(all: &[&str]) -> Vec<Seen> {
        let identity = |text: &&str| {
            let name = |text: &str| text.parse().unwrap();
            match text.split('/').collect::<Vec<_>>().as_slice() {
                ["product", it] => Identity::tenant(Kind::Product, name(it)),
                ["cluster", it] => Identity::tenant(Kind::Cluster, name(it)),
                [product, it] => Identity::product(Kind::Project, product.parse().unwrap(), name(it)),
                _ => panic!("{text}"),
            }
        };
        all.iter().map(|text| (identity(text), None)).collect()
    }

    #[test]
    fn one_product_is_asked_about_alone() {
        assert_eq!(
            place(&seen(&["shop/web", "product/shop", "shop/api"])),
            "api/v1/status/shop"
        );
        for all in [
            &["shop/web", "books/web"][..],
            &["cluster/live", "shop/web"],
            &["shop/web", "cluster/live"],
            &[],
        ] {
            assert_eq!(place(&seen(all)), "api/v1/status", "{all:?}");
        }
    }
}
