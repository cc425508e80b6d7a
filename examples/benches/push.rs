//! How long it takes from a push that the forge has accepted to the object in the deployment cluster, on twins.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use nautes_examples::Twins;
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes, so that a platform that is stuck ends the benchmark.
const LIMIT: Duration = Duration::from_secs(60);

fn manifest(turn: u64) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: greeting\ndata:\n  turn: \"{turn}\"\n")
}

/// Pushes a new version and returns how long after the push the cluster has it.
async fn follow(twins: &Twins, turn: u64) -> Duration {
    let maps: Api<ConfigMap> = Api::namespaced(twins.live.client(), "hello");
    let text = manifest(turn);
    let wanted = turn.to_string();
    let mut seen = std::pin::pin!(watcher(maps, watcher::Config::default()).applied_objects());
    let arrived = async {
        while let Some(map) = seen.try_next().await.unwrap() {
            if map.data.is_some_and(|data| data.get("turn") == Some(&wanted)) {
                return Instant::now();
            }
        }
        unreachable!("a watch does not end")
    };
    let push = async {
        twins
            .push("hello/deploy", &[("live/greeting.yaml", &text)])
            .await
            .unwrap();
        Instant::now()
    };
    let (pushed, arrived) = tokio::time::timeout(LIMIT, async { tokio::join!(push, arrived) })
        .await
        .unwrap();
    arrived.saturating_duration_since(pushed)
}

fn push_to_object(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let twins = runtime.block_on(async {
        let twins = Twins::start().await.unwrap();
        twins.register_live().await.unwrap();
        twins
            .apply("hello.yaml", include_str!("../manifests/hello.yaml"))
            .await
            .unwrap();
        twins.controllers.reconcile_all().await.unwrap();
        twins
    });
    let stop = CancellationToken::new();
    let (controllers, stopped) = (twins.controllers.clone(), stop.clone());
    let running = runtime.spawn(async move { controllers.run(stopped).await });
    let mut turn = 0;
    c.benchmark_group("push")
        .sample_size(10)
        .bench_function("to object", |b| {
            b.iter_custom(|times| {
                let mut total = Duration::ZERO;
                for _ in 0..times {
                    turn += 1;
                    total += runtime.block_on(follow(&twins, turn));
                }
                total
            });
        });
    stop.cancel();
    runtime.block_on(running).unwrap().unwrap();
    runtime.block_on(twins.stop());
}

criterion_group!(benches, push_to_object);
criterion_main!(benches);
