//! From what is declared to the keys that open a repository: a pure function of the access relation.
//!
//! A repository opens itself to another by enabling the other's own key, so that who may read the secret of the one may
//! fetch the other, and no secret is copied. A key that may push is enabled only where the relation says [`Level::Write`];
//! the one that reads is enabled for both levels, because writing includes reading.

use std::collections::BTreeMap;

use nautes_model::{Identity, Scopes};
use nautes_validate::{Access, Level};

/// Returns the repositories whose keys open `repo`, and how far. Its own keys are not among them.
pub(super) fn keys_on(scopes: &Scopes, access: &Access, repo: &Identity) -> BTreeMap<Identity, Level> {
    let mut allowed: BTreeMap<Identity, Level> = BTreeMap::new();
    for (who, level, _) in access.grantees(repo) {
        let Some(scope) = scopes.products.get(&who.product) else {
            continue;
        };
        let of_grantee = scope.code_repos().filter(|(_, theirs)| {
            who.project
                .as_ref()
                .is_none_or(|p| theirs.spec.project == p.as_str())
        });
        for (theirs, _) in of_grantee.filter(|(theirs, _)| theirs.identity != *repo) {
            let kept = allowed.entry(theirs.identity.clone()).or_insert(level);
            *kept = level.max(*kept);
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use nautes_model::Kind;
    use nautes_model::manifest::{self, Context, Form};
    use proptest::prelude::*;

    use super::*;

    const PRODUCTS: [&str; 2] = ["shop", "books"];
    const PROJECTS: [&str; 2] = ["web", "data"];

    #[derive(Clone, Debug)]
    struct Repo {
        product: usize,
        project: Option<usize>,
    }

    #[derive(Clone, Debug)]
    struct Binding {
        repo: usize,
        grantee: usize,
        projects: Vec<usize>,
        write: bool,
    }

    fn repos() -> impl Strategy<Value = Vec<Repo>> {
        let repo = (0..PRODUCTS.len(), prop::option::of(0..PROJECTS.len()))
            .prop_map(|(product, project)| Repo { product, project });
        prop::collection::vec(repo, 1..6)
    }

    fn bindings() -> impl Strategy<Value = Vec<Binding>> {
        let projects = prop::sample::subsequence(vec![0, 1], 0..=2);
        let binding = (0..6usize, 0..PRODUCTS.len(), projects, any::<bool>()).prop_map(
            |(repo, grantee, projects, write)| Binding {
                repo,
                grantee,
                projects,
                write,
            },
        );
        prop::collection::vec(binding, 0..5)
    }

    fn identity(repos: &[Repo], at: usize) -> Identity {
        let product = PRODUCTS[repos[at].product].parse().unwrap();
        Identity::product(Kind::CodeRepo, product, format!("repo-{at}").parse().unwrap())
    }

    fn declared(repos: &[Repo], bindings: &[Binding]) -> Scopes {
        let kind =
            |kind: &str| format!("---\napiVersion: nautes.resource.nautes.io/v1alpha1\nkind: {kind}\n");
        let mut text = String::new();
        for product in PRODUCTS {
            let _ = writeln!(text, "{}spec: {{name: {product}}}", kind("Product"));
            for project in PROJECTS {
                let spec = format!("{{name: {project}, product: {product}, language: rust}}");
                let _ = writeln!(text, "{}spec: {spec}", kind("Project"));
            }
        }
        for (at, repo) in repos.iter().enumerate() {
            let project = repo.project.map_or("", |p| PROJECTS[p]);
            let product = PRODUCTS[repo.product];
            let spec = format!("{{name: repo-{at}, product: {product}, project: {project:?}}}");
            let _ = writeln!(text, "{}spec: {spec}", kind("CodeRepo"));
        }
        for (at, binding) in bindings.iter().enumerate() {
            let projects: Vec<_> = binding.projects.iter().map(|p| PROJECTS[*p]).collect();
            let spec = format!(
                "{{name: binding-{at}, productName: {}, product: {}, coderepo: repo-{}, projects: {projects:?}, permissions: {}}}",
                PRODUCTS[repos[binding.repo].product],
                PRODUCTS[binding.grantee],
                binding.repo,
                if binding.write { "readwrite" } else { "readonly" },
            );
            let _ = writeln!(text, "{}spec: {spec}", kind("CodeRepoBinding"));
        }
        let mut scopes = Scopes::default();
        for resource in manifest::parse(&text, &Context::new("test.yaml", Form::Request)).resources {
            scopes.insert(resource);
        }
        scopes
    }

    /// What the specification says, one pair of repositories and one reason after the other.
    fn slow(repos: &[Repo], bindings: &[Binding], opened: usize, to: usize) -> Option<Level> {
        let (r, c) = (&repos[opened], &repos[to]);
        let mut level = None;
        // The same project of the same product: both keys, and no binding is needed.
        if r.product == c.product && r.project.is_some() && r.project == c.project {
            level = Some(Level::Write);
        }
        // Several bindings add up.
        for binding in bindings
            .iter()
            .filter(|b| b.repo == opened && b.grantee == c.product)
        {
            let whole = binding.projects.is_empty();
            if whole || c.project.is_some_and(|p| binding.projects.contains(&p)) {
                let given = if binding.write { Level::Write } else { Level::Read };
                level = level.max(Some(given));
            }
        }
        level
    }

    proptest! {
        #[test]
        fn the_keys_are_those_of_the_specification(repos in repos(), bindings in bindings()) {
            let bindings: Vec<_> = bindings.into_iter().filter(|b| b.repo < repos.len()).collect();
            let scopes = declared(&repos, &bindings);
            let count = repos.len() + bindings.len() + PRODUCTS.len() * (1 + PROJECTS.len());
            prop_assert_eq!(scopes.iter().count(), count);
            let access = Access::of(&scopes);
            for opened in 0..repos.len() {
                let found = keys_on(&scopes, &access, &identity(&repos, opened));
                for to in 0..repos.len() {
                    let wanted = if to == opened { None } else { slow(&repos, &bindings, opened, to) };
                    prop_assert_eq!(found.get(&identity(&repos, to)).copied(), wanted, "{} on {}", to, opened);
                }
            }
        }
    }
}
