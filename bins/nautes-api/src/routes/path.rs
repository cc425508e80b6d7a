//! What paths and queries name, beside the product and the name that the gate reads.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use nautes_model::kind::KINDS;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Scopes};

use super::gate::InProduct;
use crate::app::App;
use crate::apply::scopes;
use crate::error::ApiError;
use crate::names;

/// The resource that `{kind}` and `{name}` name, of the product of the path where there is one.
#[derive(Clone, Debug)]
pub(crate) struct OfKind(pub(crate) Identity);

impl FromRequestParts<App> for OfKind {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, ApiError> {
        let all = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::malformed(error.to_string()))?;
        let find = |wanted: &str| all.iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
        let kind = kind(find("kind").unwrap_or_default())?;
        let name = find("name").unwrap_or_default();
        let product = parts.extensions.get::<InProduct>().map(|InProduct(p)| p);
        match product {
            Some(product) if kind == Kind::CodeRepo => {
                let found = names::code_repo(&*scopes(state).await?, product, name);
                found.map_err(names::not_found).map(Self)
            }
            _ => identity(kind, product, name).map(Self),
        }
    }
}

/// Reads a kind, as a person types it.
///
/// # Errors
/// There is none; the hint names all.
pub(crate) fn kind(text: &str) -> Result<Kind, ApiError> {
    text.parse::<Kind>().map_err(|error| {
        let known: Vec<&str> = KINDS.iter().map(|info| info.api_path).collect();
        ApiError::malformed(error.to_string()).hint(format!("kinds: {}", known.join(", ")))
    })
}

/// Names a resource of a kind.
///
/// # Errors
/// The name is none, or the kind belongs elsewhere.
pub(crate) fn identity(kind: Kind, product: Option<&ProductName>, name: &str) -> Result<Identity, ApiError> {
    let name = ResourceName::new(name).map_err(|e| ApiError::malformed(e.to_string()))?;
    match (kind.is_of_product(), product) {
        (true, Some(product)) => Ok(Identity::product(kind, product.clone(), name)),
        (false, None) => Ok(Identity::tenant(kind, name)),
        (true, None) => Err(
            ApiError::malformed(format!("a {kind} belongs to a product")).hint(format!(
                "name the product before it: .../PRODUCT/{}/{name}",
                kind.info().api_path
            )),
        ),
        (false, Some(_)) => {
            Err(
                ApiError::malformed(format!("a {kind} belongs to the tenant and to no product")).hint(
                    format!("leave the product out: .../{}/{name}", kind.info().api_path),
                ),
            )
        }
    }
}

/// Reads a resource as people write it: `KIND/NAME`, or `KIND/PRODUCT/NAME`, by names or paths on the forge.
///
/// # Errors
/// The text names no resource.
pub(crate) fn resource(
    scopes: &Scopes,
    text: &str,
    product: Option<&ProductName>,
) -> Result<Identity, ApiError> {
    Ok(names::written::meant(scopes, &written(text, product)?))
}

/// Reads a resource as it is declared: `KIND/NAME`, or `KIND/PRODUCT/NAME`.
///
/// # Errors
/// The text names no resource.
pub(crate) fn written(text: &str, product: Option<&ProductName>) -> Result<Identity, ApiError> {
    let parts: Vec<&str> = text.split('/').collect();
    let shape = || {
        let shown: String = text.chars().take(120).collect();
        ApiError::malformed(format!("{shown:?} does not name a resource"))
            .hint("write KIND/NAME or KIND/PRODUCT/NAME, for example environment/shop/dev")
    };
    match parts.as_slice() {
        [of, name] => {
            let kind = kind(of)?;
            identity(kind, product.filter(|_| kind.is_of_product()), name)
        }
        [of, own, name] => {
            let own = ProductName::new(*own).map_err(|e| ApiError::malformed(e.to_string()))?;
            identity(kind(of)?, Some(&own), name)
        }
        _ => Err(shape()),
    }
}
