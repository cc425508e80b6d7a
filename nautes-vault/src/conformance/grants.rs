//! Cases about grants, and what principals may do.

use std::collections::BTreeSet;

use futures::future::join_all;
use nautes_model::Class;
use nautes_model::name::ClusterName;
use nautes_model::secret::{Grant, GrantLevel, GrantScope, Principal};

use super::{Case, Outcome, case, ensure, failed, one, path};
use crate::{Expect, SecretStore, StoreError};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_scope_without_grants_is_empty_and_not_listed),
        case!(converging_says_what_it_changed),
        case!(converging_twice_writes_nothing),
        case!(scopes_do_not_touch_each_other, AnyGrant),
        case!(scopes_are_listed_while_they_have_grants, AnyGrant),
        case!(a_grant_beyond_its_scope_is_refused_whole, AnyGrant),
        case!(concurrent_convergence_ends_in_one_of_the_wanted_states),
        case!(only_granted_principals_may_read),
        case!(reading_needs_the_exact_principal),
        case!(reading_needs_the_exact_path, AnyPlace),
        case!(only_the_level_write_may_write, AnyGrant),
        case!(a_right_lasts_while_any_scope_grants_it, AnyGrant),
        case!(denied_is_the_same_for_absent_secrets, AnyGrant),
        case!(grants_outlive_the_secret, AnyGrant),
        case!(similar_paths_are_told_apart, AnyGrant),
        case!(similar_accounts_are_told_apart),
        case!(a_component_has_what_any_product_grants_it, AnyGrant),
    ]
}

/// Whether the cases may clear this scope.
pub(super) fn is_ours(scope: &GrantScope) -> bool {
    match scope {
        GrantScope::Product { cluster, .. } | GrantScope::Cluster { cluster } => *cluster == here(),
    }
}

fn here() -> ClusterName {
    "conformance".parse().expect("a good name")
}

fn product(name: &str) -> GrantScope {
    GrantScope::Product {
        product: name.parse().expect("a good name"),
        cluster: here(),
    }
}

fn shared() -> GrantScope {
    GrantScope::Cluster { cluster: here() }
}

fn account(product: &str, account: &str) -> Principal {
    Principal::Account {
        cluster: here(),
        product: product.parse().expect("a good name"),
        account: account.parse().expect("a good name"),
    }
}

fn grant(principal: &Principal, below: &str, level: GrantLevel) -> Grant {
    Grant {
        principal: principal.clone(),
        secret: path(below),
        level,
    }
}

/// Returns grants to read these secrets for the account `ci` of a product.
fn reading(product: &str, paths: &[&str]) -> BTreeSet<Grant> {
    let principal = account(product, "ci");
    paths
        .iter()
        .map(|below| grant(&principal, below, GrantLevel::Read))
        .collect()
}

/// Makes secrets to be granted.
async fn exist(store: &dyn SecretStore, all: &[&str]) -> Outcome {
    for below in all {
        let written = store.write(&path(below), one("v"), Expect::Any).await;
        let _ = written.map_err(failed("writing"))?;
    }
    Ok(())
}

async fn put(store: &dyn SecretStore, scope: &GrantScope, wanted: &BTreeSet<Grant>) -> Outcome {
    store
        .converge_grants(scope, wanted)
        .await
        .map(drop)
        .map_err(failed("converging"))
}

/// Whether a principal may read; any error but a denial ends the case.
async fn may_read(store: &dyn SecretStore, principal: &Principal, below: &str) -> Result<bool, String> {
    match store.read_as(principal, &path(below)).await {
        Ok(_) => Ok(true),
        Err(StoreError::Denied { .. }) => Ok(false),
        Err(error) => Err(format!("reading as {principal} failed: {error}")),
    }
}

async fn a_scope_without_grants_is_empty_and_not_listed(store: &dyn SecretStore) -> Outcome {
    ensure!(
        store
            .grants(&product("p"))
            .await
            .map_err(failed("asking"))?
            .is_empty(),
        "it has grants"
    );
    let change = store
        .converge_grants(&product("p"), &BTreeSet::new())
        .await
        .map_err(failed("converging"))?;
    ensure!(change.is_empty(), "converging nothing changed something");
    let scopes = store.grant_scopes().await.map_err(failed("listing"))?;
    ensure!(!scopes.iter().any(is_ours), "it is listed");
    Ok(())
}

async fn converging_says_what_it_changed(store: &dyn SecretStore) -> Outcome {
    exist(store, &["a", "b", "c"]).await?;
    let (ab, bc) = (reading("p", &["a", "b"]), reading("p", &["b", "c"]));
    let change = store
        .converge_grants(&product("p"), &ab)
        .await
        .map_err(failed("converging"))?;
    ensure!(
        change.added == ab && change.removed.is_empty(),
        "the first change is {change:?}"
    );
    let change = store
        .converge_grants(&product("p"), &bc)
        .await
        .map_err(failed("converging"))?;
    ensure!(
        change.added == reading("p", &["c"]),
        "added were {:?}",
        change.added
    );
    ensure!(
        change.removed == reading("p", &["a"]),
        "removed were {:?}",
        change.removed
    );
    ensure!(
        store.grants(&product("p")).await.map_err(failed("asking"))? == bc,
        "the grants are others"
    );
    Ok(())
}

async fn converging_twice_writes_nothing(store: &dyn SecretStore) -> Outcome {
    exist(store, &["a", "b"]).await?;
    let wanted = reading("p", &["a", "b"]);
    put(store, &product("p"), &wanted).await?;
    let again = store
        .converge_grants(&product("p"), &wanted)
        .await
        .map_err(failed("converging"))?;
    ensure!(again.is_empty(), "the second call changed {again:?}");
    ensure!(
        store.grants(&product("p")).await.map_err(failed("asking"))? == wanted,
        "the grants are others"
    );
    Ok(())
}

async fn scopes_do_not_touch_each_other(store: &dyn SecretStore) -> Outcome {
    let (p, q) = (reading("p", &["a"]), reading("q", &["a"]));
    put(store, &product("p"), &p).await?;
    put(store, &product("q"), &q).await?;
    put(store, &shared(), &p).await?;
    put(store, &product("p"), &BTreeSet::new()).await?;
    ensure!(
        store.grants(&product("q")).await.map_err(failed("asking"))? == q,
        "another product lost grants"
    );
    ensure!(
        store.grants(&shared()).await.map_err(failed("asking"))? == p,
        "the cluster lost grants"
    );
    Ok(())
}

async fn scopes_are_listed_while_they_have_grants(store: &dyn SecretStore) -> Outcome {
    put(store, &product("q"), &reading("q", &["a"])).await?;
    put(store, &product("p"), &reading("p", &["a"])).await?;
    put(store, &shared(), &reading("p", &["a"])).await?;
    put(store, &product("q"), &BTreeSet::new()).await?;
    let scopes = store.grant_scopes().await.map_err(failed("listing"))?;
    ensure!(scopes.is_sorted(), "they are not sorted");
    let ours: Vec<_> = scopes.into_iter().filter(is_ours).collect();
    ensure!(ours == [product("p"), shared()], "listed are {ours:?}");
    Ok(())
}

async fn a_grant_beyond_its_scope_is_refused_whole(store: &dyn SecretStore) -> Outcome {
    let mut wanted = reading("p", &["a"]);
    wanted.extend(reading("q", &["a"]));
    let Err(error) = store.converge_grants(&product("p"), &wanted).await else {
        return Err("a grant to another product's account was accepted".to_owned());
    };
    ensure!(
        error.class() == Class::Invalid,
        "the error has class {}",
        error.class()
    );
    let cluster = "conformance-2".parse().expect("a good name");
    let elsewhere = Principal::Component {
        cluster,
        component: "sync".to_owned(),
    };
    let wanted = BTreeSet::from([grant(&elsewhere, "a", GrantLevel::Read)]);
    let refused = store.converge_grants(&shared(), &wanted).await.is_err();
    ensure!(refused, "a grant on another cluster was accepted");
    for scope in [product("p"), shared()] {
        ensure!(
            store.grants(&scope).await.map_err(failed("asking"))?.is_empty(),
            "{scope} got grants"
        );
    }
    Ok(())
}

async fn concurrent_convergence_ends_in_one_of_the_wanted_states(store: &dyn SecretStore) -> Outcome {
    exist(store, &["a", "b", "c", "d", "all"]).await?;
    // Several principals each, so that a mixture shows.
    let accounts = ["ci", "cd"].map(|name| account("p", name));
    let of = |below: &str| -> BTreeSet<Grant> {
        let paths = [below, "all"];
        let grants = accounts
            .iter()
            .flat_map(|who| paths.map(|at| grant(who, at, GrantLevel::Read)));
        grants.collect()
    };
    let wanted = ["a", "b", "c", "d"].map(of);
    let scope = product("p");
    for result in join_all(wanted.iter().map(|wanted| store.converge_grants(&scope, wanted))).await {
        result.map_err(failed("converging"))?;
    }
    let found = store.grants(&scope).await.map_err(failed("asking"))?;
    ensure!(wanted.contains(&found), "the grants are a mixture: {found:?}");
    for who in &accounts {
        for below in ["a", "b", "c", "d", "all"] {
            let granted = found.contains(&grant(who, below, GrantLevel::Read));
            ensure!(
                may_read(store, who, below).await? == granted,
                "{below} is not as the grants say"
            );
        }
    }
    let again = store.converge_grants(&scope, &found).await;
    ensure!(
        again.map_err(failed("converging again"))?.is_empty(),
        "what was found was not settled"
    );
    Ok(())
}

async fn only_granted_principals_may_read(store: &dyn SecretStore) -> Outcome {
    let _ = store
        .write(&path("a"), one("v"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    ensure!(
        !may_read(store, &account("p", "ci"), "a").await?,
        "nobody was granted anything"
    );
    put(store, &product("p"), &reading("p", &["a"])).await?;
    let found = store
        .read_as(&account("p", "ci"), &path("a"))
        .await
        .map_err(failed("reading"))?;
    ensure!(
        found.is_some_and(|found| found.values == one("v")),
        "other values came back"
    );
    put(store, &product("p"), &BTreeSet::new()).await?;
    ensure!(
        !may_read(store, &account("p", "ci"), "a").await?,
        "the right outlives its grant"
    );
    Ok(())
}

async fn reading_needs_the_exact_path(store: &dyn SecretStore) -> Outcome {
    let others = ["a/default/readonly/b", "ab"];
    exist(store, &["a"]).await?;
    exist(store, &others).await?;
    put(store, &product("p"), &reading("p", &["a"])).await?;
    for below in others {
        ensure!(
            !may_read(store, &account("p", "ci"), below).await?,
            "{below} may be read"
        );
    }
    Ok(())
}

async fn reading_needs_the_exact_principal(store: &dyn SecretStore) -> Outcome {
    exist(store, &["a"]).await?;
    put(store, &product("p"), &reading("p", &["a"])).await?;
    let elsewhere = Principal::Account {
        cluster: "conformance-2".parse().expect("a good name"),
        product: "p".parse().expect("a good name"),
        account: "ci".parse().expect("a good name"),
    };
    let component = "ci".to_owned();
    let others = [
        account("q", "ci"),
        account("p", "cd"),
        elsewhere,
        Principal::Component {
            cluster: here(),
            component: component.clone(),
        },
        Principal::Platform { component },
    ];
    for other in others {
        ensure!(!may_read(store, &other, "a").await?, "{other} may read");
    }
    Ok(())
}

async fn only_the_level_write_may_write(store: &dyn SecretStore) -> Outcome {
    let (reader, writer) = (account("p", "reader"), account("p", "writer"));
    let wanted = BTreeSet::from([
        grant(&reader, "a", GrantLevel::Read),
        grant(&writer, "a", GrantLevel::Write),
    ]);
    put(store, &product("p"), &wanted).await?;
    for who in [&reader, &account("q", "writer")] {
        match store.write_as(who, &path("a"), one("v"), Expect::Any).await {
            Err(error) if error.class() == Class::Denied => {}
            Err(error) => return Err(format!("writing as {who} gave: {error}")),
            Ok(_) => return Err(format!("{who} may write")),
        }
    }
    ensure!(
        store.read(&path("a")).await.map_err(failed("reading"))?.is_none(),
        "a denied write was written"
    );
    let written = store
        .write_as(&writer, &path("a"), one("v"), Expect::Absent)
        .await;
    ensure!(
        written.map_err(failed("writing"))?.changed,
        "the write changed nothing"
    );
    for who in [&reader, &writer] {
        ensure!(may_read(store, who, "a").await?, "{who} may not read");
    }
    Ok(())
}

async fn a_right_lasts_while_any_scope_grants_it(store: &dyn SecretStore) -> Outcome {
    let who = account("p", "ci");
    let wanted = reading("p", &["a"]);
    put(store, &product("p"), &wanted).await?;
    put(store, &shared(), &wanted).await?;
    put(store, &product("p"), &BTreeSet::new()).await?;
    ensure!(
        may_read(store, &who, "a").await?,
        "the right of the other scope is gone"
    );
    put(store, &shared(), &BTreeSet::new()).await?;
    ensure!(
        !may_read(store, &who, "a").await?,
        "the right outlives its last grant"
    );
    Ok(())
}

async fn denied_is_the_same_for_absent_secrets(store: &dyn SecretStore) -> Outcome {
    let who = account("p", "ci");
    ensure!(
        !may_read(store, &who, "absent").await?,
        "an absent secret is not denied"
    );
    put(store, &product("p"), &reading("p", &["absent"])).await?;
    let found = store
        .read_as(&who, &path("absent"))
        .await
        .map_err(failed("reading"))?;
    ensure!(found.is_none(), "an absent secret was found");
    Ok(())
}

async fn grants_outlive_the_secret(store: &dyn SecretStore) -> Outcome {
    let wanted = reading("p", &["a"]);
    put(store, &product("p"), &wanted).await?;
    let _ = store
        .write(&path("a"), one("v"), Expect::Any)
        .await
        .map_err(failed("writing"))?;
    store.delete(&path("a")).await.map_err(failed("deleting"))?;
    ensure!(
        store.grants(&product("p")).await.map_err(failed("asking"))? == wanted,
        "the grants are gone"
    );
    Ok(())
}

/// Stores that make names from paths must not make one name from two.
async fn similar_paths_are_told_apart(store: &dyn SecretStore) -> Outcome {
    let paths = [
        "s/a-b",
        "s/a/b",
        "s/a.b",
        "s/a_b",
        "s/A-b",
        "s-a/b",
        "s/a-b/write",
    ];
    let who = account("p", "ci");
    for granted in paths {
        for level in [GrantLevel::Read, GrantLevel::Write] {
            let wanted = BTreeSet::from([grant(&who, granted, level)]);
            put(store, &product("p"), &wanted).await?;
            for below in paths {
                ensure!(
                    may_read(store, &who, below).await? == (below == granted),
                    "{level:?} on {granted} decides about {below}"
                );
            }
        }
    }
    Ok(())
}

/// Stores that make names from principals must not make one name from two.
async fn similar_accounts_are_told_apart(store: &dyn SecretStore) -> Outcome {
    exist(store, &["a"]).await?;
    let accounts = [("a-b", "c"), ("a", "b-c"), ("a", "b"), ("b", "a"), ("a-b-c", "c")];
    for (of, name) in accounts {
        let wanted = BTreeSet::from([grant(&account(of, name), "a", GrantLevel::Read)]);
        put(store, &product(of), &wanted).await?;
        for (other_of, other) in accounts {
            ensure!(
                may_read(store, &account(other_of, other), "a").await? == ((of, name) == (other_of, other)),
                "a grant to {name} of {of} decides about {other} of {other_of}"
            );
        }
        put(store, &product(of), &BTreeSet::new()).await?;
    }
    Ok(())
}

async fn a_component_has_what_any_product_grants_it(store: &dyn SecretStore) -> Outcome {
    let component = Principal::Component {
        cluster: here(),
        component: "sync".to_owned(),
    };
    let of = |below: &str| BTreeSet::from([grant(&component, below, GrantLevel::Read)]);
    let scopes = [product("p"), product("q"), shared()];
    let paths = ["a", "b", "c"];
    let converging = scopes.iter().zip(paths).map(|(scope, below)| {
        let wanted = of(below);
        async move { store.converge_grants(scope, &wanted).await }
    });
    for result in join_all(converging).await {
        result.map_err(failed("converging"))?;
    }
    for (gone, scope) in scopes.iter().enumerate() {
        for (n, below) in paths.iter().enumerate() {
            ensure!(
                may_read(store, &component, below).await? == (n >= gone),
                "{below} is not as the scopes say"
            );
        }
        put(store, scope, &BTreeSet::new()).await?;
    }
    Ok(())
}
