//! Findings: what is wrong with what somebody wrote, where, and the way out.
//!
//! The reader of manifests and the rules of `nautes-validate` speak the same type, so that every fault of a
//! file comes in one list, in one order.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::{Identity, Position};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is rejected.
    Error,
    /// It is accepted, and somebody should look at it.
    Warning,
}

/// Something wrong with what somebody wrote.
///
/// The order is by file, position, rule, field and message: the same findings in any order sort the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The file, as the caller named it; empty for what was made in memory.
    pub file: Arc<str>,
    /// Where in the file; `None` when the finding is about the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// The stable id of the rule, for example `EnvironmentClusterMissing` or `ManifestSyntax`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The resource that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Identity>,
    /// The path of the field, for example `spec.destination.environment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Other resources that have a part in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Identity>,
}

impl Finding {
    /// Makes an error about a file.
    #[must_use]
    pub fn error(rule: &str, file: &Arc<str>, message: impl Into<String>) -> Self {
        Self {
            file: Arc::clone(file),
            position: None,
            rule: rule.to_owned(),
            severity: Severity::Error,
            resource: None,
            field: None,
            message: message.into(),
            hint: None,
            related: Vec::new(),
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the place.
    #[must_use]
    pub const fn at(mut self, position: Option<Position>) -> Self {
        self.position = position;
        self
    }

    /// Adds the field.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds the resource that it is about.
    #[must_use]
    pub fn about(mut self, resource: Identity) -> Self {
        self.resource = Some(resource);
        self
    }
}

/// `file:line:column: error[Rule] Kind/name spec.field: message`, and the hint on a line of its own.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}", self.file)?;
            if let Some(p) = self.position {
                write!(f, ":{}:{}", p.line, p.column)?;
            }
            f.write_str(": ")?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}]", self.rule)?;
        if let Some(resource) = &self.resource {
            write!(f, " {resource}")?;
        }
        if let Some(field) = &self.field {
            write!(f, " {field}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}
