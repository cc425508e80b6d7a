//! The credentials of a repository in the secret store, and when they are replaced.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nautes_model::annotation;
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::{SecretPath, SecretRef};
use nautes_vault::rotation::{Order, Phase, Policy, Ring, Slot};
use nautes_vault::{Expect, SecretStore, StoreError};

use super::super::readers::Readers;

const MOMENT: Duration = Duration::from_millis(100);

/// The credentials that a secret holds, as they were read.
#[derive(Debug)]
pub(super) struct Kept {
    at: SecretRef,
    pub(super) ring: Ring,
    version: Option<u64>,
}

impl Kept {
    /// Reads them; `None` if there is none.
    pub(super) async fn read(
        store: &dyn SecretStore,
        at: &SecretRef,
        companions: &[&str],
    ) -> Result<Option<Self>, StoreError> {
        let Some(found) = store.read(&at.path).await? else {
            return Ok(None);
        };
        Ok(Ring::read(&at.key, companions, found.values).map(|ring| Self {
            at: at.clone(),
            ring,
            version: Some(found.version),
        }))
    }

    /// A first credential, which is not written yet.
    pub(super) fn first(at: &SecretRef, slot: Slot, generation: u64, now: Timestamp) -> Self {
        Self {
            at: at.clone(),
            ring: Ring::first(at.key.clone(), slot, generation, now),
            version: None,
        }
    }

    /// Writes them, if nobody else has in the meantime. Returns whether that is so; then they are read again another time.
    pub(super) async fn write(&mut self, store: &dyn SecretStore) -> Result<bool, StoreError> {
        let expect = self.version.map_or(Expect::Absent, Expect::Version);
        match store.write(&self.at.path, self.ring.values(), expect).await {
            Ok(written) => {
                self.version = Some(written.version);
                Ok(true)
            }
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) const fn path(&self) -> &SecretPath {
        &self.at.path
    }
}

/// When the credentials of one repository are replaced, and what time it is.
#[derive(Clone, Debug)]
pub(super) struct Turn<'a> {
    pub(super) policy: Policy,
    pub(super) order: Order,
    pub(super) now: Timestamp,
    pub(super) readers: &'a Readers,
    /// The products that may have the credentials.
    pub(super) products: BTreeSet<ProductName>,
}

/// What keeps the one before from ending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing.
    Over,
    /// It has to work for so long yet.
    For(Duration),
    /// A cluster has not got the new one yet.
    Cluster(ClusterName),
}

impl Turn<'_> {
    /// Whether a next credential is to be made.
    pub(super) fn begins(&self, ring: &Ring) -> bool {
        ring.phase() == Phase::Settled && ring.is_due(&self.policy, self.order, self.now)
    }

    /// How long it takes until an order comes into force that is for later.
    pub(super) fn until_order(&self) -> Option<Duration> {
        let orders = [self.order.rotate_before, self.order.revoke_before];
        let later = orders.into_iter().flatten().filter(|limit| *limit > self.now);
        // A moment later, so that it has come for certain.
        later
            .map(|limit| Duration::try_from(limit.duration_since(self.now)).unwrap_or_default() + MOMENT)
            .min()
    }

    /// Whether the one before may end: its time is over, and every cluster has the new one.
    pub(super) fn rest(&self, kept: &Kept) -> Rest {
        let ring = &kept.ring;
        let rest = ring.rest(&self.policy, self.order, self.now);
        if !rest.is_zero() {
            return Rest::For(rest);
        }
        match ring.replaced() {
            // What others may know ends, whether or not a cluster answers.
            Some(replaced) if !ring.is_revoked(self.order, self.now) => self
                .readers
                .behind(kept.path(), &self.products, replaced)
                .map_or(Rest::Over, |cluster| Rest::Cluster(cluster.clone())),
            _ => Rest::Over,
        }
    }
}

/// Reads what the manifest of a repository asks for.
pub(super) fn order(metadata: &ObjectMeta) -> Order {
    Order {
        rotate_before: annotation::instant(metadata, annotation::ROTATE_BEFORE),
        revoke_before: annotation::instant(metadata, annotation::REVOKE_BEFORE),
    }
}
