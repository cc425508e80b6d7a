//! Findings whose way out is an edit disappear when the edit is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use nautes_model::manifest::{self, Context, Form, Mended};
use nautes_model::{Finding, Fix, Scopes, Severity};
use nautes_validate::{RuleSet, check, explained, generate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

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
            writeln!(text, "{before}# after").unwrap();
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
        && one.resource == other.resource
        // A resource may be declared more than twice.
        && one.file == other.file
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
    format!(
        "{} is another text (UPDATE=1 accepts it):\n{text}",
        path.display()
    )
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
            if let Some(file) = mended
                .files
                .get(name(path))
                .filter(|_| name(path).contains("mended"))
            {
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
    let said: BTreeSet<String> = explained()
        .filter(|e| e.mendable)
        .map(|e| e.id.into_owned())
        .collect();
    let shown: BTreeSet<String> = by_rule.into_keys().collect();
    assert_eq!(
        said, shown,
        "explain.rs lists the rules whose findings have a fix"
    );
}

/// The files of a generated platform, by name.
type Files = BTreeMap<String, String>;

fn generated(size: usize, seed: u64) -> Files {
    generate::files(&generate::Options::new(size, seed))
        .unwrap()
        .into_iter()
        .map(|file| {
            let of = file
                .product
                .map_or_else(|| "tenant".to_owned(), |p| p.to_string());
            (format!("{of}/{}", file.path), file.text)
        })
        .collect()
}

/// Everything that is wrong: what the reader finds and what the rules find.
fn judged(files: &Files) -> Vec<Finding> {
    let mut scopes = Scopes::default();
    let mut unread = Vec::new();
    for (name, text) in files {
        let read = manifest::parse(text, &Context::new(name, Form::Git));
        unread.extend(read.findings);
        for resource in read.resources {
            scopes.insert(resource);
        }
    }
    let mut findings = check(&scopes, &RuleSet::standard()).findings;
    if !unread.is_empty() {
        // While a file cannot be read, what rules say of the others may be wrong: it is not mended.
        findings.iter_mut().for_each(|f| f.fix = None);
    }
    unread.extend(findings);
    unread
}

/// The lines of a text in which a word stands, as places in the text.
fn places(text: &str, word: &str) -> Vec<usize> {
    let found = text.match_indices(word);
    found.map(|(at, _)| at + word.len()).collect()
}

/// Breaks one file in one of many ways; `false` when it has nothing to break so.
fn break_one(files: &mut Files, which: Index, how: usize, at: Index) -> bool {
    let names: Vec<String> = files.keys().cloned().collect();
    let name = &names[which.index(names.len())];
    let text = files.get_mut(name).unwrap();
    let value_of = |key: &str, text: &str| places(text, &format!(" {key}: "));
    let misspell = |text: &mut String, keys: &[&str], with: &str| {
        let all: Vec<usize> = keys.iter().flat_map(|key| value_of(key, text)).collect();
        // A value in quotes keeps its quotes.
        let bare: Vec<usize> = all
            .into_iter()
            .filter(|at| text[*at..].starts_with(char::is_alphabetic))
            .collect();
        if bare.is_empty() {
            return false;
        }
        text.insert_str(bare[at.index(bare.len())], with);
        true
    };
    match how % 8 {
        // A reference that names what is not there.
        0 => misspell(
            text,
            &[
                "environment",
                "cluster",
                "codeRepo",
                "pipelineSource",
                "repoName",
                "eventSource",
                "pipeline",
            ],
            "x",
        ),
        // A field that the kind does not have.
        1 => {
            let keys: Vec<usize> = text
                .match_indices("\n  ")
                .map(|(at, _)| at + 3)
                .filter(|at| text[*at..].starts_with(|c: char| c.is_ascii_lowercase()))
                .collect();
            if keys.is_empty() {
                return false;
            }
            text.insert(keys[at.index(keys.len())] + 1, 'q');
            true
        }
        // A choice that there is not.
        2 => misspell(text, &["usage", "clusterType", "workerType", "permissions"], "q"),
        // The same resource again, in another file.
        3 => {
            let again = text.clone();
            files.insert(format!("{name}.again"), again);
            true
        }
        // The same field again.
        4 => {
            let fields: Vec<&str> = text
                .lines()
                .filter(|l| l.starts_with("  ") && l.contains(": ") && !l.starts_with("   "))
                .collect();
            let Some(line) = (!fields.is_empty()).then(|| fields[at.index(fields.len())].to_owned()) else {
                return false;
            };
            *text = text.replacen(&format!("{line}\n"), &format!("{line}\n{line} # again\n"), 1);
            true
        }
        // What every manifest has.
        5 => {
            *text = text.replacen("apiVersion: nautes.resource.nautes.io/v1alpha1\n", "", 1);
            true
        }
        // Another kind.
        6 => {
            let kind = text.find("kind: ").map_or(0, |at| at + 8);
            text.insert(kind, 'x');
            true
        }
        // A field that is needed, or that others rely on.
        _ => {
            let lines: Vec<&str> = text
                .lines()
                .filter(|l| l.starts_with("  ") && l.contains(": "))
                .collect();
            let Some(line) = (!lines.is_empty()).then(|| lines[at.index(lines.len())].to_owned()) else {
                return false;
            };
            *text = text.replacen(&format!("{line}\n"), "", 1);
            true
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_found_in_a_broken_platform_disappears_when_it_is_mended(
        size in 1..40_usize,
        seed in any::<u64>(),
        faults in vec((any::<Index>(), 0..8_usize, any::<Index>()), 1..5),
    ) {
        let mut files = generated(size, seed);
        for (which, how, at) in faults {
            break_one(&mut files, which, how, at);
        }
        let before = judged(&files);
        let mendable: Vec<&Finding> = before.iter().filter(|f| f.fix.is_some()).collect();
        let mend = |fixes: &[&Fix]| {
            let text_of = |file: &str| files.get(file).map(String::as_str);
            let mended = manifest::mend(text_of, fixes, &Context::new("", Form::Request));
            let mut after = files.clone();
            for (name, file) in &mended.files {
                after.insert(name.to_string(), file.text.clone());
            }
            // A file of nothing is one that goes.
            after.retain(|_, text| !text.trim().is_empty());
            (after, mended)
        };
        for finding in &mendable {
            let fix = finding.fix.as_ref().unwrap();
            let (after, mended) = mend(&[fix]);
            prop_assert!(mended.refused.is_empty(), "{finding}\n{:?}", mended.refused);
            let faults = faults_of_one(&before, &judged(&after), finding);
            prop_assert!(faults.is_empty(), "{faults}{fix:?}");
        }
        let fixes: Vec<&Fix> = mendable.iter().filter_map(|f| f.fix.as_ref()).collect();
        let (after, mended) = mend(&fixes);
        let found = judged(&after);
        for done in mended.done {
            prop_assert!(!found.iter().any(|f| same(mendable[done], f)), "{}", mendable[done]);
        }
    }

    #[test]
    fn a_misspelt_field_is_mended_to_what_it_was(
        size in 1..40_usize,
        seed in any::<u64>(),
        which in any::<Index>(),
        at in any::<Index>(),
    ) {
        let whole = generated(size, seed);
        let mut broken = whole.clone();
        if !break_one(&mut broken, which, 1, at) {
            return Ok(());
        }
        // Fields that were misspelt are found until none is left; then everything is as it was.
        for _ in 0..3 {
            let found = judged(&broken);
            let fixes: Vec<&Fix> = found.iter().filter_map(|f| f.fix.as_ref()).collect();
            let text_of = |file: &str| broken.get(file).map(String::as_str);
            let mended = manifest::mend(text_of, &fixes, &Context::new("", Form::Request));
            for (name, file) in mended.files {
                broken.insert(name.to_string(), file.text);
            }
        }
        for (name, text) in &broken {
            prop_assert_eq!(text, &whole[name], "{}", name);
        }
    }
}

/// As [`faults`], but for what a broken manifest hid: once it is read, the rules see it.
fn faults_of_one(before: &[Finding], after: &[Finding], mended: &Finding) -> String {
    if mended.rule.starts_with("Manifest") {
        let still = after.iter().any(|f| same(mended, f));
        return if still {
            format!("is still there: {mended}")
        } else {
            String::new()
        };
    }
    faults(before, after, mended)
}
