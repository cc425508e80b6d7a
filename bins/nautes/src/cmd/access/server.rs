//! Questions about access that the server answers.

use serde_json::Value;

use crate::cli::offline::{AccessArgs, Question, Show, Verb};
use crate::client::{Client, text_at};
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
            let answer = whole(&client, "who-can", &query, "who").await?;
            let all = list(&answer, "who");
            output::show(on.output, &answer, || {
                let rows = all.iter().map(|one| row(one, "subject"));
                output::table(&["who", "may", "because"], rows.collect())
            })?;
            let hidden = answer.get("hidden").and_then(Value::as_u64).unwrap_or_default();
            if hidden > 0 {
                output::say(&format!("note: and {hidden} of products that you may not see"));
            }
            if all.is_empty() && hidden == 0 {
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
            let answer: Value = client.read("api/v1/access/can", &query).await?;
            let can = answer.get("can").and_then(Value::as_bool) == Some(true);
            output::show(on.output, &answer, || {
                if can {
                    format!("{GREEN}yes{GREEN:#}\n")
                } else {
                    format!("{RED}no{RED:#}\n")
                }
            })?;
            Ok(if can { Exit::Clean } else { Exit::Findings })
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
            let answer = whole(&client, "explain", &query, "items").await?;
            let all = list(&answer, "items");
            output::show(on.output, &answer, || {
                let rows = all.iter().map(|one| row(one, "item"));
                output::table(&["repository", "may", "because"], rows.collect())
            })?;
            let may = |one: &&Value| !text_at(one, "level").is_empty();
            if all.iter().filter(may).count() == 0 {
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

/// Reads every page of an answer into one.
async fn whole(
    client: &Client,
    question: &str,
    query: &[(&str, String)],
    field: &str,
) -> Result<Value, Failure> {
    let path = format!("api/v1/access/{question}");
    let mut first: Value = client.read(&path, query).await?;
    let mut mark = text_at(&first, "continue");
    while !mark.is_empty() && list(&first, field).len() < MOST {
        let mut query = query.to_vec();
        query.push(("continue", mark));
        let page: Value = client.read(&path, &query).await?;
        mark = text_at(&page, "continue");
        if let Some(all) = first.get_mut(field).and_then(Value::as_array_mut) {
            all.extend(list(&page, field).iter().cloned());
        }
    }
    if let Some(object) = first.as_object_mut() {
        object.remove("continue");
    }
    Ok(first)
}

fn list<'a>(answer: &'a Value, field: &str) -> &'a [Value] {
    answer
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
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
fn row(one: &Value, first: &str) -> Vec<String> {
    let level = text_at(one, "level");
    let chains = list(one, "chains").iter().map(|chain| {
        let steps: Vec<String> = list(chain, "steps")
            .iter()
            .map(|step| text_at(step, "text"))
            .collect();
        let hidden = chain.get("hidden").and_then(Value::as_u64).unwrap_or_default();
        if hidden > 0 {
            format!("{} (and {hidden} steps that you may not see)", steps.join(", "))
        } else {
            steps.join(", ")
        }
    });
    vec![
        text_at(one, first),
        if level.is_empty() {
            "nothing".to_owned()
        } else {
            level
        },
        chains.collect::<Vec<_>>().join("; "),
    ]
}
