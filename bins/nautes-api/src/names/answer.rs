//! Names in answers: of products that the Go version called by their number, people read the group.
//!
//! It stands behind every handler, so that none can forget it. Manifests are answered as they are declared.
//!
//! # Guarantees
//! * The group of a product is told only to those who may read the product.
//! * Where no product is called by its number, answers are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use nautes_gitops::tree::{Reading, Scope};
use nautes_model::name::ProductName;
use nautes_model::{Identity, Kind, TenantScope};
use serde::Serialize;
use serde_json::Value;

use super::of_product;
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, internal};
use crate::sight::Sight;

/// What begins every name that is replaced.
const PREFIX: &str = "product-";
/// Parts of links before the name of a product.
const LINKS: &[&str] = &["products", "status", "plan", "graph", "audit"];
/// Fields that are a product.
const PRODUCT: &[&str] = &["product", "product_name"];
/// Fields in whose text resources and links may stand.
const TEXTS: &[&str] = &["message", "hint", "detail"];
/// Fields that say who or what access is about.
const ACCESS: &[&str] = &["subject", "item"];

/// Products by name, with the group by which people know them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown(BTreeMap<ProductName, ProductName>);

/// What was last made of what the tenant declares.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<Option<(Weak<Reading>, Arc<Shown>)>>);

impl Kept {
    fn of(&self, reading: &Arc<Reading>) -> Arc<Shown> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((of, shown)) if of.as_ptr() == Arc::as_ptr(reading) => Arc::clone(shown),
            _ => {
                let shown = Arc::new(match &reading.scope {
                    Scope::Tenant(tenant) => Shown::of(tenant),
                    Scope::Product(_) => Shown::default(),
                });
                *kept = Some((Arc::downgrade(reading), Arc::clone(&shown)));
                shown
            }
        }
    }
}

/// Returns the names that people know of products which are called otherwise.
fn known(app: &App) -> Arc<Shown> {
    let reading = app.platform().last_tenant();
    reading.map_or_else(Arc::default, |reading| app.shown().of(&reading))
}

/// Returns those of products that a caller may read.
pub(crate) fn known_to(app: &App, sight: &Sight) -> Shown {
    known(app).only(&sight.products)
}

/// Puts the names that people know into an answer.
pub(crate) async fn show(app: &App, caller: &Caller, mut response: Response) -> Response {
    let shown = known(app);
    if shown.0.is_empty() {
        return response;
    }
    if let Some(mut error) = response.extensions_mut().remove::<ApiError>() {
        let mut look = Pass::looking();
        shown.in_error(&mut error, &mut look);
        let eyes = shown.for_eyes(app, caller, look).await;
        eyes.in_error(&mut error, &mut Pass::writing());
        // The body is written anew from it where the id of the request is known.
        response.extensions_mut().insert(error);
        return response;
    }
    let is_json = response.headers().get(CONTENT_TYPE);
    let is_json = is_json.is_some_and(|media| media.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = match body.collect().await {
        Ok(read) => read.to_bytes(),
        Err(error) => return internal("an answer could not be read", &error).into_response(),
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    if !shown.show(app, caller, &mut value).await {
        return Response::from_parts(parts, Body::from(bytes));
    }
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(value.to_string()))
}

/// Returns something that is told bit by bit with the names that people know; `None` where it is shown as it is.
pub(crate) fn event(app: &App, sight: &Sight, data: &impl Serialize) -> Option<Value> {
    let eyes = known_to(app, sight);
    if eyes.0.is_empty() {
        return None;
    }
    let mut value = serde_json::to_value(data).ok()?;
    eyes.value(&mut value, "", &mut Pass::writing());
    Some(value)
}

/// One way through an answer.
#[derive(Debug)]
struct Pass {
    /// The products whose names were met.
    met: BTreeSet<ProductName>,
    /// Whether names are replaced.
    writes: bool,
}

impl Pass {
    const fn looking() -> Self {
        Self {
            met: BTreeSet::new(),
            writes: false,
        }
    }

    const fn writing() -> Self {
        Self {
            met: BTreeSet::new(),
            writes: true,
        }
    }
}

impl Shown {
    pub(crate) fn of(tenant: &TenantScope) -> Self {
        let names = tenant
            .products()
            .map(|(sourced, _)| sourced.identity.name.as_str());
        // Clients read products as names: a group that is none stays away.
        let shown = names.filter_map(|name| {
            let group = of_product(tenant, name);
            let is_other = group != name;
            is_other.then(|| Some((ProductName::new(name).ok()?, ProductName::new(group).ok()?)))?
        });
        Self(shown.collect())
    }

    fn only(&self, products: &BTreeSet<ProductName>) -> Self {
        let all = self.0.iter().filter(|(name, _)| products.contains(*name));
        Self(all.map(|(name, group)| (name.clone(), group.clone())).collect())
    }

    /// Leaves what the caller may read of what was met. What cannot be found out is not told.
    async fn for_eyes(&self, app: &App, caller: &Caller, look: Pass) -> Self {
        if look.met.is_empty() {
            return Self::default();
        }
        match Sight::of_products(app, caller, look.met).await {
            Ok(sight) => self.only(&sight.products),
            Err(_) => Self::default(),
        }
    }

    /// Returns whether anything was put in place.
    async fn show(&self, app: &App, caller: &Caller, value: &mut Value) -> bool {
        let mut look = Pass::looking();
        self.value(value, "", &mut look);
        let eyes = self.for_eyes(app, caller, look).await;
        if eyes.0.is_empty() {
            return false;
        }
        eyes.value(value, "", &mut Pass::writing());
        true
    }

    fn name(&self, text: &str, pass: &mut Pass) -> Option<&ProductName> {
        let (name, group) = self.0.get_key_value(text)?;
        if !pass.writes {
            pass.met.insert(name.clone());
        }
        Some(group).filter(|_| pass.writes)
    }

    fn value(&self, at: &mut Value, field: &str, pass: &mut Pass) {
        match at {
            // What is declared is shown as it is declared, and edits are of that.
            Value::Object(map) if map.contains_key("apiVersion") && map.contains_key("spec") => {}
            _ if field == "fix" => {}
            Value::Object(map) => {
                if map.get("kind").and_then(Value::as_str) == Some(Kind::Product.name())
                    && let Some(Value::String(name)) = map.get_mut("name")
                    && let Some(group) = self.name(name, pass)
                {
                    *name = group.to_string();
                }
                let is_step = map.contains_key("resource");
                for (key, value) in map.iter_mut() {
                    match value {
                        Value::String(text) if is_step && key == "text" => self.replace(text, pass),
                        value => self.value(value, key, pass),
                    }
                }
                let is_named = |key: &String| key.contains('/') && key.contains(PREFIX);
                if map.keys().any(is_named) {
                    let old = std::mem::take(map);
                    map.extend(old.into_iter().map(|(mut key, value)| {
                        self.replace(&mut key, pass);
                        (key, value)
                    }));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item, field, pass)),
            Value::String(text) if PRODUCT.contains(&field) => {
                if let Some(group) = self.name(text, pass) {
                    *text = group.to_string();
                }
            }
            Value::String(text) if TEXTS.contains(&field) => self.replace(text, pass),
            Value::String(text) if ACCESS.contains(&field) => {
                let from = text.find(':').map_or(0, |colon| colon + 1);
                self.replace_at(text, from, pass);
            }
            Value::String(text) if field != "text" && is_resource(text) => self.replace(text, pass),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn in_error(&self, error: &mut ApiError, pass: &mut Pass) {
        let texts = std::iter::once(&mut error.message)
            .chain(&mut error.hint)
            .chain(error.metadata.values_mut());
        texts.for_each(|text| self.replace(text, pass));
        for finding in &mut error.findings {
            self.replace(&mut finding.message, pass);
            finding.hint.iter_mut().for_each(|hint| self.replace(hint, pass));
            let about = finding.resource.iter_mut().chain(&mut finding.related);
            about.for_each(|of| self.identity(of, pass));
        }
    }

    /// Returns a resource as people know it.
    pub(crate) fn called(&self, mut of: Identity) -> Identity {
        self.identity(&mut of, &mut Pass::writing());
        of
    }

    fn identity(&self, of: &mut Identity, pass: &mut Pass) {
        if let Some(product) = &mut of.product {
            if let Some(group) = self.name(product.as_str(), pass) {
                *product = group.clone();
            }
        } else if of.kind == Kind::Product
            && let Some(group) = self.name(of.name.as_str(), pass)
        {
            of.name = group.as_resource();
        }
    }

    /// Replaces names behind a kind or in a link: `Environment/product-560/dev`, `/api/v1/status/product-560`. The same
    /// word elsewhere may be a namespace.
    fn replace(&self, text: &mut String, pass: &mut Pass) {
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| rest.find(PREFIX)) {
            let at = from + found;
            from = at + PREFIX.len();
            let Some(before) = text.get(..at).and_then(|before| before.strip_suffix('/')) else {
                continue;
            };
            let word = before.rsplit(|c: char| !c.is_ascii_alphabetic()).next();
            if word.is_some_and(|word| Kind::from_name(word).is_some() || LINKS.contains(&word)) {
                from = self.replace_at(text, at, pass).max(from);
            }
        }
    }

    /// Replaces the name that begins at a place, and returns where what stands there ends.
    fn replace_at(&self, text: &mut String, at: usize, pass: &mut Pass) -> usize {
        let rest = text.get(at..).unwrap_or_default();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let end = at + rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        match text.get(at..end).and_then(|name| self.name(name, pass)) {
            Some(group) => {
                text.replace_range(at..end, group.as_str());
                at + group.as_str().len()
            }
            None => end,
        }
    }
}

/// Whether a text is `Kind/product/name` or `Kind/name` as a whole.
fn is_resource(text: &str) -> bool {
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut parts = text.split('/');
    parts.next().is_some_and(|kind| Kind::from_name(kind).is_some())
        && parts.all(|part| !part.is_empty() && part.chars().all(is_label))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown() -> Shown {
        let name = |text: &str| ProductName::new(text).unwrap();
        Shown(BTreeMap::from([(name("product-5"), name("shop"))]))
    }

    #[test]
    fn resources_links_and_products_are_shown_by_the_group_and_nothing_else_is() {
        let mut value = json!({
            "resource": { "kind": "Environment", "product": "product-5", "name": "dev" },
            "related": [{ "kind": "Product", "name": "product-5" }, { "kind": "Cluster", "name": "product-5" }],
            "id": "Environment/product-5/dev",
            "to": "Product/product-5",
            "message": "Project/product-5/web of product-55, Project/product-55/web; namespace product-5",
            "hint": "see /api/v1/status/product-5 and Product/product-5.",
            "subject": "account:product-5/live@host",
            "items": [{ "item": "product-5/source" }],
            "notes": { "Project/product-5/web": ["product-5"] },
            "because": ["Project/product-5/web", "web/product-5"],
            "text": "Project/product-5/web is in Product/product-5",
            "manifest": { "apiVersion": "v1", "kind": "Product", "spec": { "product": "product-5" } },
        });
        shown().value(&mut value, "", &mut Pass::writing());
        let wanted = json!({
            "resource": { "kind": "Environment", "product": "shop", "name": "dev" },
            "related": [{ "kind": "Product", "name": "shop" }, { "kind": "Cluster", "name": "product-5" }],
            "id": "Environment/shop/dev",
            "to": "Product/shop",
            "message": "Project/shop/web of product-55, Project/product-55/web; namespace product-5",
            "hint": "see /api/v1/status/shop and Product/shop.",
            "subject": "account:shop/live@host",
            "items": [{ "item": "shop/source" }],
            "notes": { "Project/shop/web": ["product-5"] },
            "because": ["Project/shop/web", "web/product-5"],
            "text": "Project/shop/web is in Product/shop",
            "manifest": { "apiVersion": "v1", "kind": "Product", "spec": { "product": "product-5" } },
        });
        assert_eq!(value, wanted);
        let mut logs = json!({ "items": [{ "pod": "a", "text": "Project/product-5/web" }] });
        let before = logs.clone();
        shown().value(&mut logs, "", &mut Pass::writing());
        assert_eq!(logs, before, "what a run has written is not touched");
    }
}
