//! From documents to rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use nautes_model::resource::Position;
use nautes_model::scope::RuleFile;
use nautes_model::yaml::{self, DocumentLimits, Entry, Node, Value};
use nautes_model::{Finding, Kind, Severity, kind};

use super::compiled::{Compiled, Spot};
use super::neighbours::{NEIGHBOURS, ResourceFields, type_of};
use super::{MAX_LETS, MAX_RULES, Message, OrganisationRule, rule};
use crate::cel::{self, Checker, Type, nearest};
use crate::rule::RuleSet;

/// The largest file of rules, in bytes.
pub const MAX_FILE: usize = 1 << 20;

/// What was read of a file of rules.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The rules that can be used, in the order of the text.
    pub rules: Vec<Arc<OrganisationRule>>,
    /// What is wrong with the others, in order.
    pub findings: Vec<Finding>,
}

/// Reads the rules of a file. One that cannot be used does not hide the next.
#[must_use]
pub fn read(file: &str, text: &str) -> Read {
    let file: Arc<str> = Arc::from(file);
    let mut read = Read::default();
    let mut refuse = |message: String, hint: &str| {
        read.findings
            .push(Finding::error(rule::INVALID, &file, message).hint(hint));
    };
    if text.len() > MAX_FILE {
        refuse(
            format!("the text has {} bytes, {MAX_FILE} are allowed", text.len()),
            "split it into several files",
        );
        return read;
    }
    if yaml::pieces(text).nth(MAX_RULES).is_some() {
        refuse(
            format!("the text has more than {MAX_RULES} documents"),
            "split it into several files",
        );
        return read;
    }
    for piece in yaml::pieces(text) {
        let Some(part) = text.get(piece.span.clone()) else {
            continue;
        };
        let document = yaml::read(part, piece.line, &DocumentLimits::default());
        let mut reader = Reader {
            file: &file,
            text,
            findings: Vec::new(),
        };
        for problem in document.problems {
            reader.fault(
                problem.at,
                problem.field.as_deref().unwrap_or(""),
                problem.message,
                problem.hint,
            );
        }
        let made = match document.root {
            Some(root) if reader.findings.is_empty() && root.value != Value::Null => reader.rule(&root),
            _ => None,
        };
        match made {
            Some(made) if reader.findings.is_empty() => {
                if read.rules.iter().any(|known| known.id == made.id) {
                    let message = format!("there is another rule {}", made.id);
                    reader.fault(
                        made.at,
                        "metadata.name",
                        message,
                        Some("give it another name".to_owned()),
                    );
                } else {
                    read.rules.push(Arc::new(made));
                }
            }
            _ => {}
        }
        read.findings.append(&mut reader.findings);
    }
    if read.rules.is_empty() && read.findings.is_empty() {
        // More often an accident than a wish.
        let finding = Finding::error(rule::INVALID, &file, "the file declares no rule");
        read.findings
            .push(finding.hint("delete the file, or declare a rule in it"));
    }
    read.findings.sort();
    read
}

struct Reader<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    findings: Vec<Finding>,
}

/// The fields of a mapping, taken one by one.
struct Fields<'n> {
    path: &'static str,
    at: Option<Position>,
    left: Vec<&'n Entry>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    fn take(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        let at = self.left.iter().position(|entry| entry.key == name)?;
        Some(&self.left.remove(at).node)
    }

    fn field(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

impl Reader<'_> {
    fn fault(&mut self, at: Option<Position>, field: &str, message: impl Into<String>, hint: Option<String>) {
        let mut finding = Finding::error(rule::INVALID, self.file, message).at(at);
        finding.field = (!field.is_empty()).then(|| field.to_owned());
        finding.hint = hint.or_else(|| Some("mend it; the guide on writing rules shows how".to_owned()));
        self.findings.push(finding);
    }

    fn fields<'n>(&mut self, path: &'static str, node: Option<&'n Node>, at: Option<Position>) -> Fields<'n> {
        let left = match node.map(|n| &n.value) {
            Some(Value::Map(entries)) => entries.iter().collect(),
            Some(other) => {
                let what = Node {
                    at: None,
                    value: other.clone(),
                };
                let message = format!("expected a mapping, found {}", what.value.type_name());
                self.fault(node.and_then(|n| n.at), path, message, None);
                Vec::new()
            }
            None => Vec::new(),
        };
        Fields {
            path,
            at: node.and_then(|n| n.at).or(at),
            left,
            known: Vec::new(),
        }
    }

    /// Reports the fields that nobody took.
    fn rest(&mut self, fields: &Fields<'_>) {
        for entry in &fields.left {
            let hint = match nearest(&entry.key, fields.known.iter().copied()) {
                Some(word) => format!("did you mean {word}?"),
                None => format!("known here: {}", fields.known.join(", ")),
            };
            let key: String = entry.key.chars().take(80).collect();
            self.fault(
                entry.at,
                &fields.field(&key),
                "there is no such field",
                Some(hint),
            );
        }
    }

    fn text(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<(String, Option<Position>)> {
        let node = fields.take(name)?;
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => Some((text.clone(), node.at)),
            other => {
                let found = if matches!(other, Value::Text(_)) {
                    "an empty one"
                } else {
                    other.type_name()
                };
                let message = format!("expected a text, found {found}");
                self.fault(node.at, &fields.field(name), message, None);
                None
            }
        }
    }

    fn needed(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<(String, Option<Position>)> {
        let before = self.findings.len();
        let found = self.text(fields, name);
        if found.is_none() && before == self.findings.len() {
            self.fault(fields.at, &fields.field(name), "the field is missing", None);
        }
        found
    }

    /// Reads a text, or a list of texts.
    fn texts(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Vec<(String, Option<Position>)> {
        let Some(node) = fields.take(name) else {
            return Vec::new();
        };
        let one = std::slice::from_ref(node);
        let nodes = if let Value::List(items) = &node.value {
            items.as_slice()
        } else {
            one
        };
        let mut all = Vec::new();
        for item in nodes {
            match &item.value {
                Value::Text(text) => all.push((text.clone(), item.at)),
                other => {
                    let message = format!("expected a text, found {}", other.type_name());
                    self.fault(item.at, &fields.field(name), message, None);
                }
            }
        }
        all
    }

    fn rule(&mut self, root: &Node) -> Option<OrganisationRule> {
        let mut top = self.fields("", Some(root), root.at);
        for (field, wanted) in [("apiVersion", kind::API_VERSION), ("kind", "Rule")] {
            if let Some((found, at)) = self.needed(&mut top, field)
                && found != wanted
            {
                let short: String = found.chars().take(80).collect();
                let message = format!("{short:?} is not the {field} of a rule");
                self.fault(at, field, message, Some(format!("write {field}: {wanted}")));
            }
        }
        let mut metadata = self.fields("metadata", top.take("metadata"), root.at);
        let mut spec = self.fields("spec", top.take("spec"), root.at);
        self.rest(&top);
        let id = self.id(&mut metadata);
        for ignored in ["labels", "annotations", "namespace"] {
            let _ = metadata.take(ignored);
        }
        self.rest(&metadata);
        // Without a name the rest is read all the same, for its faults.
        let (id, at) = id.unwrap_or_default();
        self.spec(&mut spec, id, at)
    }

    fn id(&mut self, metadata: &mut Fields<'_>) -> Option<(String, Option<Position>)> {
        let (id, at) = self.needed(metadata, "name")?;
        let begins = id.starts_with(|c: char| c.is_ascii_uppercase());
        let rest = id.chars().all(|c| c.is_ascii_alphanumeric()) && id.len() <= 63;
        let (message, hint) = if !(begins && rest) {
            let short: String = id.chars().take(80).collect();
            let message = format!(
                "{short:?} is not the name of a rule (letters and digits, beginning with a capital letter, at most 63)"
            );
            (message, "for example: ProductionOnGold")
        } else if crate::explain(&id).is_some() {
            (format!("{id} is a rule of Nautes"), "give it another name")
        } else {
            return Some((id, at));
        };
        self.fault(at, "metadata.name", message, Some(hint.to_owned()));
        None
    }

    fn spec(&mut self, spec: &mut Fields<'_>, id: String, at: Option<Position>) -> Option<OrganisationRule> {
        let severity = self.severity(spec);
        let summary = self.needed(spec, "summary");
        let explanation = self.text(spec, "explanation").map(|(text, _)| text);
        let mut matching = self.fields("spec.match", spec.take("match"), spec.at);
        let kinds = self.kinds(&mut matching);
        let products = self.products(&mut matching);
        let mut scope: Vec<(String, Type)> = NEIGHBOURS
            .iter()
            .filter_map(|n| Some((n.name.to_owned(), type_of(n.name)?)))
            .collect();
        scope.push(("self".to_owned(), Type::Resource(kinds.iter().copied().collect())));
        let when = self.text(&mut matching, "when");
        let when = when
            .and_then(|text| self.expression(&scope, "spec.match.when", text, &Type::Bool))
            .map(|(when, _)| when);
        self.rest(&matching);
        let lets = self.lets(spec, &mut scope);
        let assert = self.needed(spec, "assert");
        let assert = assert.and_then(|text| self.expression(&scope, "spec.assert", text, &Type::Bool));
        let message = self.message(spec, &scope, summary.as_ref().map(|(text, _)| text));
        let field = self.text(spec, "field").map(|(text, _)| text).unwrap_or_default();
        let hint = self.text(spec, "hint").map(|(text, _)| text);
        let mut examples = self.fields("spec.examples", spec.take("examples"), spec.at);
        let bad = self.texts(&mut examples, "bad");
        let good = self.texts(&mut examples, "good");
        self.rest(&examples);
        self.rest(spec);
        if !self.findings.is_empty() {
            return None;
        }
        Some(OrganisationRule {
            id,
            severity,
            summary: summary?.0,
            explanation: explanation.unwrap_or_default(),
            kinds,
            products,
            when,
            lets,
            assert: assert?.0,
            message: message?,
            field,
            hint,
            file: Arc::clone(self.file),
            at,
            bad: bad.into_iter().map(|(text, _)| text).collect(),
            good: good.into_iter().map(|(text, _)| text).collect(),
        })
    }

    fn severity(&mut self, spec: &mut Fields<'_>) -> Severity {
        match self.text(spec, "severity") {
            Some((text, _)) if text == "warning" => Severity::Warning,
            Some((text, at)) if text != "error" => {
                let message = format!(
                    "{:?} is not error or warning",
                    text.chars().take(80).collect::<String>()
                );
                self.fault(at, "spec.severity", message, None);
                Severity::Error
            }
            _ => Severity::Error,
        }
    }

    fn kinds(&mut self, matching: &mut Fields<'_>) -> BTreeSet<Kind> {
        let mut kinds = BTreeSet::new();
        let all = self.texts(matching, "kinds");
        if all.is_empty() {
            let hint = Some("name what it is about, for example kinds: [Environment]".to_owned());
            self.fault(matching.at, "spec.match.kinds", "the field is missing", hint);
        }
        for (name, at) in all {
            match Kind::from_name(&name) {
                Some(kind) => {
                    kinds.insert(kind);
                }
                None => {
                    let known = kind::KINDS.iter().map(|info| info.name);
                    let hint = match nearest(&name, known.clone()) {
                        Some(word) => format!("did you mean {word}?"),
                        None => format!("there are {}", known.collect::<Vec<_>>().join(", ")),
                    };
                    let short: String = name.chars().take(80).collect();
                    let message = format!("{short:?} is not a kind of Nautes");
                    self.fault(at, "spec.match.kinds", message, Some(hint));
                }
            }
        }
        kinds
    }

    fn products(&mut self, matching: &mut Fields<'_>) -> Vec<String> {
        let mut products = Vec::new();
        for (name, at) in self.texts(matching, "products") {
            let plain = name.strip_suffix('*').unwrap_or(&name);
            let letters = plain
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if letters && !name.is_empty() {
                products.push(name);
            } else {
                let short: String = name.chars().take(80).collect();
                let message =
                    format!("{short:?} is not the name of a product, nor the beginning of one with *");
                self.fault(at, "spec.match.products", message, None);
            }
        }
        products
    }

    fn lets(&mut self, spec: &mut Fields<'_>, scope: &mut Vec<(String, Type)>) -> Vec<(String, Compiled)> {
        let node = spec.take("let");
        let entries = self.fields("spec.let", node, spec.at).left;
        if entries.len() > MAX_LETS {
            let message = format!("let has {} names, {MAX_LETS} are allowed", entries.len());
            self.fault(node.and_then(|n| n.at), "spec.let", message, None);
            return Vec::new();
        }
        let mut lets = Vec::new();
        for entry in entries {
            let key: String = entry.key.chars().take(80).collect();
            let field = format!("spec.let.{key}");
            let Value::Text(text) = &entry.node.value else {
                let message = format!("expected an expression, found {}", entry.node.value.type_name());
                self.fault(
                    entry.node.at,
                    &field,
                    message,
                    Some("put it in quotes".to_owned()),
                );
                continue;
            };
            let is_name = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && key.starts_with(|c: char| c.is_ascii_alphabetic());
            if !is_name || scope.iter().any(|(known, _)| *known == key) {
                let message =
                    format!("{key:?} cannot be a name: it is taken, or not made of letters and digits");
                self.fault(entry.at, &field, message, None);
                continue;
            }
            let found = self.expression(scope, &field, (text.clone(), entry.node.at), &Type::Any);
            // What is wrong with it is said once, not again wherever it is used.
            let type_ = found.as_ref().map_or(Type::Any, |(_, type_)| type_.clone());
            scope.push((key.clone(), type_));
            lets.extend(found.map(|(compiled, _)| (key, compiled)));
        }
        lets
    }

    fn message(
        &mut self,
        spec: &mut Fields<'_>,
        scope: &[(String, Type)],
        summary: Option<&String>,
    ) -> Option<Message> {
        let text = self.text(spec, "message");
        let expression = self.text(spec, "messageExpression");
        match (text, expression) {
            (Some((_, at)), Some(_)) => {
                let message = "there is a message and a messageExpression";
                self.fault(
                    at,
                    "spec.message",
                    message,
                    Some("keep one of the two".to_owned()),
                );
                None
            }
            (Some((text, _)), None) => Some(Message::Text(super::line(text.trim_end_matches('.')))),
            (None, Some(text)) => {
                let found = self.expression(scope, "spec.messageExpression", text, &Type::Text);
                found.map(|(compiled, _)| Message::Expression(compiled))
            }
            (None, None) => {
                let summary = summary
                    .map(|s| super::line(s.trim_end_matches('.')))
                    .unwrap_or_default();
                Some(Message::Text(format!("it does not hold that {summary}")))
            }
        }
    }

    /// Reads an expression and checks it.
    fn expression(
        &mut self,
        scope: &[(String, Type)],
        field: &str,
        (text, at): (String, Option<Position>),
        wanted: &Type,
    ) -> Option<(Compiled, Type)> {
        let text = text.trim_end().to_owned();
        let spot = Spot::new(&text, self.text, at);
        let checked = cel::parse(&text).and_then(|expr| {
            let mut checker = Checker {
                fields: &ResourceFields,
                scope: scope.to_vec(),
            };
            let type_ = checker.expect(&expr, wanted)?;
            Ok((expr, type_))
        });
        match checked {
            Ok((expr, type_)) => {
                let compiled = Compiled {
                    field: field.to_owned(),
                    expr,
                    spot,
                };
                Some((compiled, type_))
            }
            Err(fault) => {
                self.fault(spot.place(fault.at), field, fault.message, fault.hint);
                None
            }
        }
    }
}

/// Reads a file; while it is broken, the rules are those of its last good version.
fn read_file(file: &RuleFile) -> Read {
    let mut made = read(&file.file, &file.text);
    if let Some(held) = &file.held {
        made.rules = read(&file.file, held).rules;
        let names: Vec<&str> = made
            .rules
            .iter()
            .take(MAX_NAMED)
            .map(|rule| rule.id.as_str())
            .collect();
        let more = match made.rules.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "the last good version of the file stays in force: {}{more}",
            names.join(", ")
        );
        let mut finding = Finding::error(rule::INVALID, &file.file, message);
        finding.severity = Severity::Warning;
        made.findings
            .push(finding.hint("mend the file, or delete it if its rules are not wanted any more"));
        made.findings.sort();
    }
    made
}

/// How many rules that are held are named.
const MAX_NAMED: usize = 10;

/// Files of rules that were read already, by their text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Arc<Mutex<BTreeMap<RuleFile, Arc<Read>>>>);

/// How many files are remembered.
const MAX_KNOWN: usize = 256;

impl RuleSet {
    /// Reads a file of rules, or remembers it.
    pub(super) fn read_known(&self, file: &RuleFile) -> Arc<Read> {
        let known = self.known();
        let lock = |known: &Known| -> Option<Arc<Read>> {
            let all = known.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(file).cloned()
        };
        if let Some(found) = lock(known) {
            return found;
        }
        let made = Arc::new(read_file(file));
        let mut all = known.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KNOWN {
            all.clear();
        }
        all.insert(file.clone(), Arc::clone(&made));
        made
    }
}
