//! How results are printed: data on stdout, talk on stderr.

pub mod list;
pub mod screen;

use std::io::Write as _;

use anstream::{eprintln, stdout};
use anstyle::{AnsiColor, Style};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use nautes_model::{Finding, Severity};

use crate::exit::{Exit, Failure};

/// Bold.
pub const BOLD: Style = Style::new().bold();
/// For what went well.
pub const GREEN: Style = AnsiColor::Green.on_default();
/// For what waits.
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
/// For what failed.
pub const RED: Style = AnsiColor::Red.on_default();
/// For what is beside the point.
pub const DIM: Style = Style::new().dimmed();

/// Prints data. A reader that went away (`| head`) is no fault.
///
/// # Errors
/// Standard output cannot be written for another reason.
pub fn data(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Internal,
            format!("standard output cannot be written: {e}"),
        )),
        _ => Ok(()),
    }
}

/// Prints talk.
pub fn say(text: &str) {
    eprintln!("{text}");
}

/// Prints findings, in order, each with its way out.
pub fn findings(all: &[Finding]) {
    for finding in all {
        let (style, word) = match finding.severity {
            Severity::Error => (RED, "error"),
            Severity::Warning => (YELLOW, "warning"),
        };
        let mut place = String::new();
        if !finding.file.is_empty() {
            place.push_str(&finding.file);
            if let Some(at) = finding.position {
                place.push_str(&format!(":{}:{}", at.line, at.column));
            }
            place.push_str(": ");
        }
        let mut about = String::new();
        if let Some(resource) = &finding.resource {
            about.push_str(&format!(" {resource}"));
        }
        if let Some(field) = &finding.field {
            about.push_str(&format!(" {field}"));
        }
        say(&format!(
            "{place}{style}{word}[{}]{style:#}{about}: {}",
            finding.rule, finding.message
        ));
        if let Some(hint) = &finding.hint {
            say(&format!("  {DIM}hint:{DIM:#} {hint}"));
        }
    }
}

/// Prints why a command failed.
pub fn failure(failure: &Failure) {
    findings(&failure.findings);
    let errors = failure
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .count();
    if failure.findings.len() == 1 {
        // The one finding says it already.
    } else if errors > 0 {
        say(&format!(
            "{RED}error{RED:#}: {errors} faults, nothing was changed"
        ));
    } else {
        say(&format!("{RED}error{RED:#}: {}", failure.message));
    }
    for hint in &failure.hints {
        say(&format!("  {DIM}hint:{DIM:#} {hint}"));
    }
}

/// Makes a table as kubectl does: upper-case head, columns apart by spaces, no lines.
#[must_use]
pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(head.iter().map(|h| h.to_uppercase()));
    for row in rows {
        table.add_row(row.into_iter().map(|cell| {
            if cell.is_empty() {
                "<none>".to_owned()
            } else {
                cell
            }
        }));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Makes a table, and nothing where there are no rows.
#[must_use]
pub fn filled(head: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        String::new()
    } else {
        table(head, rows)
    }
}

/// Prints an answer as it was asked for; `text` makes what people read.
///
/// # Errors
/// Standard output cannot be written.
pub fn show(
    how: crate::cli::offline::Show,
    value: &impl serde::Serialize,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    use crate::cli::offline::Show;
    match how {
        Show::Text => data(&text()),
        Show::Json => data(&format!("{:#}\n", serde_json::to_value(value)?)),
        Show::Yaml => data(&yaml(value)?),
    }
}

/// Writes a value as YAML.
///
/// # Errors
/// The value cannot be written; it does not happen with what was read.
pub fn yaml(value: &impl serde::Serialize) -> Result<String, Failure> {
    nautes_model::yaml::to_text(value).map_err(|e| Failure::new(Exit::Internal, e.to_string()))
}
