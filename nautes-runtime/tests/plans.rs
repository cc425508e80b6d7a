//! Golden plans: `plans/<case>.yaml` in, `plans/<case>.txt` out. `UPDATE=1` rewrites.
//!
//! A case is a bundle of manifests, the tenant's and the products'. Lines that begin with `#!` say what else is
//! known:
//!
//! | line | meaning |
//! |---|---|
//! | `#! objects` | write whole objects |
//! | `#! holds CLUSTER NAMESPACE LABEL` | the namespace exists there; `-` for one without our label |
//! | `#! unknown CLUSTER` | the cluster does not answer |
//! | `#! digest SECRET VALUE` | the digest of a secret; `absent` for one that is not there |
//! | `#! broken FILE KIND/PRODUCT/NAME ..` | the file cannot be read; it used to declare these |
//! | `#! unread PRODUCT` | the repository of the product cannot be read |
//! | `#! event REPO KIND REF` | says what the event starts; the commit is fixed |

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "plans/compare.rs"]
mod compare;
#[path = "plans/properties.rs"]
mod properties;
#[path = "plans/support.rs"]
mod support;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use nautes_runtime::engine::Engines;
use nautes_runtime::plan::{
    Judged, check_plan, plan_cluster, plan_product, text, text_with_objects, triggers,
};
use nautes_validate::RuleSet;

use support::Case;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans")
}

fn render(case: &Case) -> String {
    let rules = RuleSet::standard();
    let engines = Engines::bundled();
    let judged = Judged::new(&case.scopes, &rules);
    let mut out = String::new();
    let mut plans = std::collections::BTreeMap::new();
    for product in &case.products {
        let plan = plan_product(product, &judged, &case.inputs, &engines);
        assert_eq!(check_plan(product, &plan), [], "{product}");
        let shown = if case.objects {
            text_with_objects(&plan)
        } else {
            text(&plan)
        };
        writeln!(out, "== product {product}\n{shown}").unwrap();
        for event in &case.events {
            for run in triggers(&plan, event) {
                writeln!(
                    out,
                    "{} {} starts {} of {} at {} on {} with {:?}",
                    event.kind,
                    event.ref_,
                    run.pipeline.name,
                    run.runtime,
                    run.pipeline_revision,
                    run.cluster,
                    run.inputs
                )
                .unwrap();
            }
        }
        plans.insert(product.clone(), plan);
    }
    for (sourced, _) in case.scopes.tenant.clusters() {
        let name = sourced.identity.name.as_str().parse().unwrap();
        let shared = plan_cluster(&name, &judged, &plans, &case.inputs, &engines);
        let v = shared.verdict;
        writeln!(
            out,
            "== cluster {name}: {:?} {}: {}",
            v.state, v.reason, v.message
        )
        .unwrap();
    }
    out
}

#[test]
fn plans_are_as_written_down() {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut different = Vec::new();
    for path in cases {
        let case = Case::read(&std::fs::read_to_string(&path).unwrap());
        let got = render(&case);
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&golden, &got).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if got != expected {
            different.push(format!("{}:\n{got}", golden.display()));
        }
    }
    assert!(
        different.is_empty(),
        "plans differ; UPDATE=1 rewrites them:\n{}",
        different.join("\n")
    );
}
