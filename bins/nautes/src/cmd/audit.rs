//! `nautes audit`: who changed what.

use nautes_model::Identity;
use serde_json::{Value, json};

use crate::cli::live::Audit;
use crate::cli::offline::Show;
use crate::client::{Client, text_at};
use crate::cmd::follow::short;
use crate::cmd::{runs, status};
use crate::exit::{Exit, Outcome};
use crate::output::{self, DIM, YELLOW};
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// The product is not there, or the API refuses or does not answer.
pub async fn run(settings: &Settings, args: &Audit) -> Outcome {
    let client = Client::connect(settings).await?;
    let product = args.product.as_deref().or(settings.product.as_deref());
    let given = [
        ("author", &args.user),
        ("resource", &args.resource),
        ("since", &args.since),
    ];
    let query: Vec<(&str, String)> = given
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .collect();
    let entries = runs::pages(&client, &status::path("audit", product), &query, args.limit).await?;
    output::show(args.output, &json!({ "items": entries }), || {
        entries.iter().map(entry).collect()
    })?;
    if entries.is_empty() && args.output == Show::Text {
        output::say("no changes");
    }
    Ok(Exit::Clean)
}

fn entry(entry: &Value) -> String {
    let request = text_at(entry, "requestId");
    let how = if request.is_empty() {
        format!(" {DIM}pushed{DIM:#}")
    } else {
        String::new()
    };
    let mut text = format!(
        "{}  {}  {}  {DIM}{}{DIM:#}  {}{how}\n",
        text_at(entry, "time"),
        text_at(entry, "author"),
        text_at(entry, "repository"),
        short(&text_at(entry, "revision")),
        text_at(entry, "message"),
    );
    for outcome in entry
        .get("resources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let resource = outcome.get("resource").cloned().unwrap_or_default();
        let resource =
            serde_json::from_value::<Identity>(resource).map_or_else(|_| String::new(), |i| i.to_string());
        text.push_str(&format!("    {resource} {}\n", text_at(outcome, "done")));
    }
    if entry.get("complete").and_then(Value::as_bool) == Some(false) {
        text.push_str(&format!("    {DIM}and more that cannot be told{DIM:#}\n"));
    }
    let skipped = text_at(entry, "skippedRules");
    if !skipped.is_empty() {
        text.push_str(&format!("    {YELLOW}skipped{YELLOW:#} {skipped}\n"));
    }
    text
}
