//! `nautes plan --live --from .. --to ..`: from revision to revision of a product, as the server has them.

use nautes_api::revisions::RevisionPlan;
use nautes_model::name::ProductName;

use super::{text, trees};
use crate::cli::{Output, Plan};
use crate::client::Client;
use crate::client::told::Told;
use crate::cmd::follow::short;
use crate::cmd::status;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, DIM};
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// No product is named, a revision is not there, or the API refuses or does not answer.
pub(super) async fn run(settings: &Settings, args: &Plan) -> Outcome {
    let product = settings.product(args.product.as_deref().or(args.only.as_deref()))?;
    let product = product.ok_or_else(|| {
        Failure::usage("the server compares revisions of one product, and none is given")
            .hint("name it: nautes plan PRODUCT --live --from REVISION")
    })?;
    let mut query = Vec::new();
    for (name, given) in [("from", &args.from), ("to", &args.to)] {
        match given.as_slice() {
            [] => {}
            [revision] => query.push((name, revision.clone())),
            _ => {
                return Err(Failure::usage(format!(
                    "--{name} is given more than once; the server compares one revision with one other"
                )));
            }
        }
    }
    let client = Client::connect(settings).await?;
    let plan: Told<RevisionPlan> = client
        .read(&status::path("plan", Some(product.as_str())), &query)
        .await
        .map_err(|failure| in_our_words(failure, &product))?;
    if let Some(file) = &args.out {
        trees::keep(file, &serde_json::to_value(&plan)?)?;
    }
    match args.output {
        Output::Json => output::data(&format!("{:#}\n", serde_json::to_value(&plan)?))?,
        Output::Yaml => output::data(&output::yaml(&plan)?)?,
        Output::Name => {
            for change in &plan.changes.resources {
                output::data(&format!("{}\n", change.resource))?;
            }
        }
        Output::Table | Output::Wide => {
            let from = args.from.first().map_or("", String::as_str);
            let to = args.to.first().map_or("what is declared now", String::as_str);
            let side =
                |named: &str, commit: &str| format!("{named}  {DIM}({product} {}){DIM:#}", short(commit));
            let (from, to) = (side(from, &plan.from), side(to, &plan.to));
            output::data(&text::of(&from, &to, &plan.changes, args.output == Output::Wide))?;
        }
    }
    output::findings(&plan.findings);
    if plan.hidden > 0 {
        output::say(&format!(
            "note: {} more stand where you may not look, and break or have a part in it",
            plan.hidden
        ));
    }
    if plan.changes.is_empty() && plan.findings.is_empty() && plan.hidden == 0 {
        return Ok(super::nothing());
    }
    output::say(&text::summary(&plan.changes));
    Ok(Exit::Findings)
}

/// Where the server points at its own history, the command that shows it is named.
fn in_our_words(mut failure: Failure, product: &ProductName) -> Failure {
    for hint in &mut failure.hints {
        if hint.contains("/api/v1/audit") {
            *hint = format!("nautes audit {product} lists the commits");
        }
    }
    failure
}
