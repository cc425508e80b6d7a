//! How long judging a platform takes, by its size.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nautes_validate::{Graph, RuleSet, check, check_change, generate, order};

fn judge(c: &mut Criterion) {
    let rules = RuleSet::standard();
    let mut group = c.benchmark_group("validate");
    group.sample_size(20);
    for size in [100_usize, 1_000, 10_000] {
        let resources = generate::platform(size, 1).unwrap();
        let scopes = generate::scopes(&resources);
        let mut changed = scopes.clone();
        changed.remove(&resources.last().unwrap().identity);
        group.throughput(Throughput::Elements(resources.len() as u64));
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
    }
    group.finish();
}

criterion_group!(benches, judge);
criterion_main!(benches);
