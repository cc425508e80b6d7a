//! `nautes validate`: syntax, schema, references and rules, without a server.

mod verdict;

use nautes_validate::RuleSet;
use serde_json::json;

use crate::cli::{Output, Validate};
use crate::exit::{Exit, Outcome};
use crate::input;
use crate::output::{self, GREEN};
use crate::settings::Settings;

pub use verdict::Verdict;

/// Runs the command.
///
/// # Errors
/// Something cannot be read. Findings are no error: they are printed, and decide the exit code.
pub fn run(settings: &Settings, args: &Validate) -> Outcome {
    let product = settings.product(args.inputs.product.as_deref())?;
    let input = input::load(&args.inputs.words(), product.as_ref())?;
    let verdict = Verdict::of(&input, &RuleSet::standard());
    let errors = verdict.errors();
    output::findings(&verdict.findings);
    for note in &input.notes {
        output::say(&format!("note: {note}"));
    }
    if !verdict.unchecked.is_empty() {
        let names: Vec<String> = verdict.unchecked.iter().map(|u| u.resource.to_string()).collect();
        output::say(&format!("note: not part of what is judged: {}", names.join(", ")));
    }
    match args.output {
        Output::Json => {
            let shown = shown(&verdict);
            output::data(&format!("{shown:#}\n"))?;
        }
        Output::Yaml => {
            let shown = shown(&verdict);
            output::data(&output::yaml(&shown)?)?;
        }
        Output::Name => {
            for resource in input.scopes.iter() {
                output::data(&format!("{}\n", resource.identity))?;
            }
        }
        Output::Table | Output::Wide => {}
    }
    let warnings = verdict.findings.len() - errors;
    if errors > 0 {
        output::say(&format!(
            "{} and {}",
            count(errors, "error"),
            count(warnings, "warning")
        ));
        return Ok(Exit::Findings);
    }
    let found = count(input.scopes.iter().count(), "resource");
    let aside = if warnings > 0 {
        format!(", {}", count(warnings, "warning"))
    } else {
        String::new()
    };
    output::say(&format!("{GREEN}valid{GREEN:#}: {found}{aside}"));
    Ok(Exit::Clean)
}

fn shown(verdict: &Verdict) -> serde_json::Value {
    let unchecked: Vec<_> = verdict
        .unchecked
        .iter()
        .map(|u| json!({ "resource": u.resource, "by": u.by, "file": u.file, "position": u.position, "field": u.field }))
        .collect();
    json!({
        "accepted": verdict.errors() == 0,
        "findings": verdict.findings,
        "standing": verdict.standing,
        "notChecked": unchecked,
    })
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
