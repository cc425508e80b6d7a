//! `nautes audit`: who changed what.

use nautes_api::audit::AuditEntry;
use serde_json::json;

use crate::cli::live::Audit;
use crate::cli::offline::Show;
use crate::client::Client;
use crate::client::told::{Listed, Told};
use crate::cmd::follow::short;
use crate::cmd::status;
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
    let found: Listed<Told<AuditEntry>> = client
        .pages(&status::path("audit", product), &query, args.limit)
        .await?;
    output::show(args.output, &json!({ "items": found.items }), || {
        found.items.iter().map(|one| entry(one)).collect()
    })?;
    if found.items.is_empty() && args.output == Show::Text {
        output::say("no changes");
    }
    if found.has_more {
        output::say("note: there are older ones; --limit shows more");
    }
    if found.truncated {
        output::say("note: a repository has older commits than the server looks at");
    }
    Ok(Exit::Clean)
}

fn entry(entry: &AuditEntry) -> String {
    let how = match &entry.request_id {
        Some(_) => String::new(),
        None => format!(" {DIM}pushed{DIM:#}"),
    };
    let mut text = format!(
        "{}  {}  {}  {DIM}{}{DIM:#}  {}{how}\n",
        entry.time,
        entry.author,
        entry.repository,
        short(&entry.revision),
        entry.message,
    );
    for outcome in &entry.resources {
        text.push_str(&format!("    {} {}\n", outcome.resource, outcome.done.word()));
    }
    if !entry.complete {
        text.push_str(&format!("    {DIM}and more that cannot be told{DIM:#}\n"));
    }
    if !entry.skipped_rules.is_empty() {
        text.push_str(&format!(
            "    {YELLOW}skipped{YELLOW:#} {}\n",
            entry.skipped_rules.join(",")
        ));
    }
    text
}
