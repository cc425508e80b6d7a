//! Making the fixes of a verdict in the files that were judged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use nautes_model::manifest::{self, Context, Form, Mended};
use nautes_model::name::ProductName;
use nautes_model::{Finding, Fix, Severity};

use super::verdict::Verdict;
use crate::cmd::edit::{self, Edited};
use crate::exit::Failure;
use crate::input::{self, Input};
use crate::output::{self, DIM, GREEN, YELLOW};

/// What is changed in which files.
pub(super) struct Mending {
    /// The texts as they are, by file.
    texts: BTreeMap<Arc<str>, Arc<str>>,
    mended: Mended,
}

/// Refuses what cannot be written: standard input and revisions.
///
/// # Errors
/// One of the words is one of them.
pub(super) fn refuse(words: &[String]) -> Result<(), Failure> {
    let fixed = words.iter().find_map(|word| match input::is_written_to(word) {
        true => None,
        false if word == "-" => Some("standard input cannot be written".to_owned()),
        false => Some(format!("{word}: a revision cannot be written")),
    });
    match fixed {
        None => Ok(()),
        Some(message) => Err(Failure::usage(message).hint("--diff shows what would change")),
    }
}

/// The findings that have a fix, with it. While a file cannot be read, what rules say of the others may be wrong, and
/// only what is wrong with files is mended.
pub(super) fn mendable<'v>(input: &Input, verdict: &'v Verdict) -> Vec<(&'v Finding, &'v Fix)> {
    let unread: BTreeSet<&Finding> = input
        .findings
        .iter()
        .filter(|f| f.severity == Severity::Error)
        .collect();
    verdict
        .findings
        .iter()
        .filter(|f| unread.is_empty() || unread.contains(f))
        .filter_map(|f| Some((f, f.fix.as_ref()?)))
        .collect()
}

impl Mending {
    /// Makes the fixes of what counts, in memory.
    pub(super) fn of(input: &Input, verdict: &Verdict) -> Self {
        let fixes: Vec<&Fix> = mendable(input, verdict).into_iter().map(|(_, fix)| fix).collect();
        let texts = texts(input, &fixes);
        let text_of = |file: &str| texts.get(file).map(|text| &**text);
        let mended = manifest::mend(text_of, &fixes, &Context::new("", Form::Request));
        Self { texts, mended }
    }

    fn edited(&self) -> Vec<Edited<'_>> {
        let files = self.mended.files.iter();
        files
            .filter_map(|(name, file)| {
                Some(Edited {
                    name,
                    before: self.texts.get(name)?,
                    after: &file.text,
                })
            })
            .collect()
    }

    /// Shows what would change, without secrets.
    pub(super) fn difference(&self, product: Option<&ProductName>) -> String {
        let one = |edited: Edited<'_>| {
            let context = Context::new(edited.name, Form::Request).product(product);
            edited.difference(&context)
        };
        self.edited().into_iter().map(one).collect()
    }

    /// Writes the files, and says what was changed in them and what was not; returns whether anything was.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn write(&self, input: &Input, verdict: &Verdict) -> Result<bool, Failure> {
        let mendable = mendable(input, verdict);
        edit::write(&self.edited())?;
        for index in &self.mended.done {
            let (finding, fix) = mendable[*index];
            for edit in &fix.edits {
                output::say(&format!("{GREEN}mended{GREEN:#}: {}{edit}", place(finding)));
            }
        }
        for refused in &self.mended.refused {
            let (finding, _) = mendable[refused.fix];
            output::say(&format!(
                "{YELLOW}not mended{YELLOW:#}: {}{}: {} {DIM}[{}]{DIM:#}",
                place(finding),
                finding.message,
                refused.reason,
                finding.rule
            ));
        }
        Ok(!self.mended.done.is_empty())
    }
}

fn place(finding: &Finding) -> String {
    let line = finding
        .position
        .map_or_else(String::new, |p| format!(":{}", p.line));
    format!("{}{line}: ", finding.file)
}

/// The texts of the files that fixes are about.
pub(super) fn texts(input: &Input, fixes: &[&Fix]) -> BTreeMap<Arc<str>, Arc<str>> {
    let names: BTreeSet<&Arc<str>> = fixes.iter().flat_map(|fix| &fix.edits).map(|e| &e.file).collect();
    let mut texts = input.texts_of(&names);
    for name in names {
        // What is on disk has a byte order mark where what was read has not, and is what is written.
        if input.path(name) == &**name
            && let Ok(text) = std::fs::read_to_string(Path::new(&**name))
            && texts.get(name).is_none_or(|read| text.ends_with(&**read))
        {
            texts.insert(Arc::clone(name), Arc::from(text));
        }
    }
    texts
}
