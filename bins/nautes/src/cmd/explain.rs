//! `nautes explain`: what a kind, a field or a rule is.

pub mod field;
mod rule;
mod text;

use nautes_model::kind::{API_VERSION, KINDS};
use nautes_model::{Kind, layout};
use nautes_validate::{Explained, explain, explained};
use serde_json::{Value, json};

use crate::cli::offline::{Explain, Show};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::suggest::nearest;
use field::Field;

/// Runs the command.
///
/// # Errors
/// What is asked for is neither a kind, nor a field of one, nor a rule.
pub fn run(args: &Explain) -> Outcome {
    let answer = match args.what.as_deref().map(str::trim) {
        None => Answer::All,
        Some(what) => find(what)?,
    };
    let text = match args.output {
        Show::Text => answer.text(args.recursive),
        Show::Json => format!("{:#}\n", answer.json(args.recursive)),
        Show::Yaml => output::yaml(&answer.json(args.recursive))?,
    };
    output::data(&text)?;
    Ok(Exit::Clean)
}

/// What was asked for.
enum Answer {
    All,
    Field(Kind, Vec<Field>),
    Rule(Box<Explained>),
}

fn find(what: &str) -> Result<Answer, Failure> {
    let mut parts = what.split('.');
    let first = parts.next().unwrap_or_default();
    if let Some(kind) = Kind::find(first) {
        return field::find(kind, parts).map(|path| Answer::Field(kind, path));
    }
    if let Some(rule) = explain(what) {
        return Ok(Answer::Rule(Box::new(rule)));
    }
    let kinds = KINDS
        .iter()
        .flat_map(|k| k.short_names.iter().copied().chain([k.name, k.plural]));
    let rules: Vec<Explained> = explained().collect();
    let known = kinds.chain(rules.iter().map(|rule| rule.id.as_ref()));
    let failure = Failure::new(Exit::NotFound, format!("{first:?} is neither a kind nor a rule"));
    Err(match nearest(first, known) {
        Some(near) => failure.hint(format!("did you mean {}?", near_kind(near))),
        None => failure.hint("nautes explain lists all kinds and rules"),
    })
}

/// The name of the kind that a word stands for, so that a suggestion is never a short name.
fn near_kind(word: &str) -> String {
    Kind::find(word).map_or_else(|| word.to_owned(), |kind| kind.name().to_lowercase())
}

impl Answer {
    fn text(&self, recursive: bool) -> String {
        match self {
            Self::All => text::all(),
            Self::Field(kind, path) => text::field(*kind, path, recursive),
            Self::Rule(rule) => rule::text(rule),
        }
    }

    fn json(&self, recursive: bool) -> Value {
        match self {
            Self::All => json!({
                "kinds": KINDS.iter().map(|k| kind_json(k.kind)).collect::<Vec<_>>(),
                "rules": explained()
                    .map(|rule| json!({ "id": rule.id, "severity": rule.severity, "summary": rule.summary }))
                    .collect::<Vec<_>>(),
            }),
            Self::Field(kind, path) => {
                let mut shown = kind_json(*kind);
                shown["apiVersion"] = json!(API_VERSION);
                if let Some(last) = path.last() {
                    shown["field"] = last.json(recursive);
                    shown["field"]["path"] = json!(field::path_of(path));
                }
                shown
            }
            Self::Rule(rule) => json!(rule),
        }
    }
}

fn kind_json(kind: Kind) -> Value {
    let info = kind.info();
    json!({
        "kind": info.name,
        "plural": info.plural,
        "shortNames": info.short_names,
        "scope": if kind.is_of_product() { "product" } else { "tenant" },
        "description": field::about(kind),
        "file": home(kind),
    })
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
