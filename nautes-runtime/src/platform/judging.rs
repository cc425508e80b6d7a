//! The verdict on what is declared, kept as long as the same is declared.

use std::sync::{Arc, Mutex, PoisonError};

use nautes_model::Scopes;
use nautes_validate::{Report, check};

use super::Platform;

/// The last verdict, and on what.
#[derive(Debug, Default)]
pub(crate) struct Verdict(Mutex<Option<(Arc<Scopes>, Arc<Report>)>>);

impl Platform {
    /// Returns the verdict of the rules on what is declared. It is made off the threads that serve, and kept until it
    /// is asked for on something else.
    ///
    /// A rule that panics leaves an empty verdict; it is tried anew the next time.
    pub async fn verdict(&self, scopes: &Arc<Scopes>) -> Arc<Report> {
        if let Some(report) = self.inner.verdict.on(scopes) {
            return report;
        }
        let (platform, scopes) = (self.clone(), Arc::clone(scopes));
        let judged = tokio::task::spawn_blocking(move || {
            let report = Arc::new(check(&scopes, platform.rules()));
            *platform.inner.verdict.lock() = Some((scopes, Arc::clone(&report)));
            report
        });
        judged.await.unwrap_or_default()
    }
}

impl Verdict {
    fn on(&self, scopes: &Arc<Scopes>) -> Option<Arc<Report>> {
        let kept = self.lock();
        let (of, report) = kept.as_ref()?;
        (Arc::ptr_eq(of, scopes) || of == scopes).then(|| Arc::clone(report))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Arc<Scopes>, Arc<Report>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
