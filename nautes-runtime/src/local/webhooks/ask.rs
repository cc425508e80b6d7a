//! Asks the webhooks of a write.

use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

use super::{
    Question, Stage, https,
    matching::{self, Hook},
    review::{self, Said},
};
use crate::local::{Operation, json, patch, server::Scope, status::Status};

/// What came of asking: the object where webhooks changed it, or a refusal; with warnings either way.
type Outcome = Result<(Option<Value>, Vec<String>), (Status, Vec<String>)>;

pub(super) async fn ask(scope: &Scope<'_>, question: &Question) -> Outcome {
    match question.subject.stage {
        Stage::Mutating => mutate(scope, question).await,
        Stage::Validating => validate(scope, question).await,
    }
}

/// One after another: each sees what those before it made.
async fn mutate(scope: &Scope<'_>, question: &Question) -> Outcome {
    let mut object = question.object.clone();
    let mut warnings = Vec::new();
    for hook in &question.hooks {
        let said = match one(scope, question, hook, object.as_ref()).await {
            Ok(Some(said)) => said,
            Ok(None) => continue,
            Err(status) => return Err((status, warnings)),
        };
        warnings.extend(said.warnings);
        if !said.allowed {
            return Err((review::denial(hook, &said.result), warnings));
        }
        let Some(operations) = said.patch.filter(|p| *p != serde_json::json!([])) else {
            continue;
        };
        match changed(scope, question, hook, object.as_ref(), &operations) {
            Ok(new) => object = Some(new),
            Err(status) => return Err((status, warnings)),
        }
    }
    Ok((object.filter(|o| question.object.as_ref() != Some(o)), warnings))
}

fn changed(
    scope: &Scope<'_>,
    question: &Question,
    hook: &Hook,
    object: Option<&Value>,
    operations: &Value,
) -> Result<Value, Status> {
    let Some(whole) = object else {
        return Err(Status::internal(format!(
            "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
            hook.name()
        )));
    };
    let shown = review::request(scope, question, hook, object, "")["request"]["object"].take();
    let mut new = patch::json_patch(&shown, operations).map_err(|e| Status::internal(&e.message))?;
    if !new.is_object() {
        return Err(Status::internal("the webhook made no object"));
    }
    new["apiVersion"] = whole["apiVersion"].clone();
    if question.operation == Operation::Create {
        review::remade(&mut new, whole);
    }
    Ok(new)
}

/// All at once.
async fn validate(scope: &Scope<'_>, question: &Question) -> Outcome {
    let asked = question
        .hooks
        .iter()
        .map(|hook| async move { (hook, one(scope, question, hook, question.object.as_ref()).await) });
    let mut warnings = Vec::new();
    let mut refusal = None;
    for (hook, said) in join_all(asked).await {
        match said {
            Ok(None) => {}
            Ok(Some(said)) => {
                warnings.extend(said.warnings);
                if !said.allowed {
                    refusal = refusal.or_else(|| Some(review::denial(hook, &said.result)));
                }
            }
            Err(status) => refusal = refusal.or(Some(status)),
        }
    }
    match refusal {
        Some(status) => Err((status, warnings)),
        None => Ok((None, warnings)),
    }
}

/// Asks one webhook; none where it is not concerned, or did not answer and is passed over then.
async fn one(
    scope: &Scope<'_>,
    question: &Question,
    hook: &Hook,
    object: Option<&Value>,
) -> Result<Option<Said>, Status> {
    match matching::selects(scope, question, hook, object) {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(_) if hook.ignores_failure() => return Ok(None),
        Err(why) => return Err(Status::forbidden(&scope.kind, scope.name(), &why)),
    }
    let uid = uuid::Uuid::new_v4().to_string();
    let request = review::request(scope, question, hook, object, &uid);
    let answer = call(hook, &request)
        .await
        .map_err(|why| format!("failed to call webhook: {why}"))
        .and_then(|body| {
            review::read_answer(hook, &body, &uid)
                .map_err(|why| format!("received invalid webhook response: {why}"))
        });
    match answer {
        Ok(said) => Ok(Some(said)),
        Err(why) if hook.ignores_failure() => {
            tracing::debug!(webhook = hook.name(), why, "a webhook that failed is passed over");
            Ok(None)
        }
        Err(why) => Err(Status::internal(format!(
            "failed calling webhook {:?}: {why}",
            hook.name()
        ))),
    }
}

async fn call(hook: &Hook, request: &Value) -> Result<Value, String> {
    let config = &hook.spec["clientConfig"];
    let seconds = hook
        .spec
        .get("timeoutSeconds")
        .and_then(Value::as_u64)
        .unwrap_or(10);
    let (url, address) = match &hook.service {
        None => (json::text(config, &["url"]).to_owned(), None),
        Some(address) => {
            let text = |field| json::text(config, &["service", field]);
            let port = json::at(config, &["service", "port"])
                .and_then(Value::as_u64)
                .unwrap_or(443);
            let path = text("path");
            let url = format!(
                "https://{}.{}.svc:{port}/{}",
                text("name"),
                text("namespace"),
                path.strip_prefix('/').unwrap_or(path)
            );
            (url, Some(address.clone()))
        }
    };
    let bundle = json::text(config, &["caBundle"]);
    https::post(&url, address, bundle, request, Duration::from_secs(seconds)).await
}
