//! `nautes context`: the servers that login remembers.

use serde_json::{Value, json};

use crate::cli::contexts::{ContextCommand, Contexts};
use crate::cli::offline::Show;
use crate::config::{Config, Context};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// There is no such context, or the files cannot be read or written.
pub fn run(settings: &Settings, args: &Contexts) -> Outcome {
    match &args.command {
        None => list(settings, Show::Text),
        Some(ContextCommand::List { output }) => list(settings, *output),
        Some(ContextCommand::Show { name, output }) => show(settings, name.as_deref(), *output),
        Some(ContextCommand::Use { name }) => {
            change(settings, name, |config| config.current = Some(name.clone()))?;
            output::say(&format!("context {name} is the current one"));
            if settings.context.is_some() {
                output::say("note: --context or NAUTES_CONTEXT wins over it");
            }
            Ok(Exit::Clean)
        }
        Some(ContextCommand::Remove { name }) => {
            change(settings, name, |config| {
                config.contexts.remove(name);
                config.current.take_if(|current| current == name);
            })?;
            let files = settings.files()?;
            files.forget(&files.lock()?, name)?;
            output::say(&format!("context {name} is removed"));
            Ok(Exit::Clean)
        }
    }
}

fn change(settings: &Settings, name: &str, how: impl FnOnce(&mut Config)) -> Result<(), Failure> {
    let files = settings.files()?;
    let lock = files.lock()?;
    let mut config = files.read()?;
    config.context(name)?;
    how(&mut config);
    files.write(&lock, &config)
}

fn list(settings: &Settings, how: Show) -> Outcome {
    let config = settings.files()?.read()?;
    let current = settings.context.as_ref().or(config.current.as_ref());
    let all: Vec<Value> = config
        .contexts
        .iter()
        .map(|(name, context)| shown(name, context, current == Some(name)))
        .collect();
    output::show(how, &all, || {
        if all.is_empty() {
            return String::new();
        }
        let rows = config.contexts.iter().map(|(name, context)| {
            vec![
                if current == Some(name) { "*" } else { " " }.to_owned(),
                name.clone(),
                context.server.clone(),
                origin(context),
            ]
        });
        output::table(&["", "name", "server", "token"], rows.collect())
    })?;
    if all.is_empty() {
        output::say("no contexts; nautes login SERVER makes one");
    }
    Ok(Exit::Clean)
}

fn origin(context: &Context) -> String {
    context.credential.as_ref().map_or_else(
        || "none: logged out".to_owned(),
        crate::config::Credential::origin,
    )
}

fn shown(name: &str, context: &Context, is_current: bool) -> Value {
    let mut shown = json!({ "name": name, "current": is_current, "server": context.server });
    if let Some(file) = &context.ca_file {
        shown["caFile"] = json!(file);
    }
    if let Some(credential) = &context.credential {
        shown["credential"] = json!(credential);
    }
    shown
}

/// One context, or what a command would use now.
fn show(settings: &Settings, name: Option<&str>, how: Show) -> Outcome {
    if let Some(name) = name {
        let config = settings.files()?.read()?;
        let context = config.context(name)?;
        let is_current = config.current.as_deref() == Some(name);
        output::show(how, &shown(name, context, is_current), || {
            lines(&[
                ("context", Some(name.to_owned())),
                ("server", Some(context.server.clone())),
                ("token", Some(origin(context))),
                (
                    "certificates",
                    context.ca_file.as_ref().map(|f| f.display().to_string()),
                ),
            ])
        })?;
        return Ok(Exit::Clean);
    }
    let connection = settings.connection()?;
    let file = settings.config.as_ref().map(|f| f.display().to_string());
    let token = connection.source.as_ref().map(crate::credential::Source::origin);
    let ca_file = connection.ca_file.as_ref().map(|f| f.display().to_string());
    let value = json!({
        "context": connection.context,
        "server": connection.server.as_str(),
        "token": token,
        "caFile": ca_file,
        "file": file,
    });
    output::show(how, &value, || {
        lines(&[
            ("context", connection.context.clone()),
            ("server", Some(connection.server.to_string())),
            ("token", token.clone().or_else(|| Some("none".to_owned()))),
            ("certificates", ca_file.clone()),
            ("file", file.clone()),
        ])
    })?;
    Ok(Exit::Clean)
}

/// Writes names and values one below the other; what has no value is left out.
pub(crate) fn lines(all: &[(&str, Option<String>)]) -> String {
    let there = all
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    there
        .map(|(name, value)| format!("{name:<13} {value}\n"))
        .collect()
}
