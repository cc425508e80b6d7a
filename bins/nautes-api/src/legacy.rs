//! The bodies of the per-kind routes: a spec with snake_case names, as the reference has it.
//!
//! Reading accepts both snake_case and camelCase names; what is written has snake_case names with the `name`
//! and, where there is one, the `product` beside the fields of the spec. An empty text that is sent counts as absent,
//! and what is absent is written as empty, as the reference does it.

pub mod example;
pub mod schema;
pub mod shape;

use nautes_model::kind::API_VERSION;
use nautes_model::{Kind, Resource};
use serde_json::{Map, Value, json};

/// Fields whose keys are data of the user and not names of ours.
const MAPS: &[&str] = &[
    "additions",
    "vars",
    "reservedNamespacesAllowedProducts",
    "productAllowedClusterResources",
];

/// Names that do not follow the general rule: (snake, camel).
const ODD: &[(&str, &str)] = &[("coderepo", "codeRepo"), ("parent_id", "parentID")];

/// Turns `snake_case` into `camelCase`.
#[must_use]
pub fn camel(name: &str) -> String {
    if let Some((_, camel)) = ODD.iter().find(|(snake, _)| *snake == name) {
        return (*camel).to_owned();
    }
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = !out.is_empty();
        } else if upper {
            out.extend(c.to_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    out
}

/// Turns `camelCase` into `snake_case`.
#[must_use]
pub fn snake(name: &str) -> String {
    if let Some((snake, _)) = ODD.iter().skip(1).find(|(_, camel)| *camel == name) {
        return (*snake).to_owned();
    }
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

fn rename(value: Value, how: fn(&str) -> String) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| {
                    let is_map = MAPS.contains(&camel(&key).as_str());
                    let value = if is_map { value } else { rename(value, how) };
                    (how(&key), value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| rename(item, how)).collect()),
        other => other,
    }
}

/// Makes a manifest of a request body. The name and product of the URL win over what the body says.
#[must_use]
pub fn manifest(kind: Kind, product: Option<&str>, name: &str, body: Value) -> Value {
    let mut spec = match shape::without_zeros(rename(body, camel)) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    // The reference's clients repeat what the URL says.
    spec.remove("productName");
    spec.insert("name".to_owned(), json!(name));
    if let Some(product) = product {
        if kind == Kind::CodeRepoBinding {
            spec.insert("productName".to_owned(), json!(product));
            // The reference replaces whatever the body says; a grantee of another product can be named here.
            spec.entry("product").or_insert_with(|| json!(product));
        } else {
            spec.insert("product".to_owned(), json!(product));
        }
    }
    if kind == Kind::Product {
        // What a product has as `spec.name` is its group, which for a new one is called as the product.
        let metadata = json!({ "name": name });
        return json!({ "apiVersion": API_VERSION, "kind": kind.name(), "metadata": metadata, "spec": spec });
    }
    json!({ "apiVersion": API_VERSION, "kind": kind.name(), "spec": Value::Object(spec) })
}

/// Shows a resource as the reference answers: the fields of its spec, and its name and product.
#[must_use]
pub fn view(resource: &Resource, product: Option<&str>) -> Value {
    let spec = resource
        .to_json()
        .ok()
        .and_then(|mut value| value.get_mut("spec").map(Value::take))
        .unwrap_or_default();
    let mut out = match rename(spec, snake) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    out.insert("name".to_owned(), json!(resource.name()));
    if let Some(product) = product
        && resource.kind() != Kind::CodeRepoBinding
    {
        out.insert("product".to_owned(), json!(product));
    }
    if let Some(repo) = out.remove("code_repo")
        && resource.kind() == Kind::CodeRepoBinding
    {
        out.insert("coderepo".to_owned(), repo);
    }
    if resource.kind() == Kind::ProjectPipelineRuntime
        && let Some(git) = at(&mut out, &["additional_resources", "git"])
        && let Some(repo) = git.remove("code_repo")
    {
        git.insert("coderepo".to_owned(), repo);
    }
    if let (Resource::Product(product), Some(forge)) = (resource, at(&mut out, &["git", "gitlab"])) {
        let group = Some(product.spec.name.as_str()).filter(|group| !group.is_empty());
        forge
            .entry("path")
            .or_insert_with(|| json!(group.unwrap_or(resource.name())));
    }
    if let (Resource::CodeRepo(repo), Some(forge)) = (resource, at(&mut out, &["git", "gitlab"])) {
        let path = Some(&repo.spec.repo_name).filter(|path| !path.is_empty());
        for field in ["name", "path"] {
            forge
                .entry(field)
                .or_insert_with(|| path.map_or_else(|| json!(resource.name()), |path| json!(path)));
        }
    }
    shape::fill(shape::fields(resource.kind()), &mut out);
    Value::Object(out)
}

/// Adds where a repository is cloned from.
pub fn add_clone_urls(view: &mut Value, http: &str, ssh: &str) {
    if let Some(forge) = view.as_object_mut().and_then(|view| at(view, &["git", "gitlab"])) {
        forge.insert("http_url_to_repo".to_owned(), json!(http));
        forge.insert("ssh_url_to_repo".to_owned(), json!(ssh));
    }
}

fn at<'v>(value: &'v mut Map<String, Value>, path: &[&str]) -> Option<&'v mut Map<String, Value>> {
    path.iter()
        .try_fold(value, |map, key| map.get_mut(*key).and_then(Value::as_object_mut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (s, c) in [
            ("api_server", "apiServer"),
            ("code_repo", "codeRepo"),
            ("name", "name"),
            ("parent_id", "parentID"),
        ] {
            assert_eq!(camel(s), c);
            assert_eq!(snake(c), s);
        }
        assert_eq!(camel("coderepo"), "codeRepo");
        assert_eq!(camel("apiServer"), "apiServer");
    }

    #[test]
    fn keys_of_users_are_left_alone() {
        let body = json!({ "componentsList": { "multi_tenant": { "name": "n", "namespace": "x",
            "additions": { "sync_Resource": "a" } } } });
        let made = manifest(Kind::Cluster, None, "c", body);
        assert_eq!(
            made["spec"]["componentsList"]["multiTenant"]["additions"]["sync_Resource"],
            "a"
        );
    }
}
