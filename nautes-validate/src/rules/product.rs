//! Products.

use std::collections::BTreeMap;

use nautes_model::fix::Action;
use nautes_model::kinds::Product;
use nautes_model::name::ProductName;
use nautes_model::{Finding, Fix, Identity, Kind, Resource, Sourced};

use super::{Standard, related, say, say_all};
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "ProductMismatch",
        summary: "a resource names the product in which it lives",
        why: "a resource that names another product would act as that product",
        check: mismatch,
    },
    Standard {
        id: "ProductPath",
        summary: "the path of a product's group is the name of the product",
        why: "people, the forge and Nautes call a product by one name",
        check: path,
    },
    Standard {
        id: "ProductPathTaken",
        summary: "no two products have the same group",
        why: "the group belongs to one product",
        check: taken,
    },
    Standard {
        id: "ProductNamespaceTaken",
        summary: "no two products have the same namespace",
        why: "the namespace of a product is `product-` and its name, or its name where it begins so already; of two that meet there each would rule the other",
        check: namespace_taken,
    },
    Standard {
        id: "ProductPathImmutable",
        summary: "the group of a product stays while something belongs to the product",
        why: "repositories, keys and history are in the old group; where the group was really moved on the forge, skip this rule for that request",
        check: path_immutable,
    },
    Standard {
        id: "ProductRegistrationImmutable",
        summary: "a product stays with the group that it was registered for",
        why: "the ids on the forge prove that a group is the product and not another of the same name; whoever could change them could pass any group for the product",
        check: registration_immutable,
    },
];

fn mismatch(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for resource in on.resources() {
        let (Some(own), Some(declared)) = (&resource.identity.product, resource.resource.declared_product())
        else {
            continue;
        };
        if own != declared && on.resolver.product(declared).as_ref() != Some(own) {
            let message = format!("names product {declared:?}, but belongs to product {own:?}");
            out.push(
                on.error(id, resource, "spec.product", message)
                    .hint(format!("write `product: {own}`, or save it in the other product")),
            );
        }
    }
}

fn path(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, product) in on.products() {
        let name = resource.identity.name.as_str();
        let path = product
            .spec
            .git
            .as_ref()
            .and_then(|g| g.gitlab.as_ref())
            .and_then(|g| g.path.as_deref())
            .unwrap_or_default();
        if !path.is_empty() && path != name && path != product.spec.name {
            let message = format!("the path {path:?} is not the name of the product, {name:?}");
            out.push(
                on.error(id, resource, "spec.git.gitlab.path", message)
                    .hint(format!("write `path: {name}`, or leave it out"))
                    .fix(Fix::of(resource, Action::set("spec.git.gitlab.path", name))),
            );
        }
    }
}

fn taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut by_path: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for resource in on.of_kind(Kind::Product) {
        if let nautes_model::Resource::Product(product) = &resource.resource {
            let name = resource.identity.name.as_str();
            let path = if product.spec.name.is_empty() {
                name
            } else {
                &product.spec.name
            };
            by_path.entry(path).or_default().push(resource);
        }
    }
    for (path, all) in by_path.into_iter().filter(|(_, all)| all.len() > 1) {
        for (i, resource) in all.iter().enumerate().filter(|(_, r)| on.wants(&r.identity)) {
            let other = if i == 0 { all[1] } else { all[0] };
            let message = format!(
                "the group {path:?} is also that of {}",
                say(&other.identity, &resource.identity)
            );
            let finding = on
                .error(id, resource, "spec.name", message)
                .hint("give one of them another name");
            out.push(related(finding, [&other.identity]));
        }
    }
}

fn namespace_taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut by_namespace: BTreeMap<String, Vec<&Sourced>> = BTreeMap::new();
    for resource in on.of_kind(Kind::Product) {
        if let Ok(name) = ProductName::new(resource.identity.name.as_str()) {
            by_namespace.entry(name.namespace()).or_default().push(resource);
        }
    }
    for (namespace, all) in by_namespace.into_iter().filter(|(_, all)| all.len() > 1) {
        for (i, resource) in all.iter().enumerate().filter(|(_, r)| on.wants(&r.identity)) {
            let other = &if i == 0 { all[1] } else { all[0] }.identity;
            let message = format!(
                "namespace {namespace:?} is also that of {}",
                say(other, &resource.identity)
            );
            let finding = on
                .error(id, resource, "metadata.name", message)
                .hint("choose a name that does not begin with `product-`");
            out.push(related(finding, [other]));
        }
    }
}

/// A product as it was before the change.
fn was<'c>(on: &Checked<'c>, now: &Sourced) -> Option<&'c Product> {
    match &on.changed_from(now)?.resource {
        Resource::Product(was) => Some(was),
        _ => None,
    }
}

fn group<'r>(resource: &'r Sourced, product: &'r Product) -> &'r str {
    if product.spec.name.is_empty() {
        resource.identity.name.as_str()
    } else {
        &product.spec.name
    }
}

fn path_immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, now) in on.products() {
        let Some(was) = was(on, resource) else { continue };
        let (from, to) = (group(resource, was), group(resource, now));
        if from == to {
            continue;
        }
        let inside: Vec<Identity> = on
            .graph
            .direct_dependents(&resource.identity)
            .into_iter()
            .filter(|i| {
                i.product
                    .as_ref()
                    .is_some_and(|p| p.as_str() == resource.identity.name.as_str())
            })
            .collect();
        if !inside.is_empty() {
            let message = format!(
                "the group changes from {from:?} to {to:?} under {}",
                say_all(&inside, &resource.identity)
            );
            let finding = on
                .error(id, resource, "spec.name", message)
                .hint("save a product of the other name and move what belongs to this one");
            out.push(related(finding, &inside));
        }
    }
}

fn registration_immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, now) in on.products() {
        let Some(was) = was(on, resource).and_then(|was| was.spec.registration.as_ref()) else {
            continue;
        };
        let empty = String::new();
        let now = now.spec.registration.as_ref();
        let ids = [
            ("groupId", &was.group_id, now.map_or(&empty, |r| &r.group_id)),
            (
                "repositoryId",
                &was.repository_id,
                now.map_or(&empty, |r| &r.repository_id),
            ),
        ];
        for (field, from, to) in ids.into_iter().filter(|(_, from, to)| from != to) {
            let field = format!("spec.registration.{field}");
            out.push(
                on.error(
                    id,
                    resource,
                    &field,
                    format!("it changes from {from:?} to {to:?}"),
                )
                .hint("leave the registration as Nautes wrote it; for another group, save another product"),
            );
        }
    }
}
