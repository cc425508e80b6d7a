//! `nautes explain`: what a kind, a field or a rule is.

pub mod field;
mod live;
mod rule;
mod shown;
mod text;

use nautes_model::kind::KINDS;
use nautes_model::{Kind, layout};
use nautes_validate::{Explained, explain, explained};
use serde_json::{Value, json};

use self::shown::{KindShown, RuleLine, Shown};
use crate::cli::offline::{Explain, Show};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Settings;
use crate::suggest::nearest;

/// Runs the command.
///
/// # Errors
/// What is asked for is neither a kind, nor a field of one, nor a rule; or the server does not answer.
pub async fn run(settings: &Settings, args: &Explain) -> Outcome {
    let what = args.what.as_deref().map(str::trim);
    let answer = if args.live || settings.names_server {
        live::find(settings, what, args.recursive).await?
    } else {
        match what {
            None => Answer::of_this_program(),
            Some(what) => find(settings, what, args.recursive)?,
        }
    };
    let text = match args.output {
        Show::Text => answer.text(args.recursive),
        Show::Json => format!("{:#}\n", answer.json()),
        Show::Yaml => output::yaml(&answer.json())?,
    };
    output::data(&text)?;
    Ok(Exit::Clean)
}

/// What was asked for.
enum Answer {
    All(Vec<KindShown>, Vec<RuleLine>),
    Field(Box<Shown>),
    Rule(Box<Explained>),
}

fn find(settings: &Settings, what: &str, recursive: bool) -> Result<Answer, Failure> {
    let mut parts = what.split('.');
    let first = parts.next().unwrap_or_default();
    if let Some(kind) = Kind::find(first) {
        let path = field::find(kind, parts)?;
        return Ok(Answer::Field(Box::new(Shown::of(kind, &path, recursive)?)));
    }
    if let Some(rule) = explain(what) {
        return Ok(Answer::Rule(Box::new(rule)));
    }
    let rules: Vec<Explained> = explained().collect();
    let mut known: Vec<&str> = known_kinds().collect();
    known.extend(rules.iter().map(|rule| rule.id.as_ref()));
    let failure = unknown(first, known.into_iter());
    // An organisation has rules of its own, which the server knows.
    Err(match settings.find_connection() {
        Ok(Some(_)) => failure.hint(format!("the server may know it: nautes explain --live {what}")),
        Ok(None) | Err(_) => failure,
    })
}

fn known_kinds() -> impl Iterator<Item = &'static str> {
    KINDS
        .iter()
        .flat_map(|k| k.short_names.iter().copied().chain([k.name, k.plural]))
}

/// Says that a word is neither a kind nor a rule, and which is the nearest.
fn unknown<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Failure {
    let failure = Failure::new(Exit::NotFound, format!("{word:?} is neither a kind nor a rule"));
    match nearest(word, known) {
        Some(near) => failure.hint(format!("did you mean {}?", near_kind(near))),
        None => failure.hint("nautes explain lists all kinds and rules"),
    }
}

/// The name of the kind that a word stands for, so that a suggestion is never a short name.
fn near_kind(word: &str) -> String {
    Kind::find(word).map_or_else(|| word.to_owned(), |kind| kind.name().to_lowercase())
}

impl Answer {
    fn of_this_program() -> Self {
        let kinds = KINDS.iter().map(|k| KindShown::of(k.kind)).collect();
        let rules = explained().map(RuleLine::from).collect();
        Self::All(kinds, rules)
    }

    fn text(&self, recursive: bool) -> String {
        match self {
            Self::All(kinds, rules) => text::all(kinds, rules),
            Self::Field(shown) => text::field(shown, recursive),
            Self::Rule(rule) => rule::text(rule),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::All(kinds, rules) => json!({ "kinds": kinds, "rules": rules }),
            Self::Field(shown) => shown.json(),
            Self::Rule(rule) => json!(rule),
        }
    }
}

/// The pattern of the file in which a resource of a kind is kept.
pub(crate) fn home(kind: Kind) -> String {
    let tenant = |folder: &str| format!("{}/{folder}/<name>.yaml", layout::TENANT_ROOT);
    match kind {
        Kind::CodeRepoProvider => tenant("code-repo-providers"),
        Kind::ArtifactRepoProvider => tenant("artifact-repo-providers"),
        Kind::ProductProvider => tenant("product-provider"),
        Kind::Cluster => tenant("clusters"),
        Kind::Product => tenant("products"),
        Kind::Environment => "envs/<name>.yaml".to_owned(),
        Kind::Project => "projects/<name>/<name>.yaml".to_owned(),
        Kind::CodeRepo => "code-repos/<name>/<name>.yaml".to_owned(),
        Kind::CodeRepoBinding => "code-repos/<codeRepo>/<name>.yaml".to_owned(),
        Kind::ArtifactRepo => "artifact-repos/<name>/<name>.yaml".to_owned(),
        Kind::ProjectArtifactRepo => "artifact-repos/<artifactRepo>/<name>.yaml".to_owned(),
        Kind::ProjectPipelineRuntime => "projects/<project>/<name>.yaml".to_owned(),
        Kind::DeploymentRuntime => "runtimes/<name>.yaml".to_owned(),
    }
}
