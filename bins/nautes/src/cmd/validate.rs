//! `nautes validate`: syntax, schema, references and rules, without a server.

use std::collections::BTreeSet;

use nautes_api::wire::ManifestFile;
use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ProductName;
use nautes_model::reference::references;
use nautes_model::{Finding, Identity, Kind, Scopes, Severity};
use nautes_validate::{RuleSet, check};
use serde_json::json;

use crate::cli::{Output, Validate};
use crate::exit::{Exit, Failure, Outcome};
use crate::input;
use crate::output::{self, GREEN};
use crate::settings::Settings;

/// The id of the warning about what cannot be looked up here.
const NOT_CHECKED: &str = "NotCheckedHere";
const ASK: &str = "nautes plan -f asks the server, which knows it";

/// Runs the command.
///
/// # Errors
/// A file cannot be read. Findings are no error: they are printed, and decide the exit code.
pub fn run(settings: &Settings, args: &Validate) -> Outcome {
    let product = args.files.product.clone().or_else(|| settings.product.clone());
    let product = product
        .map(|p| ProductName::new(&p).map_err(|e| Failure::usage(format!("-p {p}: {e}"))))
        .transpose()?;
    let files = input::read(&args.files.filename)?;
    let (findings, resources) = judge(&files, product.as_ref());
    let errors = findings.iter().filter(|f| f.severity == Severity::Error).count();
    output::findings(&findings);
    match args.output {
        Output::Json => {
            let shown = json!({ "accepted": errors == 0, "findings": findings });
            output::data(&format!("{shown:#}\n"))?;
        }
        Output::Yaml => {
            let shown = json!({ "accepted": errors == 0, "findings": findings });
            output::data(&output::yaml(&shown)?)?;
        }
        Output::Name => {
            for identity in &resources {
                output::data(&format!("{identity}\n"))?;
            }
        }
        Output::Table | Output::Wide => {}
    }
    let warnings = findings.len() - errors;
    if errors > 0 {
        output::say(&format!(
            "{} and {}",
            count(errors, "error"),
            count(warnings, "warning")
        ));
        return Ok(Exit::Findings);
    }
    let found = count(resources.len(), "resource");
    let aside = if warnings > 0 {
        format!(", {}", count(warnings, "warning"))
    } else {
        String::new()
    };
    output::say(&format!("{GREEN}valid{GREEN:#}: {found}{aside}"));
    Ok(Exit::Clean)
}

/// Judges files: everything that is wrong, in order, and what they declare.
#[must_use]
pub fn judge(files: &[ManifestFile], product: Option<&ProductName>) -> (Vec<Finding>, BTreeSet<Identity>) {
    let mut findings = Vec::new();
    let mut scopes = Scopes::default();
    let mut resources = BTreeSet::new();
    for file in files {
        let context = Context::new(&file.name, Form::Request).product(product);
        let parsed = manifest::parse(&file.text, &context);
        findings.extend(parsed.findings);
        for resource in parsed.resources {
            resources.insert(resource.identity.clone());
            scopes.insert(resource);
        }
    }
    let mut rules = RuleSet::standard();
    // A tenant is there when what belongs to it, and is no product, is.
    let has_tenant = resources
        .iter()
        .any(|r| r.product.is_none() && r.kind != Kind::Product);
    if !has_tenant {
        let mut facts = rules.facts().clone();
        facts.tenant_known = false;
        rules = rules.with_facts(facts);
        findings.extend(not_checked(&scopes, &resources));
    }
    let judged = check(&scopes, &rules).findings;
    if has_tenant && !resources.iter().any(|r| r.kind == Kind::CodeRepoProvider) {
        findings.extend(judged.into_iter().map(without_provider));
    } else {
        findings.extend(judged);
    }
    findings.sort();
    findings.dedup();
    (findings, resources)
}

/// Providers are set up with the tenant and seldom stand beside products and clusters.
fn without_provider(mut finding: Finding) -> Finding {
    if finding.rule == "ProviderMissing" {
        finding.severity = Severity::Warning;
        NOT_CHECKED.clone_into(&mut finding.rule);
        finding.hint = Some(ASK.to_owned());
    }
    finding
}

/// Names what is referred to and belongs to a tenant that is not part of the input.
fn not_checked(scopes: &Scopes, given: &BTreeSet<Identity>) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for sourced in scopes.iter() {
        for reference in references(sourced) {
            let Some(to) = reference
                .to
                .filter(|to| to.product.is_none() && !given.contains(to))
            else {
                continue;
            };
            if !seen.insert(to.clone()) {
                continue;
            }
            let position = manifest::locate(&sourced.source, &reference.field);
            let mut finding = Finding::error(
                NOT_CHECKED,
                &sourced.source.file,
                format!("{to} is not among the files: it is not checked here"),
            )
            .about(sourced.identity.clone())
            .field(reference.field)
            .at(position)
            .hint(ASK);
            finding.severity = Severity::Warning;
            all.push(finding);
        }
    }
    all
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
