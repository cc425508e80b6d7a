//! What a caller may read, for answers about more than one place.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Finding, Identity, Kind};

use crate::app::App;
use crate::apply::scopes;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::policy::{Action, gate, gate_tenant};

/// What a caller may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sight {
    /// The products.
    pub(crate) products: BTreeSet<ProductName>,
    /// Whether he may read what belongs to the tenant.
    pub(crate) tenant: bool,
}

impl Sight {
    /// Finds out everything that a caller may read.
    ///
    /// # Errors
    /// What is declared cannot be read, or the forge does not answer: that somebody may see nothing is never assumed.
    pub(crate) async fn of(app: &App, caller: &Caller) -> Result<Self, ApiError> {
        let scopes = scopes(app).await?;
        let names = scopes
            .tenant
            .products()
            .map(|(sourced, _)| &sourced.identity.name);
        let names: Vec<ProductName> = names
            .filter_map(|name| ProductName::new(name.as_str()).ok())
            .collect();
        let mut sight = Self::of_products(app, caller, names).await?;
        sight.tenant = allowed(gate_tenant(app, caller, Action::Read).await)?;
        Ok(sight)
    }

    /// Finds out which of some products a caller may read.
    ///
    /// # Errors
    /// The forge does not answer.
    pub(crate) async fn of_products(
        app: &App,
        caller: &Caller,
        products: impl IntoIterator<Item = ProductName>,
    ) -> Result<Self, ApiError> {
        let mut sight = Self::default();
        for product in products {
            let name = ResourceName::new(product.as_str()).map_err(|e| ApiError::malformed(e.to_string()))?;
            let identity = Identity::tenant(Kind::Product, name);
            if allowed(gate(app, caller, Action::Read, &identity).await)? {
                sight.products.insert(product);
            }
        }
        Ok(sight)
    }

    /// Whether what a resource declares is for the caller's eyes. Products are declared by the tenant.
    pub(crate) fn sees(&self, of: &Identity) -> bool {
        match (&of.product, of.kind) {
            (Some(product), _) => self.products.contains(product),
            (None, Kind::Product) => self.tenant || self.products.contains(of.name.as_str()),
            (None, _) => self.tenant,
        }
    }

    /// Whether the status of a resource is for the caller's eyes. That of a product speaks of what is in it.
    pub(crate) fn sees_status(&self, of: &Identity) -> bool {
        match (&of.product, of.kind) {
            (None, Kind::Product) => self.products.contains(of.name.as_str()),
            _ => self.sees(of),
        }
    }

    /// A finding about a resource of the caller that other people's resources have a part in says no more than that.
    pub(crate) fn told(&self, mut finding: Finding) -> Finding {
        if finding.related.iter().any(|of| self.is_of_others(of)) {
            "it breaks this rule together with something that you may not read"
                .clone_into(&mut finding.message);
            finding.hint = None;
            finding.related.retain(|of| !self.is_of_others(of));
        }
        finding
    }

    fn is_of_others(&self, of: &Identity) -> bool {
        of.product
            .as_ref()
            .is_some_and(|product| !self.products.contains(product))
    }
}

/// Reads a verdict of the gate: no is an answer, and a forge that does not answer is none.
fn allowed(verdict: Result<(), ApiError>) -> Result<bool, ApiError> {
    match verdict {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => Ok(false),
        Err(error) => Err(error),
    }
}
