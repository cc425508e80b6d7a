//! The conformance suite notices stores that break a rule: each fault below must be found.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use nautes_model::Secret;
use nautes_model::secret::{Grant, GrantScope, Principal, SecretPath, SecretRef};
use nautes_vault::{
    Expect, GrantChange, LocalStore, SecretDigest, SecretStore, StoreError, VersionInfo, Versioned, Written,
    conformance,
};

use crate::master;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    IgnoresExpectations,
    WritesWhatIsUnchanged,
    KeepsTheUndone,
    UndoesTheCurrent,
    DeletesTheCurrentOnly,
    ListsByText,
    ListsTheFirstPage,
    AddsGrantsOnly,
    ReportsNoChange,
    LetsEverybodyRead,
    LetsReadersWrite,
    ForgetsScopes,
    DigestsTheVersion,
    FoldsCase,
    JoinsNames,
    ForgetsOtherScopes,
}

/// Each fault, and the rule that it breaks.
const FAULTS: [(Fault, &str); 18] = [
    (
        Fault::IgnoresExpectations,
        "of_concurrent_writers_exactly_one_wins",
    ),
    (
        Fault::WritesWhatIsUnchanged,
        "unchanged_values_keep_their_version",
    ),
    (Fault::KeepsTheUndone, "undoing_the_first_write_leaves_nothing"),
    (
        Fault::UndoesTheCurrent,
        "undoing_may_be_repeated_and_hits_no_later_write",
    ),
    (
        Fault::DeletesTheCurrentOnly,
        "deleting_removes_everything_and_may_be_repeated",
    ),
    (Fault::ListsByText, "listing_is_by_whole_segments_and_sorted"),
    (Fault::ListsTheFirstPage, "listing_many_is_complete"),
    (Fault::AddsGrantsOnly, "converging_says_what_it_changed"),
    (Fault::ReportsNoChange, "converging_says_what_it_changed"),
    (Fault::LetsEverybodyRead, "reading_needs_the_exact_principal"),
    (Fault::LetsEverybodyRead, "reading_needs_the_exact_path"),
    (
        Fault::KeepsTheUndone,
        "undoing_the_first_write_leaves_nothing_to_read",
    ),
    (Fault::LetsReadersWrite, "only_the_level_write_may_write"),
    (Fault::ForgetsScopes, "scopes_are_listed_while_they_have_grants"),
    (Fault::DigestsTheVersion, "digests_follow_the_value"),
    (Fault::FoldsCase, "similar_paths_are_told_apart"),
    (Fault::JoinsNames, "similar_accounts_are_told_apart"),
    (
        Fault::ForgetsOtherScopes,
        "a_component_has_what_any_product_grants_it",
    ),
];

/// A good store behind one fault.
#[derive(Debug)]
struct Faulty {
    good: LocalStore,
    fault: Option<Fault>,
}

#[async_trait]
impl SecretStore for Faulty {
    fn name(&self) -> &'static str {
        "faulty"
    }

    async fn read(&self, path: &SecretPath) -> Result<Option<Versioned>, StoreError> {
        self.good.read(path).await
    }

    async fn read_version(&self, path: &SecretPath, version: u64) -> Result<Option<Versioned>, StoreError> {
        self.good.read_version(path, version).await
    }

    async fn versions(&self, path: &SecretPath) -> Result<Vec<VersionInfo>, StoreError> {
        self.good.versions(path).await
    }

    async fn write(
        &self,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        let expect = if self.fault == Some(Fault::IgnoresExpectations) {
            Expect::Any
        } else {
            expect
        };
        let written = self.good.write(path, values.clone(), expect).await?;
        if self.fault == Some(Fault::WritesWhatIsUnchanged) && !written.changed {
            let mut other = values.clone();
            other.insert("other".to_owned(), Secret::from("x"));
            let _ = self.good.write(path, other, Expect::Any).await?;
            return self.good.write(path, values, Expect::Any).await;
        }
        Ok(written)
    }

    async fn remove_version(&self, path: &SecretPath, version: u64) -> Result<(), StoreError> {
        let current = self.good.read(path).await?.map_or(version, |found| found.version);
        match self.fault {
            Some(Fault::KeepsTheUndone) => Ok(()),
            Some(Fault::UndoesTheCurrent) => self.good.remove_version(path, current).await,
            _ => self.good.remove_version(path, version).await,
        }
    }

    async fn delete(&self, path: &SecretPath) -> Result<(), StoreError> {
        match (self.fault, self.good.read(path).await?) {
            (Some(Fault::DeletesTheCurrentOnly), Some(found)) => {
                self.good.remove_version(path, found.version).await
            }
            _ => self.good.delete(path).await,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<SecretPath>, StoreError> {
        let found = self.good.list(prefix).await?;
        Ok(match self.fault {
            Some(Fault::ListsByText) => {
                let text = |path: &SecretPath| path.as_str().starts_with(prefix.trim_end_matches('/'));
                self.good.list("").await?.into_iter().filter(text).collect()
            }
            Some(Fault::ListsTheFirstPage) => found.into_iter().take(50).collect(),
            _ => found,
        })
    }

    async fn converge_grants(
        &self,
        scope: &GrantScope,
        wanted: &BTreeSet<Grant>,
    ) -> Result<GrantChange, StoreError> {
        match self.fault {
            Some(Fault::AddsGrantsOnly) => {
                let all = wanted | &self.good.grants(scope).await?;
                self.good.converge_grants(scope, &all).await
            }
            Some(Fault::ReportsNoChange) => self
                .good
                .converge_grants(scope, wanted)
                .await
                .map(|_| GrantChange::default()),
            Some(Fault::ForgetsOtherScopes) => {
                for other in self.good.grant_scopes().await? {
                    if other != *scope {
                        self.good.converge_grants(&other, &BTreeSet::new()).await?;
                    }
                }
                self.good.converge_grants(scope, wanted).await
            }
            _ => self.good.converge_grants(scope, wanted).await,
        }
    }

    async fn grants(&self, scope: &GrantScope) -> Result<BTreeSet<Grant>, StoreError> {
        self.good.grants(scope).await
    }

    async fn grant_scopes(&self) -> Result<Vec<GrantScope>, StoreError> {
        if self.fault == Some(Fault::ForgetsScopes) {
            Ok(Vec::new())
        } else {
            self.good.grant_scopes().await
        }
    }

    async fn read_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
    ) -> Result<Option<Versioned>, StoreError> {
        match self.fault {
            Some(Fault::LetsEverybodyRead) => self.good.read(path).await,
            Some(Fault::FoldsCase) => {
                let folded = path.as_str().replace('A', "a").parse().unwrap();
                self.good.read_as(principal, &folded).await
            }
            Some(Fault::JoinsNames) => {
                for scope in self.good.grant_scopes().await? {
                    for grant in self.good.grants(&scope).await? {
                        if joined(&grant.principal) == joined(principal) && grant.secret == *path {
                            return self.good.read(path).await;
                        }
                    }
                }
                self.good.read_as(principal, path).await
            }
            _ => self.good.read_as(principal, path).await,
        }
    }

    async fn write_as(
        &self,
        principal: &Principal,
        path: &SecretPath,
        values: BTreeMap<String, Secret>,
        expect: Expect,
    ) -> Result<Written, StoreError> {
        if self.fault == Some(Fault::LetsReadersWrite) {
            self.good.read_as(principal, path).await?;
            return self.good.write(path, values, expect).await;
        }
        self.good.write_as(principal, path, values, expect).await
    }

    async fn digest(&self, reference: &SecretRef) -> Result<Option<SecretDigest>, StoreError> {
        let found = self.good.digest(reference).await?;
        if self.fault != Some(Fault::DigestsTheVersion) {
            return Ok(found);
        }
        Ok(found.map(|digest| {
            let mac = format!("{:064x}", digest.version());
            serde_json::from_value(serde_json::json!({ "version": digest.version(), "digest": mac })).unwrap()
        }))
    }
}

fn joined(principal: &Principal) -> String {
    match principal {
        Principal::Account { product, account, .. } => format!("{product}-{account}"),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn each_fault_is_found_by_the_rule_that_it_breaks() {
    for (fault, rule) in FAULTS {
        let case = conformance::cases()
            .into_iter()
            .find(|case| case.name == rule)
            .unwrap();
        for (fault, holds) in [(None, true), (Some(fault), false)] {
            let store = Faulty {
                good: LocalStore::in_memory(&master()).unwrap(),
                fault,
            };
            let outcome = case.run(&store).await;
            assert_eq!(outcome.is_ok(), holds, "{rule} with {fault:?}: {outcome:?}");
        }
    }
}
