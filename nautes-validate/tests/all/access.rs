//! The access relation, against the obvious and slow reading of the manifests.

use std::collections::BTreeSet;

use nautes_model::kinds::code_repo_binding::Permission;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Scopes};
use nautes_validate::{Access, Because, Level};
use proptest::prelude::*;

use crate::support::{identity, scopes};

/// Looks at every repository and every binding, each time.
fn obvious(
    scopes: &Scopes,
    product: &ProductName,
    project: Option<&ResourceName>,
    repo: &Identity,
) -> Option<Level> {
    let mut best = None;
    let owner = scopes.products.get(repo.product.as_ref()?)?;
    let (_, spec) = owner.code_repo(repo.name.as_str())?;
    if owner.product == *product && project.is_some_and(|p| spec.spec.project == p.as_str()) {
        best = Some(Level::Write);
    }
    for (_, binding) in owner.code_repo_bindings() {
        let binding = &binding.spec;
        let all = binding.projects.is_empty();
        let named = project.is_some_and(|p| binding.projects.iter().any(|n| n == p.as_str()));
        if binding.code_repo == repo.name.as_str() && binding.product == product.as_str() && (all || named) {
            let level = match binding.permissions {
                Permission::Readonly => Level::Read,
                Permission::Readwrite => Level::Write,
            };
            best = best.max(Some(level));
        }
    }
    best
}

const PRODUCTS: [&str; 2] = ["demo", "shop"];
const PROJECTS: [&str; 3] = ["", "x", "y"];
const REPOS: [&str; 2] = ["r", "s"];

type Grant = (usize, usize, usize, Vec<usize>, bool);

/// A platform with these owners of repositories and these bindings: (in which product, of which
/// repository, to which product, to which projects, whether to write).
fn platform(owners: &[usize], grants: &[Grant]) -> Scopes {
    let mut text = String::new();
    let mut add = |kind: &str, name: &str, product: usize, spec: &str| {
        text.push_str(&format!(
            "---\napiVersion: nautes.resource.nautes.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: product-{}\nspec: {spec}\n",
            PRODUCTS[product]
        ));
    };
    for (i, owner) in owners.iter().enumerate() {
        let (product, repo) = (i / 2, REPOS[i % 2]);
        let spec = format!(
            "{{product: {}, project: '{}'}}",
            PRODUCTS[product], PROJECTS[*owner]
        );
        add("CodeRepo", repo, product, &spec);
    }
    for (i, (within, repo, to, projects, write)) in grants.iter().enumerate() {
        let projects: BTreeSet<&str> = projects.iter().map(|p| PROJECTS[*p]).collect();
        let projects: Vec<&str> = projects.into_iter().collect();
        let spec = format!(
            "{{codeRepo: {}, product: {}, projects: [{}], permissions: {}}}",
            REPOS[*repo],
            PRODUCTS[*to],
            projects.join(", "),
            if *write { "readwrite" } else { "readonly" }
        );
        add("CodeRepoBinding", &format!("b-{i}"), *within, &spec);
    }
    scopes("access.yaml", &text)
}

proptest! {
    #[test]
    fn the_relation_is_the_obvious_one(
        owners in prop::collection::vec(0..3_usize, 4),
        grants in prop::collection::vec(
            (0..2_usize, 0..2_usize, 0..2_usize, prop::collection::vec(1..3_usize, 0..3), any::<bool>()),
            0..8,
        ),
    ) {
        let scopes = platform(&owners, &grants);
        let access = Access::of(&scopes);
        for product in PRODUCTS {
            let product: ProductName = product.parse().unwrap();
            for project in PROJECTS {
                let project = ResourceName::new(project).ok();
                let repos = access.repos_of(&product, project.as_ref());
                for owner in PRODUCTS {
                    for repo in REPOS {
                        let repo = Identity::product(Kind::CodeRepo, owner.parse().unwrap(), repo.parse().unwrap());
                        let level = access.level(&product, project.as_ref(), &repo);
                        let wanted = obvious(&scopes, &product, project.as_ref(), &repo);
                        prop_assert_eq!(level.as_ref().map(|(l, _)| *l), wanted);
                        prop_assert_eq!(repos.get(&repo).copied(), wanted);
                        let reasons = level.map(|(_, why)| why).unwrap_or_default();
                        prop_assert_eq!(reasons.iter().map(Because::level).max(), wanted);
                    }
                }
            }
        }
    }
}

fn level(scopes: &Scopes, project: Option<&str>, repo: &str) -> Option<Level> {
    let project: Option<ResourceName> = project.map(|p| p.parse().unwrap());
    Access::of(scopes)
        .level(&"demo".parse().unwrap(), project.as_ref(), &identity(repo))
        .map(|(level, _)| level)
}

#[test]
fn a_project_writes_to_its_own_repositories() {
    let scopes = scopes("base.yaml", "");
    assert_eq!(
        level(&scopes, Some("app"), "CodeRepo/demo/source"),
        Some(Level::Write)
    );
    assert_eq!(level(&scopes, Some("lib"), "CodeRepo/demo/source"), None);
    assert_eq!(level(&scopes, None, "CodeRepo/demo/source"), None);
}

#[test]
fn a_repository_without_a_project_needs_a_binding() {
    let bound = scopes("base.yaml", "");
    assert_eq!(
        level(&bound, Some("app"), "CodeRepo/demo/deploy"),
        Some(Level::Read)
    );
    let unbound = scopes("x.yaml", "# remove: CodeRepoBinding/demo/deploy-app\n");
    assert_eq!(level(&unbound, Some("app"), "CodeRepo/demo/deploy"), None);
}

#[test]
fn a_product_cannot_grant_itself_what_belongs_to_another() {
    let text = "apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoBinding
metadata: {name: steal, namespace: product-demo}
spec: {codeRepo: shop/deploy, product: demo, permissions: readwrite}
";
    assert_eq!(level(&scopes("x.yaml", text), None, "CodeRepo/shop/deploy"), None);
}

#[test]
fn everybody_who_may_use_a_repository_is_listed_with_the_reason() {
    let access = Access::of(&scopes("base.yaml", ""));
    let all: Vec<(String, Level, Vec<Because>)> = access
        .grantees(&identity("CodeRepo/demo/deploy"))
        .map(|(who, level, why)| {
            let project = who.project.as_ref().map(ToString::to_string).unwrap_or_default();
            (format!("{}/{project}", who.product), level, why.to_vec())
        })
        .collect();
    let why = Because::Project {
        binding: identity("CodeRepoBinding/demo/deploy-app"),
        level: Level::Read,
    };
    assert_eq!(all, [("demo/app".to_owned(), Level::Read, vec![why])]);
}
