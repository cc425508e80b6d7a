//! `nautes apply` and `nautes remove`.

use nautes_api::wire::{ApplyReply, ApplyRequest, Done};

use crate::cli::{Apply, Output};
use crate::client::Client;
use crate::cmd::{plan, wait};
use crate::exit::{Exit, Failure, Outcome};
use crate::input;
use crate::output::{self, DIM, GREEN, YELLOW};
use crate::settings::Settings;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `apply`.
    Apply,
    /// `remove`.
    Remove,
}

/// Runs the command.
///
/// # Errors
/// The input is wrong, the API refuses, or does not answer.
pub async fn run(settings: &Settings, args: &Apply, verb: Verb) -> Outcome {
    let files = input::read(&args.files.filename)?;
    let product = args.files.product.clone().or_else(|| settings.product.clone());
    let request = ApplyRequest { files, product };
    let client = Client::connect(settings).await?;
    let what = if verb == Verb::Apply { "apply" } else { "remove" };
    let query = [
        ("dry_run", args.dry_run),
        ("insecure_skip_check", args.insecure_skip_check),
    ];
    let reply = client.write(what, &request, &query).await?;
    print(&reply, args.output)?;
    if reply.is_partial() {
        return Err(
            Failure::new(Exit::Partial, reply.message).hint("run the same command again for the rest")
        );
    }
    if args.wait && !args.dry_run {
        return match verb {
            Verb::Apply => wait::ready(&client, &reply, args.timeout).await,
            Verb::Remove => wait::gone(&client, &reply, args.timeout).await,
        };
    }
    Ok(if args.dry_run && plan::changes(&reply) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Prints what was done: a line for each resource, then the commits.
pub(crate) fn print(reply: &ApplyReply, how: Output) -> Result<(), Failure> {
    output::findings(&reply.warnings);
    for finding in &reply.skipped {
        output::say(&format!(
            "{YELLOW}skipped[{}]{YELLOW:#}: {}",
            finding.rule, finding.message
        ));
    }
    // What was converted on reading is right: it is for those who want to know.
    for (resource, notes) in reply.notes.iter().filter(|_| how == Output::Wide) {
        for note in notes {
            output::say(&format!("{DIM}note: {resource}: {note}{DIM:#}"));
        }
    }
    match how {
        Output::Json => output::data(&format!("{:#}\n", serde_json::to_value(reply)?))?,
        Output::Yaml => output::data(&output::yaml(reply)?)?,
        Output::Name => {
            for outcome in reply.repositories.iter().flat_map(|r| &r.resources) {
                output::data(&format!("{}\n", outcome.resource))?;
            }
        }
        Output::Table | Output::Wide => {
            for repository in &reply.repositories {
                for outcome in &repository.resources {
                    let style = if outcome.done == Done::Unchanged {
                        DIM
                    } else {
                        GREEN
                    };
                    let mode = if reply.dry_run { " (dry run)" } else { "" };
                    output::data(&format!(
                        "{} {style}{}{style:#}{mode}\n",
                        outcome.resource,
                        outcome.done.word()
                    ))?;
                }
            }
        }
    }
    for repository in &reply.repositories {
        match (&repository.commit, &repository.error) {
            (_, Some(error)) => output::say(&format!("{}: {error}", repository.repository)),
            (Some(commit), None) => {
                output::say(&format!(
                    "{}: commit {}",
                    repository.repository,
                    commit.get(..12).unwrap_or(commit)
                ));
            }
            (None, None) => {}
        }
    }
    Ok(())
}
