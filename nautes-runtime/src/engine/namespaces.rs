//! Tenancy with plain namespaces (component `namespaces`).
//!
//! # Contract
//! * The product has a namespace of its own (`product-<name>`), and every runtime the namespaces that it names.
//!   All carry the label of the product.
//! * An account is a ServiceAccount in each of its namespaces. In each of them it is `cluster-admin` by a
//!   RoleBinding, and nowhere else; the accounts of one name in several namespaces are one account, so each of
//!   them may act in all of these namespaces.
//! * People of the product (the group of the forge) are `admin` in each namespace of the product.
//! * What two runtimes share is one object with both as owners.
//!
//! Nothing is cluster-scoped but the namespaces themselves. It does not limit network traffic or resources.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::Identity;
use nautes_model::name::{AccountName, ProductName};
use serde_json::{Value, json};

use super::{On, Rendered, TenancyEngine, Unsupported, Wave, label};
use crate::intent::{Account, Space};
use crate::plan::Planned;

/// The name of the RoleBinding for people.
pub const PEOPLE: &str = "nautes-people";
/// What an account may do in its namespaces.
const ACCOUNT_ROLE: &str = "cluster-admin";
/// What people may do in the namespaces of their product.
const PEOPLE_ROLE: &str = "admin";
const RBAC: &str = "rbac.authorization.k8s.io";

/// The engine `namespaces`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Namespaces;

impl TenancyEngine for Namespaces {
    fn name(&self) -> &'static str {
        "namespaces"
    }

    fn render(&self, _on: On<'_>, spaces: &[Space], accounts: &[Account]) -> Result<Rendered, Unsupported> {
        let mut rendered = Rendered::default();
        for ((product, namespace), of) in namespaces(spaces) {
            rendered.add(Wave::Spaces, namespace_object(&product, &namespace, &of.owners));
            rendered.add(Wave::Accounts, people_object(&product, &namespace, &of));
        }
        for ((product, name), of) in merge(accounts) {
            for namespace in of.keys() {
                let owners = &of[namespace];
                rendered.add(Wave::Accounts, account_object(&product, &name, namespace, owners));
                rendered.add(Wave::Accounts, rights_object(&product, &name, namespace, &of));
            }
        }
        Ok(rendered)
    }
}

#[derive(Default)]
struct Of {
    owners: BTreeSet<Identity>,
    people: BTreeSet<String>,
}

/// Namespaces by product and name, the product's own among them, with the union of their owners.
fn namespaces(spaces: &[Space]) -> BTreeMap<(ProductName, String), Of> {
    let mut all: BTreeMap<(ProductName, String), Of> = BTreeMap::new();
    for space in spaces {
        for name in [space.product.namespace(), space.namespace.to_string()] {
            let of = all.entry((space.product.clone(), name)).or_default();
            of.owners.extend(space.owners.iter().cloned());
            of.people.insert(space.people.clone());
        }
    }
    all
}

type Homes = BTreeMap<String, BTreeSet<Identity>>;

/// Accounts by product and name: in which namespaces, on whose behalf.
fn merge(accounts: &[Account]) -> BTreeMap<(ProductName, AccountName), Homes> {
    let mut all: BTreeMap<(ProductName, AccountName), Homes> = BTreeMap::new();
    for account in accounts {
        let homes = all
            .entry((account.product.clone(), account.name.clone()))
            .or_default();
        for namespace in &account.namespaces {
            homes
                .entry(namespace.to_string())
                .or_default()
                .extend(account.owners.iter().cloned());
        }
    }
    all
}

fn namespace_object(product: &ProductName, namespace: &str, owners: &BTreeSet<Identity>) -> Planned {
    Planned::plain(
        label::frame("v1", "Namespace", None, namespace, product, owners),
        owners,
    )
}

fn people_object(product: &ProductName, namespace: &str, of: &Of) -> Planned {
    let subjects: Vec<Value> = of
        .people
        .iter()
        .map(|group| json!({"apiGroup": RBAC, "kind": "Group", "name": group}))
        .collect();
    binding(product, namespace, PEOPLE, PEOPLE_ROLE, subjects, &of.owners)
}

fn account_object(
    product: &ProductName,
    name: &AccountName,
    namespace: &str,
    owners: &BTreeSet<Identity>,
) -> Planned {
    let object = label::frame(
        "v1",
        "ServiceAccount",
        Some(namespace),
        name.as_str(),
        product,
        owners,
    );
    Planned::plain(object, owners)
}

fn rights_object(product: &ProductName, name: &AccountName, namespace: &str, homes: &Homes) -> Planned {
    let subjects: Vec<Value> = homes
        .keys()
        .map(|home| json!({"kind": "ServiceAccount", "name": name, "namespace": home}))
        .collect();
    // It names the account in all its namespaces, so it exists on behalf of all of its runtimes.
    let owners = homes.values().flatten().cloned().collect();
    let binding_name = format!("nautes-account-{name}");
    binding(product, namespace, &binding_name, ACCOUNT_ROLE, subjects, &owners)
}

fn binding(
    product: &ProductName,
    namespace: &str,
    name: &str,
    role: &str,
    subjects: Vec<Value>,
    owners: &BTreeSet<Identity>,
) -> Planned {
    let api = format!("{RBAC}/v1");
    let mut object = label::frame(&api, "RoleBinding", Some(namespace), name, product, owners);
    object["roleRef"] = json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": role});
    object["subjects"] = Value::Array(subjects);
    Planned::plain(object, owners)
}
