//! JUnit XML: a suite for each file, a case for each finding in it, and one that passes for a file without errors.

use std::collections::BTreeMap;

use super::{Report, Shown, told};

pub(super) fn write(report: &Report<'_>) -> String {
    let (shown, rest) = report.shown();
    let mut by_file: BTreeMap<&str, Vec<Shown<'_>>> = BTreeMap::new();
    for file in report.input.names() {
        by_file.entry(report.texts.path(file)).or_default();
    }
    for one in shown {
        by_file
            .entry(report.texts.path(&one.finding.file))
            .or_default()
            .push(one);
    }
    let (mut suites, mut tests, mut failures) = (String::new(), 0, 0);
    for (file, findings) in by_file {
        let errors = findings.iter().filter(|shown| shown.is_error()).count();
        let name = escaped(if file.is_empty() { "nautes validate" } else { file });
        let mut cases: String = findings.iter().map(|shown| case(&name, shown)).collect();
        let mut count = findings.len();
        if errors == 0 {
            cases.push_str(&format!("    <testcase name=\"valid\" classname=\"{name}\"/>\n"));
            count += 1;
        }
        suites.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{count}\" failures=\"{errors}\" errors=\"0\">\n{cases}  </testsuite>\n"
        ));
        tests += count;
        failures += errors;
    }
    if rest > 0 {
        let name = "nautes validate";
        suites.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"1\" failures=\"0\" errors=\"0\">\n    \
             <testcase name=\"{rest} more findings are not shown\" classname=\"{name}\"/>\n  </testsuite>\n"
        ));
        tests += 1;
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"nautes validate\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\">\n\
         {suites}</testsuites>\n"
    )
}

fn case(file: &str, shown: &Shown<'_>) -> String {
    let finding = shown.finding;
    let name = escaped(&format!("{} {}", finding.rule, super::subject(finding)));
    let line = finding
        .position
        .map(|at| format!(" line=\"{}\"", at.line))
        .unwrap_or_default();
    let place = finding
        .position
        .map(|at| format!(":{}:{}", at.line, at.column))
        .unwrap_or_default();
    let text = escaped(&format!("{}{place}: {}", finding.file, told(finding)));
    let inner = if shown.is_error() {
        format!(
            "<failure type=\"{}\" message=\"{}\">{text}</failure>",
            escaped(&finding.rule),
            escaped(&finding.message)
        )
    } else {
        format!("<system-out>warning: {text}</system-out>")
    };
    format!(
        "    <testcase name=\"{}\" classname=\"{file}\" file=\"{file}\"{line}>{inner}</testcase>\n",
        name.trim_end()
    )
}

/// Text for XML. What XML 1.0 cannot hold at all is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_stays_xml() {
        assert_eq!(
            escaped("<a b='\"'>&\u{1b}\n"),
            "&lt;a b=&apos;&quot;&apos;&gt;&amp;\u{fffd}&#10;"
        );
    }
}
