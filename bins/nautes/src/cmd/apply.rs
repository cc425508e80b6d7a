//! `nautes apply` and `nautes remove`.

mod asking;

use nautes_api::wire::{ApplyReply, ApplyRequest, Done};

use crate::cli::{Apply, Output};
use crate::client::Client;
use crate::cmd::plan;
use crate::cmd::wait::{self, Until};
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

impl Verb {
    /// Returns the word for people, which is also the last part of the path.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Remove => "remove",
        }
    }
}

/// Runs the command.
///
/// # Errors
/// The input is wrong, the API refuses, or does not answer.
pub async fn run(settings: &Settings, args: &Apply, verb: Verb) -> Outcome {
    let files = input::read(&args.files.filename)?;
    let product = args.files.product.clone().or_else(|| settings.product.clone());
    let request = ApplyRequest { files, product };
    let kept = args.plan.as_deref().map(asking::kept).transpose()?;
    if args.confirm {
        asking::needs_terminal()?;
    }
    let client = Client::connect(settings).await?;
    let flag = |name: &'static str, is_set: bool| (name, is_set.to_string());
    let mut query = vec![flag("insecure_skip_check", args.insecure_skip_check)];
    if args.dry_run {
        query.push(flag("dry_run", true));
    }
    let hash = if args.confirm {
        asking::confirmed(&client, verb, &request, &query, args.output).await?
    } else {
        kept
    };
    let is_agreed = hash.is_some();
    if let Some(hash) = hash {
        query.push(("plan_hash", hash));
    }
    let reply = tokio::select! {
        reply = client.write(verb.word(), &request, &query) => reply.map_err(|failure| moved(failure, is_agreed))?,
        _ = tokio::signal::ctrl_c() => return Err(
            Failure::new(Exit::Interrupted, "the answer was not waited for: nobody can tell here whether it was done")
                .hint("the same command again is safe: what is done is left alone"),
        ),
    };
    print(&reply, args.output)?;
    finish(settings, &client, &reply, args, verb).await
}

/// What the server says of its query parameters is of no use to somebody at a command line.
fn moved(mut failure: Failure, is_agreed: bool) -> Failure {
    if is_agreed && failure.exit == Exit::Conflict && failure.findings.is_empty() {
        failure.hints = vec!["nothing was changed; look at the plan again: nautes plan -f ..".to_owned()];
    }
    failure
}

async fn finish(
    settings: &Settings,
    client: &Client,
    reply: &ApplyReply,
    args: &Apply,
    verb: Verb,
) -> Outcome {
    if reply.is_partial() {
        return Err(Failure::new(Exit::Partial, reply.message.clone())
            .hint("run the same command again for the rest"));
    }
    if args.wait && !args.dry_run {
        let until = match verb {
            Verb::Apply => Until::Ready,
            Verb::Remove => Until::Gone,
        };
        return wait::run(settings, client, reply, until, args.timeout).await;
    }
    Ok(if args.dry_run && plan::changes(reply) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// Prints what was done: a line for each resource, then the commits.
pub(crate) fn print(reply: &ApplyReply, how: Output) -> Result<(), Failure> {
    remarks(reply, how);
    match how {
        Output::Json => output::data(&format!("{:#}\n", serde_json::to_value(reply)?))?,
        Output::Yaml => output::data(&output::yaml(reply)?)?,
        Output::Name => {
            for outcome in reply.repositories.iter().flat_map(|r| &r.resources) {
                output::data(&format!("{}\n", outcome.resource))?;
            }
        }
        Output::Table | Output::Wide => output::data(&table(reply))?,
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

/// Says what somebody should look at.
fn remarks(reply: &ApplyReply, how: Output) {
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
}

/// Writes a line for each resource.
fn table(reply: &ApplyReply) -> String {
    let mode = if reply.dry_run { " (dry run)" } else { "" };
    let mut text = String::new();
    for outcome in reply.repositories.iter().flat_map(|r| &r.resources) {
        let style = if outcome.done == Done::Unchanged {
            DIM
        } else {
            GREEN
        };
        text.push_str(&format!(
            "{} {style}{}{style:#}{mode}\n",
            outcome.resource,
            outcome.done.word()
        ));
    }
    text
}
