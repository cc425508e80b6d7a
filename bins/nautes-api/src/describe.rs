//! The API described, from the table of operations: for programs (OpenAPI 3.1), as a page, and as a file of the
//! documentation.

mod markdown;
mod openapi;
mod page;
mod schemas;

use std::sync::LazyLock;

use nautes_model::Kind;

use crate::policy::{Action, level};
use crate::routes::answer::{self, Header};
use crate::routes::operation::{Access, ERRORS, Needs, Operation};
use crate::routes::table::table;

pub use openapi::{document, generator};

/// The style of the page.
pub const STYLE: &str = include_str!("describe/style.css");

/// Returns the OpenAPI document as text.
#[must_use]
pub fn openapi_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}", document(&table())));
    &TEXT
}

/// Returns the page for people.
#[must_use]
pub fn page() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| page::render(&table()));
    &TEXT
}

/// Returns the page of the documentation.
#[must_use]
pub fn reference() -> String {
    markdown::render(&table())
}

/// Returns every header of answers once, and which answers have it.
fn headers(table: &[Operation]) -> Vec<(Header, String)> {
    let mut all: Vec<(Header, String)> = answer::EVERY
        .iter()
        .map(|header| (*header, "every answer".to_owned()))
        .collect();
    let own = table
        .iter()
        .flat_map(|operation| operation.headers(200))
        .map(|header| (header, "200".to_owned()));
    let of_failures = ERRORS.iter().flat_map(|(status, _)| {
        let headers = answer::of_failure(*status).iter();
        headers.map(move |header| (*header, status.to_string()))
    });
    for (header, of) in own.chain(of_failures) {
        match all.iter_mut().find(|(known, _)| known.name == header.name) {
            Some((_, known)) if known.split(", ").any(|one| one == of) => {}
            Some((_, known)) => *known = format!("{known}, {of}"),
            None => all.push((header, of)),
        }
    }
    all
}

/// Says what a caller needs.
#[must_use]
pub fn needs(needs: Needs) -> String {
    const ANY: &str = "a token of any user";
    let of = |kind: Kind, action: Action| match level(kind, action) {
        None => ANY.to_owned(),
        Some(level) if kind.is_of_product() || kind == Kind::Product => {
            format!("a token of a user who is at least {level} of the product's group")
        }
        Some(level) => format!("a token of a user who is at least {level} on the tenant repository"),
    };
    match needs {
        Needs::Public => "nothing".to_owned(),
        Needs::Caller => format!("{ANY}; the answer shows what this user may see"),
        Needs::Each => {
            format!("{ANY}, and for each resource of the body what saving or removing it alone needs")
        }
        Needs::Tenant(action) => of(Kind::Cluster, action),
        Needs::Product(action) => of(Kind::Product, action),
        Needs::Resource(kind, Access::Read) => of(kind, Action::Read),
        Needs::Resource(kind, Access::Remove) => of(kind, Action::Remove),
        Needs::Resource(Kind::Product, Access::Save) => format!(
            "{} to create one; to change one, {}",
            of(Kind::Product, Action::Create),
            of(Kind::Product, Action::Change)
        ),
        Needs::Resource(kind, Access::Save) => of(kind, Action::Change),
    }
}
