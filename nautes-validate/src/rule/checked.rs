//! What rules look at: everything that is declared, with its indexes, as a whole or product by product.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use nautes_model::kind::KINDS;
use nautes_model::kinds::{
    ArtifactRepo, ArtifactRepoProvider, Cluster, CodeRepo, CodeRepoBinding, DeploymentRuntime, Environment,
    Product, ProjectArtifactRepo, ProjectPipelineRuntime,
};
use nautes_model::name::ProductName;
use nautes_model::{Finding, Identity, Kind, Resource, Scopes, Severity, Sourced};

use super::Facts;
use crate::access::Access;
use crate::catalogue::{Catalogue, Problem};
use crate::graph::{Graph, Link, Target};
use crate::report;
use crate::resolve::Resolver;

/// A runtime, with what follows from its spec.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeUse<'a> {
    /// The runtime.
    pub sourced: &'a Sourced,
    /// Its product.
    pub product: &'a ProductName,
    /// The cluster of its environment, if both are declared.
    pub cluster: Option<(&'a Sourced, &'a Cluster)>,
    /// The field that names its namespaces.
    pub namespace_field: &'static str,
    /// Its machine account.
    pub account: &'a str,
}

impl<'a> RuntimeUse<'a> {
    /// Whether it is a deployment runtime; it is a pipeline runtime otherwise.
    #[must_use]
    pub fn is_deployment(&self) -> bool {
        self.sourced.identity.kind == Kind::DeploymentRuntime
    }

    /// Returns the namespaces in which it runs, each once: the declared ones, else one of its own name.
    #[must_use]
    pub fn namespaces(&self) -> BTreeSet<&'a str> {
        match &self.sourced.resource {
            Resource::DeploymentRuntime(r) => r.namespaces().into_iter().collect(),
            Resource::ProjectPipelineRuntime(r) => BTreeSet::from([r.namespace_name()]),
            _ => BTreeSet::new(),
        }
    }
}

/// Everything that rules look at, with its indexes, built once.
#[derive(Debug)]
pub struct Checked<'a> {
    /// What is declared.
    pub scopes: &'a Scopes,
    /// Which resource needs which.
    pub graph: Graph,
    /// Who may use which repository.
    pub access: Access,
    /// What is known beyond.
    pub facts: &'a Facts,
    /// The components, hooks and shapes that are known, with what the tenant adds.
    pub catalogue: Cow<'a, Catalogue>,
    /// What is wrong with what the tenant adds.
    pub(crate) catalogue_problems: Vec<Problem>,
    /// What the check is limited to; everything when `None`.
    pub only: Option<&'a BTreeSet<Identity>>,
    /// The part that is looked at now; everything when `None`.
    here: Option<Stretch>,
    /// The state before, when a change is judged.
    pub before: Option<&'a Self>,
    /// What the change removes.
    pub(crate) removed: BTreeSet<Identity>,
    /// What the change removes although something still needs it, and what needs it.
    pub(crate) still_needed: BTreeMap<Identity, BTreeSet<Identity>>,
    pub(crate) resolver: Cow<'a, Resolver>,
    /// Every resource, the tenant's first, then product by product, as the graph numbers them.
    sources: Vec<&'a Sourced>,
    /// In the same order.
    runtimes: Vec<RuntimeUse<'a>>,
    /// The numbers of the runtimes.
    runtime_numbers: Vec<usize>,
}

/// The tenant, or one product, in the order of [`Checked`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// The numbers of its resources.
    sources: (usize, usize),
    /// Where each kind begins, and the end.
    kinds: [usize; KINDS.len() + 1],
    /// The places of its runtimes among all runtimes.
    runtimes: (usize, usize),
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $many:ident, $one:ident => $kind:ident;)*) => {
        impl<'a> Checked<'a> {
            $(
                $(#[$doc])*
                pub fn $many(&self) -> impl Iterator<Item = (&'a Sourced, &'a $kind)> {
                    self.wanted(self.all_of(Kind::$kind)).filter_map(|s| match &s.resource {
                        Resource::$kind(r) => Some((s, &**r)),
                        _ => None,
                    })
                }

                /// Finds one by identity.
                #[must_use]
                pub fn $one(&self, identity: &Identity) -> Option<(&'a Sourced, &'a $kind)> {
                    let sourced = self.sourced(identity)?;
                    match &sourced.resource {
                        Resource::$kind(r) => Some((sourced, &**r)),
                        _ => None,
                    }
                }
            )*
        }
    };
}

kinds! {
    /// Goes through the clusters to be checked.
    clusters, cluster => Cluster;
    /// Goes through the products to be checked.
    products, product => Product;
    /// Goes through the environments to be checked.
    environments, environment => Environment;
    /// Goes through the repositories to be checked.
    code_repos, code_repo => CodeRepo;
    /// Goes through the artifact platforms to be checked.
    artifact_repo_providers, artifact_repo_provider => ArtifactRepoProvider;
    /// Goes through the artifact repositories to be checked.
    artifact_repos, artifact_repo => ArtifactRepo;
    /// Goes through the uses of artifact repositories by projects to be checked.
    project_artifact_repos, project_artifact_repo => ProjectArtifactRepo;
    /// Goes through the bindings to be checked.
    bindings, binding => CodeRepoBinding;
    /// Goes through the deployment runtimes to be checked.
    deployment_runtimes, deployment_runtime => DeploymentRuntime;
    /// Goes through the pipeline runtimes to be checked.
    pipeline_runtimes, pipeline_runtime => ProjectPipelineRuntime;
}

impl<'a> Checked<'a> {
    /// Builds the indexes.
    #[must_use]
    pub fn new(scopes: &'a Scopes, facts: &'a Facts) -> Self {
        Self::with(
            scopes,
            facts,
            Cow::Owned(Resolver::of(scopes, facts.tenant_known)),
        )
    }

    /// Builds the other indexes where what names mean is known already.
    pub(crate) fn with(scopes: &'a Scopes, facts: &'a Facts, resolver: Cow<'a, Resolver>) -> Self {
        let graph = Graph::with(&resolver, scopes.iter().map(|s| &**s));
        let access = Access::with(scopes, &resolver, &graph);
        let (catalogue, catalogue_problems) = match &scopes.tenant.catalogue {
            None => (Cow::Borrowed(&facts.catalogue), Vec::new()),
            Some(extension) => {
                let (all, problems) = facts.catalogue.extended(extension);
                (Cow::Owned(all), problems)
            }
        };
        let sources: Vec<&Sourced> = scopes.iter().map(|s| &**s).collect();
        let mut checked = Self {
            scopes,
            graph,
            access,
            facts,
            catalogue,
            catalogue_problems,
            only: None,
            here: None,
            before: None,
            removed: BTreeSet::new(),
            still_needed: BTreeMap::new(),
            resolver,
            sources,
            runtimes: Vec::new(),
            runtime_numbers: Vec::new(),
        };
        let runtimes = checked.sources.iter().enumerate();
        let runtimes = runtimes.filter_map(|(i, s)| Some((i, checked.runtime(s)?)));
        (checked.runtime_numbers, checked.runtimes) = runtimes.unzip();
        checked
    }

    /// Returns every resource, the tenant's first, then product by product.
    pub(crate) fn sources(&self) -> &[&'a Sourced] {
        &self.sources
    }

    /// Cuts everything into the tenant and the products.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        let mut all = Vec::new();
        let mut begin = 0;
        for part in self
            .sources
            .chunk_by(|a, b| a.identity.product == b.identity.product)
        {
            let end = begin + part.len();
            let at = |number| self.runtime_numbers.partition_point(|n| *n < number);
            let kind = |kind| begin + part.partition_point(|s| (s.identity.kind as usize) < kind);
            all.push(Stretch {
                sources: (begin, end),
                kinds: std::array::from_fn(kind),
                runtimes: (at(begin), at(end)),
            });
            begin = end;
        }
        all
    }

    /// Looks at one part, or at everything.
    pub(crate) const fn look_at(&mut self, here: Option<Stretch>) {
        self.here = here;
    }

    /// Limits what is reported to some resources; everything is still looked at.
    #[must_use]
    pub const fn only(mut self, only: &'a BTreeSet<Identity>) -> Self {
        self.only = Some(only);
        self
    }

    /// Judges it as a change of this state.
    pub(crate) fn after(mut self, before: &'a Self) -> Self {
        let mut removed = BTreeSet::new();
        report::different(&before.sources, &self.sources, |resource| {
            if self.is_removed(&resource.identity) {
                removed.insert(resource.identity.clone());
            }
        });
        self.removed = removed;
        self.before = Some(before);
        self.still_needed = report::still_needed(&self);
        self
    }

    fn is_removed(&self, identity: &Identity) -> bool {
        let loaded = match &identity.product {
            // A product that was not loaded has not lost anything; one that is not registered has.
            Some(product) => {
                self.scopes.products.contains_key(product) || !self.resolver.is_registered(product)
            }
            None => self.facts.tenant_known,
        };
        loaded && !self.resolver.is_present(identity) && !self.resolver.is_held(identity)
    }

    /// Whether findings about a resource are wanted.
    #[must_use]
    pub fn wants(&self, identity: &Identity) -> bool {
        self.only.is_none_or(|only| only.contains(identity))
            && self.here.is_none_or(|here| {
                let first = self.sources.get(here.sources.0);
                first.is_some_and(|first| first.identity.product == identity.product)
            })
    }

    /// Goes through the resources to be checked, the tenant's first.
    pub fn resources(&self) -> impl Iterator<Item = &'a Sourced> {
        self.wanted(self.all())
    }

    /// Goes through every resource of a kind, also those that are not to be checked, in order of product and
    /// identity; for a rule of [`Reach::Product`](super::Reach::Product), those of the product.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &'a Sourced> {
        let all = self.all_of(kind).iter().copied();
        all.filter(move |s| s.identity.kind == kind)
    }

    /// Everything that is looked at now.
    fn all(&self) -> &[&'a Sourced] {
        match &self.here {
            Some(here) => &self.sources[here.sources.0..here.sources.1],
            None => &self.sources,
        }
    }

    /// Everything of a kind that is looked at now, maybe with others.
    fn all_of(&self, kind: Kind) -> &[&'a Sourced] {
        match &self.here {
            Some(here) => &self.sources[here.kinds[kind as usize]..here.kinds[kind as usize + 1]],
            None => &self.sources,
        }
    }

    fn wanted(&self, all: &[&'a Sourced]) -> impl Iterator<Item = &'a Sourced> {
        let only = self.only;
        all.iter()
            .copied()
            .filter(move |s| only.is_none_or(|only| only.contains(&s.identity)))
    }

    /// Finds a resource by identity.
    #[must_use]
    pub fn sourced(&self, identity: &Identity) -> Option<&'a Sourced> {
        self.sources.get(self.graph.number(identity)?).copied()
    }

    /// Goes through the references of the resources to be checked, by resource and field.
    pub fn links(&self) -> impl Iterator<Item = (&'a Sourced, &Link)> {
        let begin = self.here.map_or(0, |here| here.sources.0);
        let rows = self.all().iter().zip(&self.graph.rows()[begin..]);
        rows.filter(|(from, _)| self.only.is_none_or(|only| only.contains(&from.identity)))
            .flat_map(|(from, links)| links.iter().map(move |link| (*from, link)))
    }

    /// Returns every runtime, also those that are not to be checked, in order of product and identity; for a rule
    /// of [`Reach::Product`](super::Reach::Product), those of the product.
    #[must_use]
    pub fn runtimes(&self) -> &[RuntimeUse<'a>] {
        match &self.here {
            Some(here) => &self.runtimes[here.runtimes.0..here.runtimes.1],
            None => &self.runtimes,
        }
    }

    /// Returns the runtime of an identity.
    #[must_use]
    pub fn runtime_of(&self, identity: &Identity) -> Option<&RuntimeUse<'a>> {
        let number = self.graph.number(identity)?;
        self.runtimes
            .get(self.runtime_numbers.binary_search(&number).ok()?)
    }

    /// Returns what a field of a resource names, if it is declared.
    #[must_use]
    pub fn found(&self, of: &Identity, field: &str) -> Option<&Identity> {
        self.graph.target(of, field).and_then(Target::found)
    }

    /// Returns the resource of an identity in the state before, if it was another.
    #[must_use]
    pub fn changed_from(&self, now: &Sourced) -> Option<&'a Sourced> {
        let old = self.before?.scopes.get(&now.identity)?;
        (old.resource != now.resource).then_some(&**old)
    }

    /// Makes an error about a field of a resource; its place in the file is found when the report is made.
    #[must_use]
    pub fn error(&self, rule: &str, about: &Sourced, field: &str, message: impl Into<String>) -> Finding {
        let mut finding = Finding::error(rule, &about.source.file, message).about(about.identity.clone());
        if !field.is_empty() {
            finding = finding.field(field);
        }
        finding
    }

    /// Makes a warning about a field of a resource; its place in the file is found when the report is made.
    #[must_use]
    pub fn warning(&self, rule: &str, about: &Sourced, field: &str, message: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Warning,
            ..self.error(rule, about, field, message)
        }
    }

    fn runtime(&self, sourced: &'a Sourced) -> Option<RuntimeUse<'a>> {
        let (namespace_field, account) = match &sourced.resource {
            Resource::DeploymentRuntime(r) => ("spec.destination.namespaces", r.account()),
            Resource::ProjectPipelineRuntime(r) => ("spec.destination.namespace", r.account()),
            _ => return None,
        };
        let cluster = self
            .found(&sourced.identity, "spec.destination.environment")
            .and_then(|environment| self.found(environment, "spec.cluster"))
            .and_then(|cluster| self.cluster(cluster));
        Some(RuntimeUse {
            sourced,
            product: sourced.identity.product.as_ref()?,
            cluster,
            namespace_field,
            account,
        })
    }
}
