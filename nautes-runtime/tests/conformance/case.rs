//! Scripts of requests, and the transcripts that belong to them.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Some requests, and what they are about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    #[serde(skip)]
    pub(crate) name: String,
    /// The rule that the case shows.
    #[serde(rename = "about")]
    pub(crate) _about: String,
    /// True where something but the API server has to act.
    #[serde(default)]
    pub(crate) controllers: bool,
    /// Why the local cluster is not compared.
    pub(crate) differs: Option<String>,
    /// Paths to delete afterwards.
    #[serde(default)]
    pub(crate) cleanup: Vec<String>,
    pub(crate) steps: Vec<Step>,
}

/// One request. `$NS`, `$ID` and what was saved stand for their values.
#[derive(Debug, Deserialize)]
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

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/cases"))
}

impl Case {
    /// Every case, by name.
    pub(crate) fn all() -> Vec<Self> {
        let mut paths: Vec<_> = std::fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
            .collect();
        paths.sort();
        paths
            .into_iter()
            .map(|path| {
                let text = std::fs::read_to_string(&path).unwrap();
                let mut case: Self =
                    serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                path.file_stem()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .clone_into(&mut case.name);
                case
            })
            .collect()
    }

    pub(crate) fn transcript_path(&self) -> PathBuf {
        folder().join(format!("{}.txt", self.name))
    }

    /// What was said otherwise than is written, step by step; none where all is the same.
    pub(crate) fn difference(&self, said: &str, real: bool) -> Option<String> {
        let written = std::fs::read_to_string(self.transcript_path()).unwrap_or_default();
        let (written, said) = (split(&written), split(said));
        let mut text = String::new();
        let spoken: Vec<&Step> = self.steps.iter().filter(|s| !s.quiet).collect();
        for (index, said) in said.iter().enumerate() {
            let differs = spoken.get(index).is_some_and(|s| s.differs.is_some());
            let written = written.get(index).copied().unwrap_or_default();
            if written == *said || (differs && !real) {
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
