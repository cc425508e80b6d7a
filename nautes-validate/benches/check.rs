//! How long reading and judging a platform takes, by its size.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nautes_model::manifest::{Context, Form, parse};
use nautes_model::{Kind, Resource};
use nautes_validate::generate::{self, Options};
use nautes_validate::{Change, Graph, Judge, RuleSet, check, check_change, order};

fn judge(c: &mut Criterion) {
    let rules = RuleSet::standard();
    let mut group = c.benchmark_group("validate");
    group.sample_size(10);
    for size in [100_usize, 1_000, 10_000, 100_000] {
        let resources = generate::platform(size, 1).unwrap();
        let files = generate::files(&Options::new(size, 1)).unwrap();
        let scopes = generate::scopes(&resources);
        let mut changed = scopes.clone();
        changed.remove(&resources.last().unwrap().identity);
        group.throughput(Throughput::Elements(resources.len() as u64));
        group.bench_with_input(BenchmarkId::new("read", size), &files, |b, files| {
            b.iter(|| {
                for file in files {
                    let context = Context::new(&file.path, Form::Git).product(file.product.as_ref());
                    assert_eq!(parse(&file.text, &context).findings, []);
                }
            });
        });
        group.bench_with_input(BenchmarkId::new("check", size), &scopes, |b, s| {
            b.iter(|| check(s, &rules));
        });
        group.bench_with_input(BenchmarkId::new("check_change", size), &scopes, |b, s| {
            b.iter(|| check_change(s, &changed, &rules));
        });
        group.bench_with_input(BenchmarkId::new("graph", size), &scopes, |b, s| {
            b.iter(|| Graph::of(s).apply_order());
        });
        group.bench_with_input(BenchmarkId::new("order", size), &resources, |b, r| {
            b.iter(|| order(r).len());
        });
        let mut judge = Judge::new(scopes.clone(), rules.clone());
        let one = scopes.iter().find(|s| s.identity.kind == Kind::DeploymentRuntime);
        let was = Arc::clone(one.unwrap());
        let mut now = was.as_ref().clone();
        if let Resource::DeploymentRuntime(runtime) = &mut now.resource {
            runtime.spec.destination.namespaces = vec!["another".to_owned()];
        }
        let now = Arc::new(now);
        // There and back: two changes.
        group.throughput(Throughput::Elements(2));
        group.bench_function(BenchmarkId::new("one file", size), |b| {
            b.iter(|| {
                judge.apply([Change::Put(Arc::clone(&now))]);
                judge.apply([Change::Put(Arc::clone(&was))])
            });
        });
    }
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
