//! Properties: the naming is one to one, and the store behaves like an obvious model of itself.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::name::{ProductName, ResourceName};
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal};
use nautes_vault::keys::{self, RepoCredential, RepoId};
use nautes_vault::store::KEPT_VERSIONS;
use nautes_vault::{Expect, LocalStore, SecretStore, StoreError};
use proptest::prelude::*;

use crate::{master, one, path, runtime};

/// Names that meet often: few letters, many dashes, and the form of legacy names.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ab]([ab-]{0,4}[ab])?",
        1 => "(repo|a)(-[0-9]{1,2})?",
        1 => "[0-9]{1,2}",
        1 => "[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?",
    ]
}

proptest! {
    #[test]
    fn different_repositories_have_different_ids(pairs in proptest::collection::btree_set((name(), name()), 2..40), legacy in any::<u64>()) {
        let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
        for n in [0, 7, 42, legacy] {
            seen.insert(RepoId::legacy(n).to_string(), ("legacy".to_owned(), n.to_string()));
        }
        for (product, repo) in pairs {
            let (p, r): (ProductName, ResourceName) = (product.parse().unwrap(), repo.parse().unwrap());
            let id = RepoId::new(&p, &r).to_string();
            prop_assert!(keys::legacy_number(&id).is_none(), "{product}/{repo} looks legacy: {id}");
            let met = seen.insert(id.clone(), (product.clone(), repo.clone()));
            prop_assert!(met.is_none(), "{product}/{repo} and {met:?} meet in {id}");
        }
    }

    #[test]
    fn every_split_of_one_text_has_its_own_id(text in "[ab]-?[ab]-[ab]-?[ab]-[ab][ab]?-[ab]") {
        let splits: Vec<_> = text.match_indices('-').map(|(at, _)| (&text[..at], &text[at + 1..])).collect();
        let ids: BTreeSet<_> =
            splits.iter().map(|(p, r)| RepoId::new(&p.parse().unwrap(), &r.parse().unwrap())).collect();
        prop_assert_eq!(ids.len(), splits.len());
    }

    #[test]
    fn paths_have_safe_characters_only(product in name(), repo in name(), provider in name()) {
        let id = RepoId::new(&product.parse().unwrap(), &repo.parse().unwrap());
        let mut all = vec![keys::kubeconfig(&provider.parse().unwrap()), keys::provider_root(&provider.parse().unwrap())];
        all.extend(RepoCredential::ALL.map(|what| keys::repo(&provider, &id, what).unwrap()));
        let distinct: BTreeSet<_> = all.iter().map(|r| r.path.clone()).collect();
        prop_assert_eq!(distinct.len(), all.len());
        for reference in all {
            let safe = |c: char| c.is_ascii_alphanumeric() || c == '/' || c == '-';
            prop_assert!(reference.path.as_str().chars().all(safe), "{}", reference);
        }
    }

    #[test]
    fn provider_types_never_break_out_of_their_segment(provider in ".{0,80}") {
        if let Ok(reference) = keys::repo(&provider, &RepoId::legacy(1), RepoCredential::Readonly) {
            prop_assert_eq!(reference.path.as_str().split('/').count(), 5);
        }
    }
}

const PRODUCTS: [&str; 2] = ["p", "q"];
const PATHS: [&str; 3] = ["git/a", "git/b", "git/a/b"];

fn scopes() -> Vec<GrantScope> {
    let cluster = "c".parse().unwrap();
    let mut scopes = vec![GrantScope::Cluster { cluster }];
    for product in PRODUCTS {
        scopes.push(GrantScope::Product {
            product: product.parse().unwrap(),
            cluster: "c".parse().unwrap(),
        });
    }
    scopes
}

fn accounts() -> Vec<Principal> {
    let account = |product: &&str| Principal::Account {
        cluster: "c".parse().unwrap(),
        product: product.parse().unwrap(),
        account: "ci".parse().unwrap(),
    };
    PRODUCTS.iter().map(account).collect()
}

fn grant() -> impl Strategy<Value = Grant> {
    (0..PRODUCTS.len(), 0..PATHS.len(), any::<bool>()).prop_map(|(product, at, write)| Grant {
        principal: accounts()[product].clone(),
        secret: path(PATHS[at]),
        level: if write {
            GrantLevel::Write
        } else {
            GrantLevel::Read
        },
    })
}

/// The next version of a secret, and what is kept of it.
type Modelled = (u64, Vec<(u64, String)>);

/// Whether the model lets a grant into a scope: a product's own accounts only.
fn fits(scope: &GrantScope, grant: &Grant) -> bool {
    match (scope, &grant.principal) {
        (GrantScope::Product { product, .. }, Principal::Account { product: of, .. }) => product == of,
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn grants_behave_like_a_map_of_sets(
        steps in proptest::collection::vec((0..3usize, proptest::collection::btree_set(grant(), 0..6)), 1..12),
    ) {
        runtime().block_on(async {
            let store = LocalStore::in_memory(&master()).unwrap();
            let mut model: BTreeMap<GrantScope, BTreeSet<Grant>> = BTreeMap::new();
            for (scope, wanted) in steps {
                let scope = scopes()[scope].clone();
                let result = store.converge_grants(&scope, &wanted).await;
                if wanted.iter().all(|grant| fits(&scope, grant)) {
                    let before = model.insert(scope.clone(), wanted.clone()).unwrap_or_default();
                    let change = result.unwrap();
                    prop_assert_eq!(change.added, &wanted - &before);
                    prop_assert_eq!(change.removed, &before - &wanted);
                    prop_assert!(store.converge_grants(&scope, &wanted).await.unwrap().is_empty());
                } else {
                    let refused = matches!(result, Err(StoreError::OutOfScope { .. }));
                    prop_assert!(refused);
                }
                model.retain(|_, grants| !grants.is_empty());
                let listed = store.grant_scopes().await.unwrap();
                prop_assert_eq!(listed, model.keys().cloned().collect::<Vec<_>>());
                for scope in scopes() {
                    prop_assert_eq!(store.grants(&scope).await.unwrap(), model.get(&scope).cloned().unwrap_or_default());
                }
                let all: Vec<_> = model.values().flatten().collect();
                for who in accounts() {
                    for at in PATHS {
                        let mine = |g: &&&Grant| g.principal == who && g.secret == path(at);
                        let may_read = all.iter().any(|g| mine(&g));
                        let may_write = all.iter().any(|g| mine(&g) && g.level == GrantLevel::Write);
                        prop_assert_eq!(store.read_as(&who, &path(at)).await.is_ok(), may_read);
                        prop_assert_eq!(store.write_as(&who, &path(at), one("v"), Expect::Any).await.is_ok(), may_write);
                    }
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn versions_behave_like_a_list(
        steps in proptest::collection::vec((0..2usize, 0..5u8, 0..4u64), 1..40),
    ) {
        runtime().block_on(async {
            let store = LocalStore::in_memory(&master()).unwrap();
            let mut model: BTreeMap<&str, Modelled> = BTreeMap::new();
            for (at, what, number) in steps {
                let at = PATHS[at];
                let (next, kept) = model.entry(at).or_insert((1, Vec::new()));
                let current = kept.last().map(|(version, _)| *version);
                let value = number.to_string();
                match what {
                    0..3 => {
                        let expect = [Expect::Any, Expect::Absent, Expect::Version(number)][usize::from(what)];
                        let result = store.write(&path(at), one(&value), expect).await;
                        let holds = match expect {
                            Expect::Any => true,
                            Expect::Absent => current.is_none(),
                            Expect::Version(version) => current == Some(version),
                        };
                        if !holds {
                            let refused = matches!(result, Err(StoreError::Conflict { found, .. }) if found == current);
                            prop_assert!(refused);
                        } else if let Some((version, _)) = kept.last().filter(|(_, last)| *last == value) {
                            let written = result.unwrap();
                            prop_assert_eq!((written.version, written.changed), (*version, false));
                        } else {
                            let written = result.unwrap();
                            prop_assert_eq!((written.version, written.changed), (*next, true));
                            kept.push((*next, value));
                            *next += 1;
                            let extra = kept.len().saturating_sub(KEPT_VERSIONS);
                            kept.drain(..extra);
                        }
                    }
                    3 => {
                        store.remove_version(&path(at), number).await.unwrap();
                        kept.retain(|(version, _)| *version != number);
                    }
                    _ => {
                        store.delete(&path(at)).await.unwrap();
                        model.remove(at);
                    }
                }
                for at in &PATHS[..2] {
                    let kept = model.get(at).map(|(_, kept)| kept.clone()).unwrap_or_default();
                    let found = store.read(&path(at)).await.unwrap().map(|f| (f.version, f.values));
                    prop_assert_eq!(found, kept.last().map(|(version, value)| (*version, one(value))));
                    let versions = store.versions(&path(at)).await.unwrap();
                    let numbers: Vec<_> = versions.iter().map(|info| info.version).collect();
                    prop_assert_eq!(numbers, kept.iter().map(|(version, _)| *version).collect::<Vec<_>>());
                }
                let listed = store.list("").await.unwrap().len();
                prop_assert_eq!(listed, model.values().filter(|(_, kept)| !kept.is_empty()).count());
            }
            Ok(())
        })?;
    }
}
