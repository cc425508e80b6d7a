//! Routes of single resources, as the reference has them: thin wrappers over the same service.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use nautes_gitops::RepoRef;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::scope::Resources;
use nautes_model::{Identity, Kind, Resource, Scopes, Sourced};
use nautes_runtime::platform::paths;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::apply::{Heads, WriteQuery, body_of, writing};
use super::gate::{InProduct, Named};
use super::operation::{self, Access, JSON, Needs, Operation, Parameter, Tag};
use crate::app::App;
use crate::apply::{self, Mode};
use crate::auth::Caller;
use crate::error::{ApiError, internal};
use crate::legacy;
use crate::names;
use crate::policy::{Action, gate};
use crate::selector::{self, Selector};
use crate::wire::{ApplyReply, Done, Items, Message};

/// Kinds that have routes of their own, in the order in which they are described.
const KINDS: &[Kind] = &[
    Kind::Cluster,
    Kind::Product,
    Kind::Project,
    Kind::Environment,
    Kind::CodeRepo,
    Kind::CodeRepoBinding,
    Kind::ProjectPipelineRuntime,
    Kind::DeploymentRuntime,
];

/// The rows of the table: four for each kind.
pub(crate) fn operations() -> Vec<Operation> {
    KINDS.iter().flat_map(|kind| of_kind(*kind)).collect()
}

fn of_kind(kind: Kind) -> [Operation; 4] {
    let segment = kind.info().api_path;
    let (tag, many) = match kind {
        Kind::Cluster => (Tag::Clusters, format!("/api/v1/{segment}")),
        Kind::Product => (Tag::Products, format!("/api/v1/{segment}")),
        _ => (Tag::Resources, format!("/api/v1/products/{{product}}/{segment}")),
    };
    let one = match kind {
        Kind::Product => format!("{many}/{{product}}"),
        _ => format!("{many}/{{name}}"),
    };
    let (word, words) = words(kind);
    let all_need = match kind {
        Kind::Cluster => Needs::Tenant(Action::Read),
        Kind::Product => Needs::Caller,
        _ => Needs::Product(Action::Read),
    };
    let named = |operation: Operation| {
        let operation = if kind == Kind::Cluster {
            operation
        } else {
            operation.with(Parameter::product())
        };
        if kind == Kind::Product {
            return operation;
        }
        let example = legacy::example::name(kind);
        operation.with(Parameter::path::<ResourceName>(
            "name",
            if kind == Kind::CodeRepo {
                "The name of the repository, or its path on the forge where no other has it."
            } else {
                "The name of the resource."
            },
            example,
        ))
    };
    let form = || Parameter::query::<Form>("form", "In which form resources are answered.").default("fields");
    let list_form = operation::Form::made(move |g| legacy::schema::list(kind, g));
    let form_of_one = operation::Form::made(move |g| legacy::schema::answer(kind, g));
    let list = if kind.is_of_product() {
        Operation::get(
            &many,
            &format!("list{kind}s"),
            all_need,
            move |c, s, InProduct(p), q| list(kind, c, s, Some(p), q),
        )
        .with(Parameter::product())
    } else {
        Operation::get(&many, &format!("list{kind}s"), all_need, move |c, s, q| {
            list(kind, c, s, None, q)
        })
    };
    let resource = |access| Needs::Resource(kind, access);
    let list = list
        .with(Parameter::query::<String>(
            "field_selector",
            "Which resources are wanted: `field=part`, `field==value`, `field!=value`, `field in (a, b)`, `field notin \
             (a, b)`, separated by commas; all must hold. Types, usages, permissions and truths are compared exactly.",
        ))
        .with(form())
        .says(
            tag,
            format!("List {words}"),
            format!("Fields to select by: `{}`.", selector::fields(kind).join("`, `")),
        )
        .replies_made(200, "The resources that the caller may see.", JSON, list_form)
        .tagged();
    let get = named(Operation::get(
        &one,
        &format!("get{kind}"),
        resource(Access::Read),
        one_of,
    ))
    .with(form())
    .says(
        tag,
        format!("Read {word}"),
        "Empty fields are answered as well, as the Go version does; secrets never are.",
    )
    .replies_made(200, "The resource.", JSON, form_of_one)
    .tagged();
    let save = named(Operation::post(
        &one,
        &format!("save{kind}"),
        resource(Access::Save),
        save,
    ))
    .with_all(writing())
    .says(
        tag,
        format!("Create or replace {word}"),
        "Names of fields may be in snake_case or camelCase; an empty text counts as absent. The name and the \
             product of the path win over what the body says.",
    )
    .takes_made(
        operation::Form::made(move |g| legacy::schema::body(kind, g)),
        legacy::example::body(kind),
    )
    .replies::<Message>(200, "It is as given.")
    .writes();
    let delete = named(Operation::delete(
        &one,
        &format!("delete{kind}"),
        resource(Access::Remove),
        delete,
    ))
    .with_all(writing())
    .says(
        tag,
        format!("Remove {word}"),
        "What is still referred to is not removed, and the findings say by what.",
    )
    .replies::<Message>(200, "It is gone.");
    [list, get, save, delete].map(Operation::lenient)
}

/// Returns the words for one and for many of a kind.
const fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Cluster => ("a cluster", "clusters"),
        Kind::Product => ("a product", "products"),
        Kind::Project => ("a project", "projects"),
        Kind::Environment => ("an environment", "environments"),
        Kind::CodeRepo => ("a code repository", "code repositories"),
        Kind::CodeRepoBinding => ("a code repository binding", "code repository bindings"),
        Kind::ProjectPipelineRuntime => ("a pipeline runtime", "pipeline runtimes"),
        Kind::DeploymentRuntime => ("a deployment runtime", "deployment runtimes"),
        _ => ("a resource", "resources"),
    }
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Form {
    /// As the reference answers: the fields of the spec in snake_case, zero values too.
    #[default]
    Fields,
    /// As the manifest that declares it.
    Manifest,
}

async fn list(
    kind: Kind,
    caller: Caller,
    State(app): State<App>,
    product: Option<ProductName>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Tagged<Items>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let selector = Selector::parse(kind, &query.field_selector)?;
    let of = product.clone().map_or(RepoRef::Tenant, RepoRef::Product);
    let (scopes, tag) = read(&app, of).await?;
    let mut items = Vec::new();
    let declared: Option<&Resources> = match &product {
        Some(product) => scopes.products.get(product).map(|scope| &scope.resources),
        None => Some(&scopes.tenant.resources),
    };
    let declared = declared.into_iter().flat_map(Resources::iter);
    for resource in declared.filter(|r| r.identity.kind == kind && r.identity.product == product) {
        if kind == Kind::Product
            && gate(&app, &caller, Action::Read, &resource.identity)
                .await
                .is_err()
        {
            continue;
        }
        let declared = app.views().of(resource);
        let mut view = Value::clone(&declared);
        names::show(&scopes, kind, product.as_ref(), &mut view);
        if selector.matches(&view, &declared) {
            items.push(answer(&scopes, resource, view, query.form)?);
        }
    }
    Ok((tag, Json(Items { items })))
}

async fn one_of(
    State(app): State<App>,
    Named(identity): Named,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Tagged<Value>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let (scopes, tag) = read(&app, RepoRef::of(&identity)).await?;
    let found = scopes
        .get(&identity)
        .ok_or_else(|| ApiError::not_found(format!("{identity} not found")))?;
    let mut view = Value::clone(&app.views().of(found));
    names::show(&scopes, identity.kind, identity.product.as_ref(), &mut view);
    Ok((tag, Json(answer(&scopes, found, view, query.form)?)))
}

/// An answer with the revision that it was read from, as `ETag`.
type Tagged<T> = (HeaderMap, Json<T>);

/// Reads what is declared, and the revision of a repository.
async fn read(app: &App, of: RepoRef) -> Result<(Arc<Scopes>, HeaderMap), ApiError> {
    let (scopes, revision) = apply::scopes_with(app, &of).await?;
    let mut headers = HeaderMap::new();
    if let Some(tag) = revision.and_then(|r| HeaderValue::try_from(format!("\"{r}\"")).ok()) {
        headers.insert(header::ETAG, tag);
    }
    Ok((scopes, headers))
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
    caller: Caller,
    State(app): State<App>,
    heads: Heads,
    Named(identity): Named,
    query: Result<Query<WriteQuery>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Message>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
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
    let product = identity.product.as_ref().map(ProductName::as_str);
    let mut manifest = legacy::manifest(identity.kind, product, identity.name.as_str(), body);
    let mut name = identity.name.to_string();
    if matches!(identity.kind, Kind::CodeRepo | Kind::Product) {
        let scopes = apply::scopes(&app).await?;
        keep_path(&mut manifest, &scopes, &identity);
        name = names::known_as(&scopes, &identity);
    }
    let reply = apply::run_one(&app, &caller, manifest, query.options(Mode::Apply, &heads)?).await?;
    if let Some(error) = reply.repositories.iter().find_map(|r| r.error.clone()) {
        return Err(ApiError::of_class(nautes_model::Class::Conflict, error));
    }
    Ok(Json(done("saved", &name, identity.kind, reply)))
}

/// What is called otherwise than its path stays where it is: the body of the reference does not say so.
fn keep_path(manifest: &mut Value, scopes: &Scopes, identity: &Identity) {
    let before = scopes.get(identity).map(|before| &before.resource);
    let Some(spec) = manifest.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    match before {
        Some(Resource::CodeRepo(before)) if !before.spec.repo_name.is_empty() => {
            spec.entry("repoName")
                .or_insert_with(|| Value::from(before.spec.repo_name.as_str()));
        }
        Some(Resource::Product(before)) if !before.spec.name.is_empty() => {
            spec.insert("name".to_owned(), Value::from(before.spec.name.as_str()));
        }
        _ => {}
    }
}

async fn delete(
    caller: Caller,
    State(app): State<App>,
    heads: Heads,
    Named(identity): Named,
    query: Result<Query<WriteQuery>, QueryRejection>,
) -> Result<Json<Message>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let name = match identity.kind {
        Kind::CodeRepo | Kind::Product => names::known_as(&*apply::scopes(&app).await?, &identity),
        _ => identity.name.to_string(),
    };
    let reply = apply::remove_one(&app, &caller, &identity, query.options(Mode::Remove, &heads)?).await?;
    let mut outcomes = reply.repositories.iter().flat_map(|r| &r.resources);
    if outcomes.all(|o| o.done == Done::Absent) {
        return Err(ApiError::not_found(format!("{identity} not found")));
    }
    Ok(Json(done("deleted", &name, identity.kind, reply)))
}

/// The words of the reference; a dry run has its own.
fn done(what: &str, name: &str, kind: Kind, reply: ApplyReply) -> Message {
    let kind = kind.name().to_lowercase();
    let changed = reply.has_changed();
    let message = if reply.dry_run {
        format!("{name} {kind} would be {what}; nothing was written")
    } else {
        format!("Successfully {what} {name} {kind}")
    };
    // One resource is in one repository.
    let path = reply.repositories.into_iter().next_back();
    let (commit, revision) = path.map_or((None, None), |r| (r.commit, r.revision));
    Message {
        message,
        changed,
        commit,
        revision,
        plan_hash: reply.plan_hash,
    }
}
