//! Kinds, fields and rules as they are shown, whoever knows them: this program or a server.

use nautes_api::routes::reference::{KindInfo, RuleInfo};
use nautes_model::kind::API_VERSION;
use nautes_model::{Kind, Severity};
use nautes_validate::Explained;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::field::{self, Field};
use super::home;
use crate::exit::Failure;

/// A kind in a few words.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KindShown {
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) short_names: Vec<String>,
    pub(super) scope: String,
    pub(super) description: String,
    /// The pattern of the file in which a resource is kept; a kind that only the server knows has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
}

impl KindShown {
    pub(super) fn of(kind: Kind) -> Self {
        let info = kind.info();
        Self {
            kind: info.name.to_owned(),
            plural: info.plural.to_owned(),
            short_names: info.short_names.iter().map(|name| (*name).to_owned()).collect(),
            scope: if kind.is_of_product() { "product" } else { "tenant" }.to_owned(),
            description: field::about(kind),
            file: Some(home(kind)),
        }
    }
}

impl From<KindInfo> for KindShown {
    fn from(info: KindInfo) -> Self {
        Self {
            file: Kind::find(&info.kind).map(home),
            kind: info.kind,
            plural: info.plural,
            short_names: info.short_names,
            scope: info.scope,
            description: info.description,
        }
    }
}

/// A rule in a few words.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RuleLine {
    pub(super) id: String,
    pub(super) severity: Severity,
    pub(super) summary: String,
}

impl From<Explained> for RuleLine {
    fn from(rule: Explained) -> Self {
        Self {
            id: rule.id.into_owned(),
            severity: rule.severity,
            summary: rule.summary.into_owned(),
        }
    }
}

impl From<RuleInfo> for RuleLine {
    fn from(rule: RuleInfo) -> Self {
        Self {
            id: rule.id,
            severity: rule.severity,
            summary: rule.summary,
        }
    }
}

/// A field, with those of its value.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Part {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    pub(super) description: String,
    /// What restricts its value, a line each.
    #[serde(default)]
    pub(super) limits: Vec<String>,
    #[serde(default)]
    pub(super) fields: Vec<Self>,
}

/// A kind, or one of its fields.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) kind: KindShown,
    pub(super) version: String,
    /// The path of the field as a user types it; empty for the whole.
    pub(super) path: String,
    pub(super) part: Part,
    /// The field, word for word.
    said: Value,
}

impl Shown {
    /// Shows what this program knows.
    pub(super) fn of(kind: Kind, path: &[Field], recursive: bool) -> Result<Self, Failure> {
        let said = path.last().map_or(Value::Null, |last| last.json(recursive));
        let part = serde_json::from_value(said.clone())?;
        Ok(Self::new(
            KindShown::of(kind),
            API_VERSION.to_owned(),
            field::path_of(path),
            part,
            said,
        ))
    }

    pub(super) const fn new(kind: KindShown, version: String, path: String, part: Part, said: Value) -> Self {
        Self {
            kind,
            version,
            path,
            part,
            said,
        }
    }

    pub(super) fn json(&self) -> Value {
        let mut shown = json!(self.kind);
        shown["apiVersion"] = json!(self.version);
        shown["field"] = self.said.clone();
        shown["field"]["path"] = json!(self.path);
        shown
    }
}
