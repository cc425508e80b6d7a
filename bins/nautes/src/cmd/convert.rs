//! `nautes convert`: older forms of manifests become the current one, where they stand.

use nautes_api::wire::ManifestFile;
use nautes_model::manifest::{self, Context, Converted, Form};
use nautes_model::name::ProductName;

use crate::cli::Convert;
use crate::cmd::edit::{self, Edited};
use crate::exit::{Exit, Failure, Outcome};
use crate::input;
use crate::output::{self, GREEN, YELLOW};
use crate::settings::Settings;

/// What the file of standard input is called.
const STDIN: &str = "-";

/// Runs the command.
///
/// # Errors
/// The options do not fit together, or a file cannot be read or written. What cannot be converted is no error: it
/// is printed as findings, and every file stays as it is, the others unless they are asked for.
pub fn run(settings: &Settings, args: &Convert) -> Outcome {
    let product = args.files.product.clone().or_else(|| settings.product.clone());
    let product = product
        .map(|p| ProductName::new(&p).map_err(|e| Failure::usage(format!("-p {p}: {e}"))))
        .transpose()?;
    if args.write && args.files.filename.iter().any(|name| name == STDIN) {
        return Err(Failure::usage("standard input cannot be written").hint("leave --write away"));
    }
    let files = input::read(&args.files.filename)?;
    let to_stdout = !(args.write || args.check || args.diff);
    if to_stdout && files.len() > 1 {
        let message = format!("{} files would go to standard output", files.len());
        return Err(
            Failure::usage(message).hint("--write changes them in place, --diff and --check only look")
        );
    }
    let mut broken = 0;
    let mut changed = Vec::new();
    for file in &files {
        let context = Context::new(&file.name, Form::Request).product(product.as_ref());
        let converted = manifest::convert(&file.text, &context);
        tell(file, &converted);
        if !converted.findings.is_empty() {
            broken += 1;
        } else if to_stdout {
            output::data(&converted.text)?;
        } else if converted.text != file.text {
            if args.diff {
                output::data(&edited(file, &converted.text).difference(&context))?;
            } else if args.check {
                output::data(&format!("{}\n", file.name))?;
            }
            changed.push((file, converted.text));
        }
    }
    let exit = if broken > 0 || (args.check && !changed.is_empty()) {
        Exit::Findings
    } else {
        Exit::Clean
    };
    if args.write && broken > 0 && !args.keep_going {
        output::say(&format!(
            "{YELLOW}nothing is written{YELLOW:#}: {broken} of {} files cannot be converted\n  hint: mend them, or write \
             the others with --keep-going",
            files.len()
        ));
        return Ok(exit);
    }
    if args.write {
        let edited: Vec<Edited<'_>> = changed.iter().map(|(file, text)| edited(file, text)).collect();
        edit::write(&edited)?;
    }
    if !to_stdout {
        let verb = if args.write { "converted" } else { "to convert" };
        output::say(&format!(
            "{GREEN}{verb}{GREEN:#}: {} of {} files",
            changed.len(),
            files.len()
        ));
    }
    Ok(exit)
}

fn edited<'e>(file: &'e ManifestFile, after: &'e str) -> Edited<'e> {
    Edited {
        name: &file.name,
        before: &file.text,
        after,
    }
}

/// Says what became what, what stands in the way, and where secrets are.
fn tell(file: &ManifestFile, converted: &Converted) {
    output::findings(&converted.findings);
    for change in &converted.changes {
        output::say(&format!(
            "{}:{}: {}: {}",
            file.name, change.line, change.resource, change.note
        ));
    }
    for secret in &converted.secrets {
        output::say(&format!(
            "{}: {YELLOW}warning{YELLOW:#} {} {} is a secret, and stays where it is\n  hint: hand the file in with \
             nautes apply, keep it out of Git, and replace what it gives access to if it was there",
            file.name, secret.resource, secret.field
        ));
    }
}
