//! The engines that there are, as a value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nautes_model::kinds::Cluster;
use nautes_model::kinds::cluster::{Component, Slot};

use super::direct::{DirectDeployment, DirectSecrets};
use super::namespaces::Namespaces;
use super::tekton::Tekton;
use super::webhook::Webhook;
use super::{DeploymentEngine, EventEngine, PipelineEngine, SecretSyncEngine, TenancyEngine};

type Named<T> = BTreeMap<&'static str, Arc<T>>;

/// The engines that there are, by slot and component name. An engine added later takes the place of one of
/// the same name.
#[derive(Clone, Debug, Default)]
pub struct Engines {
    tenancy: Named<dyn TenancyEngine>,
    deployment: Named<dyn DeploymentEngine>,
    pipeline: Named<dyn PipelineEngine>,
    events: Named<dyn EventEngine>,
    secret_sync: Named<dyn SecretSyncEngine>,
    /// Components that fill a slot and render nothing: secret stores, which the platform itself uses.
    parts: BTreeSet<(Slot, &'static str)>,
}

/// A slot of a cluster names an engine that is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingEngine {
    /// The slot.
    pub slot: Slot,
    /// The name of the component.
    pub component: String,
    /// The names of the engines that could fill the slot.
    pub there_are: Vec<&'static str>,
}

/// `no engine "hnc" for multiTenant (there are: namespaces)`.
impl std::fmt::Display for MissingEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no engine {:?} for {}", self.component, self.slot.field())?;
        if !self.there_are.is_empty() {
            write!(f, " (there are: {})", self.there_are.join(", "))?;
        }
        Ok(())
    }
}

impl Engines {
    /// No engines at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Those that come with Nautes.
    #[must_use]
    pub fn bundled() -> Self {
        Self::none()
            .with_tenancy(Arc::new(Namespaces))
            .with_deployment(Arc::new(DirectDeployment))
            .with_pipeline(Arc::new(Tekton::default()))
            .with_events(Arc::new(Webhook))
            .with_secret_sync(Arc::new(DirectSecrets))
            .with_part(Slot::SecretManagement, "local")
            .with_part(Slot::SecretManagement, "vault")
    }

    /// Adds an engine for the slot `multiTenant`.
    #[must_use]
    pub fn with_tenancy(mut self, engine: Arc<dyn TenancyEngine>) -> Self {
        self.tenancy.insert(engine.name(), engine);
        self
    }

    /// Adds an engine for the slot `deployment`.
    #[must_use]
    pub fn with_deployment(mut self, engine: Arc<dyn DeploymentEngine>) -> Self {
        self.deployment.insert(engine.name(), engine);
        self
    }

    /// Adds an engine for the slot `pipeline`.
    #[must_use]
    pub fn with_pipeline(mut self, engine: Arc<dyn PipelineEngine>) -> Self {
        self.pipeline.insert(engine.name(), engine);
        self
    }

    /// Adds an engine for the slot `eventListener`.
    #[must_use]
    pub fn with_events(mut self, engine: Arc<dyn EventEngine>) -> Self {
        self.events.insert(engine.name(), engine);
        self
    }

    /// Adds an engine for the slot `secretSync`.
    #[must_use]
    pub fn with_secret_sync(mut self, engine: Arc<dyn SecretSyncEngine>) -> Self {
        self.secret_sync.insert(engine.name(), engine);
        self
    }

    /// Says that a component fills a slot without rendering anything.
    #[must_use]
    pub fn with_part(mut self, slot: Slot, component: &'static str) -> Self {
        self.parts.insert((slot, component));
        self
    }

    /// Returns the engine of the slot `multiTenant`.
    #[must_use]
    pub fn tenancy(&self, component: &str) -> Option<&dyn TenancyEngine> {
        self.tenancy.get(component).map(|e| &**e)
    }

    /// Returns the engine of the slot `deployment`.
    #[must_use]
    pub fn deployment(&self, component: &str) -> Option<&dyn DeploymentEngine> {
        self.deployment.get(component).map(|e| &**e)
    }

    /// Returns the engine of the slot `pipeline`.
    #[must_use]
    pub fn pipeline(&self, component: &str) -> Option<&dyn PipelineEngine> {
        self.pipeline.get(component).map(|e| &**e)
    }

    /// Returns the engine of the slot `eventListener`.
    #[must_use]
    pub fn events(&self, component: &str) -> Option<&dyn EventEngine> {
        self.events.get(component).map(|e| &**e)
    }

    /// Returns the engine of the slot `secretSync`.
    #[must_use]
    pub fn secret_sync(&self, component: &str) -> Option<&dyn SecretSyncEngine> {
        self.secret_sync.get(component).map(|e| &**e)
    }

    /// Returns the names that each slot understands; a slot that nothing can fill is not listed.
    #[must_use]
    pub fn names(&self) -> BTreeMap<Slot, BTreeSet<&'static str>> {
        let mut names: BTreeMap<Slot, BTreeSet<&'static str>> = BTreeMap::new();
        for slot in Slot::ALL {
            let there_are = self.of(slot);
            if !there_are.is_empty() {
                names.insert(slot, there_are);
            }
        }
        names
    }

    /// Whether a component is there for a slot.
    #[must_use]
    pub fn has(&self, slot: Slot, component: &Component) -> bool {
        self.of(slot).contains(component.name.as_str())
    }

    /// Returns which slots of a cluster name an engine that is not there, in order of slot.
    #[must_use]
    pub fn missing(&self, cluster: &Cluster) -> Vec<MissingEngine> {
        cluster
            .spec
            .components_list
            .iter()
            .filter(|(slot, component)| !self.has(*slot, component))
            .map(|(slot, component)| MissingEngine {
                slot,
                component: component.name.clone(),
                there_are: self.of(slot).into_iter().collect(),
            })
            .collect()
    }

    fn of(&self, slot: Slot) -> BTreeSet<&'static str> {
        let parts = self
            .parts
            .iter()
            .filter(|(of, _)| *of == slot)
            .map(|(_, name)| *name);
        let rendering: Vec<&'static str> = match slot {
            Slot::MultiTenant => self.tenancy.keys().copied().collect(),
            Slot::Deployment => self.deployment.keys().copied().collect(),
            Slot::Pipeline => self.pipeline.keys().copied().collect(),
            Slot::EventListener => self.events.keys().copied().collect(),
            Slot::SecretSync => self.secret_sync.keys().copied().collect(),
            Slot::CertManagement
            | Slot::Gateway
            | Slot::OauthProxy
            | Slot::ProgressiveDelivery
            | Slot::SecretManagement => Vec::new(),
        };
        parts.chain(rendering).collect()
    }
}
