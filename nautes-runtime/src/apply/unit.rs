//! Units: whose objects an inventory names.

use std::fmt;

use nautes_model::Identity;
use nautes_model::name::ProductName;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Something that is applied and pruned as a whole, with an inventory of its own in each cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unit {
    /// The product; `None` for what products share in a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductName>,
    /// The deployment runtime whose repository says what exists; `None` for what a plan says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Identity>,
}

impl Unit {
    /// What is planned for a product.
    #[must_use]
    pub const fn product(product: ProductName) -> Self {
        Self {
            product: Some(product),
            runtime: None,
        }
    }

    /// What products share in a cluster.
    #[must_use]
    pub const fn cluster() -> Self {
        Self {
            product: None,
            runtime: None,
        }
    }

    /// What a deployment runtime deploys from its repository.
    #[must_use]
    pub const fn deployment(product: ProductName, runtime: Identity) -> Self {
        Self {
            product: Some(product),
            runtime: Some(runtime),
        }
    }

    /// Whether it is what a repository says, not a plan.
    #[must_use]
    pub const fn is_deployment(&self) -> bool {
        self.runtime.is_some()
    }

    /// Returns the value of the label by which its objects are known: the product's name, or `Shared`, which is
    /// no product's name because of its capital.
    #[must_use]
    pub fn label(&self) -> &str {
        self.product.as_ref().map_or("Shared", ProductName::as_str)
    }

    /// Returns a short text without special characters that no other unit has, for label selectors.
    #[must_use]
    pub fn digest(&self) -> String {
        let digest = Sha256::digest(self.to_string());
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// `cluster`, `product.demo`, `product.demo.deploymentruntime.web`: unique, and a valid object name.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.product {
            None => f.write_str("cluster")?,
            Some(product) => write!(f, "product.{product}")?,
        }
        match &self.runtime {
            None => Ok(()),
            Some(runtime) => {
                let kind = runtime.kind.to_string().to_ascii_lowercase();
                write!(f, ".{kind}.{}", runtime.name)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nautes_model::Kind;

    #[test]
    fn units_have_names_that_do_not_meet() {
        let demo: ProductName = "demo".parse().unwrap();
        let runtime = Identity::product(Kind::DeploymentRuntime, demo.clone(), "web".parse().unwrap());
        let units = [
            Unit::cluster(),
            Unit::product(demo.clone()),
            Unit::deployment(demo, runtime),
            Unit::product("cluster".parse().unwrap()),
        ];
        let names: std::collections::BTreeSet<_> = units.iter().map(Unit::to_string).collect();
        assert_eq!(names.len(), units.len());
        assert!(names.contains("product.demo.deploymentruntime.web"));
    }
}
