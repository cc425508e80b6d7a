//! Which resource a user means: `TYPE NAME`, `TYPE/NAME`, `TYPE/PRODUCT/NAME`, `TYPE PRODUCT/NAME`, with `-p`.

use std::collections::BTreeSet;

use nautes_model::kind::KINDS;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Scopes};
use nautes_validate::Graph;

use crate::exit::{Exit, Failure};
use crate::suggest::nearest;

/// A resource as a user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The kind.
    pub kind: Kind,
    /// The product, if it is said.
    pub product: Option<ProductName>,
    /// The name.
    pub name: ResourceName,
}

/// Reads a kind, as a person types it.
///
/// # Errors
/// It is none; the failure names the nearest.
pub fn kind(text: &str) -> Result<Kind, Failure> {
    Kind::find(text).ok_or_else(|| {
        let words = KINDS
            .iter()
            .flat_map(|k| k.short_names.iter().copied().chain([k.name, k.plural]));
        let failure = Failure::usage(format!("{text:?} is not a kind"));
        match nearest(text, words).and_then(Kind::find) {
            Some(near) => failure.hint(format!("did you mean {}?", near.name().to_lowercase())),
            None => {
                let known: Vec<String> = KINDS.iter().map(|k| k.name.to_lowercase()).collect();
                failure.hint(format!("kinds: {}", known.join(", ")))
            }
        }
    })
}

impl Named {
    /// Reads what a user typed: one word or two.
    ///
    /// # Errors
    /// The words do not name one resource.
    pub fn read(words: &[String], product: Option<&ProductName>) -> Result<Self, Failure> {
        let text = words.join("/");
        let shape = || {
            Failure::usage(format!("{:?} does not name a resource", words.join(" ")))
                .hint("write KIND NAME, KIND/NAME or KIND/PRODUCT/NAME, for example env/dev or env/shop/dev")
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (first, own, name) = match parts.as_slice() {
            [kind, name] => (*kind, None, *name),
            [kind, product, name] => (*kind, Some(*product), *name),
            [one] if Kind::find(one).is_some() => return Err(shape()),
            [_] | [] | [_, _, _, ..] => return Err(shape()),
        };
        let kind = kind(first)?;
        let own = own
            .map(|p| ProductName::new(p).map_err(|e| Failure::usage(e.to_string())))
            .transpose()?;
        if own.is_some() && !kind.is_of_product() {
            return Err(
                Failure::usage(format!("a {kind} belongs to the tenant and to no product"))
                    .hint(format!("write {}/{name}", first)),
            );
        }
        let name = ResourceName::new(name).map_err(|e| Failure::usage(e.to_string()))?;
        let product = own.or_else(|| product.cloned()).filter(|_| kind.is_of_product());
        Ok(Self { kind, product, name })
    }

    /// Finds the resource among what is declared, or at least referred to.
    ///
    /// # Errors
    /// There is none, or several products have one; the failure names the nearest, or all.
    pub fn find(&self, scopes: &Scopes, graph: &Graph) -> Result<Identity, Failure> {
        let declared = scopes.iter().map(|s| &s.identity);
        let referred = graph.links().filter_map(|link| link.to.identity());
        let known: BTreeSet<&Identity> = declared.chain(referred).filter(|i| i.kind == self.kind).collect();
        let of_product = |i: &&&Identity| self.product.is_none() || i.product == self.product;
        let found: Vec<&&Identity> = known
            .iter()
            .filter(|i| i.name == self.name)
            .filter(of_product)
            .collect();
        match found.as_slice() {
            [one] => Ok((**one).clone()),
            [] => Err(self.missing(&known)),
            several => {
                let all: Vec<String> = several.iter().map(ToString::to_string).collect();
                Err(
                    Failure::usage(format!("several products have {} {}", self.kind, self.name))
                        .hint(format!("write {}, or -p PRODUCT", all.join(" or "))),
                )
            }
        }
    }

    fn missing(&self, known: &BTreeSet<&Identity>) -> Failure {
        let place = self
            .product
            .as_ref()
            .map_or_else(String::new, |p| format!(" of product {p}"));
        let failure = Failure::new(
            Exit::NotFound,
            format!(
                "there is no {} {:?}{place}",
                self.kind.name().to_lowercase(),
                self.name.as_str()
            ),
        );
        let of_product = known
            .iter()
            .filter(|i| self.product.is_none() || i.product == self.product);
        let names: Vec<String> = of_product.map(ToString::to_string).collect();
        let short = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        let words: Vec<String> = names.iter().map(|n| short(n)).collect();
        if let Some(near) = nearest(self.name.as_str(), words.iter().map(String::as_str)) {
            let at = words.iter().position(|w| w == near).unwrap_or_default();
            return failure.hint(format!("did you mean {}?", names[at]));
        }
        if let Some(other) = known.iter().find(|i| i.name == self.name) {
            return failure.hint(format!("did you mean {other}?"));
        }
        match names.as_slice() {
            [] => failure.hint(format!("nothing of this kind is declared{place}")),
            few if few.len() <= 10 => failure.hint(format!("there are {}", few.join(", "))),
            many => failure.hint(format!("there are {} of this kind{place}", many.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, product: Option<&str>) -> Result<String, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let product = product.map(|p| p.parse().unwrap());
        Named::read(&words, product.as_ref())
            .map(|n| {
                format!(
                    "{} {} {}",
                    n.kind,
                    n.product.map_or_else(|| "-".to_owned(), |p| p.to_string()),
                    n.name
                )
            })
            .map_err(|f| f.message)
    }

    #[test]
    fn every_way_to_name_a_resource_is_understood() {
        for text in ["env dev", "env/dev", "environments dev"] {
            assert_eq!(read(text, None).unwrap(), "Environment - dev");
            assert_eq!(read(text, Some("shop")).unwrap(), "Environment shop dev");
        }
        for text in ["env/shop/dev", "env shop/dev", "Environment/shop/dev"] {
            assert_eq!(read(text, Some("books")).unwrap(), "Environment shop dev");
        }
        assert_eq!(read("cluster live", Some("shop")).unwrap(), "Cluster - live");
    }

    #[test]
    fn what_names_no_resource_is_refused() {
        for text in [
            "",
            "env",
            "env/",
            "a/b/c/d",
            "nonsense/x",
            "cluster/shop/live",
            "env/Dev",
            "env a b c",
        ] {
            assert!(read(text, None).is_err(), "{text}");
        }
    }
}
