//! Admission in the tenant cluster: the cluster is there before the controllers that judge what is written to it.

use std::sync::{Arc, OnceLock};

use nautes_model::kind::GROUP;
use nautes_runtime::admission::Write;
use nautes_runtime::controller::{Controllers, WriteJudge};
use nautes_runtime::local::{Admission, AdmissionRequest, Status};

/// The way from the tenant cluster to the controllers.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<OnceLock<WriteJudge>>);

impl Gate {
    /// Returns what the cluster asks. Until the gate is opened, everything is admitted.
    #[must_use]
    pub fn admission(&self) -> Admission {
        let gate = self.clone();
        Arc::new(move |request| gate.judge(request))
    }

    /// Lets these controllers judge from now on.
    pub fn open(&self, controllers: &Controllers) {
        // A second opening would be by the same instance.
        let _ = self.0.set(controllers.write_judge());
    }

    fn judge(&self, request: &AdmissionRequest<'_>) -> Result<(), Status> {
        let Some(judge) = self.0.get().filter(|_| request.group == GROUP) else {
            return Ok(());
        };
        let verdict = judge.judge(&Write {
            operation: request.operation,
            kind: request.kind,
            subresource: request.subresource,
            namespace: request.namespace,
            name: request.name,
            object: request.object,
            old: request.old,
        });
        verdict
            .reasons()
            .map_or(Ok(()), |reasons| Err(Status::denied(reasons)))
    }
}
