//! `nautes plan`: what manifests would do, what is not yet as declared, or what leads from one tree to another.

mod trees;

use nautes_api::wire::{ApplyReply, ApplyRequest, Done};
use serde_json::Value;

use crate::cli::{Output, Plan};
use crate::client::{Client, text_at};
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
    if !args.from.is_empty() {
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
    let answer: Value = client.get(&status::path("plan", product)).await?;
    let changes = answer.get("changes").and_then(Value::as_array).ok_or_else(|| {
        Failure::new(Exit::Internal, "the answer names no changes")
            .hint("compare the versions: nautes version")
    })?;
    match args.output {
        Output::Json => output::data(&format!("{answer:#}\n"))?,
        Output::Yaml => output::data(&output::yaml(&answer)?)?,
        Output::Table | Output::Wide | Output::Name => {
            for change in changes {
                output::data(&line(change, args.output))?;
            }
        }
    }
    if changes.is_empty() {
        return Ok(nothing());
    }
    output::say(&format!("{} not yet as declared", changes.len()));
    Ok(Exit::Findings)
}

fn nothing() -> Exit {
    output::say(&format!("{GREEN}nothing to do{GREEN:#}"));
    Exit::Clean
}

fn line(change: &Value, how: Output) -> String {
    let what = match text_at(change, "object") {
        text if text.is_empty() => text_at(change, "resource"),
        text => text,
    };
    if how == Output::Name {
        return format!("{what}\n");
    }
    let action = text_at(change, "action");
    let (style, sign) = match action.as_str() {
        "create" => (GREEN, "+"),
        "delete" | "prune" | "remove" => (RED, "-"),
        _ => (YELLOW, "~"),
    };
    let cluster = text_at(change, "cluster");
    let place = if cluster.is_empty() {
        String::new()
    } else {
        format!(" in {cluster}")
    };
    let message = text_at(change, "message");
    let why = if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    };
    format!("{style}{sign} {action}{style:#} {what}{place}{why}\n")
}
