//! From the hub to one watcher.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Class, Identity, Kind, Secret};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::hub::{Begin, Numbered, Seat};
use super::{Cursor, EndReason, ResetReason, RunOf, WatchEvent};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::policy::{Action, gate};
use crate::sight::Sight;

/// How often in a row the forge may fail to say whether a caller may still see something.
const TRIES: u32 = 3;

/// Something that goes to the watcher.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// An event; the cursor is its id.
    Event(Option<Cursor>, Arc<WatchEvent>),
    /// A sign of life.
    Heartbeat,
}

/// Somebody who watches.
pub(crate) struct Watcher {
    pub(crate) app: App,
    pub(crate) token: Secret,
    pub(crate) product: Option<ProductName>,
    /// Empty for all.
    pub(crate) kinds: BTreeSet<Kind>,
    /// The names of events that he wants; empty for all.
    pub(crate) events: BTreeSet<String>,
    pub(crate) lifetime: Duration,
    pub(crate) seat: Seat,
    /// What he may see.
    pub(crate) sight: Sight,
}

/// Finds out what a caller may see of what he asks for.
///
/// # Errors
/// He may not see the product that he asks for, or the forge does not answer.
pub(crate) async fn sight(
    app: &App,
    caller: &Caller,
    product: Option<&ProductName>,
) -> Result<Sight, ApiError> {
    let Some(product) = product else {
        return Sight::of(app, caller).await;
    };
    let name = ResourceName::new(product.as_str()).map_err(|e| ApiError::malformed(e.to_string()))?;
    gate(app, caller, Action::Read, &Identity::tenant(Kind::Product, name)).await?;
    Ok(Sight {
        products: BTreeSet::from([product.clone()]),
        tenant: false,
    })
}

impl Watcher {
    fn wants(&self, of: &Identity) -> bool {
        self.sight.sees_status(of) && (self.kinds.is_empty() || self.kinds.contains(&of.kind))
    }

    fn takes(&self, event: &WatchEvent) -> bool {
        (self.events.is_empty() || self.events.contains(event.name()))
            && event.resource().is_some_and(|of| self.wants(of))
    }

    fn reset(&self, reason: ResetReason) -> (Cursor, WatchEvent) {
        let (at, items, mut runs) = self.app.watching().all(|of| self.wants(of));
        runs.retain(|_| self.wants_runs());
        (at, WatchEvent::Reset { reason, items, runs })
    }

    fn wants_runs(&self) -> bool {
        self.events.is_empty() || self.events.contains("run")
    }

    /// Who he is now, past everything that is remembered.
    async fn caller(&self) -> Result<Caller, ApiError> {
        let host = self.app.watching().platform().host();
        let session = host.session(&self.token).await?;
        let user = session.user().await?;
        Ok(Caller { session, user })
    }

    /// Asks the forge again.
    async fn look_again(&self) -> Result<Sight, ApiError> {
        sight(&self.app, &self.caller().await?, self.product.as_ref()).await
    }

    /// Asks the forge about a product that is new, and tells whether it is for the watcher's eyes from now on. Where the
    /// forge does not say it now, that is found out when it is asked about everything again.
    async fn learns(&mut self, one: &Numbered) -> bool {
        let Some(of) = one.event.resource().filter(|_| one.is_new_product) else {
            return false;
        };
        let Ok(product) = ProductName::new(of.name.as_str()) else {
            return false;
        };
        // Whoever watches one product has been asked about that.
        if self.product.is_some() || self.sight.products.contains(&product) {
            return false;
        }
        let limit = self.app.platform().timing().call;
        let asked = async { gate(&self.app, &self.caller().await?, Action::Read, of).await };
        let may = matches!(tokio::time::timeout(limit, asked).await, Ok(Ok(())));
        may && self.sight.products.insert(product)
    }

    /// What a product that is new consists of: that was told before anybody knew whose it is.
    fn of_product(&self, of: &Identity) -> Vec<WatchEvent> {
        let is_in = |one: &Identity| {
            one.product
                .as_ref()
                .is_some_and(|p| p.as_str() == of.name.as_str())
        };
        let (_, items, runs) = self.app.watching().all(|one| is_in(one));
        let items = items
            .into_iter()
            .map(|item| WatchEvent::Status { item: Box::new(item) });
        let runs = runs
            .into_iter()
            .map(|RunOf { resource, run }| WatchEvent::Run { resource, run });
        items.chain(runs).filter(|event| self.takes(event)).collect()
    }
}

/// Tells a watcher everything that he wants to know, until there is a reason to end, and returns it.
pub(crate) async fn pump(mut watcher: Watcher, since: Option<Cursor>, out: mpsc::Sender<Frame>) -> EndReason {
    let hub = Arc::clone(watcher.app.watching());
    let limits = hub.limits;
    let Begin {
        at: mut told,
        missed,
        mut coming,
    } = hub.begin(since);
    let send = async |frame: Frame| match tokio::time::timeout(limits.patience, out.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        // The client is gone: nobody hears why.
        Ok(Err(_)) => Err(EndReason::Time),
        Err(_) => Err(EndReason::Slow),
    };
    let result: Result<(), EndReason> = async {
        match missed {
            Some(missed) => {
                for one in missed.iter().filter(|one| watcher.takes(&one.event)) {
                    send(frame(one)).await?;
                }
            }
            None => {
                let reason = since.map_or(ResetReason::Begin, |_| ResetReason::Expired);
                let (at, event) = watcher.reset(reason);
                told = at;
                send(Frame::Event(Some(at), Arc::new(event))).await?;
            }
        }
        let start = Instant::now();
        let end = start + watcher.lifetime;
        let mut heartbeat = interval_at(start + limits.heartbeat, limits.heartbeat);
        let mut recheck = interval_at(start + limits.recheck, limits.recheck);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failures = 0;
        loop {
            tokio::select! {
                () = hub.stop.cancelled() => return Err(EndReason::Shutdown),
                () = out.closed() => return Err(EndReason::Time),
                () = sleep_until(end) => return Err(EndReason::Time),
                _ = heartbeat.tick() => send(Frame::Heartbeat).await?,
                _ = recheck.tick() => match watcher.look_again().await {
                    Ok(sight) if sight == watcher.sight => failures = 0,
                    Ok(sight) => {
                        failures = 0;
                        watcher.sight = sight;
                        let (at, event) = watcher.reset(ResetReason::Rights);
                        told = at;
                        send(Frame::Event(Some(at), Arc::new(event))).await?;
                    }
                    Err(error) if is_no(&error) => return Err(EndReason::Rights),
                    Err(_) => {
                        failures += 1;
                        if failures >= TRIES {
                            return Err(EndReason::Forge);
                        }
                    }
                },
                next = coming.recv() => match next {
                    // What the last reset tells already is not told again.
                    Ok(one) if !one.at.is_after(told) => {}
                    Ok(one) => {
                        if watcher.learns(&one).await
                            && let Some(of) = one.event.resource()
                        {
                            // Without ids: whoever is cut off before the product itself begins with it again.
                            for event in watcher.of_product(of) {
                                send(Frame::Event(None, Arc::new(event))).await?;
                            }
                        }
                        if watcher.takes(&one.event) {
                            send(frame(&one)).await?;
                        }
                    }
                    Err(RecvError::Lagged(_)) => return Err(EndReason::Slow),
                    Err(RecvError::Closed) => return Err(EndReason::Shutdown),
                },
            }
        }
    }
    .await;
    drop(watcher.seat);
    result.err().unwrap_or(EndReason::Time)
}

fn frame(one: &Arc<Numbered>) -> Frame {
    Frame::Event(Some(one.at), Arc::new(one.event.clone()))
}

/// Whether an error says that the caller is nobody, or may not.
fn is_no(error: &ApiError) -> bool {
    use axum::http::StatusCode;
    matches!(
        error.status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
    ) || error.reason == ApiError::of_class(Class::Denied, "").reason
}
