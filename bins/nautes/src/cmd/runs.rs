//! `nautes runs` and `nautes logs`: what pipeline runtimes have run.

use nautes_api::routes::runs::RunLogs;
use nautes_model::name::ResourceName;
use nautes_runtime::runs::{Log, RunPhase, RunRecord};
use serde::Deserialize;
use serde_json::json;

use crate::cli::live::{Logs, Runs};
use crate::cli::offline::Show;
use crate::client::Client;
use crate::client::told::{Listed, Told};
use crate::cmd::follow::short;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, BOLD, DIM, YELLOW};
use crate::settings::Settings;
use crate::suggest::nearest;

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
    let (mut all, mut is_cut, mut truncated): (Vec<Told<RunRecord>>, _, _) = (Vec::new(), false, false);
    for runtime in runtimes {
        let path = format!("api/v1/products/{product}/{RUNTIMES}/{runtime}/runs");
        let runs = client.pages(&path, &[], args.limit).await;
        let runs: Listed<_> = or_near(runs, &client, &product, RUNTIMES, &runtime).await?;
        all.extend(runs.items);
        is_cut |= runs.has_more;
        truncated |= runs.truncated;
    }
    output::show(args.output, &json!({ "items": all }), || table(&all))?;
    if all.is_empty() && args.output == Show::Text {
        output::say("no runs");
    }
    if is_cut {
        output::say("note: there are older ones; --limit shows more");
    }
    if truncated {
        output::say("note: the cluster has more runs than the server looks at");
    }
    Ok(Exit::Clean)
}

fn table(all: &[Told<RunRecord>]) -> String {
    let rows = all.iter().map(|run| {
        vec![
            run.name.clone(),
            run.runtime.name.to_string(),
            phase(run.state.phase).to_owned(),
            run.trigger.pipeline.clone(),
            run.trigger.ref_.clone(),
            short(&run.trigger.commit).to_owned(),
            run.created.clone(),
        ]
    });
    let head = ["name", "runtime", "phase", "pipeline", "ref", "commit", "created"];
    let mut text = output::filled(&head, rows.collect());
    // Why a run ended badly is what somebody asks next.
    for run in all.iter().filter(|run| run.state.phase == RunPhase::Failed) {
        let why = Some(&run.state.message).filter(|why| !why.is_empty());
        if let Some(why) = why.or(Some(&run.state.reason).filter(|why| !why.is_empty())) {
            text.push_str(&format!("{DIM}{}:{DIM:#} {why}\n", run.name));
        }
    }
    text
}

const fn phase(phase: RunPhase) -> &'static str {
    match phase {
        RunPhase::Pending => "pending",
        RunPhase::Running => "running",
        RunPhase::Succeeded => "succeeded",
        RunPhase::Failed => "failed",
        RunPhase::Cancelled => "cancelled",
    }
}

/// Runs `nautes logs`.
///
/// # Errors
/// The run is not there or has no logs any more, or the API refuses or does not answer.
pub async fn logs(settings: &Settings, args: &Logs) -> Outcome {
    let client = Client::connect(settings).await?;
    let product = product(settings, args.product.as_deref())?;
    let runtime = ResourceName::new(&args.runtime).map_err(|e| Failure::usage(e.to_string()))?;
    let base = format!("api/v1/products/{product}/{RUNTIMES}/{runtime}/runs");
    let run = match &args.run {
        Some(run) => run.clone(),
        None => {
            let newest = client.pages(&base, &[], 1).await;
            let newest: Listed<RunRecord> =
                or_near(newest, &client, &product, RUNTIMES, runtime.as_str()).await?;
            let Some(newest) = newest.items.into_iter().next() else {
                return Err(Failure::new(
                    Exit::NotFound,
                    format!("pipeline runtime {runtime} of product {product} has no runs"),
                )
                .hint("an event of its repository starts one: nautes explain ppr.spec.pipelineTriggers"));
            };
            output::say(&format!("{DIM}run {}{DIM:#}", newest.name));
            newest.name
        }
    };
    let query = [("lines", args.lines.to_string())];
    let answer = client
        .read(&format!("{base}/{}/logs", segment(&run)?), &query)
        .await;
    let answer: Told<RunLogs> = or_near(answer, &client, &product, RUNTIMES, runtime.as_str()).await?;
    output::show(args.output, &answer, || {
        answer.items.iter().map(written).collect()
    })?;
    if answer.truncated {
        output::say("note: there are more containers than are shown");
    }
    Ok(Exit::Clean)
}

/// What a container has written, below its name.
fn written(log: &Log) -> String {
    let task = log.task.as_ref().unwrap_or(&log.pod);
    let mut text = format!("{BOLD}{task}/{}{BOLD:#}\n{}", log.container, log.text);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    match &log.error {
        Some(error) => text.push_str(&format!("{YELLOW}no log:{YELLOW:#} {error}\n")),
        None if log.text.is_empty() => text.push_str(&format!("{DIM}nothing was written{DIM:#}\n")),
        None => {}
    }
    text
}

/// A word that is a segment of a path and no more.
fn segment(run: &str) -> Result<&str, Failure> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if !run.is_empty() && run.bytes().all(fits) && run.bytes().any(|b| b != b'.') {
        return Ok(run);
    }
    Err(Failure::usage(format!("{run:?} is not the name of a run")).hint("nautes runs lists them"))
}

/// Returns the product that a command is about.
pub(crate) fn product(settings: &Settings, given: Option<&str>) -> Result<String, Failure> {
    let product = settings.product(given)?.ok_or_else(|| {
        Failure::usage("no product is given").hint("name it with -p, or set NAUTES_PRODUCT")
    })?;
    Ok(product.to_string())
}

/// What counts of a list of resources.
#[derive(Deserialize)]
struct Names {
    items: Vec<NamedItem>,
}

#[derive(Deserialize)]
struct NamedItem {
    name: String,
}

/// Returns the runtime that is named, or all of the product.
pub(crate) async fn runtimes(
    client: &Client,
    product: &str,
    kind: &str,
    named: Option<&str>,
) -> Result<Vec<String>, Failure> {
    if let Some(name) = named {
        let name = ResourceName::new(name).map_err(|e| Failure::usage(e.to_string()))?;
        return Ok(vec![name.to_string()]);
    }
    let all: Names = client.get(&format!("api/v1/products/{product}/{kind}")).await?;
    Ok(all.items.into_iter().map(|item| item.name).collect())
}

/// Says which runtimes there are, where the one that was asked for is none of them.
pub(crate) async fn or_near<T>(
    answer: Result<T, Failure>,
    client: &Client,
    product: &str,
    kind: &str,
    named: &str,
) -> Result<T, Failure> {
    let failure = match answer {
        Err(failure) if failure.exit == Exit::NotFound && failure.hints.is_empty() => failure,
        other => return other,
    };
    let Ok(all) = runtimes(client, product, kind, None).await else {
        return Err(failure);
    };
    if all.iter().any(|one| one == named) {
        return Err(failure);
    }
    let near = nearest(named, all.iter().map(String::as_str));
    Err(match (near, all.as_slice()) {
        (Some(near), _) => failure.hint(format!("did you mean {near}?")),
        (None, []) => failure.hint(format!("product {product} has none")),
        (None, all) => failure.hint(format!("product {product} has {}", all.join(", "))),
    })
}
