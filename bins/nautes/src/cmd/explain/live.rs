//! What the server explains: the rules by which it judges, those of the organisation among them, and the kinds that it
//! knows.

use nautes_api::routes::reference::{
    KindExplained, KindInfo, KindList, RuleExample, RuleExplained, RuleInfo,
};
use nautes_model::Kind;
use nautes_validate::{Example, Explained, explain};

use super::shown::{KindShown, Part, RuleLine, Shown};
use super::{Answer, field, unknown};
use crate::client::Client;
use crate::client::told::Listed;
use crate::exit::{Exit, Failure};
use crate::settings::Settings;

/// How many rules are listed at most.
const MOST: usize = 10_000;

/// Asks for everything, or for what is named.
pub(super) async fn find(
    settings: &Settings,
    what: Option<&str>,
    recursive: bool,
) -> Result<Answer, Failure> {
    let client = Client::connect(settings).await?;
    let kinds: KindList = client.get("api/v1/kinds").await?;
    let Some(what) = what else {
        let rules = rules(&client).await?.into_iter().map(RuleLine::from).collect();
        return Ok(Answer::All(
            kinds.items.into_iter().map(KindShown::from).collect(),
            rules,
        ));
    };
    let (first, path) = what.split_once('.').unwrap_or((what, ""));
    if let Some(kind) = kinds.items.iter().find(|kind| names(kind, first)) {
        return of_kind(&client, kind, path, recursive).await;
    }
    let rule = match segment(what) {
        Some(id) => client.get::<RuleExplained>(&format!("api/v1/rules/{id}")).await,
        None => Err(Failure::new(Exit::NotFound, String::new())),
    };
    match rule {
        Ok(rule) => Ok(Answer::Rule(Box::new(explained(rule)))),
        Err(failure) if failure.exit == Exit::NotFound => {
            let rules = rules(&client).await?;
            let known = kinds.items.iter().flat_map(words);
            Err(unknown(
                first,
                known.chain(rules.iter().map(|rule| rule.id.as_str())),
            ))
        }
        Err(failure) => Err(failure),
    }
}

async fn rules(client: &Client) -> Result<Vec<RuleInfo>, Failure> {
    let all: Listed<RuleInfo> = client.pages("api/v1/rules", &[], MOST).await?;
    Ok(all.items)
}

async fn of_kind(client: &Client, kind: &KindInfo, path: &str, recursive: bool) -> Result<Answer, Failure> {
    let mut at = format!("api/v1/kinds/{}", kind.plural);
    if !path.is_empty() {
        let Some(path) = segment(path) else {
            return Err(Failure::usage(format!("{path:?} is not the path of a field"))
                .hint("write KIND.FIELD.FIELD, for example environment.spec.cluster"));
        };
        at.push_str(&format!("/{path}"));
    }
    let query = [("recursive", recursive.to_string())];
    let found: KindExplained = client.read(&at, &query).await.map_err(|failure| {
        // This program knows what is near, if it knows the kind.
        match Kind::find(&kind.kind).map(|kind| field::find(kind, path.split('.'))) {
            Some(Err(near)) if failure.exit == Exit::NotFound && !path.is_empty() => near,
            _ => failure,
        }
    })?;
    let part: Part = client.understood(&at, found.field.clone())?;
    let version = found.kind.api_version.clone();
    let kind = KindShown::from(found.kind);
    Ok(Answer::Field(Box::new(Shown::new(
        kind,
        version,
        found.path,
        part,
        found.field,
    ))))
}

fn words(kind: &KindInfo) -> impl Iterator<Item = &str> {
    let short = kind.short_names.iter().map(String::as_str);
    short.chain([kind.kind.as_str(), kind.plural.as_str()])
}

fn names(kind: &KindInfo, word: &str) -> bool {
    words(kind).any(|known| known.eq_ignore_ascii_case(word))
}

/// A word that is a segment of a path and no more.
fn segment(word: &str) -> Option<&str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'[' | b']');
    Some(word).filter(|word| word.bytes().all(fits) && !word.bytes().all(|b| b == b'.'))
}

/// A rule as this program shows its own. Whether it can be mended is for this program to know: it does it.
fn explained(rule: RuleExplained) -> Explained {
    let example = |one: RuleExample| Example {
        manifests: one.manifests.into(),
        findings: one.findings.into(),
    };
    Explained {
        mendable: explain(&rule.rule.id).is_some_and(|own| own.mendable),
        id: rule.rule.id.into(),
        severity: rule.rule.severity,
        summary: rule.rule.summary.into(),
        explanation: rule.explanation.into(),
        bad: rule.bad.map(example),
        good: rule.good.map(example),
    }
}
