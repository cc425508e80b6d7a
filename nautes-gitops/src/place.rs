//! Where things are declared: the tenant's repository and the repositories of products.

use std::fmt;

use nautes_model::layout::{self, Place};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Resource};

use crate::host::RepoPath;
use crate::host::types::PathError;

/// Which repository something is declared in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepoRef {
    /// The repository of the tenant.
    Tenant,
    /// The repository `default.project` of a product.
    Product(ProductName),
}

impl RepoRef {
    /// Returns where it is, given where the tenant's repository is.
    ///
    /// # Errors
    /// None in practice: the name of a product is always the name of a group.
    pub fn path(&self, tenant: &RepoPath) -> Result<RepoPath, PathError> {
        match self {
            Self::Tenant => Ok(tenant.clone()),
            Self::Product(product) => RepoPath::new(product.as_str(), layout::DEFAULT_PROJECT),
        }
    }

    /// Returns the repository in which a resource of this identity is declared.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        identity.product.clone().map_or(Self::Tenant, Self::Product)
    }

    /// Returns the product, if it is one's.
    #[must_use]
    pub const fn product(&self) -> Option<&ProductName> {
        match self {
            Self::Tenant => None,
            Self::Product(product) => Some(product),
        }
    }

    /// Returns the identity that a name has here.
    #[must_use]
    pub fn identity(&self, kind: Kind, name: ResourceName) -> Identity {
        match self {
            Self::Tenant => Identity::tenant(kind, name),
            Self::Product(product) => Identity::product(kind, product.clone(), name),
        }
    }

    /// Whether resources of a kind are declared here.
    #[must_use]
    pub fn holds(&self, kind: Kind) -> bool {
        kind.is_of_product() == self.product().is_some()
    }

    /// Says what a path of this repository is for.
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        match self {
            Self::Tenant => layout::tenant_place(path),
            Self::Product(_) => layout::product_place(path),
        }
    }

    /// Whether an entry is looked at when the repository is read; folders end with `/`.
    #[must_use]
    pub fn wants(&self, path: &str) -> bool {
        match path.strip_suffix('/') {
            None => {
                matches!(
                    self.place(path),
                    Place::Manifest(_) | Place::Misplaced(_) | Place::Catalogue | Place::Rules
                ) || self.leads_on(path)
            }
            Some(folder) => self.leads_on(folder) || self.place(&format!("{path}x.yaml")) != Place::Other,
        }
    }

    /// Whether manifests lie below a folder, which may not itself be a place for them.
    fn leads_on(&self, folder: &str) -> bool {
        *self == Self::Tenant
            && (layout::TENANT_ROOT == folder || layout::TENANT_ROOT.starts_with(&format!("{folder}/")))
    }

    /// Returns the generated lists that go with these manifests: path and text.
    #[must_use]
    pub fn lists<'a>(&self, manifests: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
        let (path, entries): (String, Vec<String>) = match self {
            Self::Product(_) => (
                layout::PRODUCT_KUSTOMIZATION.to_owned(),
                manifests.map(|path| format!("../{path}")).collect(),
            ),
            Self::Tenant => {
                let clusters = format!("{}/clusters/", layout::TENANT_ROOT);
                let entries = manifests
                    .filter_map(|path| path.strip_prefix(&clusters))
                    .map(str::to_owned)
                    .collect();
                (format!("{clusters}kustomization.yaml"), entries)
            }
        };
        vec![(path, kustomization(entries))]
    }
}

impl fmt::Display for RepoRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("the tenant"),
            Self::Product(product) => write!(f, "product {product}"),
        }
    }
}

/// Writes a kustomization that lists files, in order.
fn kustomization(mut entries: Vec<String>) -> String {
    entries.sort();
    let mut text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n".to_owned();
    if !entries.is_empty() {
        text.push_str("resources:\n");
    }
    for entry in entries {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
        if entry.starts_with(|c: char| c == '.' || c.is_ascii_alphabetic()) && entry.bytes().all(plain) {
            text.push_str(&format!("- {entry}\n"));
        } else {
            // A JSON string is a YAML string.
            text.push_str(&format!("- {}\n", serde_json::Value::String(entry)));
        }
    }
    text
}

/// Returns the path of a resource that has none yet: the usual one, or, where the usual one belongs to what the
/// folder is for (a runtime with the name of its project), one beside it.
pub(crate) fn path_for(resource: &Resource, taken: impl Fn(&str) -> bool) -> Option<String> {
    let usual = layout::path_of(resource);
    let beside = || {
        let kind = resource.kind().name().to_ascii_lowercase();
        usual
            .strip_suffix(".yaml")
            .map(|stem| format!("{stem}-{kind}.yaml"))
    };
    let second = matches!(
        resource.kind(),
        Kind::ProjectPipelineRuntime | Kind::CodeRepoBinding | Kind::ProjectArtifactRepo
    ) && usual.strip_suffix(".yaml").is_some_and(|stem| {
        let mut parts = stem.rsplit('/');
        parts.next() == parts.next()
    });
    let first = if second { None } else { Some(usual.clone()) };
    first.into_iter().chain(beside()).find(|path| !taken(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> RepoRef {
        RepoRef::Product("demo".parse().unwrap())
    }

    #[test]
    fn only_places_of_manifests_are_looked_at() {
        for path in [
            "envs/",
            "envs/a.yaml",
            "envs/a.json",
            "projects/",
            "projects/production/",
            "envs",
            "envs/deep/er/",
        ] {
            assert!(product().wants(path), "{path}");
        }
        for path in [
            "README.md",
            "templates/",
            "production/",
            "production/kustomization.yaml",
            "envs/README.md",
        ] {
            assert!(!product().wants(path), "{path}");
        }
        for path in [
            "nautes/",
            "nautes/overlays/production/",
            "nautes/overlays/production/clusters/a.yaml",
            "nautes",
        ] {
            assert!(RepoRef::Tenant.wants(path), "{path}");
        }
        for path in [
            "tenant/",
            "nautes/base/",
            "README.md",
            "nautes/overlays/production/clusters/kustomization.yaml",
        ] {
            assert!(!RepoRef::Tenant.wants(path), "{path}");
        }
    }

    #[test]
    fn lists_are_sorted_and_complete() {
        let lists = product().lists(["runtimes/b.yaml", "envs/a: b.yaml", "envs/a.yaml"].into_iter());
        assert_eq!(
            lists,
            [(
                "production/kustomization.yaml".to_owned(),
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n\
                 - ../envs/a.yaml\n- \"../envs/a: b.yaml\"\n- ../runtimes/b.yaml\n"
                    .to_owned()
            )]
        );
        assert!(!product().lists([].into_iter())[0].1.contains("resources"));
    }
}
