//! What says that it is worth looking again: the events of the server, or the clock where it lets nobody watch.

use std::time::Duration;

use nautes_api::watch::WatchEvent;
use nautes_model::Identity;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout, timeout_at};

use crate::client::Client;
use crate::client::events::Watch;
use crate::exit::Failure;

/// Changes that come so close together are looked at once.
const TOGETHER: Duration = Duration::from_millis(150);
/// It is looked again after this time, even if nothing is told: what is declared may have moved on.
const AGAIN: Duration = Duration::from_secs(5);
/// How often it is looked where nobody may watch.
const EVERY: Duration = Duration::from_millis(500);

/// The bell. An event only rings it: whether a resource is as it is declared *now* is said by its status alone.
pub(super) struct Bell<'c> {
    watch: Option<Watch<'c>>,
    ticks: Interval,
}

impl<'c> Bell<'c> {
    /// Makes a bell for what becomes of the resources of a product, or of all; `say` tells what goes on.
    pub(super) fn new(
        client: &'c Client,
        product: Option<String>,
        say: impl Fn(&str) + Send + Sync + 'c,
    ) -> Self {
        let mut query = vec![("events", "status,removed".to_owned())];
        query.extend(product.map(|product| ("product", product)));
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            watch: Some(Watch::new(client, query).saying(say)),
            ticks,
        }
    }

    /// Waits until something has become of one of these resources. It may be cancelled.
    pub(super) async fn ring(&mut self, is_wanted: impl Fn(&Identity) -> bool) {
        let Some(watch) = &mut self.watch else {
            self.ticks.tick().await;
            return;
        };
        let rung = match timeout(AGAIN, next(watch, is_wanted)).await {
            Ok(Ok(())) => {
                let until = Instant::now() + TOGETHER;
                timeout_at(until, next(watch, |_| false)).await.unwrap_or(Ok(()))
            }
            Ok(Err(refused)) => Err(refused),
            Err(_) => Ok(()),
        };
        // The product may be gone, the server too old or too busy: the status is there all the same.
        if let Err(refused) = rung {
            tracing::info!(why = %refused.message, "no events; the status is asked for again and again");
            self.watch = None;
        }
    }
}

/// Waits for an event about one of these resources, or about all.
async fn next(watch: &mut Watch<'_>, is_wanted: impl Fn(&Identity) -> bool) -> Result<(), Failure> {
    loop {
        match watch.next().await? {
            WatchEvent::Reset { .. } => return Ok(()),
            event if event.resource().is_some_and(&is_wanted) => return Ok(()),
            _ => {}
        }
    }
}
