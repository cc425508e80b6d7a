//! What the commands look at that answer questions about a tree: what it declares, and what is wrong with it.

use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ProductName;
use nautes_model::{Finding, Kind, Scopes, Severity};
use nautes_validate::{Checked, Facts, RuleSet, check};

use crate::cli::offline::TreeArgs;
use crate::exit::Failure;
use crate::input;
use crate::output;
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
    /// The product that names without one are of.
    pub product: Option<ProductName>,
}

/// Reads what a command names, and judges it.
///
/// # Errors
/// Something cannot be read, or nothing is found. What is wrong with the content is in [`Tree::findings`].
pub fn read(settings: &Settings, args: &TreeArgs) -> Result<Tree, Failure> {
    let product = args.product.clone().or_else(|| settings.product.clone());
    let product = product
        .map(|p| ProductName::new(&p).map_err(|e| Failure::usage(format!("-p {p}: {e}"))))
        .transpose()?;
    load(&args.words(), product)
}

/// Reads sources, and judges what they declare.
///
/// # Errors
/// See [`read`].
pub fn load(words: &[String], product: Option<ProductName>) -> Result<Tree, Failure> {
    let mut scopes = Scopes::default();
    let mut findings = Vec::new();
    for file in input::read(words)? {
        let context = Context::new(&file.name, Form::Request).product(product.as_ref());
        let parsed = manifest::parse(&file.text, &context);
        findings.extend(parsed.findings);
        for resource in parsed.resources {
            scopes.insert(resource);
        }
    }
    Ok(Tree::judge(scopes, findings, product))
}

impl Tree {
    /// Judges what was read.
    #[must_use]
    pub fn judge(scopes: Scopes, mut findings: Vec<Finding>, product: Option<ProductName>) -> Self {
        let has_tenant = scopes
            .iter()
            .any(|s| s.identity.product.is_none() && s.identity.kind != Kind::Product);
        let mut rules = RuleSet::standard();
        if !has_tenant {
            let facts = Facts {
                tenant_known: false,
                ..rules.facts().clone()
            };
            rules = rules.with_facts(facts);
        }
        findings.extend(check(&scopes, &rules).findings);
        findings.sort();
        findings.dedup();
        Self {
            scopes,
            findings,
            rules,
            product,
        }
    }

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
            .filter(|f| f.severity == Severity::Error && f.rule.starts_with("Manifest"))
            .count();
        if unread > 0 {
            output::say(&format!(
                "{}warning{:#}: {unread} faults of syntax or schema; what has them is left out (nautes validate tells them)",
                output::YELLOW,
                output::YELLOW
            ));
        }
    }
}
