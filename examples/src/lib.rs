//! What the examples share: manifests, and a small platform of local twins.
//!
//! ```sh
//! cargo run -p nautes-examples --example embed
//! ```

pub mod twins;

pub use twins::Twins;

use nautes_model::manifest::{Context, Form, parse};
use nautes_model::{Scopes, Sourced};

/// The manifests of the example products, by file name.
pub const MANIFESTS: &[(&str, &str)] = &[
    ("shop.yaml", include_str!("../manifests/shop.yaml")),
    (
        "clusters/host.yaml",
        include_str!("../manifests/clusters/host.yaml"),
    ),
    (
        "clusters/live.yaml",
        include_str!("../manifests/clusters/live.yaml"),
    ),
    (
        "clusters/pipelines.yaml",
        include_str!("../manifests/clusters/pipelines.yaml"),
    ),
    (
        "clusters/staging.yaml",
        include_str!("../manifests/clusters/staging.yaml"),
    ),
];

/// The provider that stands for the forge.
pub const PROVIDER: &str = "\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoProvider
metadata:
  name: gitlab
spec:
  httpAddress: https://forge.example.org
  apiServer: https://forge.example.org
  providerType: local
";

/// Reads the example product `shop` with its clusters as if they were on a tenant and in a product's repository.
///
/// # Errors
/// A manifest has a fault; all of them are named.
pub fn shop() -> anyhow::Result<Scopes> {
    let mut scopes = Scopes::default();
    let all = MANIFESTS.iter().copied().chain([("provider.yaml", PROVIDER)]);
    for (file, text) in all {
        // A cluster's file has a place for its kubeconfig, which nobody needs for planning.
        let text = text.replace("  kubeconfig: |\n    $KUBECONFIG\n", "").replace(
            "$API_SERVER",
            &format!("https://{}.example.org:6443", name_of(file)),
        );
        for resource in read(file, &text)? {
            scopes.insert(resource);
        }
    }
    Ok(scopes)
}

/// Reads manifests in the form that people hand in.
///
/// # Errors
/// A manifest has a fault; all of them are named.
pub fn read(file: &str, text: &str) -> anyhow::Result<Vec<Sourced>> {
    let parsed = parse(text, &Context::new(file, Form::Request));
    let faults: Vec<String> = parsed.findings.iter().map(ToString::to_string).collect();
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(parsed.resources)
}

fn name_of(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.trim_end_matches(".yaml")
}
