//! Who asks, and for what.

use std::fmt;
use std::str::FromStr;

use nautes_model::name::{AccountName, ClusterName, ProductName, ResourceName};
use nautes_model::{Identity, Kind};
use serde::{Serialize, Serializer};

use super::Level;

/// Somebody who may be allowed something. As text: `product:demo`, `project:demo/app`,
/// `account:demo/ci@worker-1`, `group:demo`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A product as a whole: what each of its projects may do.
    Product(ProductName),
    /// A project of a product.
    Project(ProductName, ResourceName),
    /// The machine account of runtimes of a product on a cluster.
    Account {
        /// The product.
        product: ProductName,
        /// The name of the account.
        account: AccountName,
        /// The cluster on which it lives.
        cluster: ClusterName,
    },
    /// The people of a product: the members of its group on the forge.
    Group(ProductName),
}

impl Subject {
    /// Returns the product that it is of.
    #[must_use]
    pub const fn product(&self) -> &ProductName {
        match self {
            Self::Product(product) | Self::Project(product, _) | Self::Group(product) => product,
            Self::Account { product, .. } => product,
        }
    }
}

/// A key of a repository that the secret store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The deploy key that may fetch.
    Readonly,
    /// The deploy key that may fetch and push.
    Readwrite,
    /// The token for the API of the forge. It is the platform's alone.
    AccessToken,
    /// The token that deliveries of the webhook carry. It is the platform's alone.
    Webhook,
}

impl Key {
    /// Every key that a repository may have.
    pub const ALL: [Self; 4] = [Self::Readonly, Self::Readwrite, Self::AccessToken, Self::Webhook];

    /// Returns the level on the repository that the key goes with; `None` for keys that nobody is given.
    #[must_use]
    pub const fn level(self) -> Option<Level> {
        match self {
            Self::Readonly => Some(Level::Read),
            Self::Readwrite => Some(Level::Write),
            Self::AccessToken | Self::Webhook => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Readonly => "readonly",
            Self::Readwrite => "readwrite",
            Self::AccessToken => "accesstoken-api",
            Self::Webhook => "webhook",
        }
    }
}

/// Something that somebody may be allowed to use. As text: `repo:demo/deploy`, `secret:demo/deploy/readonly`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A code repository.
    Repo(Identity),
    /// A key of a code repository in the secret store. Reading is all that anybody is allowed.
    Secret(Identity, Key),
}

impl Item {
    /// Returns the repository that it is, or belongs to.
    #[must_use]
    pub const fn repo(&self) -> &Identity {
        match self {
            Self::Repo(repo) | Self::Secret(repo, _) => repo,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(product) => write!(f, "product:{product}"),
            Self::Project(product, project) => write!(f, "project:{product}/{project}"),
            Self::Account {
                product,
                account,
                cluster,
            } => write!(f, "account:{product}/{account}@{cluster}"),
            Self::Group(product) => write!(f, "group:{product}"),
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |repo: &Identity| match &repo.product {
            Some(product) => format!("{product}/{}", repo.name),
            None => repo.name.to_string(),
        };
        match self {
            Self::Repo(repo) => write!(f, "repo:{}", place(repo)),
            Self::Secret(repo, key) => write!(f, "secret:{}/{}", place(repo), key.as_str()),
        }
    }
}

/// A text names nobody, or nothing, that access is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownText {
    text: String,
    forms: &'static str,
}

impl UnknownText {
    fn new(text: &str, forms: &'static str) -> Self {
        let text = text.chars().take(80).collect();
        Self { text, forms }
    }
}

impl fmt::Display for UnknownText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not {}", self.text, self.forms)
    }
}

impl std::error::Error for UnknownText {}

const SUBJECTS: &str = "product:NAME, project:PRODUCT/NAME, account:PRODUCT/NAME@CLUSTER or group:PRODUCT";
const ITEMS: &str =
    "repo:PRODUCT/NAME or secret:PRODUCT/NAME/KEY (readonly, readwrite, accesstoken-api, webhook)";

impl FromStr for Subject {
    type Err = UnknownText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read_subject(text).ok_or_else(|| UnknownText::new(text, SUBJECTS))
    }
}

impl FromStr for Item {
    type Err = UnknownText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read_item(text).ok_or_else(|| UnknownText::new(text, ITEMS))
    }
}

fn read_subject(text: &str) -> Option<Subject> {
    let (kind, rest) = text.split_once(':')?;
    match kind {
        "product" => Some(Subject::Product(rest.parse().ok()?)),
        "group" => Some(Subject::Group(rest.parse().ok()?)),
        "project" => {
            let (product, project) = rest.split_once('/')?;
            Some(Subject::Project(product.parse().ok()?, project.parse().ok()?))
        }
        "account" => {
            let (product, rest) = rest.split_once('/')?;
            let (account, cluster) = rest.split_once('@')?;
            Some(Subject::Account {
                product: product.parse().ok()?,
                account: account.parse().ok()?,
                cluster: cluster.parse().ok()?,
            })
        }
        _ => None,
    }
}

fn read_item(text: &str) -> Option<Item> {
    let (kind, rest) = text.split_once(':')?;
    let (product, rest) = rest.split_once('/')?;
    let repo = |name: &str| {
        let (product, name) = (product.parse().ok()?, name.parse().ok()?);
        Some(Identity::product(Kind::CodeRepo, product, name))
    };
    match kind {
        "repo" => Some(Item::Repo(repo(rest)?)),
        "secret" => {
            let (name, key) = rest.split_once('/')?;
            let key = Key::ALL.into_iter().find(|k| k.as_str() == key)?;
            Some(Item::Secret(repo(name)?, key))
        }
        _ => None,
    }
}

/// As text, so that what is printed can be asked again.
impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As text, so that what is printed can be asked again.
impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
