//! What holds for every plan.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::name::ProductName;
use nautes_model::scope::Broken;
use nautes_model::{Identity, Kind, Known, Scopes, Sourced};
use nautes_runtime::engine::Engines;
use nautes_runtime::object::ObjectKey;
use nautes_runtime::plan::{Inputs, Judged, Plan, check_plan, plan_product, text_with_objects};
use nautes_validate::{RuleSet, generate};
use proptest::prelude::*;

use crate::support;

fn plans(scopes: &Scopes) -> BTreeMap<ProductName, Plan> {
    let rules = RuleSet::standard();
    let judged = Judged::new(scopes, &rules);
    let engines = Engines::bundled();
    scopes
        .products
        .keys()
        .map(|product| {
            (
                product.clone(),
                plan_product(product, &judged, &Inputs::offline(), &engines),
            )
        })
        .collect()
}

fn bytes(plans: &BTreeMap<ProductName, Plan>) -> String {
    plans
        .values()
        .map(|plan| text_with_objects(plan) + &serde_json::to_string(plan).unwrap())
        .collect()
}

/// What would be removed when `after` is applied over `before`: objects that nobody plans and nobody holds.
fn removed(before: &Plan, after: &Plan) -> BTreeSet<ObjectKey> {
    let mut gone = BTreeSet::new();
    for (cluster, was) in &before.clusters {
        let is: BTreeSet<ObjectKey> = after
            .clusters
            .get(cluster)
            .into_iter()
            .flat_map(|c| c.objects())
            .map(|p| ObjectKey::of(&p.object).unwrap())
            .collect();
        for planned in was.objects() {
            let key = ObjectKey::of(&planned.object).unwrap();
            if !is.contains(&key) && !planned.owners.iter().any(|o| after.holds(o)) {
                gone.insert(key);
            }
        }
    }
    gone
}

/// Makes the file of a resource unreadable.
fn broken(scopes: &Scopes, identity: &Identity) -> Scopes {
    let mut scopes = scopes.clone();
    scopes.remove(identity);
    let file = Broken {
        path: format!("{}.yaml", identity.name),
        identities: vec![identity.clone()],
        problems: vec!["not YAML".to_owned()],
    };
    match &identity.product {
        Some(product) => scopes.products.get_mut(product).unwrap().broken.push(file),
        None => scopes.tenant.broken.push(file),
    }
    scopes
}

fn made(count: usize, seed: u64) -> Vec<Sourced> {
    generate::platform(count, seed).unwrap()
}

#[test]
fn the_generated_platform_is_planned_whole() {
    let plans = plans(&generate::scopes(&made(200, 7)));
    for (product, plan) in &plans {
        assert_eq!(check_plan(product, plan), []);
        assert!(
            plan.held.is_empty() && plan.detached.is_empty(),
            "{}",
            text_with_objects(plan)
        );
        assert!(!plan.clusters.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_the_input_gives_the_same_bytes(seed in 0u64..1000, shuffle in 0u64..1000) {
        let mut resources = made(60, seed);
        let before = bytes(&plans(&generate::scopes(&resources)));
        generate::shuffle(&mut resources, shuffle);
        prop_assert_eq!(before, bytes(&plans(&generate::scopes(&resources))));
    }

    #[test]
    fn a_broken_file_removes_nothing(seed in 0u64..1000, pick in any::<prop::sample::Index>()) {
        let resources = made(60, seed);
        let scopes = generate::scopes(&resources);
        let identity = &pick.get(&resources).identity;
        let before = plans(&scopes);
        let after = plans(&broken(&scopes, identity));
        for (product, plan) in &before {
            prop_assert_eq!(removed(plan, &after[product]), BTreeSet::new(), "{} broken", identity);
        }
    }

    #[test]
    fn a_missing_file_of_something_needed_removes_nothing_else(seed in 0u64..1000, pick in any::<prop::sample::Index>()) {
        let resources = made(60, seed);
        let scopes = generate::scopes(&resources);
        let identity = &pick.get(&resources).identity;
        prop_assume!(matches!(identity.kind, Kind::Environment | Kind::Cluster | Kind::CodeRepoProvider));
        let mut less = scopes.clone();
        less.remove(identity);
        let before = plans(&scopes);
        let after = plans(&less);
        for (product, plan) in &before {
            prop_assert_eq!(removed(plan, &after[product]), BTreeSet::new(), "without {}", identity);
        }
    }

    #[test]
    fn no_product_plans_in_a_namespace_of_another(seed in 0u64..1000, namespace in "[a-c]") {
        // All runtimes name the same few namespaces.
        let mut resources = made(80, seed);
        for sourced in &mut resources {
            if let nautes_model::Resource::DeploymentRuntime(r) = &mut sourced.resource {
                r.spec.destination.namespaces = vec![namespace.clone()];
            }
        }
        let plans = plans(&generate::scopes(&resources));
        let mut holders: BTreeMap<(String, String), BTreeSet<&ProductName>> = BTreeMap::new();
        for (product, plan) in &plans {
            prop_assert_eq!(check_plan(product, plan), vec![]);
            for (cluster, planned) in &plan.clusters {
                for object in planned.objects() {
                    let key = ObjectKey::of(&object.object).unwrap();
                    let at = key.namespace.unwrap_or(key.name);
                    holders.entry((cluster.to_string(), at)).or_default().insert(product);
                }
            }
        }
        for (at, products) in holders {
            prop_assert_eq!(products.len(), 1, "{:?}", at);
        }
    }
}

#[test]
fn nobody_survives_a_revocation_by_breaking_his_own_file() {
    let text = std::fs::read_to_string(crate::folder().join("across-products.yaml")).unwrap();
    let scopes = support::Case::read(&text).scopes;
    let shop: ProductName = "shop".parse().unwrap();
    let before = {
        let rules = RuleSet::standard();
        let judged = Judged::new(&scopes, &rules);
        plan_product(&shop, &judged, &Inputs::offline(), &Engines::bundled())
    };
    assert!(before.keep_grants_of.is_none());
    let runtime = support::identity("DeploymentRuntime/shop/books-web");
    let mut after = broken(&scopes, &runtime);
    let still = plans(&after)[&shop].keep_grants_of.clone().unwrap();
    let is_of_books = |path: &nautes_model::secret::SecretPath| path.as_str().contains("/books-");
    assert!(still.iter().any(is_of_books), "{still:?}");
    after
        .remove(&support::identity("CodeRepoBinding/books/to-shop"))
        .unwrap();
    let lost = plans(&after)[&shop].keep_grants_of.clone().unwrap();
    assert!(!lost.iter().any(is_of_books), "{lost:?}");
}

#[test]
fn what_the_store_has_beyond_the_plan_is_kept_only_while_something_is_held() {
    let text = std::fs::read_to_string(crate::folder().join("whole-product.yaml")).unwrap();
    let scopes = support::Case::read(&text).scopes;
    let (shop, cluster) = (
        "shop".parse::<ProductName>().unwrap(),
        "pipelines".parse().unwrap(),
    );
    let plan = &plans(&scopes)[&shop];
    let have = plan.clusters[&cluster].grants.clone();
    assert!(!have.is_empty());
    assert_eq!(plan.wanted_grants(&cluster, &have), have);
    let runtime = support::identity("ProjectPipelineRuntime/shop/web-pipelines");
    let held = &plans(&broken(&scopes, &runtime))[&shop];
    assert!(!held.clusters.contains_key(&cluster));
    assert_eq!(held.wanted_grants(&cluster, &have), have);
    let mut gone = scopes.clone();
    gone.remove(&runtime);
    assert!(plans(&gone)[&shop].wanted_grants(&cluster, &have).is_empty());
}

#[test]
fn an_unregistered_product_is_removed_and_an_unread_one_is_not() {
    let mut scopes = Scopes::default();
    let rules = RuleSet::standard();
    let shop: ProductName = "shop".parse().unwrap();
    let plan = |scopes: &Scopes| {
        plan_product(
            &shop,
            &Judged::new(scopes, &rules),
            &Inputs::offline(),
            &Engines::bundled(),
        )
    };
    assert_eq!(plan(&scopes), Plan::default());
    scopes.tenant.broken.push(Broken {
        path: "nautes/overlays/production/products/shop.yaml".to_owned(),
        identities: Vec::new(),
        problems: Vec::new(),
    });
    assert!(plan(&scopes).holds(&support::identity("DeploymentRuntime/shop/any")));
    assert!(!plan(&scopes).holds(&support::identity("DeploymentRuntime/books/any")));
}

#[test]
fn nothing_is_planned_before_the_cluster_was_read() {
    let text = std::fs::read_to_string(crate::folder().join("whole-product.yaml")).unwrap();
    let case = support::Case::read(&text);
    let rules = RuleSet::standard();
    let judged = Judged::new(&case.scopes, &rules);
    let shop: ProductName = "shop".parse().unwrap();
    let plan = plan_product(&shop, &judged, &Inputs::unknown(), &Engines::bundled());
    assert!(plan.clusters.is_empty());
    assert!(plan.holds(&support::identity("DeploymentRuntime/shop/web-staging")));
    let mut inputs = Inputs::unknown();
    inputs.claims.insert("staging".parse().unwrap(), Known::Absent);
    let plan = plan_product(&shop, &judged, &inputs, &Engines::bundled());
    assert_eq!(plan.clusters.len(), 1);
}

#[test]
fn a_plan_is_judged_by_the_rules_that_the_tenant_declares() {
    let mut case = support::Case::read(
        "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Product
metadata: {name: shop}
spec: {name: shop}
---
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Project
metadata: {name: till}
spec: {product: shop, language: cobol}
",
    );
    let till = support::identity("Project/shop/till");
    let rules = RuleSet::standard();
    assert_eq!(Judged::new(&case.scopes, &rules).errors(&till).count(), 0);
    case.scopes.tenant.rules.push(nautes_model::scope::RuleFile {
        file: "rules.yaml".into(),
        text: "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: Rule
metadata: {name: NoCobol}
spec: {summary: nobody writes COBOL, match: {kinds: [Project]}, assert: self.spec.language != 'cobol'}
"
        .into(),
        held: None,
    });
    let judged = Judged::new(&case.scopes, &rules);
    let found: Vec<&str> = judged.errors(&till).map(|f| f.rule.as_str()).collect();
    assert_eq!(found, ["NoCobol"]);
}
