//! Rules of an organisation: written in YAML, with expressions in CEL about the platform.
//!
//! ```
//! use nautes_validate::organisation;
//!
//! let text = "
//! apiVersion: nautes.resource.nautes.io/v1alpha1
//! kind: Rule
//! metadata:
//!   name: ProductionOnGold
//! spec:
//!   summary: production runs on clusters labelled tier=gold
//!   explanation: only those are backed up and watched at night
//!   match:
//!     kinds: [Environment]
//!     when: self.spec.envType == 'production'
//!   assert: cluster == null || cluster.metadata.labels['tier'] == 'gold'
//!   field: spec.cluster
//!   hint: name a cluster with the label tier=gold
//! ";
//! let read = organisation::read("rules.yaml", text);
//! assert_eq!(read.findings, []);
//! assert_eq!(read.rules[0].id(), "ProductionOnGold");
//! # use nautes_validate::Rule;
//! ```
//!
//! # Guarantees
//! * A rule that cannot be used is said to be so, with the place and the way out; the others are used.
//! * What a rule asks for is checked when it is read: names, fields, functions, types.
//! * No rule takes more than its budget: [`STEPS_EACH`] steps for a resource, [`STEPS_ALL`] for a platform.
//!   A rule that takes more, or that fails otherwise, is a finding of its own, `RuleEvaluation`.
//! * What cannot be read, or is not loaded, is no violation: nobody can tell.

mod compiled;
mod neighbours;
mod read;
mod trial;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use nautes_model::resource::Position;
use nautes_model::scope::RuleFile;
use nautes_model::{Finding, Identity, Kind, Severity, Sourced, TenantScope};

use crate::cel::functions::{self, Patterns};
use crate::cel::{self, Budget, Evaluator, Fault, Value};
use crate::explain::Example;
use crate::rule::{Checked, Rule, RuleSet};
use compiled::Compiled;
use neighbours::Around;

pub(crate) use read::Known;
pub use read::{MAX_FILE, Read, read};
pub use trial::test_rules;

/// The longest expression, in bytes.
pub const MAX_EXPRESSION: usize = cel::MAX_TEXT;
/// How many parts an expression may have.
pub const MAX_PARTS: usize = cel::MAX_NODES;
/// How deep the parts of an expression may be nested.
pub const MAX_DEPTH: usize = cel::MAX_DEPTH;
/// How many steps a rule may take for one resource.
pub const STEPS_EACH: u64 = 100_000;
/// How many steps a rule may take for all resources of a platform.
pub const STEPS_ALL: u64 = 50_000_000;
/// How many resources that a rule could not be evaluated on are named.
const MAX_FAILURES: usize = 100;
/// How many rules there may be in one file.
pub const MAX_RULES: usize = 200;
/// How many names `let` may define in a rule.
pub const MAX_LETS: usize = 16;
/// The longest message that an expression may make, in characters.
const MAX_MESSAGE: usize = 500;

/// The ids under which faults of organisation rules are found.
pub mod rule {
    /// A rule cannot be used as it is written.
    pub const INVALID: &str = "RuleInvalid";
    /// A rule cannot be evaluated on a resource.
    pub const EVALUATION: &str = "RuleEvaluation";
    /// An example of a rule does not show what it should.
    pub const EXAMPLE: &str = "RuleExample";
}

/// A rule of an organisation, ready to be applied.
#[derive(Debug)]
pub struct OrganisationRule {
    id: String,
    severity: Severity,
    summary: String,
    explanation: String,
    kinds: BTreeSet<Kind>,
    /// Names of products; one that ends with `*` stands for all that begin so. Empty for all, and the tenant.
    products: Vec<String>,
    when: Option<Compiled>,
    lets: Vec<(String, Compiled)>,
    assert: Compiled,
    message: Message,
    field: String,
    hint: Option<String>,
    file: Arc<str>,
    at: Option<Position>,
    bad: Vec<String>,
    good: Vec<String>,
}

/// What is said of a violation.
#[derive(Debug)]
enum Message {
    Text(String),
    Expression(Compiled),
}

/// Returns what expressions can name of a resource, with what it is: for pages and completion.
pub fn neighbours() -> impl Iterator<Item = (&'static str, &'static str)> {
    neighbours::NEIGHBOURS.iter().map(|n| (n.name, n.what))
}

/// Returns the functions that expressions can call, how they are written, and what they do: for pages and completion.
pub fn functions() -> impl Iterator<Item = (String, &'static str)> {
    functions::TABLE
        .iter()
        .map(|function| (function.written(), function.what))
}

impl OrganisationRule {
    /// Returns the file that declares it, as it was named on reading.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    fn wants(&self, of: &Identity) -> bool {
        let product = || {
            let name = of.product.as_ref().map_or("", |product| product.as_str());
            self.products.iter().any(|wanted| match wanted.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == wanted,
            })
        };
        self.kinds.contains(&of.kind) && (self.products.is_empty() || product())
    }

    /// Judges one resource; `None` when it keeps the rule, or nobody can tell.
    fn judge(&self, of: &Sourced, on: &Checked<'_>, run: &mut Run<'_, '_>) -> Option<Finding> {
        let steps = STEPS_EACH.min(run.left);
        run.around.about(&of.identity);
        let mut evaluator = Evaluator::new(run.around, Budget::new(steps), run.patterns);
        let outcome = self.outcome(&mut evaluator);
        run.left -= steps - evaluator.budget.left();
        let finding = match outcome {
            Ok(None) => return None,
            Ok(Some(message)) => Finding {
                severity: self.severity,
                hint: self.hint.clone(),
                ..on.error(&self.id, of, &self.field, message)
            },
            Err((part, fault)) => {
                if run.left == 0 {
                    run.is_spent = true;
                }
                self.failure(of, part, &fault)
            }
        };
        match run.around.doubt() {
            neighbours::Doubt::None => Some(finding),
            neighbours::Doubt::Held => Some(Finding {
                severity: Severity::Warning,
                ..finding
            }),
            neighbours::Doubt::Unknown => None,
        }
    }

    /// Returns what is said of a violation; `None` when there is none.
    fn outcome<'r>(&'r self, evaluator: &mut Evaluator<'_>) -> Result<Option<String>, (&'r Compiled, Fault)> {
        if let Some(when) = &self.when
            && !evaluator.bool(&when.expr).map_err(|fault| (when, fault))?
        {
            return Ok(None);
        }
        for (name, value) in &self.lets {
            let found = evaluator.eval(&value.expr).map_err(|fault| (value, fault))?;
            evaluator.scope.push((Rc::from(name.as_str()), found));
        }
        if evaluator
            .bool(&self.assert.expr)
            .map_err(|fault| (&self.assert, fault))?
        {
            return Ok(None);
        }
        match &self.message {
            Message::Text(text) => Ok(Some(text.clone())),
            Message::Expression(of) => match evaluator.eval(&of.expr).map_err(|fault| (of, fault))? {
                Value::Text(text) => Ok(Some(line(&text))),
                other => Err((
                    of,
                    Fault::new(
                        of.expr.at,
                        format!("expected a text, found {}", other.type_name()),
                    ),
                )),
            },
        }
    }

    fn failure(&self, of: &Sourced, part: &Compiled, fault: &Fault) -> Finding {
        let message = format!(
            "rule {} cannot be evaluated: {}: {}",
            self.id, part.field, fault.message
        );
        let mut finding = Finding::error(rule::EVALUATION, &self.file, message)
            .at(part.place(fault.at))
            .about(of.identity.clone())
            .field(part.field.clone());
        finding.severity = self.severity;
        finding.hint = fault
            .hint
            .clone()
            .or_else(|| Some("mend the rule; until then it holds up what it cannot judge".to_owned()));
        finding
    }
}

/// A message on one line, of bounded length.
fn line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(MAX_MESSAGE)
        .collect()
}

/// What is shared by the resources that a rule is applied to.
struct Run<'r, 'a> {
    around: &'r Around<'r, 'a>,
    patterns: &'r mut Patterns,
    left: u64,
    is_spent: bool,
}

impl Rule for OrganisationRule {
    fn id(&self) -> &str {
        &self.id
    }

    fn severity(&self) -> Severity {
        self.severity
    }

    fn summary(&self) -> &str {
        &self.summary
    }

    fn explanation(&self) -> &str {
        &self.explanation
    }

    fn examples(&self) -> Option<[Example; 2]> {
        let example = |texts: &[String]| {
            let findings = String::new();
            let manifests = texts.first()?.clone();
            Some(Example {
                manifests: manifests.into(),
                findings: findings.into(),
            })
        };
        Some([example(&self.bad)?, example(&self.good)?])
    }

    fn check(&self, on: &Checked<'_>, out: &mut Vec<Finding>) {
        let around = Around::new(on);
        let mut patterns = Patterns::default();
        let mut run = Run {
            around: &around,
            patterns: &mut patterns,
            left: STEPS_ALL,
            is_spent: false,
        };
        let mut failures = 0;
        for resource in on.resources().filter(|s| self.wants(&s.identity)) {
            let Some(finding) = self.judge(resource, on, &mut run) else {
                continue;
            };
            failures += usize::from(finding.rule == rule::EVALUATION);
            out.push(finding);
            if failures == MAX_FAILURES || run.is_spent {
                let message = format!(
                    "rule {} is given up: it fails too often, or takes too many steps",
                    self.id
                );
                let mut finding = Finding::error(rule::EVALUATION, &self.file, message)
                    .at(self.at)
                    .hint("mend the rule; until then nothing is judged by it");
                finding.severity = self.severity;
                out.push(finding);
                return;
            }
        }
    }
}

/// Documents of rules that cannot be used, as a rule that says so.
#[derive(Debug)]
struct Unusable(Vec<Finding>);

impl Rule for Unusable {
    fn id(&self) -> &str {
        rule::INVALID
    }

    fn summary(&self) -> &str {
        crate::explain::INVALID.1
    }

    fn explanation(&self) -> &str {
        crate::explain::INVALID.2
    }

    fn examples(&self) -> Option<[Example; 2]> {
        crate::explain::examples(rule::INVALID)
    }

    fn check(&self, _: &Checked<'_>, out: &mut Vec<Finding>) {
        out.extend(self.0.iter().cloned());
    }
}

impl RuleSet {
    /// Adds the rules of an organisation that files declare. What is wrong with them is found by every check.
    #[must_use]
    pub fn with_rule_files<'f>(mut self, files: impl IntoIterator<Item = &'f RuleFile>) -> Self {
        let mut findings = Vec::new();
        for file in files {
            let read = self.read_known(file);
            findings.extend(read.findings.iter().cloned());
            for rule in &read.rules {
                if let Some(finding) = self.taken(rule) {
                    findings.push(finding);
                } else {
                    self = self.with(Arc::clone(rule) as Arc<dyn Rule>);
                }
            }
        }
        if findings.is_empty() {
            return self;
        }
        findings.sort();
        self.with(Arc::new(Unusable(findings)))
    }

    /// Returns the rules with those that the tenant declares. [`check`](crate::check) and
    /// [`check_change`](crate::check_change) do this themselves.
    #[must_use]
    pub fn of_tenant(&self, tenant: &TenantScope) -> Cow<'_, Self> {
        if tenant.rules.is_empty() {
            Cow::Borrowed(self)
        } else {
            Cow::Owned(self.clone().with_rule_files(&tenant.rules))
        }
    }

    /// A finding when another rule has the id.
    fn taken(&self, rule: &OrganisationRule) -> Option<Finding> {
        self.get(&rule.id)?;
        let message = format!("there is another rule {}", rule.id);
        let finding = Finding::error(rule::INVALID, &rule.file, message)
            .at(rule.at)
            .field("metadata.name");
        Some(finding.hint("give it another name"))
    }
}
