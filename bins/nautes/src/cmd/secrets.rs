//! `nautes secrets`: from the store of one machine into Vault, and a new key for that store.

use std::path::Path;
use std::sync::Arc;

use nautes_vault::local::{self, LocalStore, MasterKey, Rekeyed};
use nautes_vault::migrate::{self, Copied, Differing};
use nautes_vault::{SecretStore, StoreError};
use serde_json::json;

use crate::cli::secrets::{Command, Form, Migrate, Rekey, Secrets};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, GREEN, YELLOW};
use crate::settings::Environment;

/// Runs the command.
///
/// # Errors
/// A store cannot be opened, read or written.
pub async fn run(args: &Secrets, environment: &Environment) -> Outcome {
    match &args.command {
        Command::Migrate(args) => migrate(args, environment).await,
        Command::Rekey(args) => rekey(args).await,
    }
}

async fn rekey(args: &Rekey) -> Outcome {
    let (file, key_file) = match (&args.data, &args.store_file, &args.store_key_file) {
        (Some(data), ..) => (data.join("store.redb"), data.join("store.key")),
        (None, Some(file), Some(key)) => (file.clone(), key.clone()),
        _ => {
            return Err(Failure::usage("no store is given")
                .hint("name it with --data, or with --store-file and --store-key-file"));
        }
    };
    let said = match local::rekey(&file, &key_file).await.map_err(held)? {
        Rekeyed::Changed => "has a new master key",
        Rekeyed::Finished => "has the new master key of an earlier call, which was interrupted",
    };
    output::data(&format!(
        "{} {said}; it is in {}\n",
        file.display(),
        key_file.display()
    ))?;
    Ok(Exit::Clean)
}

/// Says who may have the store.
fn held(error: StoreError) -> Failure {
    let in_use = matches!(error, StoreError::InUse { .. });
    let failure = Failure::from(error);
    if in_use {
        failure.hint("stop nautes-api, nautes-controller or nautes local first")
    } else {
        failure
    }
}

async fn migrate(args: &Migrate, environment: &Environment) -> Outcome {
    let opened = args.vault.store().await?.ok_or_else(|| {
        Failure::usage("no Vault is set").hint("name it with --vault-address or NAUTES_VAULT_ADDRESS")
    })?;
    let to = Arc::clone(&opened.store);
    let from = open(args, environment).await?;
    let differing = if args.replace {
        Differing::Replace
    } else {
        Differing::Keep
    };
    let result = if args.dry_run {
        plan(&from, &*to, differing).await
    } else {
        match opened.prepare().await {
            Ok(()) => copy(&from, &*to, differing).await,
            Err(error) => Err(error.into()),
        }
    };
    if let Err(error) = opened.log_out().await {
        tracing::warn!(%error, "the login stays until it ends");
    }
    let copied = result?;
    let text = match args.output {
        Form::Text => text(&copied, args.dry_run),
        Form::Json => format!("{:#}\n", shown(&copied)),
    };
    output::data(&text)?;
    let is_open = args.dry_run && !(copied.written.is_empty() && copied.granted.is_empty());
    Ok(if is_open || !copied.kept.is_empty() {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

async fn copy(from: &LocalStore, to: &dyn SecretStore, differing: Differing) -> Result<Copied, Failure> {
    let again = "what was copied stays; the same command again goes on";
    let copied = migrate::copy(from, to, differing).await;
    copied.map_err(|error| Failure::from(error).hint(again))
}

async fn plan(from: &LocalStore, to: &dyn SecretStore, differing: Differing) -> Result<Copied, Failure> {
    match to.list("").await {
        Ok(_) => Ok(migrate::plan(from, to, differing).await?),
        Err(error @ StoreError::NoEngine { .. }) => {
            output::say(&format!(
                "note: {error}; without --dry-run it is enabled if that is allowed"
            ));
            // What is in other engines is not looked at: the plan is the longest that it can be.
            let nothing = LocalStore::in_memory(&MasterKey::generate()?)?;
            Ok(migrate::plan(from, &nothing, differing).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens the store, which must be there.
async fn open(args: &Migrate, environment: &Environment) -> Result<LocalStore, Failure> {
    let (file, key_file) = match (&args.data, &args.store_file) {
        (Some(data), _) => (data.join("store.redb"), Some(data.join("store.key"))),
        (None, Some(file)) => (file.clone(), args.store_key_file.clone()),
        (None, None) => {
            return Err(Failure::usage("no store is given").hint("name it with --data or --store-file"));
        }
    };
    for needed in std::iter::once(&file).chain(&key_file) {
        let is_key = Some(needed) == key_file.as_ref();
        let is_there = needed.is_file() || (is_key && environment.store_key.is_some());
        if !is_there {
            return Err(
                Failure::new(Exit::NotFound, format!("there is no file {}", needed.display()))
                    .hint("name the store with --data, or with --store-file and --store-key-file"),
            );
        }
    }
    let key = environment.store_key.clone();
    let open = move || -> Result<LocalStore, Failure> {
        let key = match (key, key_file) {
            (Some(text), _) => MasterKey::from_text(&text)?,
            (None, Some(file)) => MasterKey::load_or_create(&file)?,
            (None, None) => {
                return Err(Failure::usage("no key of the store is given")
                    .hint("name its file with --store-key-file, or set NAUTES_STORE_KEY"));
            }
        };
        read(&file, &key)
    };
    tokio::task::spawn_blocking(open).await?
}

fn read(file: &Path, key: &MasterKey) -> Result<LocalStore, Failure> {
    LocalStore::open(file, key).map_err(held)
}

fn shown(copied: &Copied) -> serde_json::Value {
    let texts = |paths: &mut dyn Iterator<Item = String>| paths.collect::<Vec<String>>();
    json!({
        "written": texts(&mut copied.written.iter().map(ToString::to_string)),
        "same": texts(&mut copied.same.iter().map(ToString::to_string)),
        "kept": texts(&mut copied.kept.iter().map(ToString::to_string)),
        "granted": texts(&mut copied.granted.iter().map(ToString::to_string)),
    })
}

fn text(copied: &Copied, planned: bool) -> String {
    let mut text = String::new();
    let (copy, grant) = if planned {
        ("would copy", "would grant for")
    } else {
        ("copied", "granted for")
    };
    let mut line = |style: anstyle::Style, word: &str, of: String| {
        text.push_str(&format!("{style}{word}{style:#} {of}\n"));
    };
    for path in &copied.written {
        line(GREEN, copy, path.to_string());
    }
    for scope in &copied.granted {
        line(GREEN, grant, scope.to_string());
    }
    for path in &copied.kept {
        line(YELLOW, "differs, kept", format!("{path} (--replace copies it)"));
    }
    let (secrets, scopes) = (copied.written.len(), copied.granted.len());
    let (same, kept) = (copied.same.len(), copied.kept.len());
    let verb = if planned { "to copy" } else { "copied and compared" };
    text.push_str(&format!(
        "{secrets} secrets {verb}, {same} there already, {kept} kept with other values; grants of {scopes} scopes {}\n",
        if planned { "to change" } else { "changed" },
    ));
    text
}
