//! What a resource refers to: the edges of the dependency graph, in one place.

use std::borrow::Cow;
use std::sync::Arc;

use crate::kind::Kind;
use crate::name::{ProductName, ResourceName};
use crate::resource::{Identity, Resource, Sourced};

/// Why one resource names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// It lives in it (a resource in its product, a repository in its project).
    Owner,
    /// It cannot work without it.
    Needs,
    /// It gives the named one a permission.
    Grants,
    /// It mentions it; nothing breaks when it is missing.
    Mentions,
}

/// A reference of a resource to another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The path of the field, for example `spec.destination.environment`.
    pub field: Cow<'static, str>,
    /// The text in that field.
    pub text: Arc<str>,
    /// What it names; `None` when the text is not a name at all.
    pub to: Option<Identity>,
    /// Why.
    pub relation: Relation,
}

/// Splits a reference across products: `product/name`, or a name in the product given.
#[must_use]
pub fn within(product: Option<&ProductName>, text: &str) -> (Option<ProductName>, Option<ResourceName>) {
    match text.split_once('/') {
        Some((product, name)) => (ProductName::new(product).ok(), ResourceName::new(name).ok()),
        None => (product.cloned(), ResourceName::new(text).ok()),
    }
}

struct Refs<'a> {
    product: Option<&'a ProductName>,
    out: Vec<Reference>,
}

/// The path of a field: most are the same for every resource of a kind.
type Field = Cow<'static, str>;

impl Refs<'_> {
    fn tenant(&mut self, field: impl Into<Field>, kind: Kind, text: &str, relation: Relation) {
        if text.is_empty() {
            return;
        }
        let text = Arc::from(text);
        let to = ResourceName::shared(&text)
            .ok()
            .map(|name| Identity::tenant(kind, name));
        self.push(field, text, to, relation);
    }

    fn product(&mut self, field: impl Into<Field>, kind: Kind, text: &str, relation: Relation) {
        if text.is_empty() {
            return;
        }
        let text: Arc<str> = Arc::from(text);
        let (product, name) = match text.split_once('/') {
            Some(_) => within(self.product, &text),
            None => (self.product.cloned(), ResourceName::shared(&text).ok()),
        };
        let to = product
            .zip(name)
            .map(|(product, name)| Identity::product(kind, product, name));
        self.push(field, text, to, relation);
    }

    fn in_product(
        &mut self,
        field: impl Into<Field>,
        kind: Kind,
        product: &str,
        text: &str,
        relation: Relation,
    ) {
        if text.is_empty() {
            return;
        }
        let text = Arc::from(text);
        let to = ProductName::new(product)
            .ok()
            .zip(ResourceName::shared(&text).ok())
            .map(|(product, name)| Identity::product(kind, product, name));
        self.push(field, text, to, relation);
    }

    fn push(&mut self, field: impl Into<Field>, text: Arc<str>, to: Option<Identity>, relation: Relation) {
        self.out.push(Reference {
            field: field.into(),
            text,
            to,
            relation,
        });
    }
}

/// Returns every reference of a resource, in order of its fields. Names are taken as declared; a repository
/// may also be named by its path on the forge, which the scopes resolve.
#[must_use]
pub fn references(of: &Sourced) -> Vec<Reference> {
    use Relation::{Grants, Mentions, Needs, Owner};
    let mut refs = Refs {
        product: of.identity.product.as_ref(),
        // Most resources have that many.
        out: Vec::with_capacity(4),
    };
    if let Some(product) = of.identity.product.as_ref() {
        let to = Identity::tenant(Kind::Product, product.as_resource());
        refs.push("spec.product", product.to_shared(), Some(to), Owner);
    }
    match &of.resource {
        Resource::Cluster(r) => {
            refs.tenant("spec.hostCluster", Kind::Cluster, &r.spec.host_cluster, Needs);
            for (namespace, products) in &r.spec.reserved_namespaces_allowed_products {
                for (i, product) in products.iter().enumerate() {
                    let field = format!("spec.reservedNamespacesAllowedProducts.{namespace}[{i}]");
                    refs.tenant(field, Kind::Product, product, Mentions);
                }
            }
            for product in r.spec.product_allowed_cluster_resources.keys() {
                let field = format!("spec.productAllowedClusterResources.{product}");
                refs.tenant(field, Kind::Product, product, Mentions);
            }
        }
        Resource::ProductProvider(r) => refs.tenant("spec.name", Kind::CodeRepoProvider, &r.spec.name, Needs),
        Resource::Environment(r) => refs.tenant("spec.cluster", Kind::Cluster, &r.spec.cluster, Needs),
        Resource::CodeRepo(r) => {
            refs.tenant(
                "spec.codeRepoProvider",
                Kind::CodeRepoProvider,
                &r.spec.code_repo_provider,
                Needs,
            );
            refs.product("spec.project", Kind::Project, &r.spec.project, Owner);
        }
        Resource::CodeRepoBinding(r) => {
            refs.product("spec.codeRepo", Kind::CodeRepo, &r.spec.code_repo, Needs);
            refs.tenant("spec.product", Kind::Product, &r.spec.product, Grants);
            for (i, project) in r.spec.projects.iter().enumerate() {
                refs.in_product(
                    format!("spec.projects[{i}]"),
                    Kind::Project,
                    &r.spec.product,
                    project,
                    Grants,
                );
            }
        }
        Resource::DeploymentRuntime(r) => {
            for (i, project) in r.spec.projects_ref.iter().enumerate() {
                refs.product(format!("spec.projectsRef[{i}]"), Kind::Project, project, Needs);
            }
            refs.product(
                "spec.manifestSource.codeRepo",
                Kind::CodeRepo,
                &r.spec.manifest_source.code_repo,
                Needs,
            );
            refs.product(
                "spec.destination.environment",
                Kind::Environment,
                &r.spec.destination.environment,
                Needs,
            );
        }
        Resource::ProjectPipelineRuntime(r) => {
            refs.product("spec.project", Kind::Project, &r.spec.project, Needs);
            refs.product(
                "spec.pipelineSource",
                Kind::CodeRepo,
                &r.spec.pipeline_source,
                Needs,
            );
            refs.product(
                "spec.destination.environment",
                Kind::Environment,
                &r.spec.destination.environment,
                Needs,
            );
            for (i, source) in r.spec.event_sources.iter().enumerate() {
                if let Some(gitlab) = &source.gitlab {
                    let field = format!("spec.eventSources[{i}].gitlab.repoName");
                    refs.product(field, Kind::CodeRepo, &gitlab.repo_name, Needs);
                }
            }
            if let Some(repo) = r
                .spec
                .additional_resources
                .as_ref()
                .and_then(|a| a.git.as_ref())
                .and_then(|g| g.code_repo.as_ref())
            {
                refs.product(
                    "spec.additionalResources.git.codeRepo",
                    Kind::CodeRepo,
                    repo,
                    Needs,
                );
            }
        }
        Resource::ArtifactRepo(r) => {
            refs.tenant(
                "spec.artifactRepoProvider",
                Kind::ArtifactRepoProvider,
                &r.spec.artifact_repo_provider,
                Needs,
            );
            for (i, project) in r.spec.projects.iter().enumerate() {
                refs.product(format!("spec.projects[{i}]"), Kind::Project, project, Needs);
            }
        }
        Resource::ProjectArtifactRepo(r) => {
            refs.product("spec.project", Kind::Project, &r.spec.project, Needs);
            refs.product(
                "spec.artifactRepo",
                Kind::ArtifactRepo,
                &r.spec.artifact_repo,
                Needs,
            );
        }
        Resource::Product(_)
        | Resource::Project(_)
        | Resource::CodeRepoProvider(_)
        | Resource::ArtifactRepoProvider(_) => {}
    }
    refs.out
}
