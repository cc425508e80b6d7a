//! Nautes as a library: judge and plan without any system around, then run a small platform in this process.
//!
//! `cargo run -p nautes-examples --example embed`
#![allow(clippy::print_stdout, reason = "an example talks")]

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use nautes_examples::Twins;
use nautes_runtime::engine::Engines;
use nautes_runtime::plan::{Inputs, Judged, plan_product, text};
use nautes_validate::{RuleSet, check};

/// What is pushed to the deployment repository.
const GREETING: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: greeting
data:
  text: hello
";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("{}", plan_without_a_platform()?);
    println!("{}", run_a_platform().await?);
    Ok(())
}

/// Reads, judges and plans the example product. Nothing of this does I/O.
pub(crate) fn plan_without_a_platform() -> anyhow::Result<String> {
    let scopes = nautes_examples::shop()?;
    let rules = RuleSet::standard();
    let report = check(&scopes, &rules);
    anyhow::ensure!(report.is_ok(), "{:?}", report.findings);

    let judged = Judged::new(&scopes, &rules);
    let plan = plan_product(&"shop".parse()?, &judged, &Inputs::offline(), &Engines::bundled());
    Ok(text(&plan))
}

/// Declares a product on a platform of twins, pushes a manifest, and looks at what came of it.
pub(crate) async fn run_a_platform() -> anyhow::Result<String> {
    let mut out = String::new();
    let twins = Twins::start().await?;
    twins.register_live().await?;
    let answer = twins
        .apply("hello.yaml", include_str!("manifests/hello.yaml"))
        .await?;
    let commits = answer["repositories"].as_array().map_or(0, Vec::len);
    writeln!(out, "declared with a commit on each of {commits} repositories")?;

    let totals = twins.controllers.reconcile_all().await?;
    writeln!(out, "reconciled with {} writes", totals.writes)?;
    twins
        .push("hello/deploy", &[("live/greeting.yaml", GREETING)])
        .await?;
    twins.controllers.reconcile_all().await?;

    let maps: Api<ConfigMap> = Api::namespaced(twins.live.client(), "hello");
    let greeting = maps.get("greeting").await?.data.unwrap_or_default();
    writeln!(out, "in the cluster: {greeting:?}")?;
    let again = twins.controllers.reconcile_all().await?;
    writeln!(out, "reconciled again with {} writes", again.writes)?;
    twins.stop().await;
    Ok(out)
}
