//! The one gate: made from the table, it stands before every handler.
//!
//! # Flow
//! token -> the user of the forge -> names in the path -> what the operation takes -> handler -> names in the answer.
//!
//! # Guarantees
//! * Nothing of a request beyond its head is read before its caller is known and, where the path decides, allowed.
//! * What a handler learns of the caller and of the resource in the path comes from here; there is no other road.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use nautes_model::name::{NameError, ProductName, ResourceName};
use nautes_model::{Identity, Kind};

use super::operation::{Access, Needs, Operation, Place};
use super::writing::{self, BodyLimits};
use crate::app::App;
use crate::apply::{scopes, scopes_of};
use crate::auth::{Caller, bearer};
use crate::error::ApiError;
use crate::legacy::camel;
use crate::limits::{Callers, count};
use crate::names::{self, answer};
use crate::policy::{Action, gate_asked, gate_tenant};

/// The id of the operation that answered; an extension of the answer.
#[derive(Clone, Debug)]
pub(crate) struct OperationId(pub(crate) Arc<str>);

/// The resource that the path names. Only handlers of [`Needs::Resource`] and [`Needs::Product`] have one.
#[derive(Clone, Debug)]
pub(crate) struct Named(pub(crate) Identity);

/// The product that the path names, whether it is meant itself or what it consists of.
#[derive(Clone, Debug)]
pub(crate) struct InProduct(pub(crate) ProductName);

/// What the gate has to know of an operation.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    app: App,
    callers: Callers,
    body: BodyLimits,
    takes_body: bool,
    writes: bool,
    id: Arc<str>,
    needs: Needs,
    names_in_path: bool,
    /// The names of the query, in both forms; `None` where others are ignored.
    known: Option<Arc<[String]>>,
}

impl Gate {
    pub(crate) fn new(app: App, callers: Callers, body: BodyLimits, operation: &Operation) -> Self {
        let known = (!operation.lenient).then(|| {
            operation
                .parameters
                .iter()
                .filter(|p| p.place == Place::Query)
                .flat_map(|p| [p.name.to_owned(), camel(p.name)])
                .collect()
        });
        Self {
            app,
            callers,
            body,
            takes_body: operation.body.is_some(),
            writes: operation.writes,
            id: Arc::from(operation.id.as_str()),
            needs: operation.needs,
            names_in_path: operation.path.contains('{'),
            known,
        }
    }
}

/// Lets a request through to its handler, or answers itself.
pub(crate) async fn pass(State(entry): State<Gate>, request: Request, next: Next) -> Response {
    let mut caller = None;
    let mut response = match through(&entry, request, next, &mut caller).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    if let Some(caller) = &caller {
        response = answer::show(&entry.app, caller, response).await;
    }
    response
        .extensions_mut()
        .insert(OperationId(Arc::clone(&entry.id)));
    response
}

async fn through(
    entry: &Gate,
    request: Request,
    next: Next,
    who: &mut Option<Caller>,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    if entry.needs == Needs::Public {
        known_query(entry, &parts)?;
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    let caller = authenticate(entry, &parts).await?;
    *who = Some(caller.clone());
    let place = entry.callers.enter(caller.user.id)?;
    check(entry, &caller, &mut parts).await?;
    parts.extensions.insert(caller.clone());
    if !entry.takes_body && !entry.writes {
        let response = next.run(Request::from_parts(parts, body)).await;
        return Ok(count(response, place));
    }
    let body = writing::body(&parts, body, entry.body).await?;
    if entry.writes {
        return writing::run(&entry.app, parts, body, (&caller, place), next).await;
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    Ok(count(response, place))
}

async fn authenticate(entry: &Gate, parts: &Parts) -> Result<Caller, ApiError> {
    let token = bearer(parts)?;
    entry.app.sessions().caller(&entry.app, &token).await
}

async fn check(entry: &Gate, caller: &Caller, parts: &mut Parts) -> Result<(), ApiError> {
    let (product, name) = names_of(entry, parts).await?;
    known_query(entry, parts)?;
    let product = match product {
        Some(asked) => {
            let found = names::product(&entry.app, caller, &asked).await;
            let name = if entry.writes {
                found?
            } else {
                found.map_err(names::not_found)?
            };
            Some(AskedProduct { name, asked })
        }
        None => None,
    };
    authorise(entry, caller, product.as_ref(), name, parts).await?;
    if let Some(product) = product {
        parts.extensions.insert(InProduct(product.name));
    }
    Ok(())
}

/// A product, and how the caller has called it.
struct AskedProduct {
    name: ProductName,
    asked: String,
}

/// Reads the names of the path, percent-decoded.
async fn names_of(entry: &Gate, parts: &mut Parts) -> Result<(Option<String>, Option<String>), ApiError> {
    if !entry.names_in_path {
        return Ok((None, None));
    }
    let all = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|error| ApiError::malformed(error.to_string()))?;
    let find = |wanted: &str| all.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
    // Paths on the forge have more letters than names.
    let of_code_repo = matches!(entry.needs, Needs::Resource(Kind::CodeRepo, _));
    let name = find("name");
    if let Some(name) = name.filter(|_| !of_code_repo) {
        ResourceName::new(name).map_err(|error: NameError| ApiError::malformed(error.to_string()))?;
    }
    Ok((find("product").map(str::to_owned), name.map(str::to_owned)))
}

/// A mistyped `dry_run` must not become a write.
fn known_query(entry: &Gate, parts: &Parts) -> Result<(), ApiError> {
    let (Some(known), Some(query)) = (&entry.known, parts.uri.query()) else {
        return Ok(());
    };
    for (key, _) in url::form_urlencoded::parse(query.as_bytes()) {
        if !known.iter().any(|name| *name == key) {
            let shown: String = key.chars().take(80).collect();
            let names: Vec<&str> = known.iter().step_by(2).map(String::as_str).collect();
            let hint = if names.is_empty() {
                "it takes no parameters".to_owned()
            } else {
                format!("it takes {}", names.join(", "))
            };
            return Err(ApiError::malformed(format!("there is no parameter {shown:?} here")).hint(hint));
        }
    }
    Ok(())
}

async fn authorise(
    entry: &Gate,
    caller: &Caller,
    product: Option<&AskedProduct>,
    name: Option<String>,
    parts: &mut Parts,
) -> Result<(), ApiError> {
    let app = &entry.app;
    let asked = product.map_or("", |product| product.asked.as_str());
    let product = product.map(|product| &product.name);
    match entry.needs {
        Needs::Public | Needs::Caller | Needs::Each => Ok(()),
        Needs::Tenant(action) => gate_tenant(app, caller, action).await,
        Needs::Product(action) => {
            let identity = itself(product)?;
            gate_asked(app, caller, action, &identity, asked).await?;
            parts.extensions.insert(Named(identity));
            Ok(())
        }
        Needs::Resource(kind, access) => {
            let identity = match (kind, product, name) {
                (Kind::Product, product, _) => itself(product)?,
                (Kind::CodeRepo, Some(own), Some(name)) => {
                    // What a path means is told only to those who may see the product.
                    gate_asked(app, caller, Action::Read, &itself(product)?, asked).await?;
                    let found = names::code_repo(&*scopes_of(app, own).await?, own, &name);
                    match access {
                        Access::Read => found.map_err(names::not_found)?,
                        Access::Save | Access::Remove => found?,
                    }
                }
                (_, Some(product), Some(name)) => Identity::product(kind, product.clone(), named(&name)?),
                (_, None, Some(name)) => Identity::tenant(kind, named(&name)?),
                _ => return Err(unnamed()),
            };
            let action = match access {
                Access::Read => Action::Read,
                Access::Remove => Action::Remove,
                // What is there decides only about products: creating one is open to every user.
                Access::Save if kind != Kind::Product => Action::Change,
                Access::Save if scopes(app).await?.get(&identity).is_some() => Action::Change,
                Access::Save => Action::Create,
            };
            gate_asked(app, caller, action, &identity, asked).await?;
            parts.extensions.insert(Named(identity));
            Ok(())
        }
    }
}

fn named(text: &str) -> Result<ResourceName, ApiError> {
    ResourceName::new(text).map_err(|error| ApiError::malformed(error.to_string()))
}

/// Names the product itself.
fn itself(product: Option<&ProductName>) -> Result<Identity, ApiError> {
    let product = product.ok_or_else(unnamed)?;
    Ok(Identity::tenant(Kind::Product, product.as_resource()))
}

/// The table names a path that lacks what its operation needs; a test of the table keeps this from happening.
fn unnamed() -> ApiError {
    tracing::error!("an operation of the table lacks a name in its path");
    ApiError::of_class(nautes_model::Class::Bug, "an internal fault")
}

macro_rules! from_the_gate {
    ($($what:ty),*) => {$(
        impl<S: Sync> FromRequestParts<S> for $what {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
                parts.extensions.get::<Self>().cloned().ok_or_else(unnamed)
            }
        }
    )*};
}

from_the_gate!(Caller, Named, InProduct);
