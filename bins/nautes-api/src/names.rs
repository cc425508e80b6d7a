//! Products and code repositories as people name them: the Go version called them by their number on the forge
//! (`product-560`, `repo-297`), people know them by their path (`shop`, `source`).
//!
//! # Guarantees
//! * A declared name always means what is declared under it, also while its file cannot be read; a path means something
//!   only if nothing else has it. [`nautes_model::forge_path`] is the one place that decides.
//! * What is shown finds the same again.
//! * A name decides about no right: those on a product are those on its group. Which group that is, and what a path
//!   means, is told only to those who may see the product.

pub(crate) mod answer;
pub(crate) mod written;

use axum::http::StatusCode;
use nautes_model::kinds::CodeRepo;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::scope::Broken;
use nautes_model::{Identity, Kind, Meaning, ProductScope, Scopes, TenantScope};
use nautes_vault::keys::legacy_number;
use serde_json::Value;

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, outside};
use crate::policy::gate_group;

/// The fields of answers that name code repositories.
const FIELDS: &[(Kind, &[&str])] = &[
    (Kind::CodeRepo, &["name"]),
    (Kind::CodeRepoBinding, &["coderepo"]),
    (Kind::DeploymentRuntime, &["manifest_source.code_repo"]),
    (
        Kind::ProjectPipelineRuntime,
        &[
            "pipeline_source",
            "event_sources.gitlab.repo_name",
            "additional_resources.git.coderepo",
        ],
    ),
];

/// The longest path of a group.
const MAX_GROUP: usize = 255;

/// Finds the product that a text means: by its name, else by the path of its group. A text that means none yet is the
/// name of one that can be created. Whether the caller may do anything with it is another question.
///
/// # Errors
/// Several have the group, which then means none of them; or the text is not a name; or what is declared cannot be read.
pub(crate) async fn product(app: &App, caller: &Caller, text: &str) -> Result<ProductName, ApiError> {
    let malformed = || ProductName::new(text).map_err(|error| ApiError::malformed(error.to_string()));
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
    if text.len() > MAX_GROUP || !text.bytes().all(fits) {
        return malformed();
    }
    let found = app.platform().find_product(text).await;
    match found.map_err(|error| outside(error.class(), "the product is not known", &error))? {
        Meaning::One(found) => Ok(found),
        Meaning::Nothing => malformed(),
        Meaning::Several(all) => {
            // It is the group of each, so that the rights on each are those on it.
            gate_group(app, caller, text).await?;
            Err(ambiguous(text, "product", &all))
        }
    }
}

/// Finds the code repository of a product that a text means: by its name, else by its path on the forge. A text that
/// means none yet is the name of one that can be created.
///
/// # Errors
/// Several have the path, which then means none of them; or the text is not a name.
pub fn code_repo(scopes: &Scopes, product: &ProductName, text: &str) -> Result<Identity, ApiError> {
    let scope = scopes.products.get(product);
    match scope.map_or(Meaning::Nothing, |scope| scope.find_code_repo(text)) {
        Meaning::One(found) => return Ok(found),
        Meaning::Several(all) => {
            let names: Vec<&ResourceName> = all.iter().map(|found| &found.name).collect();
            return Err(ambiguous(text, &format!("code repository of {product}"), &names));
        }
        Meaning::Nothing => {}
    }
    let name = ResourceName::new(text).map_err(|error| ApiError::malformed(error.to_string()))?;
    Ok(Identity::product(Kind::CodeRepo, product.clone(), name))
}

/// A text means more than one of something.
pub(crate) fn ambiguous(text: &str, what: &str, all: &[impl ToString]) -> ApiError {
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    let message = format!("{text} means more than one {what}");
    ApiError::new(StatusCode::CONFLICT, "AMBIGUOUS_NAME", message)
        .hint(format!("call it by its name: {}", all.join(" or ")))
}

/// It cannot be told what is meant, because a file cannot be read.
pub(crate) fn unreadable(what: &str, file: &Broken) -> ApiError {
    let path = &file.path;
    ApiError::new(
        StatusCode::CONFLICT,
        "UNREADABLE_FILE",
        format!("{what} cannot be told: {path} cannot be read, and may declare it"),
    )
    .with("file", path)
    .hint(format!(
        "mend {path} in its repository, and send the request again"
    ))
}

/// Reads the number of a name in the form `product-<n>` that the Go version gave, without leading zeros.
fn is_legacy_product(name: &str) -> bool {
    let number = name
        .strip_prefix("product-")
        .map(|digits| format!("repo-{digits}"));
    number.is_some_and(|name| legacy_number(&name).is_some())
}

/// Returns the name by which people know a product: its group where its name is a number of the forge and the group
/// means nothing else, else its name.
#[must_use]
pub fn of_product<'a>(tenant: &'a TenantScope, name: &'a str) -> &'a str {
    let group = |name| Some(tenant.product(name)?.1.spec.name.as_str());
    let means_it = |group: &&str| {
        tenant
            .find_product(group)
            .one()
            .is_some_and(|found| found.as_str() == name)
    };
    let group = Some(name).filter(|name| is_legacy_product(name)).and_then(group);
    group
        .filter(|group| !group.is_empty())
        .filter(means_it)
        .unwrap_or(name)
}

/// To who reads, a text that means nothing is a thing that is not there.
#[must_use]
pub fn not_found(mut error: ApiError) -> ApiError {
    if error.status == StatusCode::CONFLICT {
        error.status = StatusCode::NOT_FOUND;
    }
    error
}

/// Returns the name by which people know a code repository: its path where its name is a number of the forge and the
/// path means nothing else, else its name.
#[must_use]
pub fn of_code_repo<'a>(scope: &ProductScope, name: &'a str, repo: &'a CodeRepo) -> &'a str {
    let path = repo.spec.repo_name.as_str();
    let means_it = || {
        scope
            .find_code_repo(path)
            .one()
            .is_some_and(|found| found.name.as_str() == name)
    };
    if !path.is_empty() && legacy_number(name).is_some() && means_it() {
        path
    } else {
        name
    }
}

/// Returns the name by which people know a resource.
#[must_use]
pub fn known_as(scopes: &Scopes, identity: &Identity) -> String {
    let name = identity.name.as_str();
    if identity.kind == Kind::Product {
        return of_product(&scopes.tenant, name).to_owned();
    }
    let scope = identity.product.as_ref().and_then(|p| scopes.products.get(p));
    let found = scope.filter(|_| identity.kind == Kind::CodeRepo);
    let found = found.and_then(|scope| Some((scope, scope.code_repo(name)?.1)));
    found
        .map_or(name, |(scope, repo)| of_code_repo(scope, name, repo))
        .to_owned()
}

/// Puts names that people know in the places of those that are declared.
pub fn show(scopes: &Scopes, kind: Kind, product: Option<&ProductName>, view: &mut Value) {
    let of_product = |name: &str| of_product(&scopes.tenant, name).to_owned();
    let products: &[&str] = if kind == Kind::Product {
        &["name"]
    } else {
        &["product"]
    };
    for field in products {
        each(view, &[field], &mut |text| Some(of_product(text)));
    }
    let Some(product) = product else { return };
    let fields = FIELDS.iter().find(|(of, _)| *of == kind);
    for field in fields.map_or(&[][..], |(_, fields)| fields) {
        let path: Vec<&str> = field.split('.').collect();
        each(view, &path, &mut |text| {
            let prefix = text
                .split_once('/')
                .map_or_else(String::new, |(other, _)| format!("{}/", of_product(other)));
            let (found, repo) = scopes.find_code_repo(product, text)?;
            let scope = scopes.products.get(found.identity.product.as_ref()?)?;
            Some(prefix + of_code_repo(scope, found.identity.name.as_str(), repo))
        });
    }
}

/// Changes every text at a path of fields, through lists.
fn each(at: &mut Value, path: &[&str], change: &mut impl FnMut(&str) -> Option<String>) {
    match (at, path) {
        (Value::Array(items), _) => items.iter_mut().for_each(|item| each(item, path, change)),
        (Value::Object(fields), [first, rest @ ..]) => {
            if let Some(inner) = fields.get_mut(*first) {
                each(inner, rest, change);
            }
        }
        (Value::String(text), []) => {
            if let Some(new) = change(text) {
                *text = new;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use nautes_model::kind::API_VERSION;
    use nautes_model::manifest::{Context, Form, parse_json};
    use serde_json::json;

    use super::*;

    fn scopes(repos: &[(&str, &str)]) -> Scopes {
        let mut scopes = Scopes::default();
        for (name, path) in repos {
            let manifest = json!({ "apiVersion": API_VERSION, "kind": "CodeRepo",
                "metadata": { "name": name }, "spec": { "product": "shop", "repoName": path } });
            let parsed = parse_json(manifest, &Context::new("", Form::Request));
            for resource in parsed.resources {
                scopes.insert(resource);
            }
        }
        scopes
    }

    fn means(scopes: &Scopes, text: &str) -> Result<String, ApiError> {
        let shop = ProductName::new("shop").unwrap();
        code_repo(scopes, &shop, text).map(|found| found.name.to_string())
    }

    #[test]
    fn a_path_that_two_have_means_neither_and_names_go_before_paths() {
        let all = scopes(&[
            ("repo-1", "source"),
            ("repo-2", "twice"),
            ("repo-3", "twice"),
            ("repo-4", "web"),
            ("web", "web-source"),
        ]);
        for (text, name) in [
            ("source", "repo-1"),
            ("repo-1", "repo-1"),
            ("web", "web"),
            ("new", "new"),
        ] {
            assert_eq!(means(&all, text).unwrap(), name);
        }
        let error = means(&all, "twice").unwrap_err();
        assert_eq!(error.status, StatusCode::CONFLICT);
        let told = format!("{error:?}");
        assert!(told.contains("repo-2 or repo-3"), "{told}");
        assert_eq!(
            means(&all, "No Name").unwrap_err().status,
            StatusCode::BAD_REQUEST
        );
    }

    #[test]
    fn what_is_shown_finds_the_same_again() {
        let all = scopes(&[
            ("repo-1", "source"),
            ("repo-2", "twice"),
            ("repo-3", "twice"),
            ("repo-4", "web"),
            ("web", "web-source"),
        ]);
        let shop = ProductName::new("shop").unwrap();
        for (name, shown) in [
            ("repo-1", "source"),
            ("repo-2", "repo-2"),
            ("repo-4", "repo-4"),
            ("web", "web"),
        ] {
            let mut view = json!({ "name": name });
            show(&all, Kind::CodeRepo, Some(&shop), &mut view);
            assert_eq!(view["name"], shown);
            assert_eq!(means(&all, shown).unwrap(), name);
        }
    }

    #[test]
    fn products_of_the_go_version_are_shown_by_a_group_that_means_them_alone() {
        let mut all = Scopes::default();
        for (name, group) in [
            ("product-1", "shop"),
            ("product-2", "twice"),
            ("product-3", "twice"),
            ("product-4", "web"),
            ("web", "web"),
            ("product-05", "five"),
            ("new", "otherwise"),
        ] {
            let manifest = json!({ "apiVersion": API_VERSION, "kind": "Product",
                "metadata": { "name": name }, "spec": { "name": group } });
            for resource in parse_json(manifest, &Context::new("", Form::Git)).resources {
                all.insert(resource);
            }
        }
        for (name, shown) in [
            ("product-1", "shop"),
            ("product-2", "product-2"),
            ("product-4", "product-4"),
            ("web", "web"),
            ("product-05", "product-05"),
            ("new", "new"),
            ("product-9", "product-9"),
        ] {
            assert_eq!(of_product(&all.tenant, name), shown);
            let found = all.tenant.find_product(shown).one();
            assert!(found.is_none_or(|found| found == name), "{shown}");
        }
    }

    #[test]
    fn references_are_shown_in_lists_and_across_products() {
        let all = scopes(&[("repo-1", "source")]);
        let books = ProductName::new("books").unwrap();
        let mut view = json!({ "pipeline_source": "shop/repo-1", "name": "repo-1",
            "event_sources": [{ "gitlab": { "repo_name": "shop/repo-1" } }, { "calendar": {} }] });
        show(&all, Kind::ProjectPipelineRuntime, Some(&books), &mut view);
        assert_eq!(view["pipeline_source"], "shop/source");
        assert_eq!(view["event_sources"][0]["gitlab"]["repo_name"], "shop/source");
        assert_eq!(view["name"], "repo-1");
    }
}
