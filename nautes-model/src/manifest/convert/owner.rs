//! Which product owns a resource.

use super::step::Step;
use super::{Draft, Parts, set};
use crate::crd;
use crate::fix::Action;
use crate::kind::Kind;
use crate::manifest::report::{join, quoted};
use crate::manifest::{Form, rule};
use crate::name::ProductName;
use crate::yaml::{Entry, Node};

impl Draft<'_> {
    /// Finds the product that owns the resource, in every place where it may be given; all must agree.
    pub(super) fn read_owner(&mut self, kind: Kind, parts: &mut Parts) {
        let namespace = self.take_text(&mut parts.metadata, "metadata", "namespace");
        let request = self.context.form == Form::Request;
        if kind == Kind::CodeRepoBinding {
            self.check_product_name(&parts.spec, "product");
        }
        if !kind.is_of_product() {
            return;
        }
        let declares = crd::schema(kind)["properties"]["spec"]["properties"]["product"].is_object()
            && kind != Kind::CodeRepoBinding;
        let wrong_before = self.faults.list.len();
        let mut given: Vec<(&str, Entry)> = Vec::new();
        if request {
            given.extend(
                self.take_request_text(&mut parts.spec, "productName")
                    .map(|e| ("spec.productName", e)),
            );
        }
        if declares || (request && kind == Kind::ProjectArtifactRepo) {
            given.extend(
                self.take_text(&mut parts.spec, "spec", "product")
                    .map(|e| ("spec.product", e)),
            );
        }
        for (field, entry) in &given {
            let only_here = *field == "spec.productName" || !declares;
            if entry.node.as_text() == Some("") && only_here {
                self.left_out(field);
            }
        }
        given.retain(|(_, entry)| entry.node.as_text() != Some(""));
        for (field, entry) in &given {
            self.agree_on_product(field, entry);
        }
        let has_namespace = namespace.as_ref().is_some_and(|e| e.node.as_text() != Some(""));
        match given.as_slice() {
            [(field @ "spec.productName", _)] if declares => {
                self.rename("spec.product", field);
                self.steps.push(Step::Key {
                    path: (*field).to_owned(),
                    key: "product".to_owned(),
                });
            }
            // The product of a binding is the one that is let in; the owner has no field of its own.
            [(field, _), rest @ ..] if !declares => {
                self.read_as_owner(field, has_namespace);
                for (field, _) in rest {
                    self.left_out(field);
                }
            }
            [("spec.productName", _), _] => self.left_out("spec.productName"),
            _ => {}
        }
        if self.product.is_none() && self.faults.list.len() == wrong_before {
            self.product = self.context.product.cloned();
        }
        self.agree_on_context(given.first());
        if let Some(entry) = namespace.filter(|e| e.node.as_text() != Some("")) {
            self.agree_on_namespace(&entry);
        }
        if self.product.is_none() && self.faults.list.len() == wrong_before {
            let hint = if declares {
                "name it in spec.product, or give it by -p PRODUCT"
            } else {
                "give it by -p PRODUCT, or as metadata.namespace: product-NAME"
            };
            let message = format!("nothing says to which product the {kind} belongs");
            self.faults
                .add(rule::PRODUCT, parts.at, "", message, Some(hint.to_owned()));
        }
        if declares && let Some(product) = &self.product {
            // It goes back to where it stood, so that positions stay what they are.
            let entry = given.into_iter().find(|(field, _)| *field == "spec.product");
            parts.spec.push(entry.map_or_else(
                || Entry {
                    key: "product".to_owned(),
                    at: None,
                    node: Node::text(product.as_str(), None),
                },
                |(_, entry)| entry,
            ));
        } else if declares {
            // The fault is reported; that the field is missing is no second one.
            set(&mut parts.spec, "product", "-");
        }
    }

    /// In Git, what has no field for its owner names it by its namespace.
    fn read_as_owner(&mut self, field: &str, has_namespace: bool) {
        self.notes.push(format!("{field} is read as the owner"));
        self.steps.push(match &self.product {
            Some(product) if !has_namespace => Step::Metadata {
                path: field.to_owned(),
                key: "namespace",
                value: Some(product.namespace()),
                stays: false,
            },
            _ => Step::Drop {
                path: field.to_owned(),
            },
        });
    }

    fn check_product_name(&mut self, spec: &[Entry], key: &str) {
        if let Some(entry) = spec.iter().find(|e| e.key == key)
            && let Some(text) = entry.node.as_text().filter(|t| !t.is_empty())
            && let Err(error) = ProductName::new(text)
        {
            self.bad_name(&error, entry.node.at, &join("spec", key));
        }
    }

    fn agree_on_product(&mut self, field: &str, entry: &Entry) {
        let text = entry.node.as_text().unwrap_or_default();
        match (ProductName::new(text), &self.product) {
            (Err(error), _) => self.bad_name(&error, entry.node.at, field),
            (Ok(product), None) => self.product = Some(product),
            (Ok(product), Some(other)) if product != *other => {
                let message = format!("the product is {product} here and {other} elsewhere in the document");
                let hint = Some("name one product".to_owned());
                self.faults
                    .add(rule::PRODUCT, entry.node.at, field, message, hint);
            }
            (Ok(_), Some(_)) => {}
        }
    }

    fn agree_on_context(&mut self, given: Option<&(&str, Entry)>) {
        if let (Some(own), Some(expected)) = (&self.product, self.context.product)
            && own != expected
        {
            let (field, at) = given.map_or(("spec.product", None), |(field, entry)| (*field, entry.node.at));
            let message =
                format!("the resource belongs to product {own}, but product {expected} is meant here");
            let hint = match self.context.form {
                Form::Git => format!("a repository holds the resources of its own product: {expected}"),
                Form::Request => format!("leave out -p, give -p {own}, or name {expected} in the document"),
            };
            self.faults.add(rule::PRODUCT, at, field, message, Some(hint));
        }
    }

    fn agree_on_namespace(&mut self, entry: &Entry) {
        let text = entry.node.as_text().unwrap_or_default();
        let at = entry.node.at;
        match &self.product {
            Some(product) if product.namespace() == text => {}
            Some(product) => {
                let message = format!("the namespace {} is not that of product {product}", quoted(text));
                let hint = Some(format!("leave it out, or write {}", product.namespace()));
                let action = Some(Action::set("metadata.namespace", product.namespace()));
                self.faults
                    .add_mendable(rule::PRODUCT, at, "metadata.namespace", message, hint, action);
            }
            None => match product_of_namespace(text) {
                Some(product) => self.product = Some(product),
                None => {
                    let message = format!("the namespace {} is not that of a product", quoted(text));
                    let hint = Some("the namespace of a product is product-NAME".to_owned());
                    self.faults
                        .add(rule::PRODUCT, at, "metadata.namespace", message, hint);
                }
            },
        }
    }
}

/// Names the product of a namespace. The Go version of Nautes named products `product-<number>`.
fn product_of_namespace(namespace: &str) -> Option<ProductName> {
    let rest = namespace.strip_prefix("product-")?;
    let legacy = rest.bytes().all(|b| b.is_ascii_digit());
    ProductName::new(if legacy { namespace } else { rest }).ok()
}
