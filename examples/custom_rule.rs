//! A rule of one's own: production environments only on clusters whose names begin with `live-`.
//!
//! `cargo run -p nautes-examples --example custom_rule`
#![allow(clippy::print_stdout, reason = "an example talks")]

use std::sync::Arc;

use nautes_model::{Finding, Scopes};
use nautes_validate::{Checked, Example, Rule, RuleSet, check};

/// Where production may be.
#[derive(Debug)]
pub(crate) struct ProductionOnLive;

impl Rule for ProductionOnLive {
    fn id(&self) -> &'static str {
        "ProductionOnLive"
    }

    fn summary(&self) -> &'static str {
        "a production environment is on a cluster whose name begins with live-"
    }

    fn explanation(&self) -> &'static str {
        "only those clusters are backed up and watched at night"
    }

    fn examples(&self) -> Option<[Example; 2]> {
        let environment = |cluster: &str| Example {
            manifests: format!("kind: Environment\nspec:\n  cluster: {cluster}\n  envType: production\n")
                .into(),
            findings: "".into(),
        };
        Some([environment("staging"), environment("live-1")])
    }

    fn check(&self, on: &Checked<'_>, out: &mut Vec<Finding>) {
        for (sourced, environment) in on.environments() {
            let spec = &environment.spec;
            if spec.env_type != "production" || spec.cluster.starts_with("live-") {
                continue;
            }
            let message = format!("production may not be on the cluster {}", spec.cluster);
            let finding = on
                .error(self.id(), sourced, "spec.cluster", message)
                .hint("name a cluster that begins with live-");
            out.push(finding);
        }
    }
}

fn main() -> anyhow::Result<()> {
    for finding in find()? {
        println!("{finding}");
    }
    Ok(())
}

/// Judges an environment on the wrong cluster, beside one on the right cluster.
pub(crate) fn find() -> anyhow::Result<Vec<Finding>> {
    let mut scopes = Scopes::default();
    for cluster in ["live-1", "staging"] {
        let text = include_str!("manifests/clusters/live.yaml")
            .replace("  kubeconfig: |\n    $KUBECONFIG\n", "")
            .replace("name: live", &format!("name: {cluster}"))
            .replace("$API_SERVER", &format!("https://{cluster}.example.org"));
        let environment = format!(
            "---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Environment
spec:
  name: on-{cluster}
  product: shop
  cluster: {cluster}
  envType: production
"
        );
        for resource in nautes_examples::read("production.yaml", &(text + &environment))? {
            scopes.insert(resource);
        }
    }
    let product = "apiVersion: nautes.resource.nautes.io/v1alpha1\nkind: Product\nspec:\n  name: shop\n";
    for resource in nautes_examples::read("product.yaml", product)? {
        scopes.insert(resource);
    }
    let rules = RuleSet::standard().with(Arc::new(ProductionOnLive));
    Ok(check(&scopes, &rules).findings)
}
