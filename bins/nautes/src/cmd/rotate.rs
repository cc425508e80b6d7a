//! `nautes rotate`: an annotation on the manifests of code repositories, in one commit.

use jiff::Timestamp;
use nautes_api::wire::{ApplyReply, ApplyRequest, Items, ManifestFile};
use nautes_model::Kind;
use nautes_model::annotation::{REVOKE_BEFORE, ROTATE_BEFORE};
use serde_json::{Map, Value};

use crate::cli::live::Rotate;
use crate::client::{Client, text_at};
use crate::cmd::{apply, path, plan};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// There is no such repository, or the API refuses or does not answer.
pub async fn run(settings: &Settings, args: &Rotate) -> Outcome {
    let product = args.product.as_deref().or(settings.product.as_deref());
    let path = path(Kind::CodeRepo, product, None)?;
    let before = match &args.before {
        Some(text) => text.clone(),
        None => now()?,
    };
    let client = Client::connect(settings).await?;
    let query = [("form", "manifest".to_owned())];
    let (found, revision): (Items, _) = client.read_at(&path, &query).await?;
    let mut chosen = choose(found.items, args)?;
    let name = if args.revoke { REVOKE_BEFORE } else { ROTATE_BEFORE };
    for manifest in &mut chosen {
        annotate(manifest, name, &before)?;
    }
    if chosen.is_empty() {
        output::say("the product has no code repository");
        return Ok(Exit::Clean);
    }
    let request = ApplyRequest {
        files: chosen.iter().map(file).collect(),
        product: product.map(str::to_owned),
    };
    // What others have changed since it was read is not written over.
    let mut query = vec![("dry_run", args.dry_run.to_string())];
    query.extend(revision.map(|revision| ("expected_revision", revision)));
    let reply: ApplyReply = client.write("apply", &request, &query).await?;
    apply::print(&reply, args.output)?;
    Ok(if args.dry_run && plan::changes(&reply) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// The second that has begun: one that is to come would ask for nothing yet.
fn now() -> Result<String, Failure> {
    let now = Timestamp::from_second(Timestamp::now().as_second());
    now.map(|at| at.to_string())
        .map_err(|e| Failure::new(Exit::Internal, e.to_string()))
}

fn file(manifest: &Value) -> ManifestFile {
    ManifestFile {
        name: format!("{}.json", text_at(manifest, "metadata.name")),
        text: manifest.to_string(),
    }
}

fn choose(all: Vec<Value>, args: &Rotate) -> Result<Vec<Value>, Failure> {
    if args.all {
        return Ok(all);
    }
    let known: Vec<String> = all.iter().map(|m| text_at(m, "metadata.name")).collect();
    let missing: Vec<&str> = args
        .names
        .iter()
        .filter(|name| !known.contains(name))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        let message = format!("there is no CodeRepo {}", missing.join(", "));
        return Err(Failure::new(Exit::NotFound, message).hint(format!("there are: {}", known.join(", "))));
    }
    Ok(all
        .into_iter()
        .filter(|m| args.names.contains(&text_at(m, "metadata.name")))
        .collect())
}

fn annotate(manifest: &mut Value, name: &str, before: &str) -> Result<(), Failure> {
    let annotations = manifest
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .map(|metadata| metadata.entry("annotations").or_insert_with(|| Map::new().into()))
        .and_then(Value::as_object_mut);
    let annotations = annotations
        .ok_or_else(|| Failure::new(Exit::Internal, "a manifest of the server has no metadata"))?;
    annotations.insert(name.to_owned(), before.into());
    Ok(())
}
