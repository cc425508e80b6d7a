//! Platforms from text.

use std::sync::Arc;

use nautes_model::catalogue::Extension;
use nautes_model::manifest::{Context, Form, parse};
use nautes_model::name::ProductName;
use nautes_model::scope::{Broken, RuleFile};
use nautes_model::{Identity, Kind, ProductScope, Scopes, Sourced};

/// The platform that every case begins with.
pub(crate) const BASE: &str = include_str!("../cases/base.yaml");

/// Reads manifests that must be without fault.
pub(crate) fn resources(file: &str, text: &str) -> Vec<Sourced> {
    let parsed = parse(text, &Context::new(file, Form::Git));
    assert_eq!(parsed.findings, [], "{text}");
    parsed.resources
}

/// Reads what a tenant adds to the catalogue, if a text says something of it.
fn catalogue(file: &str, text: &str) -> Option<Arc<Extension>> {
    parse(text, &Context::new(file, Form::Git)).catalogue
}

/// Reads `Kind/name` or `Kind/product/name`.
pub(crate) fn identity(text: &str) -> Identity {
    let parts: Vec<&str> = text.split('/').collect();
    let kind = |name: &str| Kind::from_name(name).unwrap_or_else(|| panic!("{text}"));
    match parts.as_slice() {
        [k, name] => Identity::tenant(kind(k), name.parse().unwrap()),
        [k, product, name] => Identity::product(kind(k), product.parse().unwrap(), name.parse().unwrap()),
        _ => panic!("{text}"),
    }
}

/// The base, changed as a case says: its documents are added or replace, its first lines may be
/// `# remove: <identity>`, `# broken: <identity>` (its file cannot be read), `# unloaded: <product>` and `# owner: <product>` (where its documents stand);
/// `# file: <name>` begins another file, whose documents are added even when they are there already; a file in `rules/` declares rules.
pub(crate) fn scopes(file: &str, text: &str) -> Scopes {
    scopes_on(BASE, file, text)
}

/// As [`scopes`], on another base.
pub(crate) fn scopes_on(base: &str, file: &str, text: &str) -> Scopes {
    let mut scopes = Scopes::default();
    for resource in resources("base.yaml", base) {
        scopes.insert(resource);
    }
    changed(scopes, file, text)
}

/// A platform, changed as a case says. See [`scopes`].
pub(crate) fn changed(mut scopes: Scopes, file: &str, text: &str) -> Scopes {
    let mut parts = text.split("# file: ");
    let owner = text.lines().find_map(|line| line.strip_prefix("# owner: "));
    for mut resource in resources(file, parts.next().unwrap_or_default()) {
        if let Some(owner) = owner.filter(|_| resource.identity.product.is_some()) {
            resource.identity.product = Some(owner.parse().unwrap());
        }
        scopes.replace(resource);
    }
    let own = text.split("# file: ").next().unwrap_or_default();
    scopes.tenant.catalogue = catalogue(file, own).or(scopes.tenant.catalogue);
    for part in parts {
        let (name, text) = part.split_once('\n').unwrap_or((part, ""));
        if name.starts_with("rules/") {
            scopes.tenant.rules.push(RuleFile {
                file: name.into(),
                text: text.into(),
                held: None,
            });
            continue;
        }
        for resource in resources(name, text) {
            scopes.insert(resource);
        }
    }
    let registered: Vec<ProductName> = scopes
        .tenant
        .products()
        .map(|(s, _)| s.identity.name.as_str().parse().unwrap())
        .collect();
    for product in registered {
        scopes
            .products
            .entry(product.clone())
            .or_insert_with(|| ProductScope::new(product));
    }
    for line in text.lines() {
        if let Some(gone) = line.strip_prefix("# remove: ") {
            assert!(scopes.remove(&identity(gone)).is_some(), "{gone}");
        } else if let Some(held) = line.strip_prefix("# broken: ") {
            break_file(&mut scopes, &identity(held));
        } else if let Some(product) = line.strip_prefix("# unloaded: ") {
            scopes.products.remove(product);
        }
    }
    scopes
}

fn break_file(scopes: &mut Scopes, identity: &Identity) {
    scopes.remove(identity);
    let broken = Broken {
        path: "broken.yaml".to_owned(),
        identities: vec![identity.clone()],
        problems: vec!["not YAML".to_owned()],
    };
    match &identity.product {
        Some(product) => scopes.products.get_mut(product).unwrap().broken.push(broken),
        None => scopes.tenant.broken.push(broken),
    }
}
