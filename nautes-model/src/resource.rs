//! A resource of any kind, its identity, and where it was read from.

use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::{API_VERSION, Kind};
use crate::kinds::{
    ArtifactRepo, ArtifactRepoProvider, Cluster, CodeRepo, CodeRepoBinding, CodeRepoProvider,
    DeploymentRuntime, Environment, Product, ProductProvider, Project, ProjectArtifactRepo,
    ProjectPipelineRuntime,
};
use crate::name::{ProductName, ResourceName};
use crate::secret::Secret;
use crate::yaml::{Misfit, Node};

/// What a resource is known by: kind, product (for kinds that live in one) and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// The kind.
    pub kind: Kind,
    /// The product in which it lives; `None` for what belongs to the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<ProductName>,
    /// The name within the product or tenant.
    pub name: ResourceName,
}

impl Identity {
    /// Names something that belongs to the tenant.
    #[must_use]
    pub const fn tenant(kind: Kind, name: ResourceName) -> Self {
        Self {
            kind,
            product: None,
            name,
        }
    }

    /// Names something that belongs to a product.
    #[must_use]
    pub const fn product(kind: Kind, product: ProductName, name: ResourceName) -> Self {
        Self {
            kind,
            product: Some(product),
            name,
        }
    }
}

/// `Cluster/host-1`, `Environment/demo/dev`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.product {
            Some(product) => write!(f, "{}/{}/{}", self.kind, product, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! resources {
    ($($kind:ident),* $(,)?) => {
        /// A resource of any kind.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(missing_docs, reason = "each variant is the kind of its name")]
        pub enum Resource {
            $($kind(Box<$kind>),)*
        }

        impl Resource {
            /// Returns the kind.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)* }
            }

            /// Returns the metadata.
            #[must_use]
            pub fn metadata(&self) -> &ObjectMeta {
                match self { $(Self::$kind(r) => &r.metadata,)* }
            }

            /// Returns the metadata, to be changed.
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Self::$kind(r) => &mut r.metadata,)* }
            }

            /// Turns it into JSON: `apiVersion`, `kind`, `metadata`, `spec`, and `status` if there is one.
            ///
            /// # Errors
            /// A value cannot be serialised; it does not happen with what was read.
            pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self { $(Self::$kind(r) => serde_json::to_value(r),)* }
            }

            /// Reads it from JSON, by its `kind`. Unknown fields are ignored: for objects of a cluster.
            ///
            /// # Errors
            /// The kind or `apiVersion` is not ours, or a field has the wrong type or is missing.
            pub fn from_json(value: serde_json::Value) -> Result<Self, FromJsonError> {
                let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
                let version = value.get("apiVersion").and_then(serde_json::Value::as_str).unwrap_or_default();
                if version != API_VERSION {
                    return Err(FromJsonError::Version(version.chars().take(80).collect()));
                }
                match Kind::from_name(kind) {
                    $(Some(Kind::$kind) => serde_json::from_value::<$kind>(value)
                        .map(|r| Self::$kind(Box::new(r))).map_err(FromJsonError::Field),)*
                    None => Err(FromJsonError::Kind(kind.chars().take(80).collect())),
                }
            }

            /// Makes it from its parts; unknown fields of the spec are ignored.
            pub(crate) fn from_parts(kind: Kind, metadata: ObjectMeta, spec: Node) -> Result<Self, Misfit> {
                match kind {
                    $(Kind::$kind => {
                        let mut resource = $kind::new("", Deserialize::deserialize(spec)?);
                        resource.metadata = metadata;
                        Ok(Self::$kind(Box::new(resource)))
                    })*
                }
            }

            /// Gives it a status-less copy, as it is kept in Git.
            #[must_use]
            pub fn without_status(&self) -> Self {
                let mut copy = self.clone();
                copy.clear_status();
                copy
            }
        }

        $(
            impl From<$kind> for Resource {
                fn from(resource: $kind) -> Self {
                    Self::$kind(Box::new(resource))
                }
            }
        )*
    };
}

resources!(
    CodeRepoProvider,
    ArtifactRepoProvider,
    ProductProvider,
    Cluster,
    Product,
    Environment,
    Project,
    CodeRepo,
    CodeRepoBinding,
    ArtifactRepo,
    ProjectArtifactRepo,
    ProjectPipelineRuntime,
    DeploymentRuntime,
);

impl Resource {
    /// Returns the name (`metadata.name`), empty when there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// Drops the status.
    pub fn clear_status(&mut self) {
        match self {
            Self::CodeRepoProvider(r) => r.status = None,
            Self::ArtifactRepoProvider(r) => r.status = None,
            Self::ProductProvider(r) => r.status = None,
            Self::Cluster(r) => r.status = None,
            Self::Product(r) => r.status = None,
            Self::Environment(r) => r.status = None,
            Self::Project(r) => r.status = None,
            Self::CodeRepo(r) => r.status = None,
            Self::CodeRepoBinding(r) => r.status = None,
            Self::ArtifactRepo(r) => r.status = None,
            Self::ProjectArtifactRepo(r) => r.status = None,
            Self::ProjectPipelineRuntime(r) => r.status = None,
            Self::DeploymentRuntime(r) => r.status = None,
        }
    }

    /// Returns the product that the spec names as the owner of the resource, if the kind has such a field.
    /// A binding's `product` is its grantee, so a binding has none.
    #[must_use]
    pub fn declared_product(&self) -> Option<&str> {
        let text = match self {
            Self::Environment(r) => &r.spec.product,
            Self::Project(r) => &r.spec.product,
            Self::CodeRepo(r) => &r.spec.product,
            Self::ArtifactRepo(r) => &r.spec.product,
            Self::ProjectPipelineRuntime(r) => &r.spec.product,
            Self::DeploymentRuntime(r) => &r.spec.product,
            Self::CodeRepoProvider(_)
            | Self::ArtifactRepoProvider(_)
            | Self::ProductProvider(_)
            | Self::Cluster(_)
            | Self::Product(_)
            | Self::CodeRepoBinding(_)
            | Self::ProjectArtifactRepo(_) => return None,
        };
        (!text.is_empty()).then_some(text.as_str())
    }

    /// Writes the owner of the resource anew where the spec names one: see [`Resource::declared_product`].
    pub fn declare_product(&mut self, product: &ProductName) {
        if self.declared_product().is_none() {
            return;
        }
        let field = match self {
            Self::Environment(r) => &mut r.spec.product,
            Self::Project(r) => &mut r.spec.product,
            Self::CodeRepo(r) => &mut r.spec.product,
            Self::ArtifactRepo(r) => &mut r.spec.product,
            Self::ProjectPipelineRuntime(r) => &mut r.spec.product,
            Self::DeploymentRuntime(r) => &mut r.spec.product,
            Self::CodeRepoProvider(_)
            | Self::ArtifactRepoProvider(_)
            | Self::ProductProvider(_)
            | Self::Cluster(_)
            | Self::Product(_)
            | Self::CodeRepoBinding(_)
            | Self::ProjectArtifactRepo(_) => return,
        };
        product.as_str().clone_into(field);
    }
}

/// Why JSON is not a resource.
#[derive(Debug, thiserror::Error)]
pub enum FromJsonError {
    /// `apiVersion` is not ours.
    #[error("apiVersion {0:?} is not {API_VERSION}")]
    Version(String),
    /// The kind is not ours.
    #[error("kind {0:?} is not a kind of Nautes")]
    Kind(String),
    /// A field has the wrong type or is missing.
    #[error("a field does not fit")]
    Field(#[source] serde_json::Error),
}

/// A place in a text; lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Where a resource was read from.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// The name of the file, as given by the caller, `/`-separated; `-` for standard input.
    pub file: Arc<str>,
    /// The whole text of the file, shared by its documents.
    pub text: Arc<str>,
    /// The bytes of the document within the text.
    pub span: std::ops::Range<usize>,
    /// The line at which the document's content begins, counted from 1.
    pub line: usize,
    /// Renamed fields of this document: (path in the resource, path in the text).
    pub renamed: Arc<[(String, String)]>,
}

impl Source {
    /// A source for something that was made in memory.
    #[must_use]
    pub fn none() -> Self {
        Self {
            file: Arc::from(""),
            text: Arc::from(""),
            span: 0..0,
            line: 0,
            renamed: Arc::from([]),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A resource and where it was read from.
#[derive(Clone, Debug)]
pub struct Sourced {
    /// What it is known by.
    pub identity: Identity,
    /// The resource itself; without secrets.
    pub resource: Resource,
    /// Where it was read from.
    pub source: Source,
    /// Secrets that came with it, by the path of the field: a kubeconfig in a Cluster (`spec.kubeconfig`).
    pub secrets: Vec<(String, Secret)>,
    /// What was converted on reading, for people.
    pub notes: Vec<String>,
}

impl Sourced {
    /// Wraps a resource that was made in memory.
    #[must_use]
    pub fn made(identity: Identity, resource: Resource) -> Self {
        Self {
            identity,
            resource,
            source: Source::none(),
            secrets: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Two are equal when they declare the same; where they stand does not matter.
impl PartialEq for Sourced {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity && self.resource == other.resource && self.secrets == other.secrets
    }
}
