//! The kinds, in one table: every name, path and order that depends on a kind comes from here.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The API group of every Nautes kind.
pub const GROUP: &str = "nautes.resource.nautes.io";
/// The one API version.
pub const VERSION: &str = "v1alpha1";
/// `group/version`, as written in `apiVersion`.
pub const API_VERSION: &str = "nautes.resource.nautes.io/v1alpha1";

/// A kind of resource. The order is the order of creation; removal is the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// A Git platform on which repositories live.
    CodeRepoProvider,
    /// An artifact platform.
    ArtifactRepoProvider,
    /// Where products come from.
    ProductProvider,
    /// A host or runtime cluster.
    Cluster,
    /// A product: an IT system.
    Product,
    /// A stage of a product, bound to a cluster.
    Environment,
    /// A microservice of a product.
    Project,
    /// A repository of a product.
    CodeRepo,
    /// The permission for a product or project to use a repository.
    CodeRepoBinding,
    /// An artifact repository.
    ArtifactRepo,
    /// The use of an artifact repository by a project.
    ProjectArtifactRepo,
    /// Pipelines of a project and the events that start them.
    ProjectPipelineRuntime,
    /// A deployment that follows a manifest repository.
    DeploymentRuntime,
}

/// In which repository and namespace resources of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KindScope {
    /// In the tenant repository and the tenant namespace.
    Tenant,
    /// In the product's `default.project` and the product's namespace.
    Product,
}

/// What is fixed about a kind.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// The kind.
    pub kind: Kind,
    /// Its name in manifests.
    pub name: &'static str,
    /// The plural of its custom resource definition.
    pub plural: &'static str,
    /// What people may type instead, lower case; the plural and the lower-case name are understood as well.
    pub short_names: &'static [&'static str],
    /// Where it lives.
    pub scope: KindScope,
    /// Its segment in the paths of the HTTP API.
    pub api_path: &'static str,
}

macro_rules! kinds {
    ($($kind:ident, $plural:literal, $short:expr, $scope:ident, $api:literal;)*) => {
        /// Every kind, in order of creation.
        pub const KINDS: &[KindInfo] = &[$(KindInfo {
            kind: Kind::$kind, name: stringify!($kind), plural: $plural, short_names: $short,
            scope: KindScope::$scope, api_path: $api,
        }),*];
    };
}

kinds! {
    CodeRepoProvider, "coderepoproviders", &["crp"], Tenant, "coderepoproviders";
    ArtifactRepoProvider, "artifactrepoproviders", &["arp"], Tenant, "artifactrepoproviders";
    ProductProvider, "productproviders", &["pp"], Tenant, "productproviders";
    Cluster, "clusters", &["cls"], Tenant, "clusters";
    Product, "products", &["prod"], Tenant, "products";
    Environment, "environments", &["env", "envs"], Product, "environments";
    Project, "projects", &["proj", "pro"], Product, "projects";
    CodeRepo, "coderepoes", &["cr", "coderepos"], Product, "coderepos";
    CodeRepoBinding, "coderepobindings", &["crb"], Product, "coderepobindings";
    ArtifactRepo, "artifactrepoes", &["ar", "artifactrepos"], Product, "artifactrepos";
    ProjectArtifactRepo, "projectartifactrepoes", &["par", "projectartifactrepos"], Product, "projectartifactrepos";
    ProjectPipelineRuntime, "projectpipelineruntimes", &["ppr"], Product, "projectpipelineruntimes";
    DeploymentRuntime, "deploymentruntimes", &["dr"], Product, "deploymentruntimes";
}

impl Kind {
    /// Returns the row of the table.
    #[must_use]
    pub fn info(self) -> &'static KindInfo {
        &KINDS[self as usize]
    }

    /// Returns the name used in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Whether it belongs to a product.
    #[must_use]
    pub fn is_of_product(self) -> bool {
        self.info().scope == KindScope::Product
    }

    /// Finds a kind by anything that a person may type: name, plural, short name, in any case.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        KINDS
            .iter()
            .find(|info| {
                info.name.eq_ignore_ascii_case(&text)
                    || info.plural == text
                    || info.api_path == text
                    || info.short_names.contains(&text.as_str())
            })
            .map(|info| info.kind)
    }

    /// Finds a kind by its exact name in manifests.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        KINDS.iter().find(|info| info.name == name).map(|info| info.kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text names no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a kind of Nautes")]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::find(text).ok_or_else(|| UnknownKind(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_without_clashes() {
        let mut seen = std::collections::BTreeSet::new();
        for (index, info) in KINDS.iter().enumerate() {
            assert_eq!(info.kind as usize, index);
            assert_eq!(Kind::from_name(info.name), Some(info.kind));
            for word in info.short_names.iter().chain([&info.plural]) {
                assert!(seen.insert(*word), "{word} stands twice");
                assert_eq!(Kind::find(word), Some(info.kind));
            }
        }
    }
}
