//! Every answer of the tests, held against the description of the API: it has the headers that are described, and no
//! other ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

/// The headers of an answer: their names in lower case, and whether they are always there.
pub(crate) type Headers = BTreeMap<String, bool>;

/// What belongs to the connection, to the body, or to CORS, which is described nowhere.
const OF_HTTP: [&str; 5] = ["content-type", "content-length", "connection", "allow", "vary"];

/// An operation: its path, its method, and the headers of its answers by status.
type Described = (String, String, BTreeMap<String, Headers>);

/// Every operation that is described.
static DESCRIBED: LazyLock<Vec<Described>> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(nautes_api::describe::openapi_text()).unwrap();
    let resolved = |value: &Value| -> Value {
        match value["$ref"].as_str() {
            Some(reference) => document
                .pointer(reference.trim_start_matches('#'))
                .unwrap()
                .clone(),
            None => value.clone(),
        }
    };
    let mut all = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap().iter();
            let answers = answers.map(|(status, answer)| {
                let headers = resolved(answer)["headers"].clone();
                let headers = headers.as_object().unwrap().iter();
                let headers = headers.map(|(name, header)| {
                    let always = resolved(header)["required"].as_bool().unwrap();
                    (name.to_ascii_lowercase(), always)
                });
                (status.clone(), headers.collect())
            });
            all.push((path.clone(), method.to_uppercase(), answers.collect()));
        }
    }
    all
});

/// How well a path fits a template: the number of its parts that are the same; `None` where it does not.
fn fit(template: &str, path: &str) -> Option<usize> {
    let (wanted, found): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != found.len() {
        return None;
    }
    let fits = |(w, f): (&&str, &&str)| w == f || (w.starts_with('{') && !f.is_empty());
    let all = wanted.iter().zip(&found).all(fits);
    all.then(|| wanted.iter().zip(&found).filter(|(w, f)| w == f).count())
}

/// Returns the described headers of an answer; `None` where nothing is described.
pub(crate) fn headers_of(method: &Method, path: &str, status: u16) -> Option<&'static Headers> {
    let method = if *method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    let (_, answers) = DESCRIBED
        .iter()
        .filter(|(_, of, _)| of == method)
        .filter_map(|(template, _, answers)| Some((fit(template, path)?, answers)))
        .max_by_key(|(count, _)| *count)?;
    let found = answers.get(&status.to_string());
    assert!(
        found.is_some(),
        "{method} {path} answers {status}, which is not described"
    );
    found
}

/// Every optional header that is described, with the status.
pub(crate) fn optional() -> BTreeSet<(String, String)> {
    DESCRIBED
        .iter()
        .flat_map(|(.., answers)| answers)
        .flat_map(|(status, headers)| {
            let names = headers.iter().filter(|(_, always)| !**always);
            names.map(move |(name, _)| (name.clone(), status.clone()))
        })
        .collect()
}

/// Holds an answer against its description.
pub(crate) fn hold((method, path): &(Method, String), status: StatusCode, headers: &HeaderMap) {
    let Some(described) = headers_of(method, path, status.as_u16()) else {
        return;
    };
    let of = format!("{method} {path}: {status}");
    for name in headers.keys().map(axum::http::HeaderName::as_str) {
        let known =
            OF_HTTP.contains(&name) || name.starts_with("access-control-") || described.contains_key(name);
        assert!(known, "{of} has {name}, which is not described");
    }
    for name in described
        .iter()
        .filter(|(_, always)| **always)
        .map(|(name, _)| name)
    {
        assert!(
            headers.contains_key(name),
            "{of} lacks {name}, which is described"
        );
    }
}
