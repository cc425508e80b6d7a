//! Scripts of requests, and the transcripts that belong to them.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Deserialize;
use serde_json::Value;

use super::{Error, Subject};

/// Some requests, what they are about, and what Kubernetes answers to them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in the suite.
    #[serde(skip)]
    pub name: String,
    /// The rule of Kubernetes that the case shows.
    pub about: String,
    /// True where something but the API server has to act.
    #[serde(default)]
    pub controllers: bool,
    /// Why the local cluster is not compared.
    pub differs: Option<String>,
    #[serde(skip)]
    transcript: String,
    /// Paths to delete afterwards.
    #[serde(default)]
    pub(crate) cleanup: Vec<String>,
    pub(crate) steps: Vec<Step>,
}

/// One request. `$NS`, `$ID` and what was saved stand for their values.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// Method and path.
    pub(crate) call: String,
    pub(crate) body: Option<Value>,
    /// The body as it is, where it is no JSON.
    pub(crate) text: Option<String>,
    /// `json` (default), `apply`, `merge`, `strategic`, `patch`, or a media type.
    #[serde(rename = "type")]
    pub(crate) media: Option<String>,
    pub(crate) accept: Option<String>,
    /// Whom to impersonate.
    #[serde(rename = "as")]
    pub(crate) user: Option<String>,
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Asked again until these places of the answer have these values; `code` is its status code.
    #[serde(default)]
    pub(crate) until: BTreeMap<String, Value>,
    /// Places of the answer to remember.
    #[serde(default)]
    pub(crate) save: BTreeMap<String, String>,
    /// The places of the answer that matter; all of it if empty.
    #[serde(default)]
    pub(crate) show: Vec<String>,
    /// True where the answer does not matter.
    #[serde(default)]
    pub(crate) quiet: bool,
    /// Why the local cluster is not compared.
    pub(crate) differs: Option<String>,
}

/// Name, script and transcript of every case.
const CASES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// Every case of the suite, by name.
///
/// # Errors
/// A case cannot be read.
pub fn cases() -> Result<Vec<Case>, Error> {
    CASES
        .iter()
        .map(|(name, script, transcript)| Case::read(name, script, transcript))
        .collect()
}

impl Case {
    /// A case from its script (YAML) and the transcript that Kubernetes gave.
    ///
    /// # Errors
    /// The script is no script.
    pub fn read(name: &str, script: &str, transcript: &str) -> Result<Self, Error> {
        let mut case: Self = serde_yaml::from_str(script).map_err(|source| Error::Case {
            name: name.to_owned(),
            source,
        })?;
        name.clone_into(&mut case.name);
        transcript.clone_into(&mut case.transcript);
        Ok(case)
    }

    /// How many requests the case makes.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.steps.len()
    }

    /// Why this case cannot be played there.
    pub(crate) fn reason_to_skip(&self, subject: &Subject) -> Option<String> {
        if self.controllers && !subject.controllers {
            return Some("it needs the controllers of Kubernetes".to_owned());
        }
        self.differs.clone().filter(|_| subject.leeway)
    }

    /// What was said otherwise than is written, step by step; none where all is the same.
    pub(crate) fn difference(&self, said: &str, leeway: bool) -> Option<String> {
        let (written, said) = (split(&self.transcript), split(said));
        let mut text = String::new();
        let spoken: Vec<&Step> = self.steps.iter().filter(|s| !s.quiet).collect();
        for (index, said) in said.iter().enumerate() {
            let differs = spoken.get(index).is_some_and(|s| s.differs.is_some());
            let written = written.get(index).copied().unwrap_or_default();
            if written == *said || (differs && leeway) {
                continue;
            }
            let name = said.lines().next().unwrap_or_default();
            let _ = writeln!(text, "  step {index} {name}");
            for line in similar::TextDiff::from_lines(written, said)
                .unified_diff()
                .context_radius(4)
                .to_string()
                .lines()
            {
                let _ = writeln!(text, "  {line}");
            }
        }
        if written.len() != said.len() {
            let _ = writeln!(text, "  {} answers instead of {}", said.len(), written.len());
        }
        (!text.is_empty()).then_some(text)
    }
}

fn split(transcript: &str) -> Vec<&str> {
    transcript
        .split_inclusive("\n\n")
        .filter(|s| !s.trim().is_empty())
        .collect()
}
