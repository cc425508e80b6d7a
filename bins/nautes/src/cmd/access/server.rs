//! Questions about access that the server answers.

use nautes_api::routes::access::{AccessExplanation, AccessVerb, Can, Explained, WhoCan};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::offline::{AccessArgs, Question, Show, Verb};
use crate::client::Client;
use crate::client::told::Told;
use crate::cmd::runs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, BOLD, GREEN, RED};
use crate::settings::Settings;

/// How many answers are shown at most.
const MOST: usize = 10_000;

/// Asks.
pub(super) async fn run(settings: &Settings, question: &Question) -> Outcome {
    let client = Client::connect(settings).await?;
    match question {
        Question::WhoCan {
            level,
            repository,
            on,
        } => {
            let item = item(settings, repository, on)?;
            let query = [("item", item.clone()), ("level", word(*level).to_owned())];
            let answer: Told<WhoCan> = whole(&client, "who-can", &query, "who").await?;
            output::show(on.output, &answer, || {
                let rows = answer.who.iter().map(|one| row(&one.subject, one));
                output::filled(&["who", "may", "because"], rows.collect())
            })?;
            if answer.hidden > 0 {
                output::say(&format!(
                    "note: and {} of products that you may not see",
                    answer.hidden
                ));
            }
            if answer.who.is_empty() && answer.hidden == 0 {
                output::say(&format!("nobody may {} {item}", word(*level)));
                return Ok(Exit::Findings);
            }
            Ok(Exit::Clean)
        }
        Question::Can {
            subject,
            level,
            repository,
            on,
        } => {
            let query = [
                ("subject", who(settings, subject, on)?),
                ("item", item(settings, repository, on)?),
                ("level", word(*level).to_owned()),
            ];
            let answer: Told<Can> = client.read("api/v1/access/can", &query).await?;
            output::show(on.output, &answer, || {
                if answer.can {
                    format!("{GREEN}yes{GREEN:#}\n")
                } else {
                    format!("{RED}no{RED:#}\n")
                }
            })?;
            Ok(if answer.can { Exit::Clean } else { Exit::Findings })
        }
        Question::Explain {
            subject,
            repository,
            on,
        } => {
            let who = who(settings, subject, on)?;
            let mut query = vec![("subject", who.clone())];
            if let Some(repository) = repository {
                query.push(("item", item(settings, repository, on)?));
            }
            let answer: Told<Explained> = whole(&client, "explain", &query, "items").await?;
            output::show(on.output, &answer, || {
                let rows = answer.items.iter().map(|one| row(&one.item, one));
                output::filled(&["repository", "may", "because"], rows.collect())
            })?;
            if answer.items.iter().all(|one| one.level.is_none()) {
                if on.output == Show::Text {
                    output::say(&format!("{BOLD}{who}{BOLD:#} may use nothing of it"));
                }
                return Ok(Exit::Findings);
            }
            Ok(Exit::Clean)
        }
    }
}

const fn word(level: Verb) -> &'static str {
    match level {
        Verb::Read => "read",
        Verb::Write => "write",
    }
}

/// Reads every page of an answer into one; `field` is the list that goes on.
async fn whole<T: DeserializeOwned>(
    client: &Client,
    question: &str,
    query: &[(&str, String)],
    field: &str,
) -> Result<T, Failure> {
    let path = format!("api/v1/access/{question}");
    let mut first: Value = client.read(&path, query).await?;
    while let Some(mark) = first.as_object_mut().and_then(|all| all.remove("continue")) {
        let Some(mark) = mark.as_str().filter(|mark| !mark.is_empty()) else {
            break;
        };
        let mut query = query.to_vec();
        query.push(("continue", mark.to_owned()));
        let mut page: Value = client.read(&path, &query).await?;
        let more = page[field].take();
        match (first[field].as_array_mut(), more) {
            (Some(all), Value::Array(more)) if all.len() < MOST => all.extend(more),
            _ => break,
        }
        if let Some(mark) = page.get_mut("continue") {
            first["continue"] = mark.take();
        }
    }
    client.understood(&path, first)
}

/// The repository that a text names, in full.
fn item(settings: &Settings, text: &str, on: &AccessArgs) -> Result<String, Failure> {
    if text.contains(':') && !text.starts_with("repo:") {
        return Ok(text.to_owned());
    }
    let text = text.strip_prefix("repo:").unwrap_or(text);
    let text = match text.split_once('/') {
        Some((kind, rest)) if nautes_model::Kind::find(kind) == Some(nautes_model::Kind::CodeRepo) => rest,
        _ => text,
    };
    if text.contains('/') {
        return Ok(text.to_owned());
    }
    Ok(format!(
        "{}/{text}",
        runs::product(settings, on.tree.product.as_deref())?
    ))
}

/// Who a text names: with -p, one word is a project of that product.
fn who(settings: &Settings, text: &str, on: &AccessArgs) -> Result<String, Failure> {
    let product = settings.product(on.tree.product.as_deref())?;
    Ok(match product {
        Some(product) if !text.contains([':', '/']) && text != product.as_str() => {
            format!("{product}/{text}")
        }
        _ => text.to_owned(),
    })
}

/// A row: who or what, how much, and every way that leads there.
fn row(first: &str, one: &AccessExplanation) -> Vec<String> {
    let chains = one.chains.iter().map(|chain| {
        let steps: Vec<&str> = chain.steps.iter().map(|step| step.text.as_str()).collect();
        let hidden = chain.hidden;
        match steps.is_empty() {
            false if hidden > 0 => format!("{} (and {hidden} steps that you may not see)", steps.join(", ")),
            true if hidden > 0 => format!("{hidden} steps that you may not see"),
            _ => steps.join(", "),
        }
    });
    let level = match one.level {
        Some(AccessVerb::Read) => "read",
        Some(AccessVerb::Write) => "write",
        None => "nothing",
    };
    vec![
        first.to_owned(),
        level.to_owned(),
        chains.collect::<Vec<_>>().join("; "),
    ]
}
