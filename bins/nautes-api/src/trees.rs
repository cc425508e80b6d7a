//! The states of products as trees, kept as long as nothing of them changes.
//!
//! What is declared is read for each answer. The objects in the tenant cluster are followed; while that is interrupted,
//! they are read as well.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use nautes_gitops::RepoRef;
use nautes_model::name::ProductName;
use nautes_model::scope::Revision;
use nautes_runtime::platform::Observed;
use nautes_runtime::projection::Live;
use nautes_runtime::status_report::{ReportError, StatusTree, report_on, tree};

use crate::app::App;
use crate::error::{ApiError, internal};
use crate::routes::live::report_error;

/// The answers that were made, by product.
#[derive(Default)]
pub(crate) struct Trees(Mutex<HashMap<ProductName, (State, Bytes)>>);

impl fmt::Debug for Trees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trees").finish_non_exhaustive()
    }
}

/// From what an answer is made; the same gives the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    revisions: [Option<Revision>; 2],
    unread: Option<String>,
    live: [u64; 2],
}

impl State {
    fn new(observed: &Observed, product: &ProductName, live: [u64; 2]) -> Self {
        let scopes = &observed.scopes;
        let scope = scopes.products.get(product);
        let unread = observed.unread.get(&RepoRef::Product(product.clone()));
        Self {
            revisions: [
                scopes.tenant.revision.clone(),
                scope.and_then(|scope| scope.revision.clone()),
            ],
            unread: unread.map(ToString::to_string),
            live,
        }
    }
}

impl Trees {
    fn kept(&self, product: &ProductName, state: &State) -> Option<Bytes> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, body) = kept.get(product)?;
        (of == state).then(|| body.clone())
    }

    /// Keeps an answer; those of products that are registered no more are dropped.
    fn keep(&self, observed: &Observed, product: &ProductName, state: State, body: &Bytes) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_registered = |name: &ProductName| observed.scopes.tenant.product(name.as_str()).is_some();
        kept.retain(|name, _| is_registered(name));
        if is_registered(product) {
            kept.insert(product.clone(), (state, body.clone()));
        }
    }
}

/// Returns the state of everything.
///
/// # Errors
/// What is declared or what is live cannot be read.
pub(crate) async fn all(app: &App) -> Result<StatusTree, ApiError> {
    let read = |source| report_error(&ReportError::Read(source));
    let observed = app.platform().observe().await.map_err(read)?;
    let live = app.watching().now(|statuses| {
        let products = observed.scopes.tenant.products();
        let names = products.filter_map(|(s, _)| ProductName::new(s.identity.name.as_str()).ok());
        let (_, tenant) = statuses.live(None);
        let left = tenant
            .keys()
            .filter_map(|of| ProductName::new(of.name.as_str()).ok());
        let of = |name: ProductName| (name.clone(), statuses.live(Some(&name)).1);
        let products: HashMap<ProductName, Live> = names.chain(left).map(of).collect();
        (tenant, products)
    });
    let found = match live {
        Some((tenant, mut products)) => tree(&observed, None, &tenant, |name| {
            products.remove(name).unwrap_or_default()
        }),
        None => report_on(app.platform(), &observed, None).await,
    };
    found.map_err(|error| report_error(&error))
}

/// Returns the state of a product, as JSON.
///
/// # Errors
/// What is declared or what is live cannot be read, or there is no such product.
pub(crate) async fn of(app: &App, product: &ProductName) -> Result<Bytes, ApiError> {
    let of = RepoRef::Product(product.clone());
    let read = |source| report_error(&ReportError::Read(source));
    let observed = app.platform().observe_repository(&of).await.map_err(read)?;
    let hub = app.watching();
    let changes = hub.now(|statuses| [statuses.changes(None), statuses.changes(Some(product))]);
    let Some(changes) = changes else {
        let found = report_on(app.platform(), &observed, Some(product)).await;
        return write(&found.map_err(|error| report_error(&error))?);
    };
    let state = State::new(&observed, product, changes);
    if let Some(body) = app.trees().kept(product, &state) {
        return Ok(body);
    }
    // It may have changed in between; what is kept is what is read now.
    let Some(((of_tenant, tenant), (of_product, live))) =
        hub.now(|statuses| (statuses.live(None), statuses.live(Some(product))))
    else {
        return Err(ApiError::unreachable("the tenant cluster does not answer"));
    };
    let mut live = Some(live);
    let found = tree(&observed, Some(product), &tenant, |_| {
        live.take().unwrap_or_default()
    });
    let body = write(&found.map_err(|error| report_error(&error))?)?;
    let state = State::new(&observed, product, [of_tenant, of_product]);
    app.trees().keep(&observed, product, state, &body);
    Ok(body)
}

fn write(tree: &StatusTree) -> Result<Bytes, ApiError> {
    let body = serde_json::to_vec(tree).map_err(|error| internal("a status cannot be shown", &error))?;
    Ok(Bytes::from(body))
}
