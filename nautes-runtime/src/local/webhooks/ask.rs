//! Asks the webhooks of a write.

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use serde_json::Value;

use super::{
    Question, Stage, https,
    matching::{self, Hook},
    review::{self, Said},
};
use crate::local::{Operation, json, patch, plugins, scale, server::Scope, status::Status, write};

/// What came of asking: the object where webhooks changed it, or a refusal; with warnings either way.
type Outcome = Result<(Option<Value>, Vec<String>), (Status, Vec<String>)>;

pub(super) async fn ask(scope: &Scope<'_>, question: &Question) -> Outcome {
    match question.subject.stage {
        Stage::Mutating => mutate(scope, question).await,
        Stage::Validating => validate(scope, question).await,
    }
}

/// What is known of the webhooks that were asked: those that ask to see later changes see them once more.
#[derive(Debug, Default)]
struct Round {
    object: Option<Value>,
    warnings: Vec<String>,
    /// Webhooks (by their place) that were asked since the last change and want to see the next.
    asked: BTreeSet<usize>,
    /// Webhooks to ask again.
    again: BTreeSet<usize>,
}

impl Round {
    /// The object is another: who was asked before is asked again.
    fn changed(&mut self) {
        self.again.append(&mut self.asked);
    }

    /// Asks one webhook.
    async fn ask(&mut self, scope: &Scope<'_>, question: &Question, place: usize) -> Result<(), Status> {
        let hook = &question.hooks[place];
        let Some(said) = one(scope, question, hook, self.object.as_ref()).await? else {
            return Ok(());
        };
        self.warnings.extend(said.warnings);
        if !said.allowed {
            return Err(review::denial(hook, &said.result));
        }
        if let Some(operations) = said.patch.filter(|p| *p != serde_json::json!([])) {
            let new = changed(scope, question, hook, self.object.as_ref(), &operations)?;
            if self.object.as_ref() != Some(&new) {
                self.object = Some(new);
                self.changed();
            }
        }
        if json::text(&hook.spec, &["reinvocationPolicy"]) == "IfNeeded" {
            self.asked.insert(place);
        }
        Ok(())
    }

    async fn all(&mut self, scope: &Scope<'_>, question: &Question) -> Result<(), Status> {
        for place in 0..question.hooks.len() {
            self.ask(scope, question, place).await?;
        }
        if self.object == question.object {
            return Ok(());
        }
        // What webhooks made, the plug-ins of the server see too, and then those who want to.
        if let Some(object) = &mut self.object {
            let before = object.clone();
            {
                let state = scope.server.state();
                plugins::change(scope, &state, question.operation, object, question.old.as_ref())?;
            }
            if *object != before {
                self.changed();
            }
        }
        for place in 0..question.hooks.len() {
            if self.again.contains(&place) {
                self.ask(scope, question, place).await?;
            }
        }
        Ok(())
    }
}

/// One after another: each sees what those before it made.
async fn mutate(scope: &Scope<'_>, question: &Question) -> Outcome {
    let mut round = Round {
        object: question.object.clone(),
        ..Round::default()
    };
    let done = round.all(scope, question).await;
    let Round { object, warnings, .. } = round;
    match done {
        Ok(()) => Ok((object.filter(|o| question.object.as_ref() != Some(o)), warnings)),
        Err(status) => Err((status, warnings)),
    }
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
    let shown = review::shown(scope, hook, whole, question);
    let mut new = patch::json_patch(&shown, operations).map_err(|e| Status::internal(&e.message))?;
    if !new.is_object() {
        return Err(Status::internal("the webhook made no object"));
    }
    match scope.subresource() {
        "scale" => return scale::with(scope, whole, &new),
        "token" => return Ok(new),
        _ => {}
    }
    new["apiVersion"] = whole["apiVersion"].clone();
    if question.operation == Operation::Create {
        review::remade(&mut new, whole);
    }
    // Webhooks say what a client could have said: it is decoded as that.
    write::complete(scope, &mut new);
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
