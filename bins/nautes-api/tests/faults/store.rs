//! The secret store is down, or loses answers.

use axum::http::StatusCode;

use crate::stage::{Looked, Stage, assert_helpful, assert_whole, everything};
use crate::weather::Fault;

const APPLY: &str = "/api/v1/apply";

/// Applies what needs the store while its calls of one kind meet a fault, looks, and applies it again.
async fn through(stage: &Stage, number: usize, call: &'static str, fault: Fault) -> Looked {
    let name = format!("p{number}");
    let text = everything(&name, number);
    let what = format!("{fault:?} at {call}");
    stage.store.turn(move |step| (step.call == call).then_some(fault));
    let answer = stage.send(APPLY, &text).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{what}: {:#}",
        answer.body
    );
    assert_helpful(&answer, &what);
    stage.store.clear();
    let looked = stage.look(&name).await;
    assert_whole(looked, &what);
    let again = stage.send(APPLY, &text).await;
    assert_eq!(again.status, StatusCode::OK, "{what}: {:#}", again.body);
    assert_eq!(stage.look(&name).await, Looked::ALL, "{what}");
    assert_eq!(
        stage.history(&format!("{name}/default.project")).await.len(),
        2,
        "{what}"
    );
    looked
}

#[tokio::test]
async fn a_store_that_is_down_refuses_what_needs_it_and_nothing_is_written() {
    let stage = Stage::new().await;
    let tenant = stage.history("nautes/management").await.len();
    assert_eq!(through(&stage, 0, "write", Fault::Down).await, Looked::NOTHING);
    assert_eq!(through(&stage, 1, "write", Fault::Full).await, Looked::NOTHING);
    let lost = through(&stage, 2, "write", Fault::Lost).await;
    assert!(
        !lost.cluster,
        "nobody commits what may not be in the store: {lost:?}"
    );
    assert_eq!(stage.history("nautes/management").await.len(), tenant + 3);
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_looked_up_is_503_and_not_taken_for_missing() {
    let stage = Stage::new().await;
    let text = everything("shop", 0);
    let applied = stage.send(APPLY, &text).await;
    assert_eq!(applied.status, StatusCode::OK, "{:#}", applied.body);
    // The same cluster without its kubeconfig, which is in the store.
    let from = text.find("  kubeconfig: |").unwrap();
    let to = text[from..].find("---").unwrap() + from;
    let without = format!("{}{}", &text[..from], &text[to..]);
    stage.store.turn(|_| Some(Fault::Down));
    let answer = stage.send(APPLY, &without).await;
    assert_eq!(
        answer.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{:#}",
        answer.body
    );
    assert_helpful(&answer, "without a kubeconfig");
    // What needs no secret goes on.
    let other = stage
        .send(
            APPLY,
            "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Project\n\
             spec: {name: more, product: shop, language: go}\n",
        )
        .await;
    assert_eq!(other.status, StatusCode::OK, "{:#}", other.body);
    stage.store.clear();
    let again = stage.send(APPLY, &without).await;
    assert_eq!(again.status, StatusCode::OK, "{:#}", again.body);
}

#[tokio::test]
async fn a_secret_is_taken_back_when_its_commit_is_refused_and_stays_when_nobody_knows() {
    let stage = Stage::new().await;
    for (i, fault) in [Fault::Down, Fault::Lost, Fault::Full].into_iter().enumerate() {
        let name = format!("p{i}");
        let text = everything(&name, i);
        stage
            .forge
            .turn(move |step| (step.call == "push" && step.on == "nautes/management").then_some(fault));
        let answer = stage.send(APPLY, &text).await;
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{fault:?}: {:#}",
            answer.body
        );
        stage.forge.clear();
        let looked = stage.look(&name).await;
        assert_whole(looked, &format!("{fault:?}"));
        assert_eq!(looked.cluster, fault == Fault::Lost, "{looked:?}");
        let again = stage.send(APPLY, &text).await;
        assert_eq!(again.status, StatusCode::OK, "{:#}", again.body);
        assert_eq!(stage.look(&name).await, Looked::ALL);
    }
}
