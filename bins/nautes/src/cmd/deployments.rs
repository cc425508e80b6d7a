//! `nautes deployments`: what deployment runtimes have deployed, and what differs.

use serde_json::{Value, json};

use crate::cli::live::Deployments;
use crate::cli::offline::Show;
use crate::client::{Client, text_at};
use crate::cmd::follow::short;
use crate::cmd::runs::{product, runtimes};
use crate::exit::{Exit, Outcome};
use crate::output::{self, DIM, YELLOW};
use crate::settings::Settings;

/// The last part of the path of deployment runtimes.
const RUNTIMES: &str = "deploymentruntimes";

/// Runs the command.
///
/// # Errors
/// The runtime is not there, or the API refuses or does not answer.
pub async fn run(settings: &Settings, args: &Deployments) -> Outcome {
    let client = Client::connect(settings).await?;
    let product = product(settings, args.product.as_deref())?;
    let mut all: Vec<(String, Value)> = Vec::new();
    for runtime in runtimes(&client, &product, RUNTIMES, args.runtime.as_deref()).await? {
        let path = format!("api/v1/products/{product}/{RUNTIMES}/{runtime}/deployment");
        let found = client.get(&path).await?;
        all.push((runtime, found));
    }
    let items: Vec<&Value> = all.iter().map(|(_, found)| found).collect();
    output::show(args.output, &json!({ "items": items }), || text(&all))?;
    if all.is_empty() && args.output == Show::Text {
        output::say("no deployment runtimes");
    }
    let is_well = |found: &Value| {
        found.get("inSync").and_then(Value::as_bool) == Some(true) && text_at(found, "health") == "Ready"
    };
    Ok(if args.check && !all.iter().all(|(_, found)| is_well(found)) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Says of a field what it is, and what it shall be.
fn changed(field: &Value) -> String {
    let of = |name: &str| {
        field
            .get(name)
            .map_or_else(|| "nothing".to_owned(), Value::to_string)
    };
    let path = text_at(field, "path");
    if field.get("hidden").and_then(Value::as_bool) == Some(true) {
        return format!("{path}: differs; the values may be secret");
    }
    format!("{path}: is {}, shall be {}", of("actual"), of("wanted"))
}

fn text(all: &[(String, Value)]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let rows = all.iter().map(|(runtime, found)| {
        let in_sync = match found.get("inSync").and_then(Value::as_bool) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        vec![
            runtime.clone(),
            text_at(found, "health"),
            in_sync.to_owned(),
            short(&text_at(found, "wanted")).to_owned(),
            short(&text_at(found, "actual")).to_owned(),
            text_at(found, "objects"),
            text_at(found, "cluster"),
            text_at(found, "namespaces"),
        ]
    });
    let head = [
        "name",
        "health",
        "in sync",
        "wanted",
        "deployed",
        "objects",
        "cluster",
        "namespaces",
    ];
    let mut text = output::table(&head, rows.collect());
    for (runtime, found) in all {
        let mut more = Vec::new();
        if text_at(found, "health") != "Ready" {
            more.push(text_at(found, "message"));
        }
        more.push(text_at(found, "unknown"));
        more.dedup();
        for one in more.iter().filter(|one| !one.is_empty()) {
            text.push_str(&format!("{DIM}{runtime}:{DIM:#} {one}\n"));
        }
        for drift in found.get("drift").and_then(Value::as_array).into_iter().flatten() {
            text.push_str(&format!(
                "{DIM}{runtime}:{DIM:#} {YELLOW}{}{YELLOW:#} {} {}\n",
                text_at(drift, "action"),
                text_at(drift, "object"),
                text_at(drift, "message")
            ));
            for field in drift
                .get("fields")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                text.push_str(&format!("    {}\n", changed(field)));
            }
            let more = drift
                .get("moreFields")
                .and_then(Value::as_u64)
                .unwrap_or_default();
            if more > 0 {
                text.push_str(&format!("    and {more} more fields\n"));
            }
        }
    }
    text
}
