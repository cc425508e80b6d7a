//! From text to plans: parsing, judging and planning a whole platform of 100, 1,000 and 10,000 resources.

use std::collections::BTreeMap;

use criterion::{Criterion, criterion_group, criterion_main};
use nautes_model::manifest::{self, Context, Form};
use nautes_model::name::ProductName;
use nautes_model::{Scopes, Sourced};
use nautes_runtime::engine::Engines;
use nautes_runtime::plan::{Inputs, Judged, plan_product};
use nautes_validate::{RuleSet, generate};

/// The text of each repository: the tenant's and the products'.
type Texts = BTreeMap<Option<ProductName>, String>;

fn texts_of(resources: &[Sourced]) -> Texts {
    let mut texts = Texts::new();
    for sourced in resources {
        let text = texts.entry(sourced.identity.product.clone()).or_default();
        text.push_str("---\n");
        text.push_str(&manifest::render(&sourced.resource).expect("a made resource can be written"));
    }
    texts
}

fn read(texts: &Texts) -> Scopes {
    let mut scopes = Scopes::default();
    for (product, text) in texts {
        let context = Context::new("all.yaml", Form::Git).product(product.as_ref());
        let parsed = manifest::parse(text, &context);
        assert!(parsed.findings.is_empty(), "{:?}", parsed.findings.first());
        for resource in parsed.resources {
            scopes.insert(resource);
        }
    }
    scopes
}

fn plan_all(scopes: &Scopes, rules: &RuleSet, engines: &Engines) -> usize {
    let judged = Judged::new(scopes, rules);
    let inputs = Inputs::offline();
    scopes
        .products
        .keys()
        .map(|product| plan_product(product, &judged, &inputs, engines).clusters.len())
        .sum()
}

fn plan(criterion: &mut Criterion) {
    let (rules, engines) = (RuleSet::standard(), Engines::bundled());
    for count in [100, 1_000, 10_000] {
        let resources = generate::platform(count, 1).expect("names that fit");
        let texts = texts_of(&resources);
        let scopes = read(&texts);
        let mut group = criterion.benchmark_group("plan");
        group.sample_size(10);
        group.bench_function(format!("parse, judge and plan {count}"), |bencher| {
            bencher.iter(|| plan_all(&read(&texts), &rules, &engines));
        });
        group.bench_function(format!("judge and plan {count}"), |bencher| {
            bencher.iter(|| plan_all(&scopes, &rules, &engines));
        });
        group.finish();
    }
}

criterion_group!(benches, plan);
criterion_main!(benches);
