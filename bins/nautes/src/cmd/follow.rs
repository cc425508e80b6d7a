//! What happens on a server, as it happens: `nautes events`, and `nautes status --watch`.

mod drawn;

use std::io::IsTerminal as _;

use nautes_api::watch::{ResetReason, WatchEvent};
use nautes_runtime::status_report::{State, StatusNode};
use tokio::time::{Instant, timeout_at};

use crate::cli::live::Events;
use crate::cli::{Output, Status};
use crate::client::Client;
use crate::client::events::Watch;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, DIM, GREEN, RED, YELLOW};
use crate::settings::Settings;

/// Runs `nautes events`.
///
/// # Errors
/// The API refuses, or does not come back.
pub async fn events(settings: &Settings, args: &Events) -> Outcome {
    let client = Client::connect(settings).await?;
    let mut query = of_product(args.product.as_deref().or(settings.product.as_deref()));
    for (name, words) in [("kind", &args.kind), ("events", &args.only)] {
        if !words.is_empty() {
            query.push((name, words.join(",")));
        }
    }
    let mut watch = Watch::new(&client, query);
    if std::io::stdout().is_terminal() {
        output::say(&format!("{DIM}what happens from now on; ctrl-C ends{DIM:#}"));
    }
    let end = args.limit.map(|limit| Instant::now() + limit);
    loop {
        let event = match end {
            Some(end) => match timeout_at(end, watch.next()).await {
                Ok(event) => event?,
                Err(_) => return Ok(Exit::Clean),
            },
            None => watch.next().await?,
        };
        match event {
            WatchEvent::Reset {
                reason: ResetReason::Begin,
                ..
            } => {}
            WatchEvent::Reset { reason, .. } => output::say(match reason {
                ResetReason::Rights => "note: you may see other products than before",
                _ => "note: some events were missed; nautes status shows how things are",
            }),
            event => print(&event, args.output)?,
        }
    }
}

fn of_product(product: Option<&str>) -> Vec<(&'static str, String)> {
    product.map(|p| ("product", p.to_owned())).into_iter().collect()
}

/// Runs `nautes status --watch`.
///
/// # Errors
/// The product is not there, or the API refuses or does not come back.
pub async fn status(settings: &Settings, args: &Status) -> Outcome {
    let client = Client::connect(settings).await?;
    let product = args.product.as_deref().or(settings.product.as_deref());
    let is_drawn = matches!(args.output, Output::Table | Output::Wide)
        && std::io::stdout().is_terminal()
        && !settings.is_dumb;
    let watch = Watch::new(&client, of_product(product));
    if is_drawn {
        return drawn::run(&client, watch, product, args.output == Output::Wide).await;
    }
    let mut watch = watch;
    loop {
        match watch.next().await? {
            WatchEvent::Reset { items, .. } => {
                for item in items {
                    let item = Box::new(item);
                    print(&WatchEvent::Status { item }, args.output)?;
                }
            }
            event => print(&event, args.output)?,
        }
    }
}

fn print(event: &WatchEvent, how: Output) -> Result<(), Failure> {
    match how {
        Output::Json => output::data(&format!("{}\n", serde_json::to_value(event)?)),
        Output::Yaml => output::data(&format!("---\n{}", output::yaml(event)?)),
        Output::Name => match event.resource() {
            Some(resource) => output::data(&format!("{resource}\n")),
            None => Ok(()),
        },
        Output::Table | Output::Wide => output::data(&format!(
            "{DIM}{}{DIM:#} {}\n",
            clock(),
            line(event, how == Output::Wide)
        )),
    }
}

fn line(event: &WatchEvent, wide: bool) -> String {
    match event {
        WatchEvent::Status { item } => format!("{} {}", item.resource, state(item, wide)),
        WatchEvent::Removed { resource } => format!("{resource} {GREEN}gone{GREEN:#}"),
        WatchEvent::Run { resource, run } => format!(
            "{resource} run {} of {} for {} {} {}",
            run.name,
            run.pipeline,
            run.ref_,
            short(&run.commit),
            run.phase
        ),
        WatchEvent::Deployment { resource, deployment } => match &deployment.deploying {
            Some(revision) => format!("{resource} deploys {} in {}", short(revision), deployment.cluster),
            None => format!(
                "{resource} deployed {} in {}, {} objects",
                short(deployment.revision.as_deref().unwrap_or_default()),
                deployment.cluster,
                deployment.objects
            ),
        },
        WatchEvent::Reset { .. } | WatchEvent::End { .. } => String::new(),
    }
}

fn state(item: &StatusNode, wide: bool) -> String {
    let (style, word) = match item.state {
        State::Ready => (GREEN, "ready"),
        State::Pending => (YELLOW, "pending"),
        State::Failed => (RED, "failed"),
        State::Unknown => (DIM, "unknown"),
    };
    let mut text = format!("{style}{word}{style:#}");
    if item.state != State::Ready && !item.reason.is_empty() {
        text.push_str(&format!(" {}", item.reason));
    }
    if (item.state != State::Ready || wide) && !item.message.is_empty() {
        text.push_str(&format!(": {}", item.message));
    }
    if let Some(revision) = item.revision.as_ref().filter(|_| wide) {
        text.push_str(&format!(" {DIM}({}){DIM:#}", short(revision)));
    }
    text
}

/// A commit, as people write it.
pub(crate) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// The time of day, UTC.
fn clock() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = now.map_or(0, |d| d.as_secs()) % 86_400;
    format!(
        "{:02}:{:02}:{:02}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
