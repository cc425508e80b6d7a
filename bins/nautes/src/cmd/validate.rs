//! `nautes validate`: syntax, schema, references and rules, without a server.

mod excerpt;
mod mask;
mod mend;
mod report;
mod rules;
mod verdict;

use nautes_validate::RuleSet;

use crate::cli::{ReportFormat, Validate};
use crate::exit::{Exit, Failure, Outcome};
use crate::input::{self, Input};
use crate::output::{self, DIM, GREEN, RED, YELLOW};
use crate::settings::Settings;

use excerpt::Texts;
use report::{Report, Style};

pub use verdict::Verdict;

/// How many findings people are shown unless they say.
const SHOWN: usize = 100;
/// How text is laid out. Colours are for terminals: the printer takes them away elsewhere.
const STYLE: Style = Style {
    colours: true,
    width: 120,
};
/// How many names a note lists.
const NAMES: usize = 5;

/// Runs the command.
///
/// # Errors
/// Something cannot be read. Findings are no error: they are printed, and decide the exit code.
pub fn run(settings: &Settings, args: &Validate) -> Outcome {
    let product = settings.product(args.inputs.product.as_deref())?;
    let words = args.inputs.words();
    let own = rules::read(&args.rules)?;
    let rules = RuleSet::standard().with_rule_files(&own);
    let before = match &args.changed_since {
        None => None,
        Some(revision) => Some(input::load_at(&words, revision, product.as_ref())?),
    };
    let judge = || {
        let input = match before {
            None => input::load(&words, product.as_ref())?,
            Some(_) => input::load_or_nothing(&words, product.as_ref())?,
        };
        let mut verdict = match &before {
            None => Verdict::of(&input, &rules),
            Some(before) => Verdict::of_change(before, &input, &rules),
        };
        verdict.add(rules::trial(&own));
        Ok::<_, Failure>((input, verdict))
    };
    if args.fix {
        mend::refuse(&words)?;
    }
    let (mut input, mut verdict) = judge()?;
    if args.diff || args.fix {
        let mending = mend::Mending::of(&input, &verdict);
        if args.diff {
            output::data(&mending.difference(product.as_ref()))?;
        } else if mending.write(&input, &verdict)? {
            (input, verdict) = judge()?;
        }
    }
    let limit = match (args.max_findings, args.output) {
        (Some(0), _) => usize::MAX,
        (Some(limit), _) => limit,
        (None, ReportFormat::Text) => SHOWN,
        (None, _) => usize::MAX,
    };
    let report = Report {
        input: &input,
        verdict: &verdict,
        rules: &rules,
        texts: Texts::new(std::iter::once(&input).chain(&before).collect()),
        is_change: before.is_some(),
        limit,
        style: STYLE,
    };
    if !args.diff {
        output::data(&report.write(args.output))?;
    }
    if args.output == ReportFormat::Text {
        notes(&input, &verdict);
        let all = verdict.findings.len() + verdict.standing.len();
        if all > limit && !args.diff {
            counts(&verdict, all - limit);
        }
        mendable(&input, &verdict, args);
    }
    summary(&input, &verdict, before.is_some());
    let failed = verdict.errors() > 0 || (args.deny_warnings && verdict.warnings() > 0);
    Ok(if failed { Exit::Findings } else { Exit::Clean })
}

/// Says what was not looked at.
fn notes(input: &Input, verdict: &Verdict) {
    for note in &input.notes {
        output::say(&format!("{DIM}note:{DIM:#} {note}"));
    }
    if verdict.unchecked.is_empty() {
        return;
    }
    let names = verdict
        .unchecked
        .iter()
        .take(NAMES)
        .map(|u| u.resource.to_string());
    let more = match verdict.unchecked.len().saturating_sub(NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    output::say(&format!(
        "{DIM}note:{DIM:#} not part of the input, and taken on trust: {}{more}",
        names.collect::<Vec<_>>().join(", ")
    ));
    output::say(&format!(
        "  {DIM}hint:{DIM:#} name the tenant's files too, or ask the server: nautes plan -f"
    ));
}

/// Says what most of the findings are, when not all are shown.
fn counts(verdict: &Verdict, rest: usize) {
    let mut by_rule = std::collections::BTreeMap::<&str, usize>::new();
    for finding in verdict.findings.iter().chain(&verdict.standing) {
        *by_rule.entry(&finding.rule).or_default() += 1;
    }
    let mut by_rule: Vec<_> = by_rule.into_iter().collect();
    by_rule.sort_by_key(|(rule, count)| (std::cmp::Reverse(*count), *rule));
    let most = by_rule
        .iter()
        .take(NAMES)
        .map(|(rule, count)| format!("{count} {rule}"));
    output::say(&format!(
        "{DIM}note:{DIM:#} {rest} more are not shown; in all: {}",
        most.collect::<Vec<_>>().join(", ")
    ));
    output::say(&format!("  {DIM}hint:{DIM:#} --max-findings 0 shows all of them"));
}

/// Says that there is something to mend.
fn mendable(input: &Input, verdict: &Verdict, args: &Validate) {
    let some = mend::mendable(input, verdict).len();
    if some == 0 || args.diff {
        return;
    }
    let more = if args.fix { "more" } else { "of them" };
    output::say(&format!(
        "{DIM}note:{DIM:#} nautes validate --fix mends {some} {more}, --diff shows how"
    ));
}

fn summary(input: &Input, verdict: &Verdict, is_change: bool) {
    let (errors, warnings) = (verdict.errors(), verdict.warnings());
    let read = format!(
        "{} in {}",
        count(input.scopes.iter().count(), "resource"),
        count(input.files, "file")
    );
    let standing = match verdict.standing.len() {
        0 => String::new(),
        some => format!("; {} before and elsewhere", count(some, "fault")),
    };
    let text = match (errors, warnings) {
        (0, 0) if is_change => format!("{GREEN}valid{GREEN:#}: the change adds no fault to {read}"),
        (0, 0) => format!("{GREEN}valid{GREEN:#}: {read}"),
        (0, _) => format!("{YELLOW}valid{YELLOW:#}: {read}, {}", count(warnings, "warning")),
        (_, 0) => format!("{RED}{}{RED:#} in {read}", count(errors, "error")),
        _ => format!(
            "{RED}{}{RED:#} and {} in {read}",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    };
    output::say(&format!("{text}{standing}"));
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
