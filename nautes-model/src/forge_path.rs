//! What a text of a person means: the name that is declared, else the path on the forge, if one thing alone has it.
//!
//! # Guarantees
//! * A declared name always means what is declared under it, whatever else has it for its path.
//! * A path that several have means none of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::ProductName;
use crate::resource::{Identity, Resource, Sourced};

/// What a text means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning<T> {
    /// Nothing that is declared.
    Nothing,
    /// One thing.
    One(T),
    /// Several have the path, in order of name; it means none of them.
    Several(Vec<T>),
}

impl<T> Meaning<T> {
    /// Returns what is meant, if that is one thing.
    #[must_use]
    pub fn one(self) -> Option<T> {
        match self {
            Self::One(one) => Some(one),
            Self::Nothing | Self::Several(_) => None,
        }
    }

    /// Turns what is meant into something else; what cannot be turned is not meant.
    pub fn filter_map<U>(self, turn: impl Fn(T) -> Option<U>) -> Meaning<U> {
        let mut all: Vec<U> = match self {
            Self::Nothing => Vec::new(),
            Self::One(one) => turn(one).into_iter().collect(),
            Self::Several(all) => all.into_iter().filter_map(turn).collect(),
        };
        match all.len() {
            0 | 1 => all.pop().map_or(Meaning::Nothing, Meaning::One),
            _ => Meaning::Several(all),
        }
    }
}

/// What has a path.
type Index = BTreeMap<String, BTreeSet<Identity>>;

/// The products and code repositories whose path on the forge is not their name, by path.
///
/// Those whose path is their name are found by it: they take no room here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForgePaths {
    groups: Index,
    repos: BTreeMap<ProductName, Index>,
}

impl ForgePaths {
    /// Learns of a resource.
    pub fn insert(&mut self, of: &Sourced) {
        let Some(path) = path_of(of) else { return };
        let index = match &of.identity.product {
            Some(product) => self.repos.entry(product.clone()).or_default(),
            None => &mut self.groups,
        };
        index
            .entry(path.to_owned())
            .or_default()
            .insert(of.identity.clone());
    }

    /// Forgets a resource.
    pub fn remove(&mut self, of: &Sourced) {
        let Some(path) = path_of(of) else { return };
        let Some(product) = &of.identity.product else {
            return take(&mut self.groups, path, &of.identity);
        };
        if let Some(index) = self.repos.get_mut(product) {
            take(index, path, &of.identity);
            if index.is_empty() {
                self.repos.remove(product);
            }
        }
    }

    /// Forgets the code repositories of a product.
    pub fn forget(&mut self, product: &ProductName) {
        self.repos.remove(product);
    }

    /// Finds the product whose group has a path.
    #[must_use]
    pub fn product(&self, path: &str) -> Meaning<ProductName> {
        let found = meaning(self.groups.get(path));
        found.filter_map(|identity| ProductName::new(identity.name.as_str()).ok())
    }

    /// Finds the code repository of a product that has a path.
    #[must_use]
    pub fn code_repo(&self, product: &ProductName, path: &str) -> Meaning<Identity> {
        let index = self.repos.get(product);
        meaning(index.and_then(|index| index.get(path))).filter_map(|identity| Some(identity.clone()))
    }
}

/// Returns the path of a product or code repository, if its name is another.
fn path_of(of: &Sourced) -> Option<&str> {
    let path = match &of.resource {
        Resource::Product(product) => &product.spec.name,
        Resource::CodeRepo(repo) => &repo.spec.repo_name,
        _ => return None,
    };
    (!path.is_empty() && *path != of.identity.name.as_str()).then_some(path)
}

fn take(index: &mut Index, path: &str, of: &Identity) {
    if let Some(all) = index.get_mut(path) {
        all.remove(of);
        if all.is_empty() {
            index.remove(path);
        }
    }
}

fn meaning(all: Option<&BTreeSet<Identity>>) -> Meaning<&Identity> {
    let all: Vec<&Identity> = all.into_iter().flatten().collect();
    match all[..] {
        [] => Meaning::Nothing,
        [one] => Meaning::One(one),
        _ => Meaning::Several(all),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind::{API_VERSION, Kind};
    use crate::manifest::{Context, Form, parse_json};
    use crate::scope::{Broken, ProductScope, Resources, Scopes, TenantScope};

    fn one(kind: &str, name: &str, spec: &serde_json::Value) -> Sourced {
        let manifest =
            json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": { "name": name }, "spec": spec });
        let mut parsed = parse_json(manifest, &Context::new("", Form::Git));
        parsed.resources.remove(0)
    }

    fn product(name: &str, group: &str) -> Sourced {
        one("Product", name, &json!({ "name": group }))
    }

    fn repo(name: &str, path: &str) -> Sourced {
        one("CodeRepo", name, &json!({ "product": "shop", "repoName": path }))
    }

    fn tenant(products: &[(&str, &str)]) -> TenantScope {
        TenantScope {
            resources: products
                .iter()
                .map(|(name, group)| product(name, group))
                .collect(),
            ..TenantScope::default()
        }
    }

    fn name(text: &str) -> ProductName {
        ProductName::new(text).unwrap()
    }

    #[test]
    fn names_go_before_groups_and_a_group_of_two_means_neither() {
        let tenant = tenant(&[
            ("product-560", "shop"),
            ("product-561", "books"),
            ("books", "other"),
            ("product-562", "twice"),
            ("product-563", "twice"),
            ("plain", "plain"),
        ]);
        for (text, meant) in [
            ("shop", Meaning::One(name("product-560"))),
            ("product-560", Meaning::One(name("product-560"))),
            ("books", Meaning::One(name("books"))),
            ("other", Meaning::One(name("books"))),
            ("plain", Meaning::One(name("plain"))),
            (
                "twice",
                Meaning::Several(vec![name("product-562"), name("product-563")]),
            ),
            ("nothing", Meaning::Nothing),
            ("No Name", Meaning::Nothing),
        ] {
            assert_eq!(tenant.find_product(text), meant, "{text}");
        }
    }

    #[test]
    fn a_name_stays_that_of_an_unreadable_file() {
        let mut tenant = tenant(&[("product-560", "shop")]);
        tenant.broken.push(Broken {
            path: "products/shop.yaml".to_owned(),
            identities: vec![product("shop", "shop").identity],
            problems: Vec::new(),
        });
        assert_eq!(tenant.find_product("shop"), Meaning::One(name("shop")));
        let mut scope = ProductScope::new(name("shop"));
        scope.resources.insert(repo("repo-1", "source"));
        let source = repo("source", "source").identity;
        scope.broken.push(Broken {
            path: "code-repos/source/source.yaml".to_owned(),
            identities: vec![source.clone()],
            problems: Vec::new(),
        });
        assert_eq!(scope.find_code_repo("source"), Meaning::One(source));
    }

    #[test]
    fn what_is_replaced_or_removed_is_found_no_more_by_its_old_path() {
        let mut all = Resources::default();
        all.insert(repo("repo-1", "source"));
        all.replace(repo("repo-1", "moved"));
        let shop = name("shop");
        assert_eq!(all.forge_paths().code_repo(&shop, "source"), Meaning::Nothing);
        let identity = repo("repo-1", "moved").identity;
        assert_eq!(
            all.forge_paths().code_repo(&shop, "moved"),
            Meaning::One(identity.clone())
        );
        let part = all.part([&identity]);
        assert_eq!(part, all, "a part knows the paths of what is in it");
        all.remove(&identity);
        assert_eq!(all, Resources::default());
    }

    #[test]
    fn of_two_declarations_the_path_of_the_one_that_counts_is_known() {
        let at = |file: &str, path: &str| {
            let mut made = repo("repo-1", path);
            made.source.file = file.into();
            made
        };
        let shop = name("shop");
        let (mut one, mut other) = (Resources::default(), Resources::default());
        for (all, order) in [(&mut one, [0, 1]), (&mut other, [1, 0])] {
            let files = [at("a.yaml", "first"), at("b.yaml", "second")];
            for index in order {
                all.insert(files[index].clone());
            }
            assert!(all.forge_paths().code_repo(&shop, "first").one().is_some());
            assert_eq!(all.forge_paths().code_repo(&shop, "second"), Meaning::Nothing);
        }
        assert_eq!(one, other);
    }

    #[test]
    fn references_across_products_name_them_either_way() {
        let mut scopes = Scopes::default();
        scopes.insert(product("product-560", "shop"));
        let mut source = repo("repo-1", "source");
        source.identity =
            Identity::product(Kind::CodeRepo, name("product-560"), source.identity.name.clone());
        scopes.insert(source.clone());
        let books = name("books");
        for text in ["shop/source", "product-560/repo-1", "shop/repo-1"] {
            let (found, _) = scopes.find_code_repo(&books, text).unwrap();
            assert_eq!(found.identity, source.identity, "{text}");
        }
        assert!(scopes.find_code_repo(&books, "source").is_none());
    }
}
