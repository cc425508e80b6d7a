//! `nautes access`: who may use which repository, and because of what.

mod server;

use std::collections::BTreeSet;

use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind};
use nautes_validate::access::{Explanation, Item, Permissions, Subject};
use nautes_validate::{Checked, Level};
use serde_json::{Value, json};

use crate::cli::offline::{Access, AccessArgs, Question, Show, Verb};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, BOLD, DIM, GREEN, RED};
use crate::settings::Settings;
use crate::suggest::nearest;
use crate::target::Named;
use crate::tree::{self, Tree};

/// Runs the command.
///
/// # Errors
/// The tree cannot be read, who or what is asked about is not in it, or the server does not answer.
pub async fn run(settings: &Settings, args: &Access) -> Outcome {
    let on = match &args.question {
        Question::WhoCan { on, .. } | Question::Can { on, .. } | Question::Explain { on, .. } => on,
    };
    if on.tree.filename.is_empty() && settings.find_connection()?.is_some() {
        return server::run(settings, &args.question).await;
    }
    of_files(settings, args)
}

fn of_files(settings: &Settings, args: &Access) -> Outcome {
    match &args.question {
        Question::WhoCan {
            level,
            repository,
            on,
        } => {
            let tree = read(settings, on)?;
            let checked = tree.checked();
            who_can(
                level.into(),
                &repo(repository, &tree, &checked)?,
                &checked,
                on.output,
            )
        }
        Question::Can {
            subject,
            level,
            repository,
            on,
        } => {
            let tree = read(settings, on)?;
            let checked = tree.checked();
            let who = subject_of(subject, &tree, &checked)?;
            can(
                &who,
                level.into(),
                &repo(repository, &tree, &checked)?,
                &checked,
                on.output,
            )
        }
        Question::Explain {
            subject,
            repository,
            on,
        } => {
            let tree = read(settings, on)?;
            let checked = tree.checked();
            let who = subject_of(subject, &tree, &checked)?;
            match repository {
                Some(repository) => explain(&who, &repo(repository, &tree, &checked)?, &checked, on.output),
                None => everything(&who, &checked, on.output),
            }
        }
    }
}

impl From<&Verb> for Level {
    fn from(verb: &Verb) -> Self {
        match verb {
            Verb::Read => Self::Read,
            Verb::Write => Self::Write,
        }
    }
}

fn read(settings: &Settings, on: &AccessArgs) -> Result<Tree, Failure> {
    let tree = tree::read(settings, &on.tree)?;
    tree.warn();
    Ok(tree)
}

/// Finds the repository that a text names.
fn repo(text: &str, tree: &Tree, on: &Checked<'_>) -> Result<Identity, Failure> {
    let text = text.strip_prefix("repo:").unwrap_or(text);
    let words = match text.split_once('/') {
        Some((kind, _)) if Kind::find(kind) == Some(Kind::CodeRepo) => vec![text.to_owned()],
        _ => vec!["coderepo".to_owned(), text.to_owned()],
    };
    let found = Named::read(&words, tree.product.as_ref())?.find(&tree.scopes, &on.graph)?;
    if tree.scopes.get(&found).is_none() {
        return Err(Failure::new(
            Exit::NotFound,
            format!("{found} is referred to, and not declared"),
        ));
    }
    Ok(found)
}

/// Finds who a text names.
fn subject_of(text: &str, tree: &Tree, on: &Checked<'_>) -> Result<Subject, Failure> {
    let usage = |message: String| {
        Failure::usage(message).hint(
            "a product, PRODUCT/PROJECT, account:PRODUCT/NAME@CLUSTER or group:PRODUCT, for example shop/web",
        )
    };
    let subject: Subject = if text.contains(':') {
        text.parse()
            .map_err(|e: nautes_validate::access::UnknownText| usage(e.to_string()))?
    } else {
        let text = text
            .strip_prefix("product/")
            .filter(|t| !t.contains('/'))
            .unwrap_or(text);
        let name = |text: &str| ProductName::new(text).map_err(|e| usage(e.to_string()));
        let project = |text: &str| ResourceName::new(text).map_err(|e| usage(e.to_string()));
        match (text.split_once('/'), &tree.product) {
            (Some((first, rest)), product)
                if Kind::find(first) == Some(Kind::Project) && !is_product(first, tree) =>
            {
                match (rest.split_once('/'), product) {
                    (Some((product, rest)), _) => Subject::Project(name(product)?, project(rest)?),
                    (None, Some(product)) => Subject::Project(product.clone(), project(rest)?),
                    (None, None) => return Err(usage(format!("{text:?} does not say of which product"))),
                }
            }
            (Some((product, rest)), _) => Subject::Project(name(product)?, project(rest)?),
            (None, Some(product)) if !is_product(text, tree) => {
                Subject::Project(product.clone(), project(text)?)
            }
            (None, _) => Subject::Product(name(text)?),
        }
    };
    known(&subject, tree, on)?;
    Ok(subject)
}

fn is_product(text: &str, tree: &Tree) -> bool {
    tree.scopes.products.contains_key(text) || tree.scopes.tenant.product(text).is_some()
}

/// Checks that somebody is there, so that a wrong name is not answered with "no".
fn known(subject: &Subject, tree: &Tree, on: &Checked<'_>) -> Result<(), Failure> {
    let mut all: BTreeSet<Subject> = Permissions::of(on).accounts().cloned().collect();
    for (product, scope) in &tree.scopes.products {
        let projects = scope.projects().map(|(s, _)| s.identity.name.clone());
        all.extend(projects.map(|project| Subject::Project(product.clone(), project)));
        all.extend([Subject::Product(product.clone()), Subject::Group(product.clone())]);
    }
    for (registered, _) in tree.scopes.tenant.products() {
        if let Ok(product) = ProductName::new(registered.identity.name.as_str()) {
            all.extend([Subject::Product(product.clone()), Subject::Group(product)]);
        }
    }
    if all.contains(subject) {
        return Ok(());
    }
    let failure = Failure::new(Exit::NotFound, format!("{subject} is not declared"));
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    Err(
        match nearest(&subject.to_string(), names.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure,
        },
    )
}

fn print(output: Show, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> Result<(), Failure> {
    match output {
        Show::Text => output::data(&text()),
        Show::Json => output::data(&format!("{:#}\n", json())),
        Show::Yaml => output::data(&output::yaml(&json())?),
    }
}

fn who_can(level: Level, repo: &Identity, on: &Checked<'_>, output: Show) -> Outcome {
    let item = Item::Repo(repo.clone());
    let all = Permissions::of(on).who_can(level, &item);
    let text = || {
        let rows = all
            .iter()
            .map(|one| vec![one.subject.to_string(), may(one.level), because(one, Some(level))])
            .collect();
        output::filled(&["who", "may", "because"], rows)
    };
    print(
        output,
        text,
        || json!({ "item": item, "level": level, "who": all }),
    )?;
    if all.is_empty() {
        output::say(&format!("nobody may {level} {item}"));
        return Ok(Exit::Findings);
    }
    Ok(Exit::Clean)
}

fn may(level: Option<Level>) -> String {
    level.map_or_else(|| "nothing".to_owned(), |l| l.to_string())
}

/// Every way to a level, in one line.
fn because(one: &Explanation, level: Option<Level>) -> String {
    let chains = one
        .chains
        .iter()
        .filter(|chain| Some(chain.level) >= level)
        .map(|chain| {
            let steps: Vec<String> = chain.steps.iter().map(ToString::to_string).collect();
            steps.join(", ")
        });
    chains.collect::<Vec<_>>().join("; ")
}

fn can(who: &Subject, level: Level, repo: &Identity, on: &Checked<'_>, output: Show) -> Outcome {
    let item = Item::Repo(repo.clone());
    let yes = Permissions::of(on).can(who, level, &item);
    let text = || {
        if yes {
            format!("{GREEN}yes{GREEN:#}\n")
        } else {
            format!("{RED}no{RED:#}\n")
        }
    };
    print(
        output,
        text,
        || json!({ "subject": who, "level": level, "item": item, "can": yes }),
    )?;
    Ok(if yes { Exit::Clean } else { Exit::Findings })
}

fn explain(who: &Subject, repo: &Identity, on: &Checked<'_>, output: Show) -> Outcome {
    let explanation = Permissions::of(on).explain(who, &Item::Repo(repo.clone()));
    let text = || {
        let mut out = format!("{explanation}\n");
        if explanation.level.is_none() {
            out.push_str(&format!("  {DIM}hint:{DIM:#} {}\n", grant(who, repo)));
        }
        out
    };
    print(output, text, || json!(explanation))?;
    Ok(if explanation.level.is_some() {
        Exit::Clean
    } else {
        Exit::Findings
    })
}

/// What would open a repository to somebody.
fn grant(who: &Subject, repo: &Identity) -> String {
    let owner = repo
        .product
        .as_ref()
        .map_or_else(String::new, |p| format!(" in product {p}"));
    let product = who.product();
    let name = &repo.name;
    let projects = match who {
        Subject::Project(_, project) => format!(" and projects [{project}]"),
        Subject::Product(_) | Subject::Account { .. } | Subject::Group(_) => String::new(),
    };
    if let Subject::Group(_) = who {
        return format!("people use the repositories of their own product; {name} is not one of them");
    }
    format!("a CodeRepoBinding{owner} with codeRepo {name}, product {product}{projects} opens it")
}

/// Every repository that somebody may use.
fn everything(who: &Subject, on: &Checked<'_>, output: Show) -> Outcome {
    let permissions = Permissions::of(on);
    let all: Vec<Explanation> = permissions
        .repos_of(who)
        .into_keys()
        .map(|repo| permissions.explain(who, &Item::Repo(repo)))
        .collect();
    let text = || {
        let rows = all
            .iter()
            .map(|one| vec![one.item.to_string(), may(one.level), because(one, one.level)])
            .collect();
        output::filled(&["repository", "may", "because"], rows)
    };
    print(output, text, || json!({ "subject": who, "items": all }))?;
    if all.is_empty() {
        output::say(&format!("{BOLD}{who}{BOLD:#} may use no repository"));
        return Ok(Exit::Findings);
    }
    Ok(Exit::Clean)
}
