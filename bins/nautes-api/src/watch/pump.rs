//! From the hub to one watcher.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use nautes_model::name::ProductName;
use nautes_model::{Class, Identity, Kind, Secret};
use nautes_runtime::status_report::StatusNode;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::hub::{Begin, Numbered, Seat};
use super::{Cursor, EndReason, ResetReason, WatchEvent};
use crate::app::App;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::policy::{Action, gate, gate_tenant};
use crate::routes::live::visible;

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

/// What somebody may see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    products: BTreeSet<ProductName>,
    tenant: bool,
}

impl Sight {
    /// Finds out what a caller may see of what he asks for.
    ///
    /// # Errors
    /// He may not see the product that he asks for, or the forge does not answer.
    pub(crate) async fn of(
        app: &App,
        caller: &Caller,
        product: Option<&ProductName>,
    ) -> Result<Self, ApiError> {
        let Some(product) = product else {
            return Ok(Self {
                products: visible(app, caller).await?,
                tenant: gate_tenant(app, caller, Action::Read).await.is_ok(),
            });
        };
        let name = nautes_model::name::ResourceName::new(product.as_str());
        let name = name.map_err(|e| ApiError::malformed(e.to_string()))?;
        gate(app, caller, Action::Read, &Identity::tenant(Kind::Product, name)).await?;
        Ok(Self {
            products: BTreeSet::from([product.clone()]),
            tenant: false,
        })
    }

    fn sees(&self, of: &Identity) -> bool {
        match (&of.product, of.kind) {
            (Some(product), _) => self.products.contains(product),
            (None, Kind::Product) => self.products.contains(of.name.as_str()),
            (None, _) => self.tenant,
        }
    }
}

impl Watcher {
    fn wants(&self, of: &Identity) -> bool {
        self.sight.sees(of) && (self.kinds.is_empty() || self.kinds.contains(&of.kind))
    }

    fn takes(&self, event: &WatchEvent) -> bool {
        (self.events.is_empty() || self.events.contains(event.name()))
            && event.resource().is_some_and(|of| self.wants(of))
    }

    fn reset(&self, reason: ResetReason) -> (Cursor, WatchEvent) {
        let (at, items) = self
            .app
            .watching()
            .all(|node: &StatusNode| self.wants(&node.resource));
        (at, WatchEvent::Reset { reason, items })
    }

    /// Asks the forge again, past everything that is remembered.
    async fn look_again(&self) -> Result<Sight, ApiError> {
        let host = self.app.watching().platform().host();
        let session = host.session(&self.token).await?;
        let user = session.user().await?;
        let caller = Caller { session, user };
        Sight::of(&self.app, &caller, self.product.as_ref()).await
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
                    Ok(one) if watcher.takes(&one.event) => send(frame(&one)).await?,
                    Ok(_) => {}
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
