//! Products.

use std::collections::BTreeMap;

use nautes_model::Finding;

use super::{Standard, related, say};
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
                    .hint(format!("write `path: {name}`, or leave it out")),
            );
        }
    }
}

fn taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut by_path: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for resource in on.scopes.tenant.resources.iter() {
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
