//! `nautes deployments`: what deployment runtimes have deployed, and what differs.

use nautes_runtime::deploy::{DeploymentReport, FieldDrift};
use nautes_runtime::status_report::State;
use serde_json::{Value, json};

use crate::cli::live::Deployments;
use crate::cli::offline::Show;
use crate::client::Client;
use crate::client::told::Told;
use crate::cmd::follow::short;
use crate::cmd::plan;
use crate::cmd::runs::{or_near, product, runtimes};
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
    let mut all: Vec<Told<DeploymentReport>> = Vec::new();
    for runtime in runtimes(&client, &product, RUNTIMES, args.runtime.as_deref()).await? {
        let path = format!("api/v1/products/{product}/{RUNTIMES}/{runtime}/deployment");
        let found = client.get(&path).await;
        all.push(or_near(found, &client, &product, RUNTIMES, &runtime).await?);
    }
    output::show(args.output, &json!({ "items": all }), || text(&all))?;
    if all.is_empty() && args.output == Show::Text {
        output::say("no deployment runtimes");
    }
    let is_well = |found: &DeploymentReport| found.in_sync == Some(true) && found.health == State::Ready;
    Ok(if args.check && !all.iter().all(|found| is_well(found)) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Says of a field what it is, and what it shall be.
fn changed(field: &FieldDrift) -> String {
    let path = &field.path;
    if field.hidden {
        return format!("{path}: differs; the values may be secret");
    }
    let shown = |value: &Option<Value>| {
        value
            .as_ref()
            .map_or_else(|| "nothing".to_owned(), Value::to_string)
    };
    format!(
        "{path}: is {}, shall be {}",
        shown(&field.actual),
        shown(&field.wanted)
    )
}

fn text(all: &[Told<DeploymentReport>]) -> String {
    let commit = |revision: &Option<String>| revision.as_deref().map(short).unwrap_or_default().to_owned();
    let rows = all.iter().map(|found| {
        let in_sync = match found.in_sync {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        };
        vec![
            found.runtime.name.to_string(),
            format!("{:?}", found.health),
            in_sync.to_owned(),
            commit(&found.wanted),
            commit(&found.actual),
            found.objects.to_string(),
            found.cluster.clone().unwrap_or_default(),
            found.namespaces.join(","),
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
    let mut text = output::filled(&head, rows.collect());
    for found in all {
        let name = &found.runtime.name;
        let why = Some(&found.message).filter(|_| found.health != State::Ready);
        let mut more: Vec<&String> = why.into_iter().chain(&found.unknown).collect();
        more.dedup();
        for one in more.iter().filter(|one| !one.is_empty()) {
            text.push_str(&format!("{DIM}{name}:{DIM:#} {one}\n"));
        }
        for drift in &found.drift {
            text.push_str(&format!(
                "{DIM}{name}:{DIM:#} {YELLOW}{}{YELLOW:#} {} {}\n",
                plan::word(drift.action),
                drift.object,
                drift.message
            ));
            for field in &drift.fields {
                text.push_str(&format!("    {}\n", changed(field)));
            }
            if let Some(why) = &drift.fields_unknown {
                text.push_str(&format!("    in which fields is not known: {why}\n"));
            }
            let more = drift.more_fields;
            if more > 0 {
                text.push_str(&format!("    and {more} more fields\n"));
            }
        }
    }
    text
}
