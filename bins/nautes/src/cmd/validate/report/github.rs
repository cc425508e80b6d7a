//! Workflow commands of GitHub Actions: a mark at the line of each finding.

use super::{Report, told};

pub(super) fn write(report: &Report<'_>) -> String {
    let mut out = String::new();
    let (shown, rest) = report.shown();
    for shown in shown {
        let finding = shown.finding;
        let command = match (shown.is_standing, shown.is_error()) {
            (true, _) => "notice",
            (false, true) => "error",
            (false, false) => "warning",
        };
        let mut properties = Vec::new();
        if !finding.file.is_empty() {
            properties.push(format!("file={}", property(report.texts.path(&finding.file))));
        }
        if let Some(at) = finding.position {
            properties.push(format!("line={},col={}", at.line, at.column));
            if let Some(end) = report.texts.end_column(finding) {
                properties.push(format!("endColumn={end}"));
            }
        }
        properties.push(format!("title={}", property(&finding.rule)));
        out.push_str(&format!(
            "::{command} {}::{}\n",
            properties.join(","),
            data(&told(finding))
        ));
    }
    if rest > 0 {
        out.push_str(&format!(
            "::notice title=nautes validate::{rest} more findings are not shown\n"
        ));
    }
    out
}

/// A message: whatever could end the line is escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property: whatever could end it is escaped.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_end_a_command_or_begin_another() {
        assert_eq!(data("a%\r\n::error::b"), "a%25%0D%0A::error::b");
        assert_eq!(property("a,line=1::b\n%"), "a%2Cline=1%3A%3Ab%0A%25");
    }
}
