//! `nautes runs` and `nautes logs`: what pipeline runtimes have run.

use nautes_api::wire::Items;
use serde_json::{Value, json};

use crate::cli::live::{Logs, Runs};
use crate::cli::offline::Show;
use crate::client::{Client, text_at};
use crate::cmd::follow::short;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, BOLD, DIM};
use crate::settings::Settings;

/// The last part of the path of pipeline runtimes.
const RUNTIMES: &str = "projectpipelineruntimes";

/// Runs `nautes runs`.
///
/// # Errors
/// The runtime is not there, or the API refuses or does not answer.
pub async fn list(settings: &Settings, args: &Runs) -> Outcome {
    let client = Client::connect(settings).await?;
    let product = product(settings, args.product.as_deref())?;
    let runtimes = runtimes(&client, &product, RUNTIMES, args.runtime.as_deref()).await?;
    let mut all: Vec<(String, Value)> = Vec::new();
    for runtime in runtimes {
        let path = format!("api/v1/products/{product}/{RUNTIMES}/{runtime}/runs");
        let runs = pages(&client, &path, &[], args.limit).await?;
        all.extend(runs.into_iter().map(|run| (runtime.clone(), run)));
    }
    let items: Vec<&Value> = all.iter().map(|(_, run)| run).collect();
    output::show(args.output, &json!({ "items": items }), || {
        if all.is_empty() {
            return String::new();
        }
        let rows = all.iter().map(|(runtime, run)| {
            vec![
                text_at(run, "name"),
                runtime.clone(),
                text_at(run, "phase"),
                text_at(run, "trigger.pipeline"),
                text_at(run, "trigger.ref"),
                short(&text_at(run, "trigger.commit")).to_owned(),
                text_at(run, "created"),
            ]
        });
        let head = ["name", "runtime", "phase", "pipeline", "ref", "commit", "created"];
        output::table(&head, rows.collect())
    })?;
    if all.is_empty() && args.output == Show::Text {
        output::say("no runs");
    }
    Ok(Exit::Clean)
}

/// Runs `nautes logs`.
///
/// # Errors
/// The run is not there or has no logs any more, or the API refuses or does not answer.
pub async fn logs(settings: &Settings, args: &Logs) -> Outcome {
    let client = Client::connect(settings).await?;
    let product = product(settings, args.product.as_deref())?;
    let base = format!("api/v1/products/{product}/{RUNTIMES}/{}/runs", args.runtime);
    let run = match &args.run {
        Some(run) => run.clone(),
        None => {
            let newest = pages(&client, &base, &[], 1).await?;
            let newest = newest.first().map(|run| text_at(run, "name"));
            let newest = newest
                .ok_or_else(|| Failure::new(Exit::NotFound, format!("{} has no runs", args.runtime)))?;
            output::say(&format!("{DIM}run {newest}{DIM:#}"));
            newest
        }
    };
    let query = [("lines", args.lines.to_string())];
    let answer: Value = client.read(&format!("{base}/{run}/logs"), &query).await?;
    output::show(args.output, &answer, || {
        let mut text = String::new();
        for log in items(&answer) {
            let task = text_at(log, "task");
            let task = if task.is_empty() {
                text_at(log, "pod")
            } else {
                task
            };
            text.push_str(&format!("{BOLD}{task}/{}{BOLD:#}\n", text_at(log, "container")));
            text.push_str(&text_at(log, "text"));
            let error = text_at(log, "error");
            if !error.is_empty() {
                text.push_str(&format!("{DIM}{error}{DIM:#}"));
            }
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        text
    })?;
    if answer.get("truncated").and_then(Value::as_bool) == Some(true) {
        output::say("note: there is more than is shown");
    }
    Ok(Exit::Clean)
}

/// Returns the product that a command is about.
pub(crate) fn product(settings: &Settings, given: Option<&str>) -> Result<String, Failure> {
    let product = settings.product(given)?.ok_or_else(|| {
        Failure::usage("no product is given").hint("name it with -p, or set NAUTES_PRODUCT")
    })?;
    Ok(product.to_string())
}

/// Returns the runtime that is named, or all of the product.
pub(crate) async fn runtimes(
    client: &Client,
    product: &str,
    kind: &str,
    named: Option<&str>,
) -> Result<Vec<String>, Failure> {
    if let Some(name) = named {
        let name = nautes_model::name::ResourceName::new(name).map_err(|e| Failure::usage(e.to_string()))?;
        return Ok(vec![name.to_string()]);
    }
    let all: Items = client
        .list(&format!("api/v1/products/{product}/{kind}"), None)
        .await?;
    Ok(all.items.iter().map(|item| text_at(item, "name")).collect())
}

/// The items of an answer.
pub(crate) fn items(answer: &Value) -> &[Value] {
    answer
        .get("items")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Reads a list page by page, up to a number of items.
pub(crate) async fn pages(
    client: &Client,
    path: &str,
    query: &[(&str, String)],
    limit: usize,
) -> Result<Vec<Value>, Failure> {
    let mut all: Vec<Value> = Vec::new();
    let mut mark = String::new();
    loop {
        let mut query = query.to_vec();
        query.push(("limit", (limit - all.len()).clamp(1, 100).to_string()));
        if !mark.is_empty() {
            query.push(("continue", mark));
        }
        let page: Value = client.read(path, &query).await?;
        all.extend(items(&page).iter().cloned());
        mark = text_at(&page, "continue");
        if mark.is_empty() || all.len() >= limit {
            all.truncate(limit);
            return Ok(all);
        }
    }
}
