//! Maps by identity, one for each product: what belongs together lies together, so that who works on one product
//! finds it in a few places of memory however large the platform is.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use nautes_model::Identity;
use nautes_model::kind::KINDS;
use nautes_model::name::{ProductName, ResourceName};

/// Values by identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table<V> {
    tenant: Names<V>,
    products: HashMap<ProductName, Names<V>, RandomState>,
}

/// Values by name, a map for each kind.
type Names<V> = [HashMap<ResourceName, V, RandomState>; KINDS.len()];

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self {
            tenant: names(),
            products: HashMap::default(),
        }
    }
}

impl<V> Table<V> {
    /// Returns the value of an identity.
    pub(crate) fn get(&self, of: &Identity) -> Option<&V> {
        let names = match &of.product {
            None => &self.tenant,
            Some(product) => self.products.get(product)?,
        };
        names[of.kind as usize].get(&of.name)
    }

    /// Whether there is a value of an identity.
    pub(crate) fn contains(&self, of: &Identity) -> bool {
        self.get(of).is_some()
    }

    /// Sets the value of an identity and returns the one that it had.
    pub(crate) fn insert(&mut self, of: &Identity, value: V) -> Option<V> {
        self.names(of).insert(of.name.clone(), value)
    }

    /// Returns the value of an identity, to be changed.
    pub(crate) fn get_or_default(&mut self, of: &Identity) -> &mut V
    where
        V: Default,
    {
        self.names(of).entry(of.name.clone()).or_default()
    }

    fn names(&mut self, of: &Identity) -> &mut HashMap<ResourceName, V, RandomState> {
        let names = match &of.product {
            None => &mut self.tenant,
            Some(product) => self.products.entry(product.clone()).or_insert_with(names),
        };
        &mut names[of.kind as usize]
    }

    /// Takes out the value of an identity.
    pub(crate) fn remove(&mut self, of: &Identity) -> Option<V> {
        let Some(product) = &of.product else {
            return self.tenant[of.kind as usize].remove(&of.name);
        };
        let names = self.products.get_mut(product)?;
        let value = names[of.kind as usize].remove(&of.name);
        if names.iter().all(HashMap::is_empty) {
            self.products.remove(product);
        }
        value
    }
}

fn names<V>() -> Names<V> {
    std::array::from_fn(|_| HashMap::default())
}

#[cfg(test)]
mod tests {
    use nautes_model::Kind;

    use super::*;

    #[test]
    fn the_same_name_of_another_kind_or_product_is_another() {
        let name = || ResourceName::new("a").unwrap();
        let product = |p: &str| ProductName::new(p).unwrap();
        let all = [
            Identity::tenant(Kind::Product, name()),
            Identity::tenant(Kind::Cluster, name()),
            Identity::product(Kind::Project, product("p"), name()),
            Identity::product(Kind::Project, product("q"), name()),
            Identity::product(Kind::CodeRepo, product("p"), name()),
        ];
        let mut table = Table::default();
        for (i, identity) in all.iter().enumerate() {
            assert_eq!(table.insert(identity, i), None);
        }
        for (i, identity) in all.iter().enumerate() {
            assert_eq!(table.get(identity), Some(&i));
            assert_eq!(table.remove(identity), Some(i));
            assert!(!table.contains(identity));
        }
        assert!(table.products.is_empty());
    }
}
