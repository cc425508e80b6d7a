//! Who may do what, against a slow reading of the manifests that looks at everything each time.

use std::collections::BTreeSet;

use nautes_model::kinds::code_repo_binding::Permission;
use nautes_model::name::ProductName;
use nautes_model::{Identity, Kind, Resource, Scopes, Sourced};
use nautes_validate::access::{Chain, Item, Key, Permissions, Subject};
use nautes_validate::{Checked, Facts, Level};
use proptest::prelude::*;

use crate::support::scopes;

const PRODUCTS: [&str; 2] = ["demo", "shop"];
/// The last is never declared.
const PROJECTS: [&str; 4] = ["", "x", "y", "gone"];
const REPOS: [&str; 2] = ["r", "s"];

/// How a binding names a repository, or a product: also what is nonsense.
const NAMES: [&str; 7] = ["r", "s", "demo/r", "shop/r", "shop/s", "none", "No Name"];
const GRANTEES: [&str; 4] = ["demo", "shop", "other", "nobody"];

#[derive(Clone, Debug)]
struct Binding {
    product: usize,
    repo: usize,
    grantee: usize,
    projects: Vec<usize>,
    write: bool,
}

#[derive(Clone, Debug)]
struct Runtime {
    product: usize,
    pipeline: bool,
    projects: Vec<usize>,
    repo: usize,
    account: usize,
    cluster: usize,
}

fn bindings() -> impl Strategy<Value = Vec<Binding>> {
    let one = (
        0..2_usize,
        0..7_usize,
        0..4_usize,
        prop::collection::vec(1..4_usize, 0..3),
        any::<bool>(),
    );
    let one = one.prop_map(|(product, repo, grantee, projects, write)| Binding {
        product,
        repo,
        grantee,
        projects,
        write,
    });
    prop::collection::vec(one, 0..8)
}

fn runtimes() -> impl Strategy<Value = Vec<Runtime>> {
    let projects = prop::collection::vec(1..4_usize, 0..3);
    let one = (
        0..2_usize,
        any::<bool>(),
        projects,
        0..7_usize,
        0..2_usize,
        0..3_usize,
    );
    let one = one.prop_map(|(product, pipeline, projects, repo, account, cluster)| Runtime {
        product,
        pipeline,
        projects,
        repo,
        account,
        cluster,
    });
    prop::collection::vec(one, 0..5)
}

/// A platform with these owners of repositories, without the repositories that are `gone`.
fn platform(owners: &[usize], gone: &[bool], bindings: &[Binding], runtimes: &[Runtime]) -> Scopes {
    let mut text = String::new();
    let mut add = |kind: &str, name: &str, product: usize, spec: &str| {
        text.push_str(&format!(
            "---\napiVersion: nautes.resource.nautes.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: product-{}\nspec: {spec}\n",
            PRODUCTS[product]
        ));
    };
    for (product, name) in PRODUCTS.iter().enumerate() {
        for project in ["x", "y"] {
            add("Project", project, product, &format!("{{product: {name}}}"));
        }
        for (cluster, env) in [("run-1", "one"), ("pipe-1", "two")] {
            let spec = format!("{{product: {name}, cluster: {cluster}, envType: test}}");
            add("Environment", env, product, &spec);
        }
    }
    for (i, owner) in owners.iter().enumerate().filter(|(i, _)| !gone[*i]) {
        let product = PRODUCTS[i / 2];
        let spec = format!("{{product: {product}, project: '{}'}}", PROJECTS[*owner]);
        add("CodeRepo", REPOS[i % 2], i / 2, &spec);
    }
    let list = |projects: &[usize]| {
        let names: BTreeSet<&str> = projects.iter().map(|p| PROJECTS[*p]).collect();
        let names: Vec<&str> = names.into_iter().collect();
        names.join(", ")
    };
    for (i, b) in bindings.iter().enumerate() {
        let spec = format!(
            "{{codeRepo: '{}', product: '{}', projects: [{}], permissions: {}}}",
            NAMES[b.repo],
            GRANTEES[b.grantee],
            list(&b.projects),
            if b.write { "readwrite" } else { "readonly" }
        );
        add("CodeRepoBinding", &format!("b-{i}"), b.product, &spec);
    }
    for (i, r) in runtimes.iter().enumerate() {
        let (product, repo) = (PRODUCTS[r.product], NAMES[r.repo]);
        let (account, environment) = (["", "bot"][r.account], ["one", "two", "none"][r.cluster]);
        if r.pipeline {
            let project = PROJECTS[r.projects.first().copied().unwrap_or(1)];
            let spec = format!(
                "{{product: {product}, project: {project}, pipelineSource: '{repo}', account: '{account}', pipelines: [], eventSources: [], pipelineTriggers: [], destination: {{environment: {environment}}}}}"
            );
            add("ProjectPipelineRuntime", &format!("p-{i}"), r.product, &spec);
        } else {
            let spec = format!(
                "{{product: {product}, projectsRef: [{}], account: '{account}', manifestSource: {{codeRepo: '{repo}', targetRevision: main, path: a}}, destination: {{environment: {environment}}}}}",
                list(&r.projects)
            );
            add("DeploymentRuntime", &format!("d-{i}"), r.product, &spec);
        }
    }
    scopes("platform.yaml", &text)
}

/// The repository that a text means from within a product.
fn named(from: &str, text: &str) -> (String, String) {
    let (product, name) = text.split_once('/').unwrap_or((from, text));
    (product.to_owned(), name.to_owned())
}

fn is_declared(scopes: &Scopes, repo: &Identity) -> bool {
    scopes.iter().any(|s| s.identity == *repo)
}

fn product_of(of: &Sourced) -> &str {
    of.identity.product.as_ref().map_or("", |p| p.as_str())
}

/// What a product, or a project of it, may do on a repository.
fn grantee(scopes: &Scopes, product: &str, project: Option<&str>, repo: &Identity) -> Option<Level> {
    let mut best = None;
    let place = (repo.product.as_ref()?.to_string(), repo.name.to_string());
    if !is_declared(scopes, repo) {
        return None;
    }
    for one in scopes.iter() {
        match &one.resource {
            Resource::CodeRepo(r) if one.identity == *repo => {
                let owner = Some(r.spec.project.as_str()).filter(|p| !p.is_empty());
                if owner.is_some() && owner == project && place.0 == product {
                    best = Some(Level::Write);
                }
            }
            Resource::CodeRepoBinding(b) => {
                // It must stand with the owner, name this repository, and be for who asks.
                let owner = product_of(one);
                let names = named(owner, &b.spec.code_repo) == place && owner == place.0;
                let all = b.spec.projects.is_empty();
                let one_of = project.is_some_and(|p| b.spec.projects.iter().any(|n| n == p));
                if names && b.spec.product == product && (all || one_of) {
                    let level = match b.spec.permissions {
                        Permission::Readonly => Level::Read,
                        Permission::Readwrite => Level::Write,
                    };
                    best = best.max(Some(level));
                }
            }
            _ => {}
        }
    }
    best
}

fn on_cluster(scopes: &Scopes, product: &str, environment: &str) -> Option<String> {
    scopes.iter().find_map(|s| match &s.resource {
        Resource::Environment(e) if product_of(s) == product && s.identity.name.as_str() == environment => {
            Some(e.spec.cluster.clone())
        }
        _ => None,
    })
}

fn account(scopes: &Scopes, who: (&str, &str, &str), what: &Item) -> Option<Level> {
    let (product, account, cluster) = who;
    let mut best = None;
    for one in scopes.iter().filter(|s| product_of(s) == product) {
        match &one.resource {
            Resource::ProjectPipelineRuntime(r) => {
                let here = on_cluster(scopes, product, &r.spec.destination.environment);
                if r.account() == account && here.as_deref() == Some(cluster) {
                    best = best.max(key(
                        what,
                        grantee(scopes, product, Some(&r.spec.project), what.repo()),
                    ));
                }
            }
            Resource::DeploymentRuntime(r) => {
                let here = on_cluster(scopes, product, &r.spec.destination.environment);
                let repo = what.repo();
                let place = (repo.product.as_ref()?.to_string(), repo.name.to_string());
                let source = named(product, &r.spec.manifest_source.code_repo) == place;
                let all = if r.spec.projects_ref.is_empty() {
                    grantee(scopes, product, None, repo).is_some()
                } else {
                    let mut projects = r.spec.projects_ref.iter();
                    projects.all(|p| grantee(scopes, product, Some(p), repo).is_some())
                };
                let is_repo = matches!(what, Item::Repo(_));
                if r.account() == account && here.as_deref() == Some(cluster) && source && all && is_repo {
                    best = best.max(Some(Level::Read));
                }
            }
            _ => {}
        }
    }
    best
}

/// What a level on a repository means for one of its keys.
fn key(what: &Item, level: Option<Level>) -> Option<Level> {
    match what {
        Item::Repo(_) => level,
        Item::Secret(_, Key::Readonly) => level.map(|_| Level::Read),
        Item::Secret(_, Key::Readwrite) => level.filter(|l| *l == Level::Write).map(|_| Level::Read),
        Item::Secret(_, Key::AccessToken | Key::Webhook) => None,
    }
}

fn obvious(scopes: &Scopes, who: &Subject, what: &Item) -> Option<Level> {
    match who {
        Subject::Product(product) => key(what, grantee(scopes, product.as_str(), None, what.repo())),
        Subject::Project(product, project) => key(
            what,
            grantee(scopes, product.as_str(), Some(project.as_str()), what.repo()),
        ),
        Subject::Group(product) => match what {
            Item::Repo(repo) if repo.product.as_ref() == Some(product) && is_declared(scopes, repo) => {
                Some(Level::Write)
            }
            _ => None,
        },
        Subject::Account {
            product,
            account: name,
            cluster,
        } => account(scopes, (product.as_str(), name.as_str(), cluster.as_str()), what),
    }
}

fn subjects() -> Vec<Subject> {
    let mut all = Vec::new();
    for product in PRODUCTS.map(|p| p.parse::<ProductName>().unwrap()) {
        all.push(Subject::Product(product.clone()));
        all.push(Subject::Group(product.clone()));
        for project in &PROJECTS[1..] {
            all.push(Subject::Project(product.clone(), project.parse().unwrap()));
        }
        for account in ["bot", "p-0", "d-0", "p-1", "d-1"] {
            for cluster in ["run-1", "pipe-1"] {
                all.push(format!("account:{product}/{account}@{cluster}").parse().unwrap());
            }
        }
    }
    all
}

fn items() -> Vec<Item> {
    let mut all = Vec::new();
    for product in PRODUCTS {
        for repo in ["r", "s", "none"] {
            let repo = Identity::product(Kind::CodeRepo, product.parse().unwrap(), repo.parse().unwrap());
            all.push(Item::Repo(repo.clone()));
            all.extend(Key::ALL.map(|key| Item::Secret(repo.clone(), key)));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_answer_is_the_obvious_one(
        owners in prop::collection::vec(0..4_usize, 4),
        gone in prop::collection::vec(prop::bool::weighted(0.2), 4),
        bindings in bindings(),
        runtimes in runtimes(),
    ) {
        let scopes = platform(&owners, &gone, &bindings, &runtimes);
        let facts = Facts::default();
        let on = Checked::new(&scopes, &facts);
        let permissions = Permissions::of(&on);
        for what in items() {
            let readers = permissions.who_can(Level::Read, &what);
            let writers = permissions.who_can(Level::Write, &what);
            prop_assert!(readers.is_sorted_by_key(|e| e.subject.clone()));
            for who in subjects() {
                let wanted = obvious(&scopes, &who, &what);
                let explained = permissions.explain(&who, &what);
                prop_assert_eq!(explained.level, wanted, "{} {}", &who, &what);
                prop_assert_eq!(explained.chains.iter().map(|c| c.level).max(), wanted);
                prop_assert_eq!(permissions.can(&who, Level::Read, &what), wanted.is_some());
                prop_assert_eq!(permissions.can(&who, Level::Write, &what), wanted == Some(Level::Write));
                if let Item::Repo(repo) = &what {
                    prop_assert_eq!(permissions.repos_of(&who).get(repo).copied(), wanted, "{} {}", &who, repo);
                }
                // A project that is not declared is nobody, unless a binding names it.
                let undeclared = matches!(&who, Subject::Project(_, p) if p.as_str() == "gone");
                if !undeclared {
                    prop_assert_eq!(readers.contains(&explained), wanted.is_some(), "{} {}", &who, &what);
                    prop_assert_eq!(writers.contains(&explained), wanted == Some(Level::Write));
                }
            }
        }
    }

    #[test]
    fn a_product_never_comes_to_anything_without_a_binding_of_the_owner(
        owners in prop::collection::vec(0..4_usize, 4),
        bindings in bindings(),
        runtimes in runtimes(),
    ) {
        // Everything but the owner's bindings: whatever the other product writes, it comes to nothing.
        let own: Vec<Binding> = bindings.into_iter().filter(|b| b.product == 0).collect();
        let scopes = platform(&owners, &[false; 4], &own, &runtimes);
        let facts = Facts::default();
        let on = Checked::new(&scopes, &facts);
        let permissions = Permissions::of(&on);
        for what in items().iter().filter(|i| i.repo().product.as_ref().unwrap().as_str() == "shop") {
            for who in subjects().iter().filter(|s| s.product().as_str() == "demo") {
                prop_assert!(!permissions.can(who, Level::Read, what), "{who} {what}");
            }
        }
    }

    #[test]
    fn the_last_step_of_a_chain_is_declared_by_the_owner_of_the_repository(
        owners in prop::collection::vec(0..4_usize, 4),
        bindings in bindings(),
        runtimes in runtimes(),
    ) {
        let scopes = platform(&owners, &[false; 4], &bindings, &runtimes);
        let facts = Facts::default();
        let on = Checked::new(&scopes, &facts);
        let permissions = Permissions::of(&on);
        for what in items() {
            for found in permissions.who_can(Level::Read, &what) {
                for Chain { steps, .. } in found.chains {
                    let last = &steps.last().unwrap().resource;
                    let of_owner = last.product == what.repo().product || last.kind == Kind::Product;
                    // A project owns a repository that says so, also while the project itself is missing.
                    let is_there = scopes.get(last).is_some() || last.kind == Kind::Project;
                    prop_assert!(of_owner && is_there, "{last}");
                }
            }
        }
    }
}

#[test]
fn an_explanation_names_every_step_and_its_place() {
    let scopes = scopes("base.yaml", "");
    let facts = Facts::default();
    let on = Checked::new(&scopes, &facts);
    let permissions = Permissions::of(&on);
    let what: Item = "repo:demo/deploy".parse().unwrap();
    let said: Vec<String> = permissions
        .who_can(Level::Read, &what)
        .iter()
        .map(ToString::to_string)
        .collect();
    lines_are(&said.join("\n"));
    let json = serde_json::to_value(permissions.who_can(Level::Write, &what)).unwrap();
    assert_eq!(json[0]["subject"], "group:demo");
    assert_eq!(json[0]["item"], "repo:demo/deploy");
    assert_eq!(json[0]["chains"][0]["steps"][0]["because"], "member");
}

fn lines_are(said: &str) {
    let expected = "project:demo/app may read repo:demo/deploy
  read: CodeRepoBinding/demo/deploy-app (base.yaml:LINE) opens it to the project
";
    let said: String = said
        .lines()
        .map(|line| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            for word in &mut words {
                if let Some(file) = word.strip_prefix("(base.yaml:") {
                    assert!(file.trim_end_matches(')').parse::<usize>().unwrap() > 1);
                    *word = "(base.yaml:LINE)".to_owned();
                }
            }
            words.join(" ") + "\n"
        })
        .collect();
    assert!(said.contains(expected), "{said}");
    assert!(said.contains("account:demo/"), "{said}");
}

#[test]
fn what_is_printed_can_be_asked_again() {
    for who in subjects() {
        assert_eq!(who.to_string().parse(), Ok(who));
    }
    for what in items() {
        assert_eq!(what.to_string().parse(), Ok(what));
    }
    for bad in [
        "",
        "demo",
        "repo:demo",
        "user:demo",
        "account:demo/a",
        "product:No Name",
    ] {
        let error = bad.parse::<Subject>().unwrap_err().to_string();
        assert!(error.contains("product:NAME"), "{error}");
    }
    assert!("secret:demo/r/password".parse::<Item>().is_err());
}
