//! `nautes plan`: what manifests would do, what is not yet as declared, or what leads from one state to another.

mod between;
mod text;
mod trees;

use nautes_api::wire::{ApplyReply, ApplyRequest, Done};
use nautes_runtime::preview::{Action, Change, Preview};

use crate::cli::{Output, Plan};
use crate::client::Client;
use crate::client::told::Told;
use crate::cmd::{apply, status};
use crate::exit::{Exit, Failure, Outcome};
use crate::input;
use crate::output::{self, GREEN, RED, YELLOW};
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// The input is wrong, the API refuses, or does not answer.
pub async fn run(settings: &Settings, args: &Plan) -> Outcome {
    if !args.from.is_empty() && (args.live || settings.names_server) {
        between::run(settings, args).await
    } else if !args.from.is_empty() {
        trees::run(settings, args)
    } else if args.filename.is_empty() {
        standing(settings, args).await
    } else {
        proposed(settings, args).await
    }
}

/// What manifests would do: a dry run.
async fn proposed(settings: &Settings, args: &Plan) -> Outcome {
    let files = input::read(&args.filename)?;
    let product = args
        .product
        .clone()
        .or_else(|| args.only.clone())
        .or_else(|| settings.product.clone());
    let client = Client::connect(settings).await?;
    let reply = client
        .write(
            "apply",
            &ApplyRequest { files, product },
            &[("dry_run", "true".to_owned())],
        )
        .await?;
    if let Some(file) = &args.out {
        let text = format!("{:#}\n", serde_json::to_value(&reply)?);
        std::fs::write(file, text).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
    }
    apply::print(&reply, args.output)?;
    Ok(if changes(&reply) {
        Exit::Findings
    } else {
        nothing()
    })
}

/// Whether a request did, or would do, anything.
#[must_use]
pub fn changes(reply: &ApplyReply) -> bool {
    let mut outcomes = reply.repositories.iter().flat_map(|r| &r.resources);
    outcomes.any(|o| !matches!(o.done, Done::Unchanged | Done::Absent))
}

/// What is not yet as declared.
async fn standing(settings: &Settings, args: &Plan) -> Outcome {
    let client = Client::connect(settings).await?;
    let product = args
        .product
        .as_deref()
        .or(args.only.as_deref())
        .or(settings.product.as_deref());
    let answer: Told<Preview> = client.get(&status::path("plan", product)).await?;
    match args.output {
        Output::Json => output::data(&format!("{:#}\n", serde_json::to_value(&answer)?))?,
        Output::Yaml => output::data(&output::yaml(&answer)?)?,
        Output::Table | Output::Wide | Output::Name => {
            for change in &answer.changes {
                output::data(&line(change, args.output))?;
            }
        }
    }
    if answer.changes.is_empty() {
        return Ok(nothing());
    }
    output::say(&format!("{} not yet as declared", answer.changes.len()));
    Ok(Exit::Findings)
}

fn nothing() -> Exit {
    output::say(&format!("{GREEN}nothing to do{GREEN:#}"));
    Exit::Clean
}

fn line(change: &Change, how: Output) -> String {
    let what = match &change.resource {
        Some(resource) if change.object.is_empty() => resource.to_string(),
        _ => change.object.clone(),
    };
    if how == Output::Name {
        return format!("{what}\n");
    }
    let (style, sign) = match change.action {
        Action::Grant => (GREEN, "+"),
        Action::Prune | Action::Revoke => (RED, "-"),
        Action::Write => (YELLOW, "~"),
        Action::Hold => (YELLOW, "="),
        Action::Wait => (YELLOW, "\u{2026}"),
        Action::Fail => (RED, "!"),
    };
    let place = if change.cluster.is_empty() {
        String::new()
    } else {
        format!(" in {}", change.cluster)
    };
    let why = if change.message.is_empty() {
        String::new()
    } else {
        format!(": {}", change.message)
    };
    format!(
        "{style}{sign} {}{style:#} {what}{place}{why}\n",
        word(change.action)
    )
}

/// What would be done, as the API writes it.
pub(crate) const fn word(action: Action) -> &'static str {
    match action {
        Action::Write => "write",
        Action::Prune => "prune",
        Action::Grant => "grant",
        Action::Revoke => "revoke",
        Action::Hold => "hold",
        Action::Wait => "wait",
        Action::Fail => "fail",
    }
}
