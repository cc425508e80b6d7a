//! Code repository bindings.

use nautes_model::{Finding, Resource};

use super::{Standard, same_target, say};
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "BindingRepoForeign",
        summary: "a binding opens a repository of its own product",
        why: "a product that could write a binding for another's repository would grant itself what it likes",
        check: foreign,
    },
    Standard {
        id: "BindingRepoImmutable",
        summary: "the repository of a binding does not change",
        why: "a binding is the permission for one repository; for another, there is another binding",
        check: immutable,
    },
    Standard {
        id: "BindingGrantee",
        summary: "a binding names the product that may use the repository",
        why: "a permission without somebody who has it means nothing",
        check: grantee,
    },
];

fn foreign(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, _) in on.bindings() {
        let Some(repo) = on
            .graph
            .target(&resource.identity, "spec.codeRepo")
            .and_then(|t| t.identity())
        else {
            continue;
        };
        if repo.product != resource.identity.product {
            let message = format!("{} is not of this product", say(repo, &resource.identity));
            out.push(
                on.error(id, resource, "spec.codeRepo", message)
                    .hint("ask the product that owns the repository for a binding in its own configuration"),
            );
        }
    }
}

fn immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, now) in on.bindings() {
        if let Some(Resource::CodeRepoBinding(old)) = on.changed_from(resource).map(|s| &s.resource)
            && old.spec.code_repo != now.spec.code_repo
            && !same_target(on, &resource.identity, "spec.codeRepo")
        {
            let message = format!(
                "the repository changes from {:?} to {:?}",
                old.spec.code_repo, now.spec.code_repo
            );
            out.push(
                on.error(id, resource, "spec.codeRepo", message)
                    .hint("remove the binding and add one of another name"),
            );
        }
    }
}

fn grantee(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, binding) in on.bindings() {
        if binding.spec.product.is_empty() {
            out.push(
                on.error(id, resource, "spec.product", "no product is named")
                    .hint("write `product:` with the product that may use the repository"),
            );
        }
    }
}
