//! Routes of single resources, as the reference has them: thin wrappers over the same service.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Extension, Json, Router};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Scopes, Sourced};
use nautes_runtime::platform::paths;
use serde::Deserialize;
use serde_json::Value;

use super::RequestId;
use super::apply::{WriteQuery, body_of};
use crate::app::App;
use crate::apply::{self, Mode};
use crate::auth::Caller;
use crate::error::{ApiError, internal};
use crate::legacy;
use crate::policy::{Action, gate};
use crate::selector::Selector;
use crate::wire::{Done, Items, Message};

/// Kinds that have routes of their own.
const KINDS: &[Kind] = &[
    Kind::Environment,
    Kind::Project,
    Kind::CodeRepo,
    Kind::CodeRepoBinding,
    Kind::ProjectPipelineRuntime,
    Kind::DeploymentRuntime,
];

/// Makes the routes.
pub(crate) fn routes() -> Router<App> {
    let mut router = Router::new();
    for kind in [Kind::Cluster, Kind::Product] {
        let path = format!("/api/v1/{}", kind.info().api_path);
        router = router
            .route(&path, get(move |c, s, q| list(kind, c, s, None, q)))
            .route(&format!("{path}/"), get(move |c, s, q| list(kind, c, s, None, q)))
            .route(
                &format!("{path}/{{name}}"),
                get(move |c, s, Path(name): Path<String>, q| one(kind, c, s, None, name, q))
                    .post(move |c, s, i, Path(name): Path<String>, q, b| {
                        save(kind, c, s, i, (None, name), q, b)
                    })
                    .delete(move |c, s, i, Path(name): Path<String>, q| {
                        delete(kind, c, s, i, (None, name), q)
                    }),
            );
    }
    for &kind in KINDS {
        let path = format!("/api/v1/products/{{product}}/{}", kind.info().api_path);
        router = router
            .route(
                &path,
                get(move |c, s, Path(p): Path<String>, q| list(kind, c, s, Some(p), q)),
            )
            .route(
                &format!("{path}/"),
                get(move |c, s, Path(p): Path<String>, q| list(kind, c, s, Some(p), q)),
            )
            .route(
                &format!("{path}/{{name}}"),
                get(move |c, s, Path((p, n)): Path<(String, String)>, q| one(kind, c, s, Some(p), n, q))
                    .post(move |c, s, i, Path((p, n)): Path<(String, String)>, q, b| {
                        save(kind, c, s, i, (Some(p), n), q, b)
                    })
                    .delete(move |c, s, i, Path((p, n)): Path<(String, String)>, q| {
                        delete(kind, c, s, i, (Some(p), n), q)
                    }),
            );
    }
    router
}

/// What the query of a list may say.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ListQuery {
    #[serde(default, alias = "fieldSelector")]
    field_selector: String,
    #[serde(default)]
    form: Form,
}

/// In which form resources are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// As the reference answers: the fields of the spec in snake_case, zero values too.
    #[default]
    Fields,
    /// As the manifest that declares it.
    Manifest,
}

fn identity(kind: Kind, product: Option<&str>, name: &str) -> Result<Identity, ApiError> {
    let malformed = |e: nautes_model::name::NameError| ApiError::malformed(e.to_string());
    let name = ResourceName::new(name).map_err(malformed)?;
    Ok(match product {
        Some(product) => Identity::product(kind, ProductName::new(product).map_err(malformed)?, name),
        None => Identity::tenant(kind, name),
    })
}

async fn list(
    kind: Kind,
    caller: Caller,
    State(app): State<App>,
    product: Option<String>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Items>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let selector = Selector::parse(kind, &query.field_selector)?;
    if kind != Kind::Product {
        gate(
            &app,
            &caller,
            Action::Read,
            &identity(kind, product.as_deref(), "any")?,
        )
        .await?;
    }
    let scopes = apply::scopes(&app).await?;
    let mut items = Vec::new();
    for resource in scopes.iter().filter(|r| r.identity.kind == kind) {
        let of = resource.identity.product.as_ref().map(ProductName::as_str);
        if of != product.as_deref() {
            continue;
        }
        if kind == Kind::Product
            && gate(&app, &caller, Action::Read, &resource.identity)
                .await
                .is_err()
        {
            continue;
        }
        let view = legacy::view(&resource.resource, of);
        if selector.matches(&view) {
            items.push(answer(&scopes, resource, view, query.form)?);
        }
    }
    Ok(Json(Items { items }))
}

async fn one(
    kind: Kind,
    caller: Caller,
    State(app): State<App>,
    product: Option<String>,
    name: String,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let identity = identity(kind, product.as_deref(), &name)?;
    gate(&app, &caller, Action::Read, &identity).await?;
    let scopes = apply::scopes(&app).await?;
    let found = scopes
        .get(&identity)
        .ok_or_else(|| ApiError::not_found(format!("{identity} not found")))?;
    let view = legacy::view(&found.resource, product.as_deref());
    Ok(Json(answer(&scopes, found, view, query.form)?))
}

fn answer(scopes: &Scopes, resource: &Sourced, mut view: Value, form: Form) -> Result<Value, ApiError> {
    if form == Form::Manifest {
        let manifest = resource.resource.without_status().to_json();
        return manifest.map_err(|error| internal("a resource cannot be shown", &error));
    }
    if let Some((http, ssh)) = paths::clone_urls(scopes, &resource.identity) {
        legacy::add_clone_urls(&mut view, &http, &ssh);
    }
    Ok(view)
}

async fn save(
    kind: Kind,
    caller: Caller,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    (product, name): (Option<String>, String),
    query: Result<Query<WriteQuery>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Message>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    identity(kind, product.as_deref(), &name)?;
    let body: Value = serde_json::from_slice(&body_of(body)?).map_err(|e| {
        ApiError::malformed(format!(
            "the body is not JSON: line {}, column {}",
            e.line(),
            e.column()
        ))
    })?;
    if !body.is_object() {
        return Err(ApiError::malformed("the body is not a JSON object"));
    }
    let manifest = legacy::manifest(kind, product.as_deref(), &name, body);
    let reply = apply::run_one(&app, &caller, manifest, query.options(Mode::Apply, &id)).await?;
    if let Some(error) = reply.repositories.iter().find_map(|r| r.error.clone()) {
        return Err(ApiError::of_class(nautes_model::Class::Conflict, error));
    }
    Ok(Json(Message {
        message: format!("Successfully saved {name} {}", kind.name().to_lowercase()),
    }))
}

async fn delete(
    kind: Kind,
    caller: Caller,
    State(app): State<App>,
    Extension(id): Extension<RequestId>,
    (product, name): (Option<String>, String),
    query: Result<Query<WriteQuery>, QueryRejection>,
) -> Result<Json<Message>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let identity = identity(kind, product.as_deref(), &name)?;
    let reply = apply::remove_one(&app, &caller, &identity, query.options(Mode::Remove, &id)).await?;
    let mut outcomes = reply.repositories.iter().flat_map(|r| &r.resources);
    if outcomes.all(|o| o.done == Done::Absent) {
        return Err(ApiError::not_found(format!("{identity} not found")));
    }
    Ok(Json(Message {
        message: format!("Successfully deleted {name} {}", kind.name().to_lowercase()),
    }))
}
