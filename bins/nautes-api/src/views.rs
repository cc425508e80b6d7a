//! Resources as they are answered, kept as long as they are declared as they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use nautes_model::name::ProductName;
use nautes_model::{Identity, Sourced};
use serde_json::Value;

use crate::legacy;

/// From how many views on those are dropped whose resource is gone.
const SWEEP: usize = 1_000;

/// The views that were made. A resource that has changed is another value, and gets another view.
#[derive(Debug, Default)]
pub(crate) struct Views(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    of: HashMap<Identity, (Weak<Sourced>, Arc<Value>)>,
    /// How many there were after the last sweep.
    swept: usize,
}

impl Views {
    /// Returns the view of a resource.
    pub(crate) fn of(&self, resource: &Arc<Sourced>) -> Arc<Value> {
        if let Some((of, view)) = self.lock().of.get(&resource.identity)
            && of.as_ptr() == Arc::as_ptr(resource)
        {
            return Arc::clone(view);
        }
        let product = resource.identity.product.as_ref().map(ProductName::as_str);
        let view = Arc::new(legacy::view(&resource.resource, product));
        let mut kept = self.lock();
        if kept.of.len() >= (kept.swept * 2).max(SWEEP) {
            kept.of.retain(|_, (of, _)| of.strong_count() > 0);
            kept.swept = kept.of.len();
        }
        let one = (Arc::downgrade(resource), Arc::clone(&view));
        kept.of.insert(resource.identity.clone(), one);
        view
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
