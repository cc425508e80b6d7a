//! The values of settings, read from texts. What is wrong with a text is said as the end of a sentence about it.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use nautes_model::name::ProductName;

use crate::vault::settings::Home;

/// A method of logging in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    #[default]
    Kubernetes,
    AppRole,
    Jwt,
    TokenFile,
}

impl Method {
    const ALL: [Self; 4] = [Self::Kubernetes, Self::AppRole, Self::Jwt, Self::TokenFile];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::AppRole => "approle",
            Self::Jwt => "jwt",
            Self::TokenFile => "token-file",
        }
    }
}

pub(super) fn method(text: &str) -> Result<Method, String> {
    let found = Method::ALL
        .into_iter()
        .find(|method| method.name() == text.trim());
    found.ok_or_else(|| "is none of kubernetes, approle, jwt, token-file".to_owned())
}

pub(super) fn parsed<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.trim()
        .parse()
        .map_err(|error| format!("cannot be read: {error}"))
}

pub(super) fn filled(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("is empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}

pub(super) fn truth(text: &str) -> Result<bool, String> {
    text.trim()
        .parse()
        .map_err(|_| "is neither true nor false".to_owned())
}

pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    let wrong = || "is no duration of more than nothing: write 500ms, 15s or 1m 30s".to_owned();
    let read: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(read)
        .ok()
        .filter(|found| !found.is_zero())
        .ok_or_else(wrong)
}

pub(super) fn count(text: &str) -> Result<u32, String> {
    match text.trim().parse() {
        Ok(0) | Err(_) => Err("is no number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

pub(super) fn components(text: &str) -> Result<BTreeMap<String, Home>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let read = part.split_once('=').and_then(|(name, home)| {
                let (namespace, account) = home.split_once('/')?;
                let good = |text: &str| !text.is_empty() && !text.contains('/');
                (good(name) && good(namespace) && good(account)).then(|| {
                    let home = Home {
                        namespace: namespace.to_owned(),
                        account: account.to_owned(),
                    };
                    (name.to_owned(), home)
                })
            });
            read.ok_or_else(|| format!("has {part:?}, which is not NAME=NAMESPACE/ACCOUNT"))
        })
        .collect()
}

/// Reads `NAME=A+B, ..`, with what is not empty on both sides.
fn lists<'t>(text: &'t str, form: &str) -> Result<Vec<(&'t str, BTreeSet<String>)>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let read = part.split_once('=').and_then(|(name, values)| {
                let values: Vec<&str> = values.split('+').map(str::trim).collect();
                let good = !name.trim().is_empty() && values.iter().all(|value| !value.is_empty());
                good.then(|| (name.trim(), values.into_iter().map(str::to_owned).collect()))
            });
            read.ok_or_else(|| format!("has {part:?}, which is not {form}"))
        })
        .collect()
}

pub(super) fn audiences(text: &str) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let read = lists(text, "CLUSTER=AUDIENCE+AUDIENCE")?;
    Ok(read
        .into_iter()
        .map(|(name, all)| (name.to_owned(), all))
        .collect())
}

pub(super) fn namespaces(text: &str) -> Result<BTreeMap<(String, ProductName), BTreeSet<String>>, String> {
    const FORM: &str = "CLUSTER/PRODUCT=NAMESPACE+NAMESPACE";
    let read = lists(text, FORM)?.into_iter().map(|(name, all)| {
        let split = name.split_once('/').and_then(|(cluster, product)| {
            Some(((cluster.to_owned(), ProductName::new(product).ok()?), all))
        });
        split.ok_or_else(|| format!("has {name:?}, which is not {FORM}"))
    });
    read.collect()
}
