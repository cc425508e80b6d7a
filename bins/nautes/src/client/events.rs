//! Following what happens on a server: server-sent events, across connections that break off.

use std::time::Duration;

use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use nautes_api::watch::{EndReason, WatchEvent};
use reqwest::Method;
use tokio::time::Instant;

use super::{Ask, Client};
use crate::exit::{Exit, Failure};
use crate::output;

/// After this silence a connection counts as broken: the server says something every 15 seconds.
const SILENCE: Duration = Duration::from_secs(50);
/// How long it is waited before the first try to come back; each further one waits twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is tried to come back before somebody is told that the server is gone.
const TRIES: u32 = 8;

type Events = BoxStream<'static, Result<(String, WatchEvent), String>>;

/// What happens, one event after the other, each once.
pub struct Watch<'c> {
    client: &'c Client,
    query: Vec<(&'static str, String)>,
    /// The id of the last event: the server tells what came after it.
    last: Option<String>,
    events: Option<Events>,
    failed: u32,
    /// Until when the server is left alone.
    rest: Option<Instant>,
    /// Tells people what goes on.
    say: Box<dyn Fn(&str) + Send + Sync + 'c>,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch")
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl<'c> Watch<'c> {
    /// Follows what a query selects; nothing is sent yet.
    #[must_use]
    pub fn new(client: &'c Client, query: Vec<(&'static str, String)>) -> Self {
        Self {
            client,
            query,
            last: None,
            events: None,
            failed: 0,
            rest: None,
            say: Box::new(output::say),
        }
    }

    /// Says what goes on in another way than on stderr, where something else is drawn there.
    #[must_use]
    pub fn saying(mut self, say: impl Fn(&str) + Send + Sync + 'c) -> Self {
        self.say = Box::new(say);
        self
    }

    /// Waits for the next event. It may be cancelled: nothing is lost by that.
    ///
    /// # Errors
    /// The server refuses, or does not come back.
    pub async fn next(&mut self) -> Result<WatchEvent, Failure> {
        loop {
            // Whoever is cancelled here rests on the next time: a server that is away is not asked without a pause.
            if let Some(rest) = self.rest {
                tokio::time::sleep_until(rest).await;
                self.rest = None;
            }
            if self.events.is_none() {
                self.connect().await?;
            }
            let Some(events) = &mut self.events else { continue };
            let broken = match tokio::time::timeout(SILENCE, events.next()).await {
                Ok(Some(Ok((id, event)))) => {
                    if !id.is_empty() {
                        self.last = Some(id);
                    }
                    self.failed = 0;
                    match event {
                        WatchEvent::End {
                            reason: EndReason::Rights,
                            message,
                            hint,
                        } => return Err(Failure::new(Exit::Denied, message).hint(hint)),
                        WatchEvent::End { reason, message, .. } => {
                            (reason != EndReason::Time).then_some(message)
                        }
                        event => return Ok(event),
                    }
                }
                Ok(Some(Err(error))) => Some(error),
                Ok(None) => Some("the server has ended the connection".to_owned()),
                Err(_) => Some(format!("nothing came for {} s", SILENCE.as_secs())),
            };
            self.events = None;
            if let Some(why) = broken {
                self.pause(&Failure::new(Exit::Unavailable, why))?;
            }
        }
    }

    /// Opens the stream, or begins a rest.
    async fn connect(&mut self) -> Result<(), Failure> {
        let ask = Ask {
            query: &self.query,
            last: self.last.as_deref(),
            is_stream: true,
            ..Ask::<()>::new(Method::GET, "api/v1/watch")
        };
        match self.client.open(&ask).await {
            Ok(response) => {
                let events = response.bytes_stream().eventsource().map(|event| {
                    let event = event.map_err(|e| format!("the connection broke off: {e}"))?;
                    let data = serde_json::from_str(&event.data)
                        .map_err(|e| format!("an event cannot be read: {e}"))?;
                    Ok((event.id, data))
                });
                self.events = Some(events.boxed());
                Ok(())
            }
            // Only who has been there before waits for a server to come back.
            Err(failure) if failure.exit == Exit::Unavailable && self.last.is_some() => self.pause(&failure),
            Err(failure) => Err(failure),
        }
    }

    /// Lets the server rest before it is asked again, each time longer, and gives up at last.
    fn pause(&mut self, failure: &Failure) -> Result<(), Failure> {
        if self.failed >= TRIES {
            return Err(Failure::new(failure.exit, failure.message.clone())
                .hint("it was tried several times to come back"));
        }
        if self.failed == 0 {
            (self.say)(&format!("{}; coming back", failure.message));
        }
        self.rest = Some(Instant::now() + PAUSE * 2_u32.pow(self.failed));
        self.failed += 1;
        Ok(())
    }
}
