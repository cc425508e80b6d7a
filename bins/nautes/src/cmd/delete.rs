//! `nautes delete`.

use std::io::{BufRead as _, IsTerminal as _};

use crate::cli::Delete;
use crate::client::Client;
use crate::cmd::{path, targets};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// A resource does not exist, is still needed, or the API refuses or does not answer.
pub async fn run(settings: &Settings, args: &Delete) -> Outcome {
    let targets = targets(&args.what)?;
    let product = args.product.as_deref().or(settings.product.as_deref());
    let client = Client::connect(settings).await?;
    let mut paths = Vec::new();
    for (kind, name) in targets {
        let name = name.ok_or_else(|| {
            Failure::usage(format!("no name of a {} is given", kind.name()))
                .hint("nautes delete KIND NAME; everything of a file goes with nautes remove -f FILE")
        })?;
        paths.push((
            format!("{}/{name}", kind.name()),
            path(kind, product, Some(&name))?,
        ));
    }
    if !args.yes && !args.dry_run && std::io::stdin().is_terminal() && !confirmed(&paths)? {
        return Err(Failure::new(Exit::Findings, "nothing was deleted"));
    }
    for (shown, path) in paths {
        let query = [
            ("dry_run", args.dry_run),
            ("insecure_skip_check", args.insecure_skip_check),
        ];
        client.delete(&path, &query).await?;
        let mode = if args.dry_run { " (dry run)" } else { "" };
        output::data(&format!("{shown} deleted{mode}\n"))?;
    }
    Ok(Exit::Clean)
}

fn confirmed(paths: &[(String, String)]) -> Result<bool, Failure> {
    let names: Vec<&str> = paths.iter().map(|(name, _)| name.as_str()).collect();
    output::say(&format!("delete {}? [y/N]", names.join(", ")));
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| Failure::usage(format!("the answer cannot be read: {e}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
