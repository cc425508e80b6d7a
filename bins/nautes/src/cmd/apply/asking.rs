//! What was shown is what is done: a plan that somebody agreed to, now or earlier.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use nautes_api::wire::ApplyRequest;
use serde::Deserialize;

use super::{Verb, remarks, table};
use crate::cli::Output;
use crate::client::Client;
use crate::cmd::plan;
use crate::exit::{Exit, Failure};
use crate::output;

/// Refuses to go on where nobody can be asked.
pub(super) fn needs_terminal() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("--confirm asks, and there is no terminal to ask on")
        .hint("look at a plan first and do exactly that: nautes plan -f .. --out plan.json, nautes apply -f .. --plan plan.json"))
}

/// Shows what would be done and asks; where nothing would be done, nobody is asked. Returns the hash of what was agreed
/// to.
pub(super) async fn confirmed(
    client: &Client,
    verb: Verb,
    request: &ApplyRequest,
    query: &[(&'static str, String)],
    how: Output,
) -> Result<Option<String>, Failure> {
    let query: Vec<(&str, String)> = query
        .iter()
        .cloned()
        .chain([("dry_run", "true".to_owned())])
        .collect();
    let reply = client.write(verb.word(), request, &query).await?;
    if !plan::changes(&reply) {
        return Ok(reply.plan_hash);
    }
    remarks(&reply, how);
    output::say(table(&reply).trim_end());
    output::say(&format!("{} this? [y/N]", verb.word()));
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| Failure::usage(format!("the answer cannot be read: {e}")))?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(reply.plan_hash)
    } else {
        Err(Failure::new(Exit::Findings, "nothing was changed"))
    }
}

/// The part of a kept plan that counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    plan_hash: String,
}

/// Reads the hash of a plan that was kept.
pub(super) fn kept(file: &Path) -> Result<String, Failure> {
    let text =
        std::fs::read_to_string(file).map_err(|e| Failure::usage(format!("{}: {e}", file.display())))?;
    let kept: Kept = serde_json::from_str(&text).map_err(|e| {
        Failure::usage(format!("{}: not a plan of manifests: {e}", file.display()))
            .hint("nautes plan -f .. --out FILE keeps one, and so does nautes apply -f .. --dry-run -o json")
    })?;
    Ok(kept.plan_hash)
}
