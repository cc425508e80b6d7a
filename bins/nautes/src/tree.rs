//! What the commands look at that answer questions about a tree: what it declares, and what is wrong with it.

use nautes_model::name::ProductName;
use nautes_model::{Finding, Scopes, Severity};
use nautes_validate::{Checked, Part, RuleSet, check_part};

use crate::cli::offline::TreeArgs;
use crate::exit::Failure;
use crate::input;
use crate::output::{self, YELLOW};
use crate::settings::Settings;

/// A tree, read and judged.
#[derive(Debug)]
pub struct Tree {
    /// What is declared.
    pub scopes: Scopes,
    /// What is wrong with the files, and which rules are broken, in order.
    pub findings: Vec<Finding>,
    /// The rules by which it was judged.
    pub rules: RuleSet,
    /// How much of a platform it is.
    pub part: Part,
    /// The product that names without one are of.
    pub product: Option<ProductName>,
}

/// Reads what a command names, and judges it.
///
/// # Errors
/// Something cannot be read, or nothing is found. What is wrong with the content is in [`Tree::findings`].
pub fn read(settings: &Settings, args: &TreeArgs) -> Result<Tree, Failure> {
    let product = settings.product(args.product.as_deref())?;
    load(&args.words(), product)
}

/// Reads sources, and judges what they declare.
///
/// # Errors
/// See [`read`].
pub fn load(words: &[String], product: Option<ProductName>) -> Result<Tree, Failure> {
    let read = input::load(words, product.as_ref())?;
    for note in &read.notes {
        output::say(&format!("note: {note}"));
    }
    let standard = RuleSet::standard();
    let mut findings = read.findings;
    findings.extend(check_part(&read.scopes, &standard, read.part).findings);
    findings.sort();
    findings.dedup();
    Ok(Tree {
        scopes: read.scopes,
        findings,
        rules: read.part.rules(&standard),
        part: read.part,
        product,
    })
}

impl Tree {
    /// Returns the indexes of what is declared.
    #[must_use]
    pub fn checked(&self) -> Checked<'_> {
        Checked::new(&self.scopes, self.rules.facts())
    }

    /// Says on stderr that the tree has faults, where an answer may be other than somebody expects for it.
    pub fn warn(&self) {
        let unread = self
            .findings
            .iter()
            .filter(|f| {
                f.severity == Severity::Error
                    && (f.rule.starts_with("Manifest") || f.rule.starts_with("Tree"))
            })
            .count();
        if unread > 0 {
            output::say(&format!(
                "{YELLOW}warning{YELLOW:#}: {unread} faults of syntax or schema; what has them is left out (nautes validate tells them)"
            ));
        }
    }
}
