//! Cases as they are written, and the part of a transcript that belongs to each.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde::Deserialize;
use serde_json::Value;

use super::{Error, Subject};

/// One behaviour of Kubernetes, and the requests that show it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique in the suite: the topic and the name of the case in it, as `lists/limit`.
    pub name: String,
    /// What the cases of the topic have in common.
    pub about: String,
    /// The behaviour that the case checks, as a sentence.
    pub states: String,
    /// True where something but the API server has to act.
    pub controllers: bool,
    /// True where the server has to have forgotten its first revision.
    pub compacted: bool,
    /// Why the local cluster is not compared.
    pub differs: Option<String>,
    /// What is made first. All of it has to succeed.
    pub(crate) given: Vec<Step>,
    pub(crate) steps: Vec<Step>,
    transcript: String,
}

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topic {
    about: String,
    /// Preparations that several cases begin with, by name.
    #[serde(default)]
    given: BTreeMap<String, Vec<Step>>,
    cases: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    states: String,
    #[serde(default)]
    controllers: bool,
    #[serde(default)]
    compacted: bool,
    differs: Option<String>,
    /// Names of preparations.
    #[serde(default)]
    given: Vec<String>,
    steps: Vec<Step>,
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
    /// True where it is asked when the clock of the server shows another second than at the step before.
    #[serde(default)]
    pub(crate) later: bool,
    /// Asked again until these places of the answer have these values; `code` is its status code.
    #[serde(default)]
    pub(crate) until: BTreeMap<String, Value>,
    /// Places of the answer to remember.
    #[serde(default)]
    pub(crate) save: BTreeMap<String, String>,
    /// The places of the answer that matter; all of it if empty.
    #[serde(default)]
    pub(crate) show: Vec<String>,
    /// True where it only has to succeed.
    #[serde(default)]
    pub(crate) quiet: bool,
    /// Why the local cluster is not compared.
    pub(crate) differs: Option<String>,
}

/// Name, script and transcript of every topic.
const TOPICS: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/cases.rs"));

/// Every case of the suite: the topics by name, the cases of each as they are written.
///
/// # Errors
/// A topic cannot be read.
pub fn cases() -> Result<Vec<Case>, Error> {
    let mut all = Vec::new();
    for (topic, script, transcript) in TOPICS {
        all.extend(read(topic, script, transcript)?);
    }
    Ok(all)
}

/// The cases of a topic from its script (YAML) and the transcript that Kubernetes gave. A case without a part in the
/// transcript is one that was not recorded yet: it fails everywhere.
///
/// # Errors
/// The script is no script, has two cases of one name, or names a preparation that it does not have.
pub fn read(topic: &str, script: &str, transcript: &str) -> Result<Vec<Case>, Error> {
    let fault = |source| Error::Topic {
        topic: topic.to_owned(),
        source,
    };
    let Topic { about, given, cases } = serde_yaml::from_str(script).map_err(|source| fault(Some(source)))?;
    let parts = parts(transcript);
    let mut names = BTreeSet::new();
    cases
        .into_iter()
        .map(|written| {
            let wrong = || Error::Case {
                name: format!("{topic}/{}", written.name),
            };
            if !names.insert(written.name.clone()) || written.steps.is_empty() {
                return Err(wrong());
            }
            let mut before = Vec::new();
            for name in &written.given {
                before.extend(given.get(name).ok_or_else(wrong)?.iter().cloned());
            }
            Ok(Case {
                name: format!("{topic}/{}", written.name),
                about: about.clone(),
                transcript: parts.get(&*written.name).copied().unwrap_or_default().to_owned(),
                states: written.states,
                controllers: written.controllers,
                compacted: written.compacted,
                differs: written.differs,
                given: before,
                steps: written.steps,
            })
        })
        .collect()
}

/// The transcript of a topic from those of its cases, as [`read`] takes it.
#[must_use]
pub fn transcript<'a>(parts: impl IntoIterator<Item = (&'a Case, &'a str)>) -> String {
    let mut text = String::new();
    for (case, said) in parts {
        let _ = write!(text, "# {}\n{said}", case.short_name());
    }
    text
}

/// The parts of a transcript by the names of their cases.
fn parts(transcript: &str) -> BTreeMap<&str, &str> {
    // What is said is YAML in which no line begins like this.
    let mut starts: Vec<usize> = transcript.match_indices("\n# ").map(|(at, _)| at + 1).collect();
    if transcript.starts_with("# ") {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([transcript.len()]);
    starts
        .iter()
        .zip(ends)
        .filter_map(|(start, end)| transcript.get(start + 2..end)?.split_once('\n'))
        .collect()
}

impl Case {
    /// The file that the case is in, without its ending.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.name.split_once('/').map_or(&*self.name, |(topic, _)| topic)
    }

    /// The name of the case within its topic.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.split_once('/').map_or(&*self.name, |(_, name)| name)
    }

    /// What Kubernetes said; empty where nobody has asked it yet.
    #[must_use]
    pub fn transcript(&self) -> &str {
        &self.transcript
    }

    /// How many requests the case makes, what is made first included.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.given.len() + self.steps.len()
    }

    /// Why this case cannot be played there.
    pub(crate) fn reason_to_skip(&self, subject: &Subject) -> Option<String> {
        if self.controllers && !subject.controllers {
            return Some("it needs the controllers of Kubernetes".to_owned());
        }
        if self.compacted && !subject.compacted {
            return Some("it needs a server that has forgotten its first revision".to_owned());
        }
        self.differs.clone().filter(|_| subject.leeway)
    }

    /// What was said otherwise than is written, step by step; none where all is the same.
    pub(crate) fn difference(&self, said: &str, leeway: bool) -> Option<String> {
        let (written, said) = (answers(&self.transcript), answers(said));
        let mut text = String::new();
        let spoken: Vec<&Step> = self.steps.iter().filter(|s| !s.quiet).collect();
        for (index, said) in said.iter().enumerate() {
            let differs = spoken.get(index).is_some_and(|s| s.differs.is_some());
            let written = written.get(index).copied().unwrap_or_default();
            let name = said.lines().next().unwrap_or_default();
            if written == *said {
                if differs && leeway {
                    let _ = writeln!(text, "  step {index} {name}\n  is marked `differs`, and does not");
                }
                continue;
            }
            if differs && leeway {
                continue;
            }
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

/// The answers of a case, one by one.
fn answers(transcript: &str) -> Vec<&str> {
    transcript
        .split_inclusive("\n\n")
        .filter(|s| !s.trim().is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "about: maps
given:
  a map: [{call: POST /maps}]
cases:
- name: one
  states: A map is read.
  given: [a map]
  steps: [{call: GET /maps/a}]
- name: two
  states: No map is read.
  steps: [{call: GET /maps/b, differs: why}]
";

    fn both() -> Vec<Case> {
        let all = read(
            "maps",
            SCRIPT,
            "# one\n== GET /maps/a\n200\n\n# two\n== GET /maps/b\n404\n\n",
        );
        all.unwrap()
    }

    #[test]
    fn every_case_has_its_own_part_of_the_transcript() {
        let cases = both();
        let (one, two) = (&cases[0], &cases[1]);
        assert_eq!(
            (&*one.name, one.topic(), one.short_name()),
            ("maps/one", "maps", "one")
        );
        assert_eq!(one.transcript(), "== GET /maps/a\n200\n\n");
        assert_eq!(two.transcript(), "== GET /maps/b\n404\n\n");
        assert_eq!((one.requests(), two.requests()), (2, 1));
        let text = transcript(cases.iter().map(|case| (case, case.transcript())));
        assert_eq!(
            text,
            "# one\n== GET /maps/a\n200\n\n# two\n== GET /maps/b\n404\n\n"
        );
    }

    #[test]
    fn what_differs_is_a_failure_and_a_mark_that_is_not_needed_is_one_too() {
        let cases = both();
        let differs = |case: usize, said: &str, leeway| cases[case].difference(said, leeway).is_some();
        assert!(!differs(0, "== GET /maps/a\n200\n\n", true));
        assert!(differs(0, "== GET /maps/a\n500\n\n", true));
        assert!(differs(0, "", true));
        assert!(!differs(1, "== GET /maps/b\n500\n\n", true));
        assert!(differs(1, "== GET /maps/b\n500\n\n", false));
        assert!(differs(1, "== GET /maps/b\n404\n\n", true));
        assert!(!differs(1, "== GET /maps/b\n404\n\n", false));
    }

    #[test]
    fn a_script_with_mistakes_is_refused() {
        for (from, to, name) in [
            ("name: two", "name: one", "maps/one"),
            ("given: [a map]", "given: [a mop]", "maps/one"),
            ("steps: [{call: GET /maps/a}]", "steps: []", "maps/one"),
            ("states: No map is read.", "state: x", "maps"),
        ] {
            let error = read("maps", &SCRIPT.replace(from, to), "").unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
