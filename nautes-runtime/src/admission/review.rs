//! Admission as Kubernetes asks for it: a review goes in, a review comes out.

use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation as Asked};
use serde_json::Value;

use super::{Judge, Operation, Verdict, Write};

/// Answers a review.
///
/// What cannot be read as a review is answered as invalid. The code of a denial is 422, as for everything else that
/// breaks rules.
#[must_use]
pub fn answer(judge: &Judge<'_>, review: AdmissionReview<DynamicObject>) -> AdmissionReview<DynamicObject> {
    let request: AdmissionRequest<DynamicObject> = match review.try_into() {
        Ok(request) => request,
        Err(error) => return AdmissionResponse::invalid(error).into_review(),
    };
    let mut response = AdmissionResponse::from(&request);
    let (object, old) = (json(request.object.as_ref()), json(request.old_object.as_ref()));
    let operation = match request.operation {
        Asked::Create => Operation::Create,
        Asked::Update => Operation::Update,
        Asked::Delete => Operation::Delete,
        Asked::Connect => return response.into_review(),
    };
    let verdict = judge.judge(&Write {
        operation,
        kind: &request.kind.kind,
        subresource: request.sub_resource.as_deref().unwrap_or_default(),
        namespace: request.namespace.as_deref().unwrap_or_default(),
        name: &request.name,
        object: object.as_ref(),
        old: old.as_ref(),
    });
    if let Some(reasons) = verdict.reasons() {
        response = response.deny(reasons);
        response.result.code = 422;
        "Invalid".clone_into(&mut response.result.reason);
    } else if let Verdict::Admitted(warnings) = verdict
        && !warnings.is_empty()
    {
        response.warnings = Some(warnings);
    }
    response.into_review()
}

fn json(object: Option<&DynamicObject>) -> Option<Value> {
    serde_json::to_value(object?).ok()
}
