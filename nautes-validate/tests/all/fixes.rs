//! Findings whose way out is an edit disappear when the edit is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use nautes_model::manifest::{self, Context, Form, Mended};
use nautes_model::{Finding, Fix, Severity};
use nautes_validate::explained;

use crate::cases::{entries, findings_in, folder, name};
use crate::support::BASE;

/// The text of a case, taken apart as `support` reads it.
struct Case<'p> {
    path: &'p Path,
    /// What stands above `# after`.
    before: Option<String>,
    /// The files that are judged, by name: the base, the case's own and those that it begins.
    files: Vec<(String, String)>,
}

impl<'p> Case<'p> {
    fn read(path: &'p Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let (before, judged) = match text.split_once("# after\n") {
            Some((before, after)) => {
                let above = before.lines().count() + 1;
                (Some(before.to_owned()), format!("{}{after}", "\n".repeat(above)))
            }
            None => (None, text),
        };
        let mut parts = judged.split("# file: ");
        let mut files = vec![
            ("base.yaml".to_owned(), BASE.to_owned()),
            (name(path).to_owned(), parts.next().unwrap_or_default().to_owned()),
        ];
        for part in parts {
            let (name, text) = part.split_once('\n').unwrap_or((part, ""));
            files.push((name.to_owned(), text.to_owned()));
        }
        Self { path, before, files }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut text = String::new();
        if let Some(before) = &self.before {
            write!(text, "{before}# after\n").unwrap();
        }
        for (index, (name, part)) in self.files.iter().enumerate().skip(1) {
            if index > 1 {
                writeln!(text, "# file: {name}").unwrap();
            }
            let part = if index == 1 && self.before.is_some() {
                part.trim_start_matches('\n')
            } else {
                part
            };
            text.push_str(part);
            if !text.ends_with('\n') && index + 1 < self.files.len() {
                text.push('\n');
            }
        }
        findings_in(self.path, &text, &self.files[0].1)
    }

    fn mend(&self, fixes: &[&Fix]) -> (Self, Mended) {
        let context = Context::new("", Form::Request);
        let text_of = |file: &str| {
            let found = self.files.iter().find(|(name, _)| name == file);
            found.map(|(_, text)| text.as_str())
        };
        let mended = manifest::mend(text_of, fixes, &context);
        let files = self
            .files
            .iter()
            .map(|(name, text)| {
                let new = mended.files.get(name.as_str()).map(|file| file.text.clone());
                (name.clone(), new.unwrap_or_else(|| text.clone()))
            })
            .collect();
        let after = Self {
            path: self.path,
            before: self.before.clone(),
            files,
        };
        (after, mended)
    }
}

fn same(one: &Finding, other: &Finding) -> bool {
    one.rule == other.rule
        && one.field == other.field
        && one.message == other.message
        && (one.resource == other.resource || one.resource.is_none())
}

/// What is wrong with the verdict on what was mended.
fn faults(before: &[Finding], after: &[Finding], mended: &Finding) -> String {
    let mut wrong = String::new();
    if after.iter().any(|f| same(mended, f)) {
        writeln!(wrong, "is still there: {mended}").unwrap();
    }
    let worse = after.iter().filter(|f| {
        f.severity == Severity::Error
            && f.resource.is_some()
            && f.resource == mended.resource
            && !before.iter().any(|b| same(b, f))
    });
    for finding in worse {
        writeln!(wrong, "is new after {mended}\n  : {finding}").unwrap();
    }
    wrong
}

/// What a case is once everything is mended stands beside it; `UPDATE=1` writes it anew.
fn golden(path: &Path, text: &str, mended: &Mended) -> String {
    let mut text = text.to_owned();
    for refused in &mended.refused {
        writeln!(text, "# refused: {}", refused.reason).unwrap();
    }
    if std::env::vars().any(|(key, value)| key == "UPDATE" && value == "1") {
        std::fs::write(path, &text).unwrap();
        return String::new();
    }
    if std::fs::read_to_string(path).unwrap_or_default() == text {
        return String::new();
    }
    format!("{} is another text (UPDATE=1 accepts it):\n{text}", path.display())
}

#[test]
fn a_finding_of_a_case_disappears_when_its_fix_is_made() {
    let mut wrong = String::new();
    let mut by_rule: BTreeMap<String, usize> = BTreeMap::new();
    for rule in entries(&folder()).iter().filter(|p| p.is_dir()) {
        for path in entries(rule).iter().filter(|f| name(f).ends_with(".yaml")) {
            let case = Case::read(path);
            let before = case.findings();
            let place = format!("{}/{}", name(rule), name(path));
            let mendable: Vec<&Finding> = before.iter().filter(|f| f.fix.is_some()).collect();
            for finding in &mendable {
                *by_rule.entry(finding.rule.clone()).or_default() += 1;
                let fix = finding.fix.as_ref().unwrap();
                let (after, mended) = case.mend(&[fix]);
                if let Some(refused) = mended.refused.first() {
                    writeln!(wrong, "{place}: {finding}\n  refused: {}", refused.reason).unwrap();
                    continue;
                }
                let faults = faults(&before, &after.findings(), finding);
                if !faults.is_empty() {
                    writeln!(wrong, "{place}: {faults}{fix:?}").unwrap();
                }
            }
            // All of them together.
            let fixes: Vec<&Fix> = mendable.iter().filter_map(|f| f.fix.as_ref()).collect();
            let (after, mended) = case.mend(&fixes);
            let found = after.findings();
            if let Some(file) = mended.files.get(name(path)).filter(|_| name(path).contains("mended")) {
                wrong.push_str(&golden(&path.with_extension("mended"), &file.text, &mended));
            }
            for done in mended.done {
                let faults = faults(&before, &found, mendable[done]);
                if !faults.is_empty() {
                    writeln!(wrong, "{place}, all at once: {faults}").unwrap();
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let said: BTreeSet<String> = explained().filter(|e| e.mendable).map(|e| e.id.into_owned()).collect();
    let shown: BTreeSet<String> = by_rule.into_keys().collect();
    assert_eq!(said, shown, "explain.rs lists the rules whose findings have a fix");
}
