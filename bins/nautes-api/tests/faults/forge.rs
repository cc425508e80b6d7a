//! The forge is down, slow, or loses answers.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{Looked, Stage, assert_helpful, assert_whole, everything, request_ids};
use crate::support::product;
use crate::weather::{Fault, Step};

const APPLY: &str = "/api/v1/apply";
const REMOVE: &str = "/api/v1/remove";

/// The calls of a request, each with how often there was one like it before.
async fn rehearsed(stage: &Stage, path: &str, text: &str) -> Vec<(Step, usize)> {
    stage.forge.steps();
    let answer = stage.send(path, text).await;
    assert_eq!(answer.status, StatusCode::OK, "{:#}", answer.body);
    let mut before: BTreeMap<Step, usize> = BTreeMap::new();
    stage
        .forge
        .steps()
        .into_iter()
        .map(|step| {
            let nth = before.entry(step.clone()).or_default();
            *nth += 1;
            (step, *nth - 1)
        })
        .collect()
}

/// The same call about another product.
fn about(step: &Step, name: &str) -> Step {
    Step {
        call: step.call,
        on: step.on.replace("clean", name),
    }
}

/// Sends a request that meets a fault, looks, and sends it again until it has met no fault.
async fn through(stage: &Stage, path: &str, text: &str, name: &str, step: &Step, nth: usize, fault: Fault) {
    let what = format!("{path}, {fault:?} at {} {:?} ({nth})", step.call, step.on);
    let before = stage.look(name).await;
    stage.forge.hit(step, nth, fault);
    let answer = stage.send(path, text).await;
    stage.forge.clear();
    let looked = stage.look(name).await;
    assert_whole(looked, &what);
    let wanted = if path == APPLY {
        Looked::ALL
    } else {
        Looked {
            secret: looked.secret,
            ..Looked::NOTHING
        }
    };
    if answer.status == StatusCode::OK {
        // It was about what the request could do without.
        assert_eq!(looked, wanted, "{what}");
    } else {
        let expected = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::MULTI_STATUS];
        assert!(expected.contains(&answer.status), "{what}: {:#}", answer.body);
        assert_helpful(&answer, &what);
        if answer.status == StatusCode::SERVICE_UNAVAILABLE && fault == Fault::Down {
            // Nobody knows whether a push without an answer has arrived: its secret stays.
            let before = Looked {
                secret: before.secret || (looked.secret && step.call == "push"),
                ..before
            };
            assert_eq!(looked, before, "{what}: what is refused did nothing");
        }
    }
    let again = stage.send(path, text).await;
    assert_eq!(again.status, StatusCode::OK, "{what}: {:#}", again.body);
    assert_eq!(stage.look(name).await, wanted, "{what}");
}

async fn each_step(fault: Fault) {
    let stage = Stage::new().await;
    // The first request makes the session of the caller.
    let first = stage.send("/api/v1/validate", &product("none", "none")).await;
    assert_eq!(first.status, StatusCode::OK, "{:#}", first.body);
    let text = everything("clean", 0);
    let applying = rehearsed(&stage, APPLY, &text).await;
    let removing = rehearsed(&stage, REMOVE, &text).await;
    assert!(
        applying
            .iter()
            .any(|(s, _)| s.call == "push" && s.on == "clean/default.project")
    );
    assert!(
        removing
            .iter()
            .any(|(s, _)| s.call == "push" && s.on == "nautes/management")
    );
    for i in 0..applying.len().max(removing.len()) {
        let name = format!("p{i}");
        let text = everything(&name, i + 1);
        let before = stage.history("nautes/management").await.len();
        let (step, nth) = &applying[i.min(applying.len() - 1)];
        through(&stage, APPLY, &text, &name, &about(step, &name), *nth, fault).await;
        let (step, nth) = &removing[i.min(removing.len() - 1)];
        through(&stage, REMOVE, &text, &name, &about(step, &name), *nth, fault).await;
        // Registered and removed; begun, filled and emptied: once each.
        assert_eq!(
            stage.history("nautes/management").await.len(),
            before + 2,
            "{name}"
        );
        let own = stage.history(&format!("{name}/default.project")).await;
        assert_eq!(own.len(), 3, "{name}: {own:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_is_down_at_any_step_leaves_nothing_half_done() {
    each_step(Fault::Down).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_forge_that_is_lost_at_any_step_is_made_good_by_the_same_request() {
    each_step(Fault::Lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_is_down_is_503_for_everybody() {
    let stage = Stage::new().await;
    let applied = stage.send(APPLY, &everything("shop", 0)).await;
    assert_eq!(applied.status, StatusCode::OK, "{:#}", applied.body);
    let stranger = stage.world.user("stranger").await;
    stage.forge.turn(|_| Some(Fault::Down));
    let body = json!({ "language": "go" });
    for token in [&stranger, &stage.world.admin] {
        for (method, path, body) in [
            (Method::GET, "/api/v1/products/shop", Value::Null),
            (Method::GET, "/api/v1/products/shop/projects", Value::Null),
            (Method::GET, "/api/v1/clusters/on-shop", Value::Null),
            (Method::GET, "/api/v1/status/shop", Value::Null),
            (Method::GET, "/api/v1/plan/shop", Value::Null),
            (Method::POST, "/api/v1/products/shop/projects/new", body.clone()),
            (Method::DELETE, "/api/v1/products/shop/projects/web", Value::Null),
        ] {
            let what = format!("{method} {path}");
            let answer = stage.world.call(token, method, path, body).await;
            assert_eq!(
                answer.status,
                StatusCode::SERVICE_UNAVAILABLE,
                "{what}: {:#}",
                answer.body
            );
            assert_helpful(&answer, &what);
        }
    }
    stage.forge.clear();
    assert_eq!(stage.look("shop").await, Looked::ALL);
    let answer = stage.world.get(&stage.world.admin, "/api/v1/products/shop").await;
    assert_eq!(answer.status, StatusCode::OK);
}

/// Where a request is held up: when the caller is looked up, when his rights are, when something is read, when it is
/// written.
const HELD_UP: [&str; 5] = ["session", "access", "refs", "fetch", "push"];

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_does_not_answer_is_given_up_and_the_same_request_completes() {
    let mut stage = Stage::new().await;
    for (i, call) in HELD_UP.into_iter().enumerate() {
        let name = format!("p{i}");
        let text = everything(&name, i);
        // However short the deadline is: what it cuts off is made good.
        let patient = stage.impatient(Duration::from_millis(300));
        stage
            .forge
            .turn(move |step| (step.call == call).then_some(Fault::Slow));
        let answer = stage.send(APPLY, &text).await;
        let expected = [StatusCode::GATEWAY_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE];
        assert!(expected.contains(&answer.status), "{call}: {:#}", answer.body);
        assert_helpful(&answer, call);
        stage.forge.clear();
        stage.world.router = patient;
        assert_whole(stage.look(&name).await, call);
        let again = stage.send(APPLY, &text).await;
        assert_eq!(again.status, StatusCode::OK, "{call}: {:#}", again.body);
        assert_eq!(stage.look(&name).await, Looked::ALL, "{call}");
        let own = stage.history(&format!("{name}/default.project")).await;
        assert_eq!(own.len(), 2, "{call}: {own:#?}");
        request_ids(&stage.history("nautes/management").await);
    }
}

/// One product whose repository does not answer holds up no other.
#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_does_not_answer_holds_up_no_other_product() {
    let stage = Stage::new().await;
    for (i, name) in ["shop", "bank"].into_iter().enumerate() {
        let applied = stage.send(APPLY, &everything(name, i)).await;
        assert_eq!(applied.status, StatusCode::OK, "{:#}", applied.body);
    }
    stage
        .forge
        .turn(|step| (step.on == "bank/default.project").then_some(Fault::Down));
    let get = async |path: &str| stage.world.get(&stage.world.admin, path).await;
    let shop = get("/api/v1/products/shop/projects").await;
    assert_eq!(shop.status, StatusCode::OK, "{:#}", shop.body);
    let body = json!({ "language": "go" });
    let write = async |product: &str| {
        let path = format!("/api/v1/products/{product}/projects/new");
        stage
            .world
            .call(&stage.world.admin, Method::POST, &path, body.clone())
            .await
    };
    let saved = write("shop").await;
    assert_eq!(saved.status, StatusCode::OK, "{:#}", saved.body);
    let refused = write("bank").await;
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{:#}",
        refused.body
    );
    assert_helpful(&refused, "bank");
    stage.forge.clear();
    assert_eq!(write("bank").await.status, StatusCode::OK);
}
