//! `nautes status --watch` on a terminal: the tree, drawn anew when something happens.

use std::time::Duration;

use nautes_runtime::status_report::StatusTree;
use tokio::time::{Instant, timeout, timeout_at};

use super::clock;
use crate::client::Client;
use crate::client::events::Watch;
use crate::cmd::status;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::screen::Screen;
use crate::output::{self, DIM, YELLOW};

/// Changes that come so close together are shown at once.
const TOGETHER: Duration = Duration::from_millis(150);
/// The picture is drawn anew after this time, even if nothing is told: what is new to the caller, such as a product of
/// his own, is not told at once.
const AGAIN: Duration = Duration::from_secs(5);

/// Draws until somebody ends it. The last picture stays on the terminal.
pub(super) async fn run(client: &Client, watch: Watch<'_>, product: Option<&str>, wide: bool) -> Outcome {
    // What is refused is told without a picture.
    let path = status::path("status", product);
    let mut last = Picture::of(&client.get(&path).await?, wide);
    let screen = Screen::begin();
    let ended = tokio::select! {
        ended = follow(client, watch, &path, wide, &screen, &mut last) => ended.map(|never| match never {}),
        () = stopped() => Ok(Exit::Interrupted),
    };
    drop(screen);
    output::data(&format!("{}{}\n", last.tree, last.foot()))?;
    ended
}

enum Never {}

/// What was seen last.
struct Picture {
    tree: String,
    summary: String,
    at: String,
    /// Why it is not what is there now.
    stale: Option<String>,
}

impl Picture {
    fn of(tree: &StatusTree, wide: bool) -> Self {
        Self {
            tree: status::draw(tree, wide),
            summary: status::summary(tree),
            at: clock(),
            stale: None,
        }
    }

    fn foot(&self) -> String {
        let why = match &self.stale {
            Some(why) => format!("; {YELLOW}{why}{YELLOW:#}"),
            None => String::new(),
        };
        format!("{DIM}{}, at {}{DIM:#}{why}", self.summary, self.at)
    }
}

async fn follow(
    client: &Client,
    watch: Watch<'_>,
    path: &str,
    wide: bool,
    screen: &Screen,
    last: &mut Picture,
) -> Result<Never, Failure> {
    // Where the server is away, the picture says so.
    let mut watch = watch.saying(|_| ());
    let mut resized = Resized::begin();
    loop {
        screen.draw(&last.tree, &format!("{}{DIM}; ctrl-C ends{DIM:#}", last.foot()));
        tokio::select! {
            event = timeout(AGAIN, watch.next()) => {
                if let Ok(event) = event {
                    event?;
                }
            }
            () = resized.wait() => continue,
        }
        // What comes right after it is in the same picture.
        let until = Instant::now() + TOGETHER;
        while let Ok(more) = timeout_at(until, watch.next()).await {
            more?;
        }
        match client.get::<StatusTree>(path).await {
            Ok(tree) => *last = Picture::of(&tree, wide),
            Err(failure) if failure.exit == Exit::Unavailable => last.stale = Some(failure.message),
            Err(failure) => return Err(failure),
        }
    }
}

/// Waits until somebody wants the program to end.
#[cfg(unix)]
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut all: Vec<_> = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ]
    .into_iter()
    .filter_map(|kind| signal(kind).ok())
    .collect();
    if all.is_empty() {
        return std::future::pending().await;
    }
    futures::future::select_all(all.iter_mut().map(|one| Box::pin(one.recv()))).await;
}

/// Waits until somebody wants the program to end.
#[cfg(not(unix))]
async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Tells when the terminal has another size.
struct Resized {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Resized {
    fn begin() -> Self {
        Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).ok(),
        }
    }

    async fn wait(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
