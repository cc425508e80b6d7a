//! Who changed what.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use nautes_gitops::RepoRef;
use nautes_model::name::ProductName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::InProduct;
use super::operation::{Needs, Operation, Parameter, Tag};
use super::path;
use crate::app::App;
use crate::apply::scopes;
use crate::audit::{AuditEntry, Filter, moment, read, repository};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::page::{Page, mark, paged};
use crate::policy::Action;
use crate::sight::Sight;

/// The rows of the table.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        described(
            Operation::get("/api/v1/audit", "audit", Needs::Caller, audit),
            "Who changed what, as far as the caller may read it",
        ),
        described(
            Operation::get(
                "/api/v1/audit/{product}",
                "auditOfProduct",
                Needs::Product(Action::Read),
                audit_of,
            )
            .with(Parameter::product()),
            "Who changed what of a product",
        ),
    ]
}

fn described(operation: Operation, summary: &str) -> Operation {
    paged(
        operation
            .with(Parameter::query::<Option<String>>(
                "resource",
                "Only changes of this resource: `KIND/NAME` or `KIND/PRODUCT/NAME`.",
            ))
            .with(Parameter::query::<Option<String>>(
                "author",
                "Only changes that somebody of this name or address wanted.",
            ))
            .with(Parameter::query::<Option<String>>(
                "since",
                "Only changes from this moment on: `2024-01-31` or `2024-01-31T12:00:00Z`.",
            )),
    )
    .says(
        Tag::Insight,
        summary,
        "Each entry is a commit on the repository of a product or of the tenant, newest first: who wanted it, the request \
         that made it, the rules that were skipped, and what became of resources. That a product was registered or \
         removed stands in the repository of the tenant. What somebody pushed by hand has no request, and says of itself \
         what he wrote. A page may have fewer entries than `limit`, or none, and a `continue` all the same.",
    )
    .replies::<AuditReply>(200, "The changes.")
}

/// A page of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditReply {
    /// The changes, newest first.
    pub items: Vec<AuditEntry>,
    /// The mark of the next page.
    #[serde(default, rename = "continue", skip_serializing_if = "Option::is_none")]
    pub continue_: Option<String>,
    /// Whether a repository has older commits than are looked at.
    #[serde(default)]
    pub truncated: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct AuditQuery {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    since: String,
    limit: Option<usize>,
    #[serde(rename = "continue")]
    mark: Option<String>,
}

type Asked = Result<Query<AuditQuery>, QueryRejection>;

async fn audit(caller: Caller, State(app): State<App>, query: Asked) -> Result<Json<AuditReply>, ApiError> {
    let mut repos = Vec::new();
    let sight = Sight::of(&app, &caller).await?;
    if sight.tenant {
        repos.push(RepoRef::Tenant);
    }
    repos.extend(sight.products.into_iter().map(RepoRef::Product));
    answer(&app, repos, None, query).await
}

async fn audit_of(
    State(app): State<App>,
    InProduct(product): InProduct,
    query: Asked,
) -> Result<Json<AuditReply>, ApiError> {
    let repos = vec![RepoRef::Product(product.clone())];
    answer(&app, repos, Some(&product), query).await
}

async fn answer(
    app: &App,
    mut repos: Vec<RepoRef>,
    product: Option<&ProductName>,
    query: Asked,
) -> Result<Json<AuditReply>, ApiError> {
    let Query(query) = query.map_err(|e| ApiError::malformed(e.body_text()))?;
    let page = Page::read(query.limit, query.mark.as_deref(), 3)?;
    // Reading what is declared brings the mirrors to where the forge is.
    let scopes = scopes(app).await?;
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let filter = Filter {
        resource: some(&query.resource)
            .map(|text| path::resource(&scopes, &text, product))
            .transpose()?,
        author: some(&query.author).map(|author| author.to_lowercase()),
        since: some(&query.since).map(|text| moment(&text)).transpose()?,
    };
    if let Some(resource) = &filter.resource {
        let where_it_is = RepoRef::of(resource);
        repos.retain(|of| *of == where_it_is);
    }
    let known = |of: &RepoRef| match of.product() {
        None => true,
        Some(name) => scopes.tenant.product(name.as_str()).is_some(),
    };
    let repos = repos
        .into_iter()
        .filter(known)
        .map(|of| repository(app, &scopes, of))
        .collect::<Result<Vec<_>, _>>()?;
    let found = read(app, repos, &filter, &page).await?;
    Ok(Json(AuditReply {
        items: found.entries,
        continue_: found
            .more
            .map(|[seconds, path, id]| mark(&[&seconds, &path, &id])),
        truncated: found.truncated,
    }))
}
