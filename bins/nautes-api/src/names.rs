//! Code repositories as people name them: the Go version called them by their number on the forge (`repo-297`), people
//! know them by their path (`source`).
//!
//! # Guarantees
//! * A declared name always means what is declared under it; a path means a repository only if no other has it.
//! * What is shown finds the same repository again.

use axum::http::StatusCode;
use nautes_model::kinds::CodeRepo;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, ProductScope, Scopes};
use nautes_vault::keys::legacy_number;
use serde_json::Value;

use crate::error::ApiError;

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

/// Finds the code repository of a product that a text means: by its name, else by its path on the forge. A text that
/// means none yet is the name of one that can be created.
///
/// # Errors
/// Several have the path, which then means none of them; or the text is not a name.
pub fn code_repo(scopes: &Scopes, product: &ProductName, text: &str) -> Result<Identity, ApiError> {
    if let Some(scope) = scopes.products.get(product) {
        if let Some((found, _)) = scope.find_code_repo(text) {
            return Ok(found.identity.clone());
        }
        let several: Vec<String> = scope
            .code_repos()
            .filter(|(_, repo)| repo.spec.repo_name == text)
            .map(|(found, _)| found.identity.name.to_string())
            .collect();
        if !several.is_empty() {
            let message = format!("{text} means more than one code repository of {product}");
            return Err(ApiError::new(StatusCode::CONFLICT, "AMBIGUOUS_NAME", message)
                .hint(format!("call it by its name: {}", several.join(" or "))));
        }
    }
    let name = ResourceName::new(text).map_err(|error| ApiError::malformed(error.to_string()))?;
    Ok(Identity::product(Kind::CodeRepo, product.clone(), name))
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
            .is_some_and(|(found, _)| found.identity.name.as_str() == name)
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
    let scope = identity.product.as_ref().and_then(|p| scopes.products.get(p));
    let found = scope.filter(|_| identity.kind == Kind::CodeRepo);
    let found = found.and_then(|scope| Some((scope, scope.code_repo(name)?.1)));
    found
        .map_or(name, |(scope, repo)| of_code_repo(scope, name, repo))
        .to_owned()
}

/// Puts names that people know in the places of those that are declared.
pub fn show(scopes: &Scopes, kind: Kind, product: Option<&ProductName>, view: &mut Value) {
    let Some(product) = product else { return };
    let fields = FIELDS.iter().find(|(of, _)| *of == kind);
    for field in fields.map_or(&[][..], |(_, fields)| fields) {
        let path: Vec<&str> = field.split('.').collect();
        each(view, &path, &mut |text| {
            let prefix = text
                .split_once('/')
                .map_or_else(String::new, |(other, _)| format!("{other}/"));
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
