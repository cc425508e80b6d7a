//! `nautes get`.

use nautes_api::wire::Items;
use nautes_model::Kind;
use serde_json::{Value, json};

use crate::cli::{Get, Output};
use crate::client::{Client, text_at};
use crate::cmd::{path, targets};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::settings::Settings;

/// Runs the command.
///
/// # Errors
/// The kind is unknown, a resource does not exist, or the API refuses or does not answer.
pub async fn run(settings: &Settings, args: &Get) -> Outcome {
    let targets = targets(&args.what)?;
    let product = args.product.as_deref().or(settings.product.as_deref());
    let client = Client::connect(settings).await?;
    let manifests = matches!(args.output, Output::Json | Output::Yaml);
    let mut query: Vec<(&str, String)> = Vec::new();
    if manifests {
        query.push(("form", "manifest".to_owned()));
    }
    if let Some(selector) = &args.field_selector {
        query.push(("field_selector", selector.clone()));
    }
    let mut found: Vec<(Kind, Value)> = Vec::new();
    let single = targets.len() == 1 && targets[0].1.is_some();
    for (kind, name) in targets {
        let path = path(kind, product, name.as_deref())?;
        if name.is_some() {
            found.push((kind, client.read(&path, &query).await?));
        } else {
            let items: Items = client.read(&path, &query).await?;
            found.extend(items.items.into_iter().map(|item| (kind, item)));
        }
    }
    print(&found, args.output, single)?;
    Ok(Exit::Clean)
}

fn print(found: &[(Kind, Value)], how: Output, single: bool) -> Result<(), Failure> {
    match how {
        Output::Json if single => output::data(&format!("{:#}\n", found[0].1)),
        Output::Json => {
            let items: Vec<&Value> = found.iter().map(|(_, manifest)| manifest).collect();
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
            output::data(&format!("{list:#}\n"))
        }
        Output::Yaml => {
            for (i, (_, manifest)) in found.iter().enumerate() {
                let text = nautes_model::yaml::to_text(manifest)
                    .map_err(|e| Failure::new(Exit::Internal, e.to_string()))?;
                output::data(&format!("{}{text}", if i > 0 { "---\n" } else { "" }))?;
            }
            Ok(())
        }
        Output::Name => {
            for (kind, view) in found {
                output::data(&format!(
                    "{}/{}\n",
                    kind.name().to_lowercase(),
                    text_at(view, "name")
                ))?;
            }
            Ok(())
        }
        Output::Table | Output::Wide => tables(found, how == Output::Wide),
    }
}

/// The columns of a kind: title and path in the view. Those behind `narrow` are for `-o wide`.
fn columns(kind: Kind) -> (usize, &'static [(&'static str, &'static str)]) {
    match kind {
        Kind::Cluster => (
            5,
            &[
                ("name", "name"),
                ("usage", "usage"),
                ("type", "cluster_type"),
                ("worker", "worker_type"),
                ("host", "host_cluster"),
                ("api server", "api_server"),
                ("domain", "primary_domain"),
            ],
        ),
        Kind::Product => (
            2,
            &[
                ("name", "name"),
                ("visibility", "git.gitlab.visibility"),
                ("description", "git.gitlab.description"),
                ("repository", "meta_data_path"),
            ],
        ),
        Kind::Project => (
            3,
            &[("name", "name"), ("product", "product"), ("language", "language")],
        ),
        Kind::Environment => (
            4,
            &[
                ("name", "name"),
                ("product", "product"),
                ("cluster", "cluster"),
                ("type", "env_type"),
            ],
        ),
        Kind::CodeRepo => (
            4,
            &[
                ("name", "name"),
                ("product", "product"),
                ("project", "project"),
                ("visibility", "git.gitlab.visibility"),
                ("events", "webhook.events"),
                ("pipelines", "pipeline_runtime"),
                ("deployments", "deployment_runtime"),
            ],
        ),
        Kind::CodeRepoBinding => (
            5,
            &[
                ("name", "name"),
                ("repository", "coderepo"),
                ("grantee", "product"),
                ("permissions", "permissions"),
                ("projects", "projects"),
            ],
        ),
        Kind::ProjectPipelineRuntime => (
            5,
            &[
                ("name", "name"),
                ("project", "project"),
                ("source", "pipeline_source"),
                ("environment", "destination.environment"),
                ("namespace", "destination.namespace"),
                ("account", "account"),
                ("isolation", "isolation"),
            ],
        ),
        Kind::DeploymentRuntime => (
            5,
            &[
                ("name", "name"),
                ("repository", "manifest_source.code_repo"),
                ("revision", "manifest_source.target_revision"),
                ("environment", "destination.environment"),
                ("namespaces", "destination.namespaces"),
                ("path", "manifest_source.path"),
                ("account", "account"),
                ("projects", "projects_ref"),
            ],
        ),
        Kind::CodeRepoProvider
        | Kind::ArtifactRepoProvider
        | Kind::ProductProvider
        | Kind::ArtifactRepo
        | Kind::ProjectArtifactRepo => (1, &[("name", "name")]),
    }
}

fn tables(found: &[(Kind, Value)], wide: bool) -> Result<(), Failure> {
    if found.is_empty() {
        output::say("no resources found");
        return Ok(());
    }
    let mut kinds: Vec<Kind> = found.iter().map(|(kind, _)| *kind).collect();
    kinds.sort();
    kinds.dedup();
    for (i, kind) in kinds.iter().enumerate() {
        let (narrow, all) = columns(*kind);
        let shown = &all[..if wide { all.len() } else { narrow }];
        let head: Vec<&str> = shown.iter().map(|(title, _)| *title).collect();
        let rows = found
            .iter()
            .filter(|(k, _)| k == kind)
            .map(|(_, view)| shown.iter().map(|(_, path)| text_at(view, path)).collect())
            .collect();
        let gap = if i > 0 { "\n" } else { "" };
        output::data(&format!("{gap}{}", output::table(&head, rows)))?;
    }
    Ok(())
}
