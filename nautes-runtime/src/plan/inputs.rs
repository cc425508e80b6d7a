//! What a plan is made from beside the declarations: each known, confirmed absent, or unknown (decision D5).

use std::collections::BTreeMap;

use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::SecretRef;
use nautes_model::{Identity, Known};

/// Who holds a namespace of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A product, by our label.
    Product(ProductName),
    /// A label of ours that names no product which is registered now: the namespace of a product, as labelled.
    Label(String),
    /// Somebody else; Nautes has not made it and never takes it over.
    Foreign,
}

/// Who holds which namespace of one cluster, as found there. Accounts need no claims: an account lives in the
/// namespaces of its product, and its rights in the secret store name the product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The holder of each namespace that exists.
    pub namespaces: BTreeMap<String, Holder>,
}

/// What is known beside the declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// Who holds the namespaces of each cluster.
    pub claims: BTreeMap<ClusterName, Known<Claims>>,
    /// What holds for a cluster that is not listed in `claims`.
    pub other_claims: Known<Claims>,
    /// Keyed digests of secret values. For one that is not listed nobody has looked: it is planned, without a
    /// digest.
    pub digests: BTreeMap<SecretRef, Known<String>>,
    /// The ids that repositories have on the forge; they prove names which older versions gave.
    pub forge_ids: BTreeMap<Identity, u64>,
}

impl Default for Inputs {
    fn default() -> Self {
        Self::unknown()
    }
}

impl Inputs {
    /// Nothing has been read yet: what needs a cluster is held.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            claims: BTreeMap::new(),
            other_claims: Known::Unknown("nobody has read it yet".to_owned()),
            digests: BTreeMap::new(),
            forge_ids: BTreeMap::new(),
        }
    }

    /// For planning from files alone: every cluster is taken as free of other people's namespaces.
    #[must_use]
    pub fn offline() -> Self {
        Self {
            other_claims: Known::Absent,
            ..Self::unknown()
        }
    }

    /// Returns who holds the namespaces of a cluster.
    #[must_use]
    pub fn claims_of(&self, cluster: &ClusterName) -> &Known<Claims> {
        self.claims.get(cluster).unwrap_or(&self.other_claims)
    }

    /// Returns the digest of a secret value; `None` when nobody has looked.
    #[must_use]
    pub fn digest_of(&self, secret: &SecretRef) -> Option<&Known<String>> {
        self.digests.get(secret)
    }
}

impl Claims {
    /// Reads the holder of a namespace from its labels.
    #[must_use]
    pub fn holder<'a>(
        belongs_to: Option<&str>,
        mut registered: impl Iterator<Item = &'a ProductName>,
    ) -> Holder {
        match belongs_to {
            None => Holder::Foreign,
            Some(label) => registered
                .find(|product| product.namespace() == label)
                .map_or_else(|| Holder::Label(label.to_owned()), |p| Holder::Product(p.clone())),
        }
    }

    /// Returns who else holds a namespace: `None` if it is free or the product's own.
    #[must_use]
    pub fn other_holder(&self, namespace: &str, product: &ProductName) -> Option<&Holder> {
        self.namespaces.get(namespace).filter(|holder| match holder {
            Holder::Product(of) => of != product,
            Holder::Label(label) => *label != product.namespace(),
            Holder::Foreign => true,
        })
    }
}
